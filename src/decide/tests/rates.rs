//! Rate policies, by the HPA's golden vectors.

use super::*;

/// PEERS 2.1: default up-limit from 1, 2, 4, 5, 10.
#[test]
fn default_up_limits_are_the_hpas() {
    for (asked, limit) in [(1, 5), (2, 6), (4, 8), (5, 10), (10, 20)] {
        assert_eq!(reactive_answer(&policy(), asked, 1e6), limit, "from {asked}");
    }
}

/// PEERS 2.1: from 10 with 5 added in the last 15 s the limit is 10.
#[test]
fn what_was_added_within_the_period_counts() {
    let mut track = Track { to: replicas(5), ..Track::default() };
    track.record_change(at(-10), replicas(5), replicas(10));
    let limit = rate::up_limit(&policy(), replicas(10), &track, at(0));
    assert_eq!(limit, replicas(10));
    assert_eq!(rate::up_limit(&policy(), replicas(10), &track, at(5)), replicas(20));
}

/// PEERS 2.1: down with Pods 4/60 + Percent 10/60 from 80 to 10.
#[test]
fn two_down_policies_give_the_golden_ladder() {
    let mut policy = policy();
    let period = Span::from_seconds(60);
    policy.behavior.down.policies = vec![
        RatePolicy { amount: RateAmount::Pods(4), period },
        RatePolicy { amount: RateAmount::Percent(10), period },
    ];
    let mut path = follow(&policy, 80, 700.0, 4 * 16);
    path.dedup();
    assert_eq!(path, [72, 64, 57, 51, 45, 40, 36, 32, 28, 24, 20, 16, 12, 10]);
}

#[test]
fn disabled_means_no_change_in_that_direction() {
    let mut policy = policy();
    policy.behavior.down.select = SelectPolicy::Disabled;
    assert_eq!(reactive_answer(&policy, 10, 0.0), 10);
    policy.behavior.up.select = SelectPolicy::Disabled;
    assert_eq!(reactive_answer(&policy, 10, 9000.0), 10);
}

#[test]
fn min_takes_the_smaller_change() {
    let mut policy = policy();
    policy.behavior.up.select = SelectPolicy::Min;
    assert_eq!(reactive_answer(&policy, 10, 9000.0), 14);
}
