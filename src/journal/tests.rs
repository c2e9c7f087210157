//! Lines: read back as they were written, decided again as they were decided, and what is wrong with bad ones.

use proptest::prelude::*;

use super::*;
use crate::decide::tests::{policy, replicas, seen, value};
use crate::decide::{MetricObservation, Reading};
use crate::engine::tests::{any_forecast, any_policy, any_reading, observe};
use crate::engine::tick;
use crate::forecast::QuantileForecast;

const OWNER: Owner<'_> = Owner { namespace: "shop", name: "web" };

fn record(
    policy: &Policy,
    asked: u32,
    reading: Reading,
    outlook: Option<&QuantileForecast>,
    memory: &Memory,
) -> Record {
    let metrics: [MetricObservation<'_>; 1] = [seen(reading, outlook)];
    let observation = observe(0, asked, &metrics);
    Record::of(OWNER, policy, &observation, memory, &tick(policy, &observation, memory))
}

fn a_line() -> String {
    record(&policy(), 10, value(1234.5, 0), None, &Memory::default()).line().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// RELIABILITY I63: the recorded inputs of every decision give that decision.
    #[test]
    fn i63_what_a_line_holds_gives_the_decision_it_holds(
        policy in any_policy(), asked in 0..150_u32, first in any_reading(), reading in any_reading(),
        outlook in prop::option::of(any_forecast())
    ) {
        let before = record(&policy, asked, first, outlook.as_ref(), &Memory::default());
        let made = record(&policy, asked, reading, outlook.as_ref(), &before.after);
        let line = made.line().unwrap();
        let again = read(&line).unwrap().unwrap();
        prop_assert_eq!(again.line().unwrap(), line, "every number is read back as the same one");
        prop_assert_eq!(again.difference(), None);
    }
}

#[test]
fn readings_that_are_no_numbers_are_kept_as_they_were() {
    for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0] {
        let line = record(&policy(), 10, value(x, 0), None, &Memory::default()).line().unwrap();
        let again = read(&line).unwrap().unwrap();
        assert_eq!(again.line().unwrap(), line);
        assert_eq!(again.difference(), None, "{x}");
    }
}

#[test]
fn what_differs_is_named_with_its_place() {
    let mut other = record(&policy(), 10, value(1234.5, 0), None, &Memory::default());
    other.decision.desired = replicas(77);
    let difference = other.difference().unwrap();
    assert_eq!(
        difference.to_string(),
        "decision.desired: the log has 77, derived again it is 18",
        "{difference:?}"
    );
    let mut other = record(&policy(), 10, value(1234.5, 0), None, &Memory::default());
    other.policy.bounds = crate::units::ReplicaBounds::new(replicas(1), replicas(12)).unwrap();
    assert_eq!(other.difference().unwrap().path, "decision.boundBy");
    let mut other = record(&policy(), 10, value(1234.5, 0), None, &Memory::default());
    other.after.intent_id += 1;
    assert_eq!(other.difference().unwrap().path, "after.intentId");
}

#[test]
fn a_line_of_somebody_else_is_none_and_a_bad_one_says_what_to_do() {
    assert_eq!(read(""), Ok(None));
    assert_eq!(read("{\"level\":\"INFO\",\"message\":\"the operator starts\"}"), Ok(None));
    let line = a_line();
    let cut = line.get(..line.len() / 2).unwrap();
    assert!(read(cut).unwrap_err().to_string().contains("cut the log at whole lines"));
    let later = line.replacen("\"decisionLog\":1", "\"decisionLog\":2", 1);
    assert!(read(&later).unwrap_err().to_string().contains("this version reads `1`"), "{later}");
    let wrong = line.replacen("\"mode\":\"Active\"", "\"mode\":\"Brave\"", 1);
    assert!(read(&wrong).unwrap_err().to_string().contains("unknown variant `Brave`"));
    let crossed = line.replacen("\"min\":1", "\"min\":500", 1);
    assert!(read(&crossed).unwrap_err().to_string().contains("`500` to `100` are no bounds"));
}
