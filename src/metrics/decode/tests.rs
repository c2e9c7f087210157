//! Tables of answers: each row is a body and what it must become.

use super::*;
use Absence::{Empty, Malformed, ManySeries, SourceError};

fn vector(value: &str) -> String {
    let series = format!(r#"{{"metric":{{"job":"a"}},"value":{value}}}"#);
    format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{series}]}}}}"#)
}

fn of_type(kind: &str, result: &str) -> String {
    format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#)
}

fn value_of(body: &str) -> Result<f64, Absence> {
    instant(body.as_bytes()).map(|sample| sample.value).map_err(|refusal| refusal.absence)
}

fn absence_of(body: &str) -> Absence {
    value_of(body).unwrap_err()
}

#[test]
fn a_value_is_taken_only_in_the_form_of_prometheus() {
    for (text, number) in [
        ("1", 1.0),
        ("-1", -1.0),
        ("0.5", 0.5),
        ("1e+06", 1e6),
        ("1.7976931348623157e308", f64::MAX),
        ("5e-324", 5e-324),
        ("+Inf", f64::INFINITY),
        ("Inf", f64::INFINITY),
        ("-Inf", f64::NEG_INFINITY),
    ] {
        assert_eq!(value_of(&vector(&format!(r#"[1700000000,"{text}"]"#))), Ok(number), "{text}");
    }
    assert!(value_of(&vector(r#"[1700000000,"NaN"]"#)).unwrap().is_nan());
    for text in [
        "", " 1", "1 ", "abc", "1_0", "0x1p3", "infinity", "inf", "nan", "-NaN", "+1", ".5", "5.", "1e",
        "e5", "1e999", "--1", "1,5", "١",
    ] {
        assert_eq!(absence_of(&vector(&format!(r#"[1700000000,"{text}"]"#))), Malformed, "{text:?}");
    }
}

#[test]
fn a_value_of_another_shape_is_malformed() {
    for value in [
        r"[1700000000,1.5]",
        r"[1700000000,null]",
        r"[1700000000,[]]",
        r"[1700000000,{}]",
        r"[1700000000,true]",
        r"[]",
        r"[1700000000]",
        r#"[1700000000,"1",2]"#,
        r"null",
        r#""1""#,
        r"{}",
        r#"[null,"1"]"#,
        r#"["1700000000","1"]"#,
        r#"[-1,"1"]"#,
        r#"[1e18,"1"]"#,
        r#"[1e999,"1"]"#,
    ] {
        assert_eq!(absence_of(&vector(value)), Malformed, "{value}");
    }
}

#[test]
fn the_time_of_a_sample_is_rounded_to_milliseconds() {
    for (time, millis) in [
        ("1700000000", 1_700_000_000_000),
        ("1700000000.678", 1_700_000_000_678),
        ("1700000000.6789999999", 1_700_000_000_679),
        ("0", 0),
    ] {
        let sample = instant(vector(&format!(r#"[{time},"1"]"#)).as_bytes()).unwrap();
        assert_eq!(sample.at, Timestamp::from_millis(millis), "{time}");
    }
}

#[test]
fn the_type_of_the_result_decides() {
    assert_eq!(absence_of(&of_type("vector", "[]")), Empty);
    let two = r#"[{"metric":{"a":"1"},"value":[1,"1"]},{"metric":{"a":"2"},"value":[1,"1"]}]"#;
    assert_eq!(absence_of(&of_type("vector", two)), ManySeries);
    assert_eq!(value_of(&of_type("scalar", r#"[1700000000,"2"]"#)), Ok(2.0));
    assert_eq!(value_of(&of_type("scalar", r#"[1700000000.5,"2"]"#)), Ok(2.0));
    for (kind, result) in [
        ("scalar", r"[1700000000]"),
        ("scalar", r#"[1700000000,"x"]"#),
        ("scalar", r#"[1700000000,"2",3]"#),
        ("scalar", r#"[-1,"2"]"#),
        ("string", r#"[1700000000,"2"]"#),
        ("matrix", r#"[{"metric":{},"values":[[1700000000,"2"]]}]"#),
        ("vector", r#"[1700000000,"2"]"#),
        ("vector", r#"[{"metric":{},"values":[[1700000000,"2"]]}]"#),
        ("vector", r#"[{"metric":{},"histogram":[1700000000,{"count":"2"}]}]"#),
        ("vector", r#"[{"metric":{},"value":[1700000000,"2"],"histogram":[1700000000,{"count":"2"}]}]"#),
        ("vector", r#"[{"metric":[],"value":[1700000000,"2"]}]"#),
        ("vector", r#"[{"value":[1700000000,"2"]}]"#),
        ("vector", "null"),
        ("vector", "{}"),
        ("streams", "[]"),
        ("", "[]"),
    ] {
        assert_eq!(absence_of(&of_type(kind, result)), Malformed, "{kind} {result}");
    }
    assert_eq!(absence_of(r#"{"status":"success","data":{"result":[]}}"#), Malformed);
    assert_eq!(absence_of(r#"{"status":"success","data":{"resultType":"vector"}}"#), Malformed);
    assert_eq!(absence_of(r#"{"status":"success","data":null}"#), Malformed);
    assert_eq!(absence_of(r#"{"status":"success"}"#), Malformed);
    let backwards =
        r#"{"data":{"result":[{"value":[1,"3"],"metric":{}}],"resultType":"vector"},"status":"success"}"#;
    assert_eq!(value_of(backwards), Ok(3.0), "the order of keys has no meaning");
}

#[test]
fn the_status_decides_before_the_data() {
    let sample = r#""data":{"resultType":"vector","result":[{"metric":{},"value":[1,"1"]}]}"#;
    for status in [r#""status":"error","errorType":"execution","error":"boom","#, r#""status":"error","#] {
        assert_eq!(absence_of(&format!("{{{status}{sample}}}")), SourceError);
    }
    assert_eq!(
        absence_of(r#"{"status":"error","data":7}"#),
        SourceError,
        "data of a failure are not looked at"
    );
    for status in [r#""status":"ok","#, r#""status":null,"#, r#""status":1,"#, ""] {
        assert_eq!(absence_of(&format!("{{{status}{sample}}}")), Malformed, "{status}");
    }
}

#[test]
fn a_warning_makes_it_partial_and_an_info_does_not() {
    let with = |extra: &str| {
        let body = vector(r#"[1,"1"]"#).replacen('{', &format!("{{{extra},"), 1);
        instant(body.as_bytes()).map(|sample| sample.warning).map_err(|refusal| refusal.absence)
    };
    assert_eq!(with(r#""warnings":["store b\u0007 is\ndown","c"]"#), Ok(Some("store b is down".to_owned())));
    assert_eq!(with(r#""warnings":[""]"#), Ok(Some(String::new())), "partial, though it says nothing");
    assert_eq!(with(r#""infos":["metric might not be a counter"]"#), Ok(None));
    assert_eq!(with(r#""warnings":[]"#), Ok(None));
    assert_eq!(with(r#""warnings":null"#), Ok(None));
    assert_eq!(with(r#""warnings":"all""#), Err(Malformed));
}

#[test]
fn an_answer_cut_anywhere_is_malformed() {
    let golden = vector(r#"[1700000000.25,"12.5"]"#);
    assert_eq!(value_of(&golden), Ok(12.5));
    for end in 0..golden.len() {
        assert_eq!(absence_of(&golden[..end]), Malformed, "cut at {end}");
    }
    let matrix = of_type("matrix", r#"[{"metric":{"job":"a"},"values":[[1,"1"],[2,"2"]]}]"#);
    assert_eq!(range(matrix.as_bytes()).unwrap().points.len(), 2);
    for end in 0..matrix.len() {
        assert_eq!(range(&matrix.as_bytes()[..end]).unwrap_err().absence, Malformed, "cut at {end}");
    }
}

#[test]
fn a_second_document_a_duplicate_key_and_depth_are_malformed() {
    let golden = vector(r#"[1,"1"]"#);
    for after in ["x", "{}", "]", "\0", &golden] {
        assert_eq!(absence_of(&format!("{golden}{after}")), Malformed, "{after:?}");
    }
    assert_eq!(value_of(&format!(" {golden}\n")), Ok(1.0), "white space is no document");
    for (key, twice) in [
        (r#""status":"success""#, r#""status":"error","status":"success""#),
        (r#""resultType":"vector""#, r#""resultType":"matrix","resultType":"vector""#),
        (r#""value":[1,"1"]"#, r#""value":[1,"0"],"value":[1,"1"]"#),
        (r#""data":{"#, r#""data":{"resultType":"vector","result":[]},"data":{"#),
        (r#""metric":{"#, r#""metric":{},"metric":{"#),
    ] {
        assert!(golden.contains(key));
        assert_eq!(absence_of(&golden.replace(key, twice)), Malformed, "{twice}");
    }
    let deep = 100_000;
    assert_eq!(absence_of(&"[".repeat(deep)), Malformed);
    assert_eq!(absence_of(&"{\"data\":".repeat(deep)), Malformed);
    let nested = format!("{}{}", "[".repeat(deep), "]".repeat(deep));
    assert_eq!(absence_of(&of_type("vector", &nested)), Malformed);
    assert_eq!(absence_of(&vector(&nested)), Malformed);
}

#[test]
fn bytes_that_are_no_text_are_malformed() {
    let golden = vector(r#"[1,"1"]"#);
    let mut broken = golden.clone().into_bytes();
    let place = golden.find("job").unwrap();
    broken[place] = 0xff;
    assert_eq!(instant(&broken).unwrap_err().absence, Malformed);
    let utf16: Vec<u8> = golden.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(instant(&utf16).unwrap_err().absence, Malformed);
    assert_eq!(absence_of(&golden.replace("\"success\"", r#""\ud800""#)), Malformed);
}

#[test]
fn notes_repeat_nothing_but_the_words_of_prometheus() {
    let note = |body: &str| instant(body.as_bytes()).unwrap_err().note;
    let said = r#"{"status":"error","errorType":"bad_data","error":"1:5: parse\terror\u0000 \u202e!"}"#;
    assert_eq!(note(said), "bad_data: 1:5: parse error !");
    assert_eq!(error_text(said.as_bytes()).unwrap(), note(said));
    let other = r#"{"status":"error","errorType":"vault","error":"token s.123"}"#;
    assert_eq!(note(other), Absence::SourceError.words());
    assert_eq!(error_text(other.as_bytes()), None);
    assert_eq!(error_text(b"<html>secret</html>"), None);
    for body in [
        "<html>secret</html>",
        r#"{"secret":"secret"}"#,
        r#"{"status":"secret"}"#,
        &vector(r#"[1,"secret"]"#),
    ] {
        assert!(!note(body).contains("secret"), "{}", note(body));
    }
    let long = format!(r#"{{"status":"error","errorType":"execution","error":"{}"}}"#, "ü".repeat(100_000));
    assert!(note(&long).len() <= NOTE_BYTES_MAX && note(&long).len() > NOTE_BYTES_MAX - 2);
}

#[test]
fn of_a_list_without_end_only_the_first_are_kept() {
    let many = vec![r#"{"metric":{},"value":[1,"1"]}"#; 10_000].join(",");
    let body = of_type("vector", &format!("[{many}]"));
    let Data { result, .. } = data(&body).ok().unwrap();
    assert_eq!((result.kept.len(), result.n), (3, 10_000));
    assert_eq!(absence_of(&body), ManySeries);
    assert_eq!(absence_of(&body.replace("\"1\"]}]", "\"x\"]}]")), Malformed, "the others are still checked");
}

#[test]
fn a_range_holds_at_most_one_series_of_floats() {
    let points = |result: &str| {
        range(of_type("matrix", result).as_bytes()).map(|it| it.points).map_err(|it| it.absence)
    };
    assert_eq!(points("[]"), Ok(Vec::new()));
    let two = [(Timestamp::from_seconds(60), 1.0), (Timestamp::from_seconds(120), 2.0)];
    assert_eq!(points(r#"[{"metric":{},"values":[[60,"1"],[120,"2"]]}]"#), Ok(two.to_vec()));
    assert_eq!(points(r#"[{"metric":{},"values":[]}]"#), Ok(Vec::new()));
    assert_eq!(points(r#"[{"metric":{},"values":[]},{"metric":{},"values":[]}]"#), Err(ManySeries));
    for result in [
        r#"[{"metric":{},"histograms":[[60,{"count":"1"}]]}]"#,
        r#"[{"metric":{},"values":[[60,"1"]],"histograms":[[60,{"count":"1"}]]}]"#,
        r#"[{"metric":{},"value":[60,"1"]}]"#,
        r#"[{"metric":{}}]"#,
        r#"[{"metric":{},"values":[[60,"1"],[120,2]]}]"#,
    ] {
        assert_eq!(points(result), Err(Malformed), "{result}");
    }
    assert_eq!(range(vector(r#"[1,"1"]"#).as_bytes()).unwrap_err().absence, Malformed);
}
