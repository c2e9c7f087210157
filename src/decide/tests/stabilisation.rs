//! The windows.

use super::*;

#[test]
fn holds_a_decrease_at_the_highest_of_the_window() {
    let mut policy = policy();
    policy.behavior.down.window = Span::from_seconds(60);
    let path = follow(&policy, 20, 700.0, 7);
    // The first recommendation is 10 at once; nothing higher was recommended before.
    assert_eq!(path.first(), Some(&10));
    let mut track = Track::begin(at(0), replicas(20));
    let mut evidence = Vec::new();
    let mut asked = replicas(20);
    let mut changed_at = None;
    for i in 1..=8_i64 {
        let metrics = [seen(value(700.0, 15 * i), None)];
        let situation = situation(at(15 * i), asked, &metrics);
        asked = decide(&policy, &situation, &mut evidence, &mut track).desired;
        if asked == replicas(10) {
            changed_at.get_or_insert(15 * i);
        }
    }
    assert_eq!(changed_at, Some(60), "the recommendation of 20 at 0 s leaves the window at 60 s");
}

#[test]
fn the_scale_up_window_holds_back_only_the_reactive_answer() {
    let mut policy = policy();
    policy.behavior.up.window = Span::from_seconds(60);
    let mut track = Track { to: replicas(10), ..Track::default() };
    let mut evidence = Vec::new();
    let calm = [seen(value(700.0, 0), None)];
    let asked = replicas(10);
    let now = |seconds: i64, metrics| situation(at(seconds), asked, metrics);
    decide(&policy, &now(0, &calm), &mut evidence, &mut track);
    let burst = [seen(value(1400.0, 15), None)];
    let held = decide(&policy, &now(15, &burst), &mut evidence, &mut track);
    assert_eq!(held.desired, replicas(10));
    assert_eq!(held.bound_by(), Stage::Stabilise);
    let outlook = sure(-30, &[1500.0; 60]);
    let known = [seen(value(1400.0, 30), Some(&outlook))];
    let raised = decide(&policy, &now(30, &known), &mut evidence, &mut track);
    assert_eq!(raised.desired, replicas(15));
}

#[test]
fn what_a_forecast_kept_ready_is_not_kept_for_a_window_more() {
    let mut policy = policy();
    policy.behavior.down.window = Span::from_seconds(300);
    let mut track = Track { to: replicas(20), ..Track::default() };
    let (mut evidence, asked) = (Vec::new(), replicas(20));
    let mut peak = vec![700.0; 10];
    peak.resize(60, 2000.0);
    let mut decided = |seconds: i64, path: &[f64]| {
        let outlook = sure(seconds - 60, path);
        let metrics = [seen(value(700.0, seconds), Some(&outlook))];
        let situation = situation(at(seconds), asked, &metrics);
        decide(&policy, &situation, &mut evidence, &mut track).desired
    };
    assert_eq!(decided(0, &peak), asked, "the peak is within lead and hold");
    assert_eq!(decided(60, &[700.0; 60]), replicas(8), "it is not to come any more, and 8 were recommended");
}

/// Seen on the HPA of Kubernetes 1.37: without a value it makes no recommendation.
#[test]
fn a_missing_value_does_not_begin_the_scale_up_window_anew() {
    let mut policy = policy();
    policy.behavior.up.window = Span::from_seconds(60);
    let mut track = Track::begin(at(0), replicas(10));
    let (mut evidence, asked) = (Vec::new(), replicas(10));
    let mut desired = Vec::new();
    for i in 0..=4_i64 {
        let reading = match i {
            0 => value(700.0, 0),
            3 => Reading::Absent(Absence::Empty),
            _ => value(1000.0, 15 * i),
        };
        let metrics = [seen(reading, None)];
        let situation = situation(at(15 * i), asked, &metrics);
        desired.push(decide(&policy, &situation, &mut evidence, &mut track).desired.get());
    }
    assert_eq!(desired, [10, 10, 10, 10, 15], "the recommendation of 10 at 0 s leaves the window at 60 s");
}

/// Windows are kept in a few entries whatever passes through them; a course that only rises, or only falls, has a new
/// extreme at every tick.
#[test]
fn a_steady_ramp_leaves_a_window_within_a_thirteenth_of_it() {
    for (window, every) in [(300, 15), (300, 1), (3600, 15), (1800, 60)] {
        let window = Span::from_seconds(window);
        let mut track = Track::begin(at(0), Replicas::new(5000));
        let mut policy = policy();
        (policy.behavior.up.window, policy.behavior.down.window) = (window, window);
        let late = window.seconds().div_ceil(13);
        for tick in 0..4 * window.seconds() / every {
            let seconds = tick * every;
            let now = at(seconds.cast_signed());
            let of = |n: u64| Replicas::new(u32::try_from(n).unwrap());
            let lowest = track.lowest_of_window(now, window, of(seconds)).get();
            let highest = track.highest_of_window(now, window, of(5000 - seconds / 4)).get();
            track.prune(now, &policy);
            assert!(
                track.up.len() <= 16 && track.down.len() <= 16,
                "{} {}",
                track.up.len(),
                track.down.len()
            );
            let (earliest, oldest) = (
                seconds.saturating_sub(window.seconds() + late),
                (seconds + every).saturating_sub(window.seconds()),
            );
            assert!((earliest..=oldest).contains(&u64::from(lowest)), "{window} {seconds}: {lowest}");
            let fallen = 4 * u64::from(5000 - highest);
            assert!(
                (earliest.saturating_sub(4)..=oldest + 4).contains(&fallen),
                "{window} {seconds}: {highest}"
            );
        }
    }
}
