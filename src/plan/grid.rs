//! The steps of a replay, and samples held on them.

use crate::units::{Span, Step, Timestamp};

/// A row of steps: step `i` covers `[start + i * step, start + (i + 1) * step)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Start of step 0.
    pub start: Timestamp,
    /// The length of a step.
    pub step: Step,
    /// How many there are.
    pub n_steps: usize,
}

impl Grid {
    /// The steps from `first` on, as many as begin no later than `last`. None when `last` is earlier.
    pub fn covering(first: Timestamp, last: Timestamp, step: Step) -> Self {
        let whole = usize::try_from(last.since(first).millis() / step.span().millis()).unwrap_or(usize::MAX);
        let n_steps = if last < first { 0 } else { whole.saturating_add(1) };
        Self { start: first, step, n_steps }
    }

    /// The start of step `i`.
    pub fn time(&self, i: usize) -> Timestamp {
        let steps = u64::try_from(i).unwrap_or(u64::MAX);
        self.start.plus(Span::from_millis(self.step.span().millis().saturating_mul(steps)))
    }

    /// The first step that begins no earlier than `at`, at most the number of steps.
    pub fn first_at(&self, at: Timestamp) -> usize {
        self.step.steps_covering(at.since(self.start)).min(self.n_steps)
    }

    /// What is known at the start of each step when every sample holds until the next (interpolating would show the
    /// future in its slope). `samples` in rising order of time, the first one no later than the start; none for none.
    pub fn hold<T: Copy>(&self, samples: &[(Timestamp, T)]) -> Vec<T> {
        let Some(&(_, first)) = samples.first() else { return Vec::new() };
        let (mut held, mut later) = (first, samples.iter().peekable());
        (0..self.n_steps)
            .map(|i| {
                let at = self.time(i);
                while let Some((_, value)) = later.next_if(|(sampled, _)| *sampled <= at) {
                    held = *value;
                }
                held
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn every_sample_holds_until_the_next() {
        let samples = [(at(30), 1), (at(90), 2), (at(300), 3)];
        let grid = Grid::covering(at(30), at(300), Step::MINUTE);
        assert_eq!(grid.n_steps, 5);
        assert_eq!(grid.hold(&samples), [1, 2, 2, 2, 2]);
        assert_eq!(Grid::covering(at(30), at(330), Step::MINUTE).hold(&samples), [1, 2, 2, 2, 2, 3]);
    }

    #[test]
    fn of_samples_finer_than_the_step_the_newest_counts() {
        let samples: Vec<(Timestamp, i64)> = (0..20).map(|i| (at(15 * i), i)).collect();
        assert_eq!(Grid::covering(at(0), at(285), Step::MINUTE).hold(&samples), [0, 4, 8, 12, 16]);
    }

    #[test]
    fn instants_between_steps_belong_to_the_next_one() {
        let grid = Grid::covering(at(0), at(600), Step::MINUTE);
        assert_eq!(grid.first_at(at(-5)), 0);
        assert_eq!((grid.first_at(at(60)), grid.first_at(at(61))), (1, 2));
        assert_eq!(grid.first_at(at(100_000)), 11);
        assert_eq!(Grid::covering(at(10), at(0), Step::MINUTE).n_steps, 0);
    }
}
