//! Whether the objective is kept: demand against what served, by day over four weeks, and in its worst two minutes.
//!
//! Demand counts in replicas at 100 % of safe load, so that metrics of any unit compare. Sums by day of UTC, since a
//! window that slides by the second would have to remember each.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::units::{Objective, Replicas, Span, Step, Timestamp};

/// Time between two looks beyond which nothing is accounted: nobody looked.
pub const GAP_MAX: Span = Span::from_minutes(2);
/// Days that count, the present one among them.
const DAYS: u64 = 28;
/// The span whose worst counts on its own: long enough for a handful of looks, short enough for a spike.
const SPELL: Step = match Step::new(120) {
    Some(step) => step,
    None => Step::MINUTE,
};
/// Less than this says nothing of a day's demand.
const TOLD_FROM: Span = Span::from_hours(24);

/// Demand and what of it went unserved, both in replicas times seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Served {
    demand: f64,
    unserved: f64,
}

/// One day of UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Day {
    /// Its first instant.
    from: Timestamp,
    /// Milliseconds that were looked at.
    seen: u64,
    /// Those of them in which demand was above what served.
    short: u64,
    /// Those in which the workload was saturated, so that demand may have been higher than what was read.
    #[serde(default, skip_serializing_if = "is_zero")]
    censored: u64,
    served: Served,
    /// Its worst two minutes: when, and which share of their demand went unserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    worst: Option<(Timestamp, f64)>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// What is looked at: at one instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Demand in replicas at 100 % of safe load, if it is known.
    pub demand: Option<f64>,
    /// Replicas that serve.
    pub ready: Replicas,
    /// Whether demand may have been higher.
    pub censored: bool,
}

/// Demand against what served, over the last four weeks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Kept {
    /// Whether it is of a shadow, and not of the workload itself.
    of_shadow: bool,
    at: Option<Timestamp>,
    days: VecDeque<Day>,
    /// The two minutes that are under way, from their first instant.
    spell: Option<(Timestamp, Served)>,
}

/// What the last four weeks came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record {
    /// The first day of it.
    pub since: Timestamp,
    /// Time that was looked at.
    pub seen: Span,
    /// Time in which demand may have been higher than what was read.
    pub censored: Span,
    /// The share of demand above what served.
    pub unserved: f64,
    /// The share of the time in which demand was above what served.
    pub short: f64,
    /// The worst two minutes: when, and which share of their demand went unserved.
    pub worst: Option<(Timestamp, f64)>,
}

/// Whether a record keeps an objective.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Less than a day was looked at.
    TooEarly,
    /// It is kept.
    Kept,
    /// It is not.
    Missed,
}

impl Kept {
    /// Whether nothing was looked at.
    pub fn is_empty(&self) -> bool {
        self.at.is_none()
    }

    /// Takes up the time since the last look, in which `load` held; of the shadow and of the workload itself apart, the
    /// first look at the other begins anew.
    pub fn note(&mut self, now: Timestamp, load: Load, of_shadow: bool) {
        if self.of_shadow != of_shadow {
            *self = Self { of_shadow, ..Self::default() };
        }
        let Some(last) = self.at.replace(now) else { return };
        let elapsed = now.since(last);
        let Load { demand: Some(demand), ready, censored } = load else { return };
        if elapsed == Span::ZERO || elapsed > GAP_MAX || !demand.is_finite() {
            return;
        }
        let unserved = (demand - ready.as_f64()).max(0.0);
        let millis = elapsed.millis();
        let seconds = elapsed.seconds_f64();
        let served = Served { demand: demand * seconds, unserved: unserved * seconds };
        let (short, censored) = (if unserved > 0.0 { millis } else { 0 }, if censored { millis } else { 0 });
        let from = last.floor_to(Step::DAY);
        self.add_to_day(last, &Day { from, seen: millis, short, censored, served, worst: None });
    }

    /// Into the day of `since`, which begins if it is new; those older than four weeks are dropped. A clock that was set
    /// back goes on in the newest day.
    fn add_to_day(&mut self, since: Timestamp, looked: &Day) {
        let oldest = looked.from.minus(Span::from_hours(24 * (DAYS - 1)));
        self.days.retain(|day| day.from >= oldest);
        match self.days.back_mut() {
            Some(day) if day.from >= looked.from => {
                day.seen += looked.seen;
                day.short += looked.short;
                day.censored += looked.censored;
                day.served.add(looked.served);
            }
            _ => self.days.push_back(looked.clone()),
        }
        self.take_up(since, looked.served);
    }

    /// Into the two minutes under way; those that are over may be the worst of their day.
    fn take_up(&mut self, since: Timestamp, served: Served) {
        let from = since.floor_to(SPELL);
        match &mut self.spell {
            Some((begun, sum)) if *begun == from => sum.add(served),
            spell => {
                let over = spell.replace((from, served));
                if let Some((begun, sum)) = over
                    && sum.unserved > 0.0
                    && let Some(day) = self.days.iter_mut().rev().find(|day| day.from <= begun)
                    && day.worst.is_none_or(|(_, most)| sum.share() > most)
                {
                    day.worst = Some((begun, sum.share()));
                }
            }
        }
    }

    /// What it came to; `None` before anything was looked at.
    pub fn record(&self) -> Option<Record> {
        let since = self.days.front()?.from;
        let (mut seen, mut short, mut censored, mut served) = (0, 0, 0, Served::default());
        for day in &self.days {
            seen += day.seen;
            short += day.short;
            censored += day.censored;
            served.add(day.served);
        }
        let worst = self.days.iter().filter_map(|day| day.worst).max_by(|a, b| a.1.total_cmp(&b.1));
        Some(Record {
            since,
            seen: Span::from_millis(seen),
            censored: Span::from_millis(censored),
            unserved: served.share(),
            short: part(short, seen),
            worst,
        })
    }
}

/// Which part of `whole` milliseconds `of` are; none of none.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "exact to 2^53 ms")]
fn part(of: u64, whole: u64) -> f64 {
    if whole > 0 { of as f64 / whole as f64 } else { 0.0 }
}

impl Served {
    fn add(&mut self, other: Self) {
        self.demand += other.demand;
        self.unserved += other.unserved;
    }

    fn share(self) -> f64 {
        if self.demand > 0.0 { self.unserved / self.demand } else { 0.0 }
    }
}

impl Record {
    /// Whether it keeps `objective`: a share of demand as it is; a quantile, and the one that costs lead to, as the share
    /// of the time in which capacity covered demand.
    pub fn verdict(&self, objective: Objective) -> Verdict {
        if self.seen < TOLD_FROM {
            return Verdict::TooEarly;
        }
        let kept = match objective {
            Objective::Unserved(share) => self.unserved <= share.get(),
            Objective::Quantile(_) | Objective::Costs { .. } => {
                objective.level().is_some_and(|level| 1.0 - self.short >= level.get())
            }
        };
        if kept { Verdict::Kept } else { Verdict::Missed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Share;

    const MIDNIGHT: i64 = 1_700_006_400;
    const LOOK: i64 = 15;
    const A_DAY: i64 = 86_400;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(MIDNIGHT + seconds)
    }

    fn load(demand: f64, ready: u32) -> Load {
        Load { demand: Some(demand), ready: Replicas::new(ready), censored: false }
    }

    /// Looks every 15 s over `[from, to)` seconds from midnight.
    fn looked(kept: &mut Kept, (from, to): (i64, i64), demand: f64, ready: u32) {
        let mut now = from;
        while now < to {
            now += LOOK;
            kept.note(at(now), load(demand, ready), false);
        }
    }

    fn begun() -> Kept {
        let mut kept = Kept::default();
        kept.note(at(0), load(1.0, 4), false);
        kept
    }

    #[test]
    fn a_share_of_demand_and_of_the_time_is_summed_and_the_worst_two_minutes_are_found() {
        let mut kept = begun();
        looked(&mut kept, (0, A_DAY / 2), 4.0, 4);
        looked(&mut kept, (A_DAY / 2, A_DAY / 2 + 600), 5.0, 4);
        looked(&mut kept, (A_DAY / 2 + 600, A_DAY / 2 + 720), 8.0, 4);
        looked(&mut kept, (A_DAY / 2 + 720, A_DAY + 600), 4.0, 4);
        let record = kept.record().unwrap();
        let demand = 4.0 * f64::from(86_400 + 600 - 720) + 5.0 * 600.0 + 8.0 * 120.0;
        assert!((record.unserved - (600.0 + 480.0) / demand).abs() < 1e-9, "{record:?}");
        assert!((record.short - 720.0 / 87_000.0).abs() < 1e-9, "{record:?}");
        let (when, share) = record.worst.unwrap();
        assert_eq!(when, at(A_DAY / 2 + 600));
        assert!((share - 0.5).abs() < 1e-9, "{record:?}");
        let share = |text| Objective::Unserved(Share::parse(text).unwrap());
        assert_eq!(record.verdict(share("1%")), Verdict::Kept);
        assert_eq!(record.verdict(share("0.3%")), Verdict::Missed);
        assert_eq!(record.verdict(Objective::Quantile(Share::from_percent(99))), Verdict::Kept);
        let price = |text| crate::units::PricePerReplicaHour::parse(text).unwrap();
        let costs = Objective::Costs { idle: price("0.1"), missing: price("99.9") };
        assert_eq!(record.verdict(costs), Verdict::Missed, "0.8 % of the time is short, 0.1 % may be");
    }

    #[test]
    fn less_than_a_day_is_too_early_and_nothing_is_nothing() {
        let mut kept = begun();
        assert_eq!(kept.record(), None);
        looked(&mut kept, (0, A_DAY - 60), 9.0, 4);
        let objective = Objective::Unserved(Share::from_percent(1));
        assert_eq!(kept.record().unwrap().verdict(objective), Verdict::TooEarly);
        looked(&mut kept, (A_DAY - 60, A_DAY), 9.0, 4);
        assert_eq!(kept.record().unwrap().verdict(objective), Verdict::Missed);
    }

    #[test]
    fn a_day_is_forgotten_after_four_weeks() {
        let mut kept = begun();
        looked(&mut kept, (0, A_DAY), 8.0, 4);
        for day in 1..28 {
            looked(&mut kept, (day * A_DAY, (day + 1) * A_DAY), 4.0, 4);
        }
        assert!(kept.record().unwrap().unserved > 0.03);
        looked(&mut kept, (28 * A_DAY, 28 * A_DAY + 60), 4.0, 4);
        let record = kept.record().unwrap();
        assert!(record.unserved < 1e-9 && record.worst.is_none(), "{record:?}");
        assert!(serde_json::to_string(&kept).unwrap().len() < 6_000);
    }

    #[test]
    fn time_without_a_look_or_without_evidence_counts_for_nothing() {
        let mut kept = begun();
        looked(&mut kept, (0, 600), 8.0, 4);
        let before = kept.record().unwrap();
        kept.note(at(600 + 121), load(80.0, 4), false);
        let blind = Load { demand: None, ready: Replicas::new(4), censored: false };
        kept.note(at(600 + 130), blind, false);
        assert_eq!(kept.record().unwrap(), before);
        kept.note(at(600 + 145), Load { censored: true, ..load(4.0, 4) }, false);
        assert_eq!(kept.record().unwrap().censored, Span::from_seconds(15));
    }

    #[test]
    fn the_shadow_and_the_workload_are_told_apart() {
        let mut kept = begun();
        looked(&mut kept, (0, 600), 8.0, 4);
        kept.note(at(615), load(4.0, 4), true);
        assert_eq!(kept.record(), None, "the shadow of a DryRun begins anew");
    }

    #[test]
    fn a_clock_that_is_set_back_moves_no_day() {
        let mut kept = begun();
        looked(&mut kept, (0, A_DAY + 600), 4.0, 4);
        let seen = kept.record().unwrap().seen;
        kept.note(at(30), load(4.0, 4), false);
        kept.note(at(45), load(4.0, 4), false);
        assert_eq!(kept.record().unwrap().seen, seen.plus(Span::from_seconds(15)));
        assert_eq!(kept.days.len(), 2);
    }

    #[test]
    fn what_is_stored_comes_back() {
        let mut kept = begun();
        looked(&mut kept, (0, 2 * A_DAY), 4.5, 4);
        let stored = serde_json::to_string(&kept).unwrap();
        assert_eq!(serde_json::from_str::<Kept>(&stored).unwrap(), kept);
    }
}
