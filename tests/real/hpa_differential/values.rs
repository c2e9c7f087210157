//! The values that the HPAs are told.

use super::TARGET_MILLI;
use super::lane::{Step, Until};

/// A lane's next step from the replicas that stand.
type Steps = Box<dyn FnMut(u32) -> Option<Step>>;

/// splitmix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let once = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let twice = (once ^ (once >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        twice ^ (twice >> 31)
    }

    /// From `low` to `high`, both included.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        assert!(low <= high, "nothing lies between {low} and {high}");
        low + self.next() % (high - low + 1)
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        let last = u64::try_from(choices.len() - 1).expect("a short list");
        choices[usize::try_from(self.between(0, last)).expect("an index")]
    }

    /// A value for which `n` replicas are needed, and the next lower count is not enough.
    fn value_for(&mut self, n: u64) -> u64 {
        self.between((n - 1) * TARGET_MILLI + 1, n * TARGET_MILLI)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Up,
    Down,
    /// Within tolerance, though another count would be nearer.
    Hold,
    /// Exactly on an end of the tolerance, which belongs to it.
    Edge,
    /// A thousandth beyond an end of the tolerance.
    BeyondEdge,
    Missing,
}

/// Between 10 and 19 replicas: the default policies let every rise within that range happen at once, and a step of one
/// replica is within tolerance.
pub(super) fn walk(seed: u64) -> Steps {
    let mut random = Random(seed);
    let quota = [
        (Kind::Up, 14),
        (Kind::Down, 14),
        (Kind::Hold, 6),
        (Kind::Edge, 3),
        (Kind::BeyondEdge, 6),
        (Kind::Missing, 8),
    ];
    let mut left: Vec<Kind> = quota.iter().flat_map(|&(kind, n)| std::iter::repeat_n(kind, n)).collect();
    let (mut last_kind, mut last_value) = (None, None);
    Box::new(move |n| {
        let fits = |kind: &Kind| match kind {
            Kind::Up => n <= 16,
            Kind::Down => n >= 13,
            Kind::Missing => last_kind != Some(Kind::Missing),
            Kind::Hold | Kind::Edge => true,
            Kind::BeyondEdge => (12..=17).contains(&n),
        };
        let fitting: Vec<usize> = (0..left.len()).filter(|&idx| fits(&left[idx])).collect();
        if left.is_empty() {
            return None;
        }
        let value_milli = if fitting.is_empty() {
            // What is left fits only elsewhere in the range.
            last_kind = None;
            Some(random.value_for(if n <= 14 { 17 } else { 12 }))
        } else {
            let kind = left.swap_remove(random.of(&fitting));
            last_kind = Some(kind);
            // A value that stood already would not be seen as another one.
            let mut value_milli = value(kind, u64::from(n), &mut random);
            while value_milli == last_value {
                value_milli = value(kind, u64::from(n), &mut random);
            }
            value_milli
        };
        last_value = value_milli;
        Some(Step { value_milli, until: Until::Settled })
    })
}

fn value(kind: Kind, n: u64, random: &mut Random) -> Option<u64> {
    let (low_edge, high_edge) = (n * TARGET_MILLI / 10 * 9, n * TARGET_MILLI / 10 * 11);
    let upwards = random.between(0, 1) == 1;
    Some(match kind {
        Kind::Up => {
            let to = random.between(n + 2, 19);
            random.value_for(to).max(high_edge + 1)
        }
        Kind::Down => {
            let to = random.between(10, n - 2);
            random.value_for(to).min(low_edge - 1)
        }
        Kind::Hold if upwards => random.between(n * TARGET_MILLI + 1, high_edge),
        Kind::Hold => random.between(low_edge, (n - 1) * TARGET_MILLI),
        Kind::Edge if upwards => high_edge,
        Kind::Edge => low_edge,
        Kind::BeyondEdge if upwards => high_edge + 1,
        Kind::BeyondEdge => low_edge - 1,
        Kind::Missing => return None,
    })
}

/// Between 3 and 40 replicas, where the default policies (the larger of 100 % and 4 pods in 15 s) cut most rises; twice it
/// waits until they let go. A value never falls to less than an eighth: what fell by 90 % at once Foresail holds, and an
/// HPA does not.
pub(super) fn rates(seed: u64) -> Steps {
    let mut random = Random(seed);
    let mut script: Vec<(u64, Until)> = vec![
        (40, Until::Settled),
        (40, Until::Replicas(16)),
        (6, Until::Settled),
        (40, Until::Settled),
        (9, Until::Settled),
        (3, Until::Settled),
        (5, Until::Settled),
        (20, Until::Replicas(20)),
    ];
    for _ in 0..12 {
        script.push((random.of(&[3, 5, 7, 11, 16, 24, 40]), Until::Settled));
    }
    let mut script = script.into_iter();
    let mut last: u64 = 4 * TARGET_MILLI;
    Box::new(move |_| {
        let (level, until) = script.next()?;
        let value = random.value_for(level).max(last / 8);
        last = value;
        Some(Step { value_milli: Some(value), until })
    })
}

/// Windows of 15 s both ways. Levels are a quarter apart, so that tolerance has no part in it. Values are missing on the way
/// up only: on the way down Foresail waits a whole window after they are back, which an HPA does not.
pub(super) fn windows() -> Steps {
    let mut random = Random(1);
    let script = [
        // A window that begins with the HPA.
        (Some(10), Until::Requests(17)),
        // A short rise is waited out, a lasting one is followed.
        (Some(16), Until::Requests(4)),
        (Some(10), Until::Requests(3)),
        (Some(16), Until::Replicas(16)),
        // A fall with a rebound: the highest recommendation of the window holds.
        (Some(8), Until::Requests(5)),
        (Some(12), Until::Requests(4)),
        (Some(8), Until::Replicas(12)),
        (Some(8), Until::Replicas(8)),
        // Two rises, the lower one first; in between nothing is known for a moment.
        (Some(12), Until::Requests(5)),
        (None, Until::Requests(2)),
        (Some(16), Until::Replicas(12)),
        (Some(16), Until::Replicas(16)),
    ];
    let mut script = script.into_iter();
    Box::new(move |_| {
        let (level, until) = script.next()?;
        Some(Step { value_milli: level.map(|level| random.value_for(level)), until })
    })
}
