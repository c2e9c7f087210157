use tokio::sync::watch;
use tokio::time::sleep;

use super::*;

/// A world of one number with a version, and a script of what goes wrong.
struct World {
    replicas: u32,
    version: u64,
    stored_epoch: u64,
    want: u32,
    log: Vec<String>,
    records: Vec<Recorded>,
    writes: Vec<Written>,
    slow_read: Duration,
    slow_write: Duration,
    changed: bool,
}

impl World {
    fn wanting(want: u32) -> Self {
        Self {
            replicas: 2,
            version: 1,
            stored_epoch: 3,
            want,
            log: Vec::new(),
            records: Vec::new(),
            writes: Vec::new(),
            slow_read: Duration::ZERO,
            slow_write: Duration::ZERO,
            changed: false,
        }
    }
}

impl Acts for World {
    type Seen = (u32, u64);
    type Memory = u64;
    type Error = String;

    async fn read(&mut self) -> Result<Option<Read<Self::Seen>>, String> {
        self.log.push("read".to_owned());
        sleep(self.slow_read).await;
        let read = Read { seen: (self.replicas, self.version), stored_epoch: self.stored_epoch };
        Ok((!self.changed).then_some(read))
    }

    fn decide(&mut self, seen: &Self::Seen, epoch: u64) -> Decided<u64> {
        let write = (seen.0 != self.want).then(|| Replicas::new(self.want));
        Decided { memory: epoch, write, record: false }
    }

    async fn record(&mut self, _: &Self::Seen, memory: &u64, _: Duration) -> Recorded {
        self.log.push(format!("record under {memory}"));
        let outcome = self.records.pop().unwrap_or(Recorded::Recorded);
        if outcome == Recorded::Recorded {
            self.stored_epoch = *memory;
        }
        outcome
    }

    async fn write(&mut self, seen: &Self::Seen, to: Replicas, _: Duration) -> Written {
        self.log.push(format!("write {to}"));
        sleep(self.slow_write).await;
        if let Some(outcome) = self.writes.pop() {
            self.version += 1;
            return outcome;
        }
        if seen.1 != self.version {
            return Written::Conflict;
        }
        self.version += 1;
        self.replicas = to.get();
        Written::Written { resource_version: self.version.to_string() }
    }
}

const ALLOWED: Duration = Duration::from_secs(5);

fn leading(epoch: u64) -> (watch::Sender<Leadership>, watch::Receiver<Leadership>) {
    let valid_until = Instant::now() + Duration::from_secs(10);
    watch::channel(Leadership::Leading { epoch, valid_until })
}

fn written(version: &str) -> Written {
    Written::Written { resource_version: version.to_owned() }
}

fn n_of(world: &World, act: &str) -> usize {
    world.log.iter().filter(|line| line.starts_with(act)).count()
}

#[tokio::test(start_paused = true)]
async fn the_intent_is_recorded_before_the_target_is_written() {
    let mut world = World::wanting(5);
    let outcome = actuate(&mut world, &leading(3).1, ALLOWED).await;
    assert_eq!(outcome, Outcome::Acted { to: Replicas::new(5), written: written("2") });
    assert_eq!(world.log, ["read", "record under 3", "write 5"]);
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_world_sees_no_write_of_any_kind() {
    let mut world = World::wanting(2);
    assert_eq!(actuate(&mut world, &leading(3).1, ALLOWED).await, Outcome::Unchanged);
    assert_eq!(world.log, ["read"]);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_decided_again_from_a_fresh_read() {
    let mut world = World::wanting(5);
    world.records = vec![Recorded::Conflict];
    world.writes = vec![Written::Conflict];
    let outcome = actuate(&mut world, &leading(3).1, ALLOWED).await;
    assert_eq!(outcome.label(), "written");
    assert_eq!((n_of(&world, "read"), n_of(&world, "record"), n_of(&world, "write")), (3, 3, 2));
}

#[tokio::test(start_paused = true)]
async fn eternal_conflict_ends_after_three_rounds() {
    let mut world = World::wanting(5);
    world.writes = vec![Written::Conflict; 9];
    assert_eq!(actuate(&mut world, &leading(3).1, ALLOWED).await, Outcome::Contended);
    assert_eq!(n_of(&world, "write"), 3);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_not_written_again_in_the_same_tick() {
    let mut world = World::wanting(5);
    let unknown = Written::Unknown { message: "reset".to_owned() };
    world.writes = vec![unknown.clone()];
    let outcome = actuate(&mut world, &leading(3).1, ALLOWED).await;
    assert_eq!(outcome, Outcome::Acted { to: Replicas::new(5), written: unknown });
    assert_eq!(n_of(&world, "write"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lower_epoch_than_stored_stops() {
    let mut world = World::wanting(5);
    world.stored_epoch = 4;
    let outcome = actuate(&mut world, &leading(3).1, ALLOWED).await;
    assert_eq!(outcome, Outcome::Superseded { stored: 4 });
    assert_eq!(world.log, ["read"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_planned_for_another_spec_is_dropped() {
    let mut world = World::wanting(5);
    world.changed = true;
    assert_eq!(actuate(&mut world, &leading(3).1, ALLOWED).await, Outcome::Changed);
    assert_eq!(world.log, ["read"]);
}

#[tokio::test(start_paused = true)]
async fn a_standby_does_not_even_read() {
    let mut world = World::wanting(5);
    let (_sender, standby) = watch::channel(Leadership::Standby { holder: None });
    assert_eq!(actuate(&mut world, &standby, ALLOWED).await, Outcome::NotLeading);
    assert!(world.log.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lead_that_runs_out_during_the_read_writes_nothing() {
    let mut world = World::wanting(5);
    world.slow_read = Duration::from_secs(4);
    let valid_until = Instant::now() + Duration::from_secs(3);
    let (_sender, lead) = watch::channel(Leadership::Leading { epoch: 3, valid_until });
    assert_eq!(actuate(&mut world, &lead, ALLOWED).await, Outcome::NotLeading);
    assert_eq!(world.log, ["read"]);
}

#[tokio::test(start_paused = true)]
async fn a_status_that_cannot_be_written_leaves_the_target_alone() {
    let mut world = World::wanting(5);
    world.records = vec![Recorded::Failed { message: "503".to_owned() }];
    let outcome = actuate(&mut world, &leading(3).1, ALLOWED).await;
    assert_eq!(outcome.label(), "unrecorded");
    assert_eq!(n_of(&world, "write"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_write_is_left_at_the_deadline_with_its_outcome_unknown() {
    let mut world = World::wanting(5);
    world.slow_write = Duration::from_hours(1);
    let begun = Instant::now();
    let outcome = actuate(&mut world, &leading(3).1, ALLOWED).await;
    assert_eq!((outcome.label(), begun.elapsed()), ("unknown", ALLOWED));
}

#[tokio::test(start_paused = true)]
async fn a_read_that_takes_too_long_ends_the_tick() {
    let mut world = World::wanting(5);
    world.slow_read = Duration::from_secs(6);
    assert_eq!(actuate(&mut world, &leading(3).1, ALLOWED).await, Outcome::Late);
}
