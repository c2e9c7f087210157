//! What an HPA would ask for, by its golden vectors.

use super::*;

/// PEERS 2.1 rules 6 and 7 for AverageValue: tolerance is a closed interval on total / (target * current).
#[test]
fn tolerance_is_closed_on_both_ends() {
    let policy = policy();
    for (asked, x, expected) in [
        (10, 770.0, 10), // ratio 1.10: inside
        (10, 770.1, 12), // just outside: ceil(770.1 / 70)
        (10, 630.0, 10), // ratio 0.90: inside
        (10, 629.9, 9),  // ceil(629.9 / 70)
        (4, 560.0, 8),   // ceil(560 / 70)
        (1, 0.0, 1),     // bounds hold at zero
        (5, 350.0, 5),
    ] {
        assert_eq!(reactive_answer(&policy, asked, x), expected, "asked {asked}, demand {x}");
    }
}

#[test]
fn tolerance_is_read_per_direction() {
    let mut policy = policy();
    policy.behavior.up.tolerance = Share::from_percent(0);
    policy.behavior.down.tolerance = Share::from_percent(50);
    assert_eq!(reactive_answer(&policy, 10, 701.0), 11);
    assert_eq!(reactive_answer(&policy, 10, 360.0), 10);
    assert_eq!(reactive_answer(&policy, 10, 340.0), 5);
}

#[test]
fn the_largest_of_several_metrics_wins() {
    let mut policy = policy();
    policy.metrics.push(metric("cores"));
    let decision = decide_once(&policy, 10, &[seen(value(350.0, 0), None), seen(value(840.0, 0), None)]);
    assert_eq!(decision.desired, replicas(12));
}

/// Rule 8: any invalid and max below current: no change; a scale-up with some invalid is allowed.
#[test]
fn one_absent_metric_stops_decreases_and_no_increase() {
    let mut policy = policy();
    policy.metrics.push(metric("cores"));
    let absent = || seen(Reading::Absent(Absence::Empty), None);
    let down = decide_once(&policy, 10, &[seen(value(100.0, 0), None), absent()]);
    assert_eq!(down.desired, replicas(10));
    let up = decide_once(&policy, 10, &[seen(value(1400.0, 0), None), absent()]);
    assert_eq!(up.desired, replicas(20));
}
