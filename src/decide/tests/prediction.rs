//! What a forecast raises and keeps.

use super::*;

#[test]
fn a_raise_is_made_one_lead_before_the_step_that_needs_it() {
    // Demand is 500 for five more steps and 2000 from the sixth on; lead is 3 steps.
    let mut path = vec![500.0; 5];
    path.resize(60, 2000.0);
    let mut raised_at = None;
    for i in 0..6_i64 {
        let shift = usize::try_from(i).unwrap();
        let outlook = sure(60 * i - 60, path.get(shift..).unwrap());
        let metrics = [seen(value(500.0, 60 * i), Some(&outlook))];
        let mut track = Track { to: replicas(6), ..Track::default() };
        let situation = situation(at(60 * i), replicas(6), &metrics);
        let decision = decide(&policy(), &situation, &mut Vec::new(), &mut track);
        if decision.desired > replicas(6) {
            raised_at.get_or_insert(i);
        }
    }
    // Step 6 begins at 300 s; it is asked for at 120 s, when the sample of 60 s is the newest.
    assert_eq!(raised_at, Some(2));
}

/// A decision at 5 replicas that may add 2 in each `period`, where demand is 500 for `steps` and 1500 from then on.
fn slowly_up(period: Span, steps: usize) -> Decision {
    let mut policy = policy();
    policy.behavior.up.policies = vec![RatePolicy { amount: RateAmount::Pods(2), period }];
    let mut path = vec![500.0; steps];
    path.resize(60, 1500.0);
    decide_once(&policy, 5, &[seen(value(500.0, 0), Some(&sure(-60, &path)))])
}

#[test]
fn the_backward_pass_starts_early_where_the_rates_are_slow() {
    let decision = slowly_up(Span::from_seconds(60), 10);
    // 15 are needed in step 11; from step 4 (lead) there are 7 steps of 2 to climb: 15 - 14 = 1, so 5 suffice.
    assert_eq!(decision.predicted, Some(replicas(5)));
    assert_eq!(decision.desired, replicas(6), "present demand at 95 %");
    let decision = slowly_up(Span::from_seconds(60), 6);
    // Needed in step 7, three steps after lead: 15 - 6 = 9 must be asked for now; the rate allows 7.
    assert_eq!(decision.predicted, Some(replicas(9)));
    assert_eq!(decision.desired, replicas(7));
}

#[test]
fn the_backward_pass_knows_periods_longer_than_a_step() {
    let decision = slowly_up(Span::from_minutes(3), 9);
    // 15 are needed in step 9; from step 3 (lead) 2 may be added, and 2 three steps later: 15 - 4 = 11.
    assert_eq!(decision.predicted, Some(replicas(11)));
}

#[test]
fn a_release_waits_for_every_step_of_lead_and_hold() {
    let mut path = vec![500.0; 12];
    path.push(1200.0);
    path.resize(60, 500.0);
    let outlook = sure(-60, &path);
    let metrics = [seen(value(500.0, 0), Some(&outlook))];
    assert_eq!(decide_once(&policy(), 14, &metrics).desired, replicas(12));
    // A peak beyond lead + hold (3 + 10 steps) is no reason to stay.
    let mut path = vec![500.0; 20];
    path.resize(60, 1200.0);
    let outlook = sure(-60, &path);
    let metrics = [seen(value(500.0, 0), Some(&outlook))];
    assert!(decide_once(&policy(), 14, &metrics).desired < replicas(12));
}

#[test]
fn active_never_goes_under_present_demand_at_floor_utilization() {
    let outlook = sure(-60, &[100.0; 60]);
    let decision = decide_once(&policy(), 10, &[seen(value(950.0, 0), Some(&outlook))]);
    assert_eq!(decision.desired, replicas(10));
    let outlook = sure(-60, &[100.0; 60]);
    let decision = decide_once(&policy(), 10, &[seen(value(951.0, 0), Some(&outlook))]);
    assert_eq!(decision.desired, replicas(11));
}

#[test]
fn floor_mode_never_goes_below_the_reactive_answer() {
    let mut policy = policy();
    policy.mode = Mode::Floor;
    let low = sure(-60, &[100.0; 60]);
    assert_eq!(decide_once(&policy, 10, &[seen(value(840.0, 0), Some(&low))]).desired, replicas(12));
    let high = sure(-60, &[1800.0; 60]);
    assert_eq!(decide_once(&policy, 10, &[seen(value(840.0, 0), Some(&high))]).desired, replicas(18));
}

#[test]
fn active_keeps_the_reactive_answer_while_a_stated_capacity_has_drifted() {
    let mut policy = policy();
    let low = sure(-60, &[100.0; 60]);
    let answer = |policy: &Policy| decide_once(policy, 10, &[seen(value(840.0, 0), Some(&low))]).desired;
    assert_eq!(answer(&policy), replicas(9), "present demand at 95 %, and nothing more is expected");
    policy.metrics[0].drifted = CapacityPerReplica::new(80.0);
    assert_eq!(answer(&policy), replicas(12));
}

#[test]
fn an_untrusted_forecast_changes_nothing() {
    let outlook = sure(-60, &[5000.0; 60]);
    let mut untrusted = seen(value(700.0, 0), Some(&outlook));
    untrusted.trusted = false;
    let with = decide_once(&policy(), 10, &[untrusted]);
    let without = decide_once(&policy(), 10, &[seen(value(700.0, 0), None)]);
    assert_eq!(with.desired, without.desired);
}

#[test]
fn a_fall_that_the_forecast_did_not_expect_stops_at_its_p05() {
    let outlook = sure(-60, &[300.0; 60]);
    let mut metric = seen(value(300.0, 0), Some(&outlook));
    metric.p05_earlier = Demand::new(1000.0);
    let decision = decide_once(&policy(), 14, &[metric]);
    assert_eq!(decision.desired, replicas(10));
}

#[test]
fn a_known_ramp_is_followed_without_evidence() {
    let mut path = vec![500.0; 7];
    path.resize(60, 1500.0);
    let outlook = sure(-300, &path);
    let metric = seen(Reading::Absent(Absence::Unreachable), Some(&outlook));
    let decision = decide_once(&policy(), 6, &[metric]);
    assert_eq!(decision.desired, replicas(12), "15 are wanted, the rate allows 12");
    let flat = sure(-300, &[100.0; 60]);
    let metric = seen(Reading::Absent(Absence::Unreachable), Some(&flat));
    assert_eq!(decide_once(&policy(), 6, &[metric]).desired, replicas(6), "nothing falls");
}
