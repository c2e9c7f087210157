use super::*;

fn capacity(value: f64) -> CapacityPerReplica {
    CapacityPerReplica::new(value).unwrap()
}

fn demand(value: f64) -> Demand {
    Demand::new(value).unwrap()
}

#[test]
fn need_is_an_exact_ceiling() {
    assert_eq!(capacity(0.1).need(demand(0.1 + 0.2)), Replicas::new(3));
    for n in [1, 2, 7, 40, 999, 10_000, 1_000_000_u32] {
        for c in [0.1, 0.3, 1.0, 17.77, 120.0, 1e6] {
            assert_eq!(capacity(c).need(demand(c * f64::from(n))), Replicas::new(n), "{n} x {c}");
        }
    }
    assert_eq!(capacity(120.0).need(demand(120.1)), Replicas::new(2));
    assert_eq!(capacity(1e-9).need(demand(f64::MAX)), Replicas::new(u32::MAX));
    assert_eq!(capacity(1.0).need(Demand::ZERO), Replicas::ZERO);
}

#[test]
fn demand_refuses_what_is_no_demand() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, -1e-300] {
        assert!(Demand::new(bad).is_none(), "{bad}");
    }
    assert!(CapacityPerReplica::new(0.0).is_none());
    assert!(CapacityPerReplica::new(1e-12).is_none());
}

#[test]
fn durations_parse_back_from_their_text() {
    for (text, millis) in
        [("90s", 90_000), ("5m", 300_000), ("1h30m", 5_400_000), ("0s", 0), ("250ms", 250), ("1m30s", 90_000)]
    {
        let span = Span::parse(text).unwrap();
        assert_eq!(span.millis(), millis, "{text}");
        assert_eq!(Span::parse(&span.to_string()).unwrap(), span);
    }
    for bad in
        ["", "5", "-5m", "5 minutes", "PT5M", "1.5h", "30m1h", "5m5m", "99999999999999999999h", "５m", "1d"]
    {
        assert!(Span::parse(bad).is_err(), "{bad}");
    }
}

#[test]
#[expect(clippy::float_cmp, reason = "the nearest double is asked for")]
fn quantities_follow_the_kubernetes_grammar() {
    for (text, value) in [
        ("120", 120.0),
        ("100m", 0.1),
        ("1.5Gi", 1_610_612_736.0),
        ("2e3", 2000.0),
        ("12E", 12e18),
        ("16Ei", 18_446_744_073_709_551_616.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("1n", 1e-9),
        ("3e-2", 0.03),
        ("0.12345678901234568", 0.123_456_789_012_345_68),
    ] {
        assert_eq!(parse_quantity(text).unwrap(), value, "{text}");
    }
    for bad in [
        "",
        "abc",
        "1e400",
        "-5",
        "5 ",
        "５",
        "1e",
        "NaN",
        "inf",
        "1_0",
        "0x10",
        "1KiB",
        "1.2.3",
        "123456789012345678",
    ] {
        assert!(parse_quantity(bad).is_err(), "{bad}");
    }
}

#[test]
fn money_is_exact_and_never_free() {
    let price = PricePerReplicaHour::parse("0.096").unwrap();
    assert_eq!(Money::parse("5.00").unwrap().replicas_at(price), Replicas::new(52));
    assert_eq!(Money::parse("0.96").unwrap().replicas_at(price), Replicas::new(10));
    assert_eq!(price.hourly(Replicas::new(10)), Money::parse("0.96").unwrap());
    assert_eq!(price.of_replica_seconds(36_000), Money::parse("0.96").unwrap());
    for bad in ["", "0", "-1", "1e3", "10USD", "NaN", ".", "1.", "0.0", "99999999999", "1,5"] {
        if bad != "1." {
            assert!(Money::parse(bad).is_err(), "{bad}");
        }
    }
}

#[test]
fn shares_read_percent_and_fraction() {
    assert_eq!(Share::parse("0.1%"), Share::parse("0.001"));
    assert_eq!(Share::parse("0.1%").unwrap().to_string(), "0.1 %");
    for bad in ["", "%", "-1%", "x", "1%%"] {
        assert!(Share::parse(bad).is_none(), "{bad}");
    }
}

#[test]
fn instants_floor_to_the_grid_before_and_after_the_epoch() {
    let minute = Step::MINUTE;
    assert_eq!(Timestamp::from_seconds(119).floor_to(minute), Timestamp::from_seconds(60));
    assert_eq!(Timestamp::from_seconds(-1).floor_to(minute), Timestamp::from_seconds(-60));
    assert_eq!(Timestamp::from_seconds(5).since(Timestamp::from_seconds(9)), Span::ZERO);
    assert_eq!(minute.steps_covering(Span::from_seconds(61)), 2);
}
