use proptest::prelude::*;

use super::*;

static AT: std::sync::LazyLock<Share> = std::sync::LazyLock::new(|| Share::from_percent(80));

/// A service whose replicas are used to `0.05 + 0.75 d / serves` at demand `d` each: at 80 % they serve `serves`.
#[derive(Clone, Copy)]
struct Service {
    serves: f64,
    /// Readings lie so far to both sides of it, in shares of use.
    noise: f64,
    template: u32,
}

struct World {
    capacity: Capacity,
    minute: i64,
}

impl World {
    fn new() -> Self {
        Self { capacity: Capacity::default(), minute: 0 }
    }

    /// Minutes in which ten replicas each serve from `low` to `high` and back, once an hour.
    fn run(&mut self, minutes: i64, service: Service, (low, high): (f64, f64)) {
        for _ in 0..minutes {
            let part = f64::from(u32::try_from((self.minute % 60 - 30).abs()).unwrap()) / 30.0;
            let density = (high - low).mul_add(part, low);
            let sign: f64 = if self.minute % 2 == 0 { 1.0 } else { -1.0 };
            let used = 0.75_f64.mul_add(density / service.serves, 0.05) * sign.mul_add(service.noise, 1.0);
            self.look(10, density, used, service.template);
        }
    }

    fn look(&mut self, ready: u32, density: f64, used: f64, template: u32) {
        let now = Timestamp::from_seconds(1_700_000_000 + 60 * self.minute);
        let demand = Demand::new(density * f64::from(ready)).unwrap();
        self.capacity.note(Use { now, demand, ready: Replicas::new(ready), used, template }, *AT);
        self.minute += 1;
    }

    fn learned(&self) -> Option<f64> {
        self.capacity.learned().map(CapacityPerReplica::get)
    }
}

const DAY: i64 = 1440;

fn service(serves: f64) -> Service {
    Service { serves, noise: 0.02, template: 1 }
}

#[test]
fn after_a_day_the_capacity_is_a_little_under_what_a_replica_serves() {
    let mut world = World::new();
    world.run(DAY, service(100.0), (20.0, 99.0));
    assert_eq!(world.learned(), None, "a day has not passed");
    world.run(2, service(100.0), (20.0, 99.0));
    let learned = world.learned().unwrap();
    assert!((93.0..=99.0).contains(&learned), "{learned}");
    let told = world.capacity.told(*AT);
    assert!((told.serves.unwrap().line - 100.0).abs() < 1.0, "{told:?}");
}

#[test]
fn it_is_never_more_than_what_was_seen_under_at() {
    let mut world = World::new();
    world.run(2 * DAY, service(100.0), (20.0, 60.0));
    let learned = world.learned().unwrap();
    assert!((55.0..=60.0).contains(&learned), "{learned}");
    // What was only seen beyond `at` says nothing of what may be served.
    let told = world.capacity.told(*AT);
    world.run(60, service(100.0), (110.0, 130.0));
    assert!(world.capacity.told(*AT).highest <= told.highest, "{:?}", world.capacity.told(*AT));
}

#[test]
fn it_rises_by_five_per_cent_a_day_and_falls_at_once() {
    let mut world = World::new();
    world.run(DAY + 2, service(100.0), (20.0, 50.0));
    let first = world.learned().unwrap();
    world.run(DAY, service(100.0), (20.0, 99.0));
    let second = world.learned().unwrap();
    assert!((1.045..=1.0501).contains(&(second / first)), "{first} {second}");
    // A new template that serves half: what was learned stands until it is seen, an hour later it has fallen.
    let slower = Service { serves: 40.0, template: 2, ..service(0.0) };
    world.run(30, slower, (20.0, 38.0));
    assert_eq!(world.learned(), Some(second));
    world.run(60, slower, (20.0, 38.0));
    let fallen = world.learned().unwrap();
    assert!((34.0..=40.0).contains(&fallen), "{fallen}");
}

#[test]
fn a_new_template_that_was_seen_at_night_only_takes_nothing_back() {
    let mut world = World::new();
    world.run(2 * DAY, service(100.0), (20.0, 99.0));
    let before = world.learned().unwrap();
    // The same use of the same demand, and no more than a quarter of it.
    world.run(300, Service { template: 2, ..service(100.0) }, (10.0, 25.0));
    assert_eq!(world.learned(), Some(before));
    assert_eq!(world.capacity.told(*AT).serves, None);
}

#[test]
fn a_stated_capacity_drifts_under_nine_tenths_and_until_it_is_served_again() {
    let stated = CapacityPerReplica::new(120.0).unwrap();
    let mut world = World::new();
    world.run(2 * DAY, service(112.0), (20.0, 90.0));
    assert_eq!(world.capacity.drift(stated, *AT), None, "0.93 of it");
    world.run(300, Service { template: 2, ..service(84.0) }, (20.0, 80.0));
    let found = world.capacity.drift(stated, *AT).unwrap().get();
    assert!((83.0..=85.0).contains(&found), "{found}");
    // A new template is not taken to be better before it is seen.
    world.run(30, Service { template: 3, ..service(112.0) }, (20.0, 80.0));
    assert!(world.capacity.drift(stated, *AT).is_some());
    world.run(300, Service { template: 3, ..service(112.0) }, (20.0, 80.0));
    assert!(world.capacity.drift(stated, *AT).is_some(), "0.93 ends no drift");
    world.run(300, Service { template: 4, ..service(118.0) }, (20.0, 80.0));
    assert_eq!(world.capacity.drift(stated, *AT), None);
}

#[test]
fn replicas_that_come_and_go_percentages_and_noise_teach_nothing() {
    let mut moving = World::new();
    for minute in 0..2 * DAY {
        let ready = 5 + u32::try_from(minute % 2).unwrap();
        moving.look(ready, 50.0, 0.5, 1);
    }
    assert_eq!((moving.learned(), moving.capacity.told(*AT).looks), (None, 0));
    let mut percent = World::new();
    for _ in 0..2 * DAY {
        percent.look(5, 50.0, 50.0, 1);
    }
    assert_eq!((percent.learned(), percent.capacity.told(*AT).looks), (None, 0));
    let mut noisy = World::new();
    noisy.run(2 * DAY, Service { noise: 0.9, ..service(100.0) }, (20.0, 99.0));
    assert_eq!(noisy.learned(), None);
}

#[test]
fn what_is_stored_is_read_again_and_short() {
    let mut world = World::new();
    world.run(2 * DAY, service(100.0), (20.0, 99.0));
    let text = serde_json::to_string(&world.capacity).unwrap();
    assert!(text.len() < 500, "{} bytes: {text}", text.len());
    assert_eq!(serde_json::from_str::<Capacity>(&text).unwrap(), world.capacity);
}

proptest! {
    /// Whatever is seen: finite, never beyond the highest demand under `at`, never up by more than 5 % a day.
    #[test]
    fn no_look_lifts_it_beyond_what_was_seen(
        looks in prop::collection::vec((1_u32..20, 0.1_f64..200.0, 0.0_f64..1.5, 1_u32..3), 200..600),
        serves in 10.0_f64..200.0,
    ) {
        let mut world = World::new();
        world.run(2 * DAY, service(serves), (0.2 * serves, 0.9 * serves));
        let mut seen = serves;
        let mut before = world.learned().unwrap();
        for (ready, density, used, template) in looks {
            for _ in 0..2 {
                world.look(ready, density, used, template);
            }
            if used <= AT.get() {
                seen = seen.max(density);
            }
            let now = world.learned().unwrap();
            prop_assert!(now.is_finite() && now <= seen.max(before), "{now} {seen}");
            prop_assert!(now <= before * 1.0002, "{before} {now}");
            before = now;
        }
    }

    /// In other units of demand it is the same.
    #[test]
    fn it_is_scale_free(factor in prop::sample::select(vec![1e-6, 1e-3, 1e3, 1e9])) {
        let (mut one, mut other) = (World::new(), World::new());
        one.run(2 * DAY, service(100.0), (20.0, 99.0));
        other.run(2 * DAY, service(100.0 * factor), (20.0 * factor, 99.0 * factor));
        let ratio = other.learned().unwrap() / one.learned().unwrap() / factor;
        prop_assert!((ratio - 1.0).abs() < 1e-6, "{ratio}");
    }
}
