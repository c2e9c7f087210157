//! The table and the files of a small plan.

use super::*;
use crate::plan::tests::{TICK, five_minutes, history, scenario, shop};
use crate::plan::{Gate, run, unpredicted};
use crate::policy::{Policy, SpendRule};
use crate::units::PricePerReplicaHour;

/// Text that would be markup, if it were not escaped.
const HOSTILE: &str = "shop/<script>alert(1)</script>";

fn plan(check: impl FnOnce(&Report<'_>)) {
    plan_of(five_minutes(), check);
}

fn plan_of(mut policy: Policy, check: impl FnOnce(&Report<'_>)) {
    let price = PricePerReplicaHour::parse("0.096").unwrap();
    policy.spend =
        Some(SpendRule { price: price.into(), currency: "EUR".into(), max_per_hour: None, budget: None });
    let scenario =
        Scenario::new(HOSTILE, &policy, None, TICK, history(&shop(7, 5), policy.step, None)).unwrap();
    let outcome = run(&scenario);
    let verdicts: Vec<Verdict> = ["unserved<=50%", "cost<=0.5xhpa"]
        .map(|text| Gate::parse(text).unwrap().judge(&outcome).unwrap())
        .into();
    let notes = ["metric `<b>` has 3 gaps".to_owned()];
    check(&Report { scenario: &scenario, outcome: &outcome, verdicts: &verdicts, notes: &notes });
}

#[test]
fn the_table_has_a_row_for_each_policy() {
    // Without forecasts, so that the figures do not change with the forecaster.
    plan_of(unpredicted(&five_minutes()), |report| insta::assert_snapshot!(table(report)));
}

#[test]
fn decisions_have_one_row_for_each_step_and_policy() {
    plan(|report| {
        let mut out = Vec::new();
        write_decisions(report, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let mut lines = text.lines();
        assert_eq!(
            lines.next().unwrap(),
            "timestamp,policy,demand,desired,ready,unserved,stage,forecast_p50,forecast_p99"
        );
        assert_eq!(lines.clone().count(), 5 * 288 * 8);
        let first: Vec<&str> = lines.next().unwrap().split(',').collect();
        assert_eq!(first[..2], ["2026-01-01T00:00:00Z", "foresail"]);
        assert_eq!(first[6..], ["", "", ""], "nothing is seen at the first step");
        let later: Vec<&str> = lines.nth(8 * 1000 - 1).unwrap().split(',').collect();
        assert_eq!(later[..2], ["2026-01-04T11:20:00Z", "foresail"]);
        let demand: f64 = later[2].parse().unwrap();
        assert_eq!(demand.to_bits(), report.scenario.demand_at(1000).to_bits(), "numbers survive the file");
        assert!(!later[6].is_empty() && later[7].parse::<f64>().unwrap() <= later[8].parse().unwrap());
    });
}

#[test]
fn the_json_holds_the_figures_and_reads_back() {
    plan(|report| {
        let json = PlanJson::new(report);
        let read: PlanJson = serde_json::from_str(&serde_json::to_string(&json).unwrap()).unwrap();
        assert_eq!(read, json);
        assert_eq!((json.step_seconds, json.lead_seconds), (300, 600));
        assert_eq!((json.from.as_str(), json.to.as_str()), ("2026-01-02T06:00:00Z", "2026-01-06T00:00:00Z"));
        assert_eq!(json.currency.as_deref(), Some("EUR"));
        let ours = &json.policies[0];
        assert!((ours.cost.unwrap() - 0.096 * ours.replica_hours).abs() < 1e-6);
        assert_eq!(json.gates.iter().map(|gate| gate.kept).collect::<Vec<_>>(), [true, false]);
    });
}

#[test]
fn the_page_escapes_what_users_write_and_names_no_address() {
    plan(|report| {
        let page = page(report);
        assert!(!page.contains("<script") && !page.contains("<b>"), "markup of the user");
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(page.contains("Content-Security-Policy") && page.contains("default-src 'none'"));
        for loading in ["http:", "https:", "src=", "href=", "url(", "@import"] {
            assert!(!page.contains(loading), "`{loading}` in the page");
        }
        for name in ["foresail", "hpa-best", "schedule", "oracle"] {
            assert!(page.contains(&format!(">{name}<")), "{name}");
        }
        assert_eq!(page.matches("<svg").count(), 4, "cost, all time, hardest day twice");
        assert!(!page.contains("NaN") && !page.contains("inf"));
        assert!(page.len() < 400_000, "{} bytes", page.len());
    });
}

#[test]
fn a_flat_demand_without_a_price_makes_a_page_too() {
    let scenario = scenario(&five_minutes(), &[0.0; 300], 10);
    let outcome = run(&scenario);
    let report = Report { scenario: &scenario, outcome: &outcome, verdicts: &[], notes: &[] };
    let page = page(&report);
    assert!(
        !page.contains("NaN") && page.matches("<svg").count() == 2,
        "a day and an hour have no hardest day"
    );
    assert!(table(&report).lines().all(|line| !line.contains("cost")));
    assert_eq!(PlanJson::new(&report).currency, None);
}
