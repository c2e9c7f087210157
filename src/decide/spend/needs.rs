//! What an autoscaler is expected to need until the end of a budget's period: the forecast as far as it reaches, then
//! what the same hours of the week were, with the headroom that the objective has now.

use super::path::Needs;
use crate::calendar::{self, Window};
use crate::forecast::{Forecaster, QuantileForecast};
use crate::policy::Policy;
use crate::units::{CapacityPerReplica, Demand, Replicas, Share, Span, Timestamp, replicas_ceil, whole};

/// The grid of the near part (DESIGN 12).
const BLOCK: Span = Span::from_minutes(5);
/// A forecast reaches so far.
const N_BLOCKS: u32 = 12;
/// Headroom beyond this is that of a moment, and no measure for weeks.
const HEADROOM_MAX: f64 = 3.0;

/// Usual demand, hour by hour.
#[derive(Clone, Debug, PartialEq)]
pub struct Usual {
    /// When the first hour begins.
    pub from: Timestamp,
    /// Mean demand of each hour; `None` where none is known.
    pub hours: Vec<Option<Demand>>,
}

/// The longest period, and a day.
const N_HOURS: u32 = 32 * 24;

impl Usual {
    /// As `forecaster` has seen it, from the hour that contains `now` to beyond the end of any period.
    pub fn of(forecaster: &Forecaster, now: Timestamp) -> Self {
        let from = Timestamp::from_millis(now.millis() - now.millis().rem_euclid(3_600_000));
        Self { from, hours: forecaster.usual_hours(from, N_HOURS) }
    }

    fn at(&self, at: Timestamp) -> Option<Demand> {
        let hours = at.millis().checked_sub(self.from.millis())?.div_euclid(3_600_000);
        *self.hours.get(usize::try_from(hours).ok()?)?
    }
}

/// What is foreseen of one metric.
#[derive(Clone, Copy, Debug)]
pub struct Foreseen<'a> {
    /// Demand that a replica serves.
    pub capacity: CapacityPerReplica,
    /// The forecast that stands, and whether it is trusted.
    pub outlook: Option<(&'a QuantileForecast, bool)>,
    /// The quantile that keeps the objective when every step follows it.
    pub level: Option<Share>,
    /// Usual demand.
    pub usual: Option<&'a Usual>,
    /// Demand now, if it is known.
    pub demand: Option<Demand>,
}

/// The needs from `now` to `end`, announced events among them; `None` when nothing is known of any metric.
pub fn needs(
    policy: &Policy,
    (now, end): (Timestamp, Timestamp),
    metrics: &[Foreseen<'_>],
    events: &[Window],
) -> Option<Needs> {
    let views: Vec<View<'_>> = metrics.iter().map(|seen| View::of(policy, seen, events, now)).collect();
    if views.iter().all(|view| view.present.is_none() && view.seen.usual.is_none()) {
        return None;
    }
    let most = |at: Timestamp, need: &dyn Fn(&View<'_>) -> Option<Replicas>| {
        let announced = calendar::least(events, at).map_or(Replicas::ZERO, |(least, _)| least);
        policy.bounds.clamp(views.iter().filter_map(need).fold(announced, Replicas::max))
    };
    let mut ahead = Vec::new();
    let mut at = now;
    for _ in 0..N_BLOCKS {
        if at >= end {
            break;
        }
        let until = at.plus(BLOCK);
        let need = most(at, &|view| view.near(policy, at, until).or_else(|| view.far(at, until)));
        ahead.push((need, seconds(BLOCK)));
        at = until;
    }
    while at < end {
        // To the full hour, so that a need is that of one hour of the week.
        let part = 3_600_000 - at.millis().rem_euclid(3_600_000);
        let span = Span::from_millis(u64::try_from(part).unwrap_or(3_600_000));
        let until = at.plus(Span::from_seconds(u64::from(seconds(span))));
        ahead.push((most(at, &|view| view.far(at, until)), seconds(span)));
        at = until;
    }
    let spread = views
        .iter()
        .map(|view| view.spread)
        .fold((1000, 1000), |(low, high), (least, most)| (low.min(least), high.max(most)));
    Some(Needs { from: now, ahead, spread })
}

/// One metric, and what its forecast says of headroom and spread.
struct View<'a> {
    seen: &'a Foreseen<'a>,
    events: &'a [Window],
    /// Demand now, or as the forecast has it, without events.
    present: Option<Demand>,
    /// What is needed for a mean demand, as times the demand.
    headroom: f64,
    spread: (u32, u32),
}

impl<'a> View<'a> {
    fn of(policy: &Policy, seen: &'a Foreseen<'a>, events: &'a [Window], now: Timestamp) -> Self {
        let reactive = 1.0 / policy.reactive.average_utilization.get().max(0.01);
        let trusted = seen.outlook.filter(|(_, trusted)| *trusted).map(|(outlook, _)| outlook);
        let mut sums = [0.0_f64; 4];
        if let Some(outlook) = trusted {
            for quantiles in &outlook.steps {
                let enough = quantiles.capacity_for(policy.objective, seen.level);
                let [p10, p50, p90] = [0.1, 0.5, 0.9].map(|level| quantiles.at(level).get());
                for (sum, value) in sums.iter_mut().zip([p10, p50, p90, enough]) {
                    *sum += value;
                }
            }
        }
        let [low, middle, high, enough] = sums;
        let known = trusted.is_some() && middle > 0.0;
        let thousandths =
            |share: f64| whole(share.clamp(0.0, 10.0) * 1000.0).and_then(|n| u32::try_from(n).ok());
        let spread = if known {
            (thousandths(low / middle).unwrap_or(500), thousandths(high / middle).unwrap_or(1500))
        } else {
            (500, 1500)
        };
        let headroom = if known { (enough / middle).clamp(1.0, HEADROOM_MAX) } else { reactive };
        let median = |(outlook, _): (&QuantileForecast, bool)| outlook.at(now).map(|one| one.at(0.5));
        let ordinary = |demand: Demand| Demand::new(demand.get() / calendar::factor(events, now));
        let present = seen.demand.and_then(ordinary).or_else(|| seen.outlook.and_then(median));
        Self { seen, events, present, headroom, spread }
    }

    /// The most that a trusted forecast needs from `at` until `until`; `None` where it does not reach.
    fn near(&self, policy: &Policy, at: Timestamp, until: Timestamp) -> Option<Replicas> {
        let (outlook, _) = self.seen.outlook.filter(|(_, trusted)| *trusted)?;
        let mut most: Option<Replicas> = None;
        let mut step = at;
        while step < until {
            let quantiles = outlook.at(step)?;
            let enough = quantiles.capacity_for(policy.objective, self.seen.level)
                * calendar::factor(self.events, step);
            most = most.max(Some(replicas_ceil(enough / self.seen.capacity.get())));
            step = step.plus(outlook.step.span());
        }
        most
    }

    /// What the same hour of the week needs, or else demand as it is now, as many times as is announced on average.
    fn far(&self, at: Timestamp, until: Timestamp) -> Option<Replicas> {
        let demand = self.seen.usual.and_then(|usual| usual.at(at)).or(self.present)?;
        let part = |k: u64| at.plus(Span::from_millis(until.since(at).millis() * (2 * k + 1) / 8));
        let times = (0..4).map(|k| calendar::factor(self.events, part(k))).sum::<f64>() / 4.0;
        Some(replicas_ceil(demand.get() * times * self.headroom / self.seen.capacity.get()))
    }
}

fn seconds(span: Span) -> u32 {
    u32::try_from(span.seconds()).unwrap_or(3600).max(1)
}
