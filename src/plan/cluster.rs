//! The model of a cluster (DESIGN 6): what is asked for is paid at once and serves after the lead; what is given up
//! stops at once, newest first.

use std::collections::VecDeque;

use crate::units::Replicas;

/// The replicas of one workload, step by step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cluster {
    asked: Replicas,
    ready: u32,
    /// Replicas that start, and the step from which they serve; oldest first.
    pending: VecDeque<(usize, u32)>,
}

impl Cluster {
    /// A cluster whose replicas all serve.
    pub(super) const fn begin(asked: Replicas) -> Self {
        Self { asked, ready: asked.get(), pending: VecDeque::new() }
    }

    /// What was asked for last.
    pub(super) const fn asked(&self) -> Replicas {
        self.asked
    }

    /// What serves.
    pub(super) const fn ready(&self) -> Replicas {
        Replicas::new(self.ready)
    }

    /// Comes to step `i`: what was due by then serves.
    pub(super) fn advance(&mut self, i: usize) {
        while let Some(&(due, n)) = self.pending.front()
            && due <= i
        {
            self.pending.pop_front();
            self.ready = self.ready.saturating_add(n);
        }
    }

    /// Asks for `desired`; what is added serves from step `due` on.
    pub(super) fn follow(&mut self, desired: Replicas, due: usize) {
        let (before, after) = (self.asked.get(), desired.get());
        self.asked = desired;
        if after > before {
            self.pending.push_back((due, after - before));
            return;
        }
        let mut surplus = before - after;
        while surplus > 0
            && let Some((_, n)) = self.pending.back_mut()
        {
            let stopped = surplus.min(*n);
            surplus -= stopped;
            *n -= stopped;
            if *n == 0 {
                self.pending.pop_back();
            }
        }
        self.ready = self.ready.saturating_sub(surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(lead: usize, wishes: &[u32]) -> Vec<(u32, u32)> {
        let mut cluster = Cluster::begin(Replicas::new(5));
        wishes
            .iter()
            .enumerate()
            .map(|(i, &n)| {
                cluster.advance(i);
                cluster.follow(Replicas::new(n), i + lead);
                cluster.advance(i);
                (cluster.asked().get(), cluster.ready().get())
            })
            .collect()
    }

    #[test]
    fn added_replicas_serve_after_the_lead() {
        assert_eq!(path(2, &[8, 8, 8, 8]), [(8, 5), (8, 5), (8, 8), (8, 8)]);
        assert_eq!(path(0, &[8, 9]), [(8, 8), (9, 9)]);
    }

    #[test]
    fn removed_replicas_stop_at_once_the_newest_first() {
        assert_eq!(path(2, &[8, 10, 7, 7]), [(8, 5), (10, 5), (7, 7), (7, 7)]);
        assert_eq!(path(2, &[8, 4, 4, 4]), [(8, 5), (4, 4), (4, 4), (4, 4)]);
        assert_eq!(path(3, &[8, 6, 9, 9, 9, 9]), [(8, 5), (6, 5), (9, 5), (9, 6), (9, 6), (9, 9)]);
    }
}
