//! `foresail forecast --csv` as a user runs it, and the example of the library.

#![expect(clippy::unwrap_used, reason = "helpers of tests stop at the first surprise")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::scratch;

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600;

/// Demand of the `i`th five minutes, a daily wave with a ripple; an hour of the second day is missing.
fn demand(i: i64) -> Option<f64> {
    let n = i32::try_from(i).unwrap();
    let wave = 1.2 - (f64::from(n % 288) / 288.0 * std::f64::consts::TAU).cos();
    (!(300..312).contains(&i)).then(|| 700.0 * wave + f64::from(n * 7919 % 97))
}

/// Five days; absent values are empty, or their rows left out.
fn trace(empty: bool) -> String {
    let rows = (0..5 * 288).filter_map(|i| {
        let at = START + 300 * i;
        demand(i).map_or_else(|| empty.then(|| format!("{at},\n")), |value| Some(format!("{at},{value}\n")))
    });
    format!("timestamp,value\n{}", rows.collect::<String>())
}

fn forecast(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foresail"));
    command.current_dir(dir).arg("forecast").args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn printed(dir: &Path, arguments: &[&str]) -> String {
    let output = forecast(dir, arguments);
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn json_of_a_csv_is_the_answer_of_the_line_protocol_and_the_table_has_its_numbers() {
    let dir = scratch("forecast-json");
    fs::write(dir.join("trace.csv"), trace(true)).unwrap();
    let asked = [
        "--csv",
        "trace.csv",
        "--horizon",
        "25m",
        "--quantiles",
        "0.05,0.5,0.99",
        "--time-zone",
        "Europe/Berlin",
    ];
    let answer = |text: &str| {
        let mut answer: Value = serde_json::from_str(text).unwrap();
        assert!(answer.as_object_mut().unwrap().remove("ms").unwrap().is_f64());
        answer
    };
    let ours = answer(&printed(&dir, &[&asked[..], &["-o", "json"]].concat()));
    let values: Vec<Option<f64>> = (0..5 * 288).map(demand).collect();
    let request = json!({
        "id": "trace.csv", "step_seconds": 300, "start": "2026-01-01T00:00:00Z", "values": values, "horizon": 5,
        "quantiles": [0.05, 0.5, 0.99], "time_zone": "Europe/Berlin",
    });
    fs::write(dir.join("requests.jsonl"), request.to_string()).unwrap();
    assert_eq!(ours, answer(&printed(&dir, &["--requests", "requests.jsonl"])));

    fs::write(dir.join("sparse.csv"), trace(false)).unwrap();
    let sparse = printed(&dir, &["--csv", "sparse.csv", asked[2], asked[3], "--time-zone", "Europe/Berlin"]);
    let table = printed(&dir, &asked);
    let rows: Vec<Vec<&str>> = table.lines().take(6).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["step", "p05", "p50", "p99"]);
    assert_eq!((rows[1][0], rows[5][0]), ("2026-01-06T00:00:00Z", "2026-01-06T00:20:00Z"));
    for (i, row) in rows[1..].iter().enumerate() {
        for (cell, key) in row[1..].iter().zip(["0.05", "0.5", "0.99"]) {
            let exact = ours["quantiles"][key][i].as_f64().unwrap();
            let shown: f64 = cell.parse().unwrap();
            assert!(
                (shown - exact).abs() <= 0.51 * exact / 999.0,
                "{key} of step {i}: {shown} is not {exact}"
            );
        }
    }
    let median = |text: &str| text.lines().nth(1).unwrap().split_whitespace().nth(2).unwrap().to_owned();
    assert_eq!(median(&sparse), median(&table), "a row left out is a gap, as an empty value is");
}

#[test]
fn a_drawing_has_the_history_the_band_and_sentences_in_80_columns_where_there_is_no_terminal() {
    let dir = scratch("forecast-plot");
    fs::write(dir.join("trace.csv"), trace(true)).unwrap();
    let text = printed(&dir, &["--csv", "trace.csv", "--horizon", "2h", "--plot"]);
    let (drawing, sentences) = text.split_once("\n\n").unwrap();
    assert!(drawing.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert_eq!(drawing.lines().map(|line| line.chars().count()).max(), Some(80), "{text}");
    for mark in ['━', '▒', '┼', '┤'] {
        assert!(drawing.lines().skip(1).any(|line| line.contains(mark)), "`{mark}` in\n{text}");
    }
    assert!(drawing.chars().any(|c| ('\u{2801}'..'\u{28ff}').contains(&c) && c != '⠒'), "{text}");
    assert!(drawing.contains("23:00") && drawing.contains("00:00"), "{text}");
    let subjects: Vec<&str> = sentences.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    assert_eq!(subjects, ["Forecast", "History", "Experts", "Coverage", "Trust", "Ladder"]);
    for expected in [
        "over the 2h from 2026-01-06T00:00:00Z",
        "trace.csv, 5 days in steps of 5m",
        "12 of 1440 steps have no reading",
        "daily since 2026-01-03T00:00:00Z",
        "from 2026-01-15T00:00:00Z on",
    ] {
        assert!(sentences.contains(expected), "`{expected}` in\n{sentences}");
    }
}

#[test]
fn days_ahead_are_told_drawn_and_written_and_a_history_that_is_too_short_says_so() {
    let dir = scratch("forecast-days");
    fs::write(dir.join("trace.csv"), trace(true)).unwrap();
    let asked = ["--csv", "trace.csv", "--step", "1h", "--horizon", "14d"];
    let answer: Value =
        serde_json::from_str(&printed(&dir, &[&asked[..], &["-o", "json"]].concat())).unwrap();
    let median = answer["quantiles"]["0.5"].as_array().unwrap();
    assert_eq!((median.len(), answer["id"].as_str()), (14 * 24, Some("trace.csv")));
    for (h, value) in median.iter().enumerate() {
        let hour = i64::try_from(h % 24).unwrap();
        let usual = (12 * hour..12 * hour + 12).filter_map(demand).sum::<f64>() / 12.0;
        let said = value.as_f64().unwrap();
        assert!((said - usual).abs() < 0.05 * usual + 30.0, "{h} hours ahead: {said} instead of {usual}");
    }
    let table = printed(&dir, &asked);
    assert_eq!(table.lines().filter(|line| line.starts_with("2026-01-")).count(), 14 * 24);
    assert!(table.contains("Experts: none beyond seven days"), "{table}");
    let drawing = printed(&dir, &[&asked[..], &["--plot", "--html", "days.html"]].concat());
    assert!(
        drawing.contains("over the 336h from 2026-01-06T00:00:00Z") && drawing.contains('━'),
        "{drawing}"
    );
    assert!(fs::read_to_string(dir.join("days.html")).unwrap().contains("<svg"));

    let two_days = trace(true).lines().take(577).collect::<Vec<_>>().join("\n");
    fs::write(dir.join("short.csv"), two_days).unwrap();
    for (arguments, expected) in [
        (["--csv", "short.csv", "--step", "1h", "--horizon", "8d"], "shorter than 4 days"),
        (["--csv", "trace.csv", "--step", "10s", "--horizon", "8d"], "choose a longer one with --step"),
    ] {
        let output = forecast(&dir, &arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains(expected), "{}", said(&output));
    }
}

#[test]
fn a_page_holds_the_forecast_and_names_no_address() {
    let dir = scratch("forecast-page");
    fs::write(dir.join("trace.csv"), trace(true)).unwrap();
    let text = printed(&dir, &["--csv", "trace.csv", "--html", "forecast.html"]);
    assert!(text.starts_with("Forecast: over the 1h"), "{text}");
    let page = fs::read_to_string(dir.join("forecast.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("default-src 'none'"));
    for loading in ["http:", "https:", "//", "src=", "href=", "url(", "@import", "<script"] {
        assert!(!page.contains(loading), "`{loading}` in the page");
    }
    let row = "<td>2026-01-06T00:55:00Z</td>";
    assert!(page.contains(row) && page.matches("<svg").count() == 2 && !page.contains("NaN"));
}

#[test]
fn a_bad_csv_is_refused_with_every_line_and_a_remedy() {
    let dir = scratch("forecast-bad");
    let cases = [
        (
            "2026-01-01T00:00:00Z,1\n2026-01-01T00:00:00Z,2\n2026-01-01T00:01:00Z,-1\n",
            vec![
                "line 3: `2026-01-01T00:00:00Z` was given on line 2",
                "keep one sample",
                "line 4: `-1` is negative",
            ],
        ),
        ("2026-01-01T00:00:00Z,1\nyesterday,2\n", vec!["line 3: `yesterday` is no instant", "write it as"]),
        ("", vec!["line 1: the file holds no sample"]),
        ("2026-01-01T00:00:00Z,1e30\n", vec!["`1e30` at 2026-01-01T00:00:00Z", "correct its unit"]),
    ];
    for (rows, expected) in cases {
        fs::write(dir.join("trace.csv"), format!("timestamp,value\n{rows}")).unwrap();
        for how in [&["-o", "json"][..], &["--plot", "--html", "forecast.html"]] {
            let output = forecast(&dir, &[&["--csv", "trace.csv"], how].concat());
            let text = said(&output);
            assert_eq!(output.status.code(), Some(1), "{text}");
            for part in ["`trace.csv` has problems"].iter().chain(&expected) {
                assert!(text.contains(part), "`{part}` in {text}");
            }
            assert!(output.stdout.is_empty() && !dir.join("forecast.html").exists());
        }
    }
}

#[test]
fn options_that_say_nothing_are_usage_errors() {
    let dir = scratch("forecast-usage");
    fs::write(dir.join("trace.csv"), trace(true)).unwrap();
    for (arguments, expected) in [
        (&["--plot"][..], "--csv <FILE>"),
        (&["--csv", "trace.csv", "--requests", "-"], "cannot be used with"),
        (&["--csv", "trace.csv", "--plot", "-o", "json"], "cannot be used with"),
        (&["--csv", "trace.csv", "--horizon", "721h"], "at most thirty days"),
        (&["--csv", "trace.csv", "--horizon", "31d"], "at most thirty days"),
        (&["--csv", "trace.csv", "--horizon", "0d"], "at most thirty days"),
        (&["--csv", "trace.csv", "--horizon", "0s"], "at most thirty days"),
        (&["--csv", "trace.csv", "--step", "1500ms"], "whole seconds"),
        (&["--csv", "trace.csv", "--quantiles", "0.5,95"], "between 0 and 1"),
        (&["--csv", "trace.csv", "--time-zone", "CEST"], "no IANA time zone"),
    ] {
        let output = forecast(&dir, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(said(&output).contains(expected), "{}", said(&output));
    }
}

/// Built by cargo, as README says; it takes the library as it was built for this test.
fn example(arguments: &[&Path]) -> Output {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args([
        "run",
        "--quiet",
        "--offline",
        "--example",
        "forecast",
        "--",
    ]);
    // What cargo says to this test would make build scripts think that they moved.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo.args(arguments).output().unwrap()
}

#[test]
fn the_example_prints_the_next_hour_of_a_seeded_series_and_of_a_csv() {
    let dir = scratch("forecast-example");
    let output = example(&[]);
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["step", "p50", "p90", "p99"]);
    assert_eq!((rows[1][0], rows[6][0]), ("2026-01-15T00:09:00Z", "2026-01-15T00:59:00Z"));
    for row in &rows[1..7] {
        let numbers: Vec<f64> = row[1..].iter().map(|cell| cell.parse().unwrap()).collect();
        assert!((85.0..125.0).contains(&numbers[0]), "the wave's night is about 100: {row:?}");
        assert!(numbers[0] < numbers[1] && numbers[1] < numbers[2], "{row:?}");
    }
    assert!(rows[7].starts_with(&["learned", "up", "to", "`weekly`,"]), "{text}");

    let csv = dir.join("trace.csv");
    let minutes = (0..90).map(|i| format!("2026-01-01T{:02}:{:02}:00Z,40\n", i / 60, i % 60));
    fs::write(&csv, format!("timestamp,value\n{}", minutes.collect::<String>())).unwrap();
    let output = example(&[&csv]);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(
        text.contains("2026-01-01T01:39:00Z     40.0") && text.contains("`cold-start`"),
        "{text}{}",
        said(&output)
    );
    fs::write(&csv, "timestamp,value\nnow,1\n").unwrap();
    let output = example(&[&csv]);
    assert!(!output.status.success() && said(&output).contains("line 2"), "{}", said(&output));
}
