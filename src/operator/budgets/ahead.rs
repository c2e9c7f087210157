//! What an autoscaler is expected to need until its budget's period ends.

use std::collections::BTreeMap;

use super::Purse;
use crate::calendar::Window;
use crate::decide::spend::{self, Foreseen, Usual};
use crate::forecast::TrustState;
use crate::operator::context::Context;
use crate::operator::signal::Signal;
use crate::policy::Policy;
use crate::units::{Span, Timestamp};

/// The near part of what is needed is looked at this often.
const NEAR_EVERY: Span = Span::from_minutes(5);
/// Usual demand changes with the days.
const USUAL_EVERY: Span = Span::from_hours(6);

/// What is remembered between two looks.
#[derive(Debug, Default)]
pub struct Foresight {
    near: Option<Timestamp>,
    usual: Option<(Timestamp, Vec<Option<Usual>>)>,
}

impl Foresight {
    /// Tells the book what is expected to be needed, when that is due.
    pub fn look_ahead(
        &mut self,
        (ctx, purse): (&Context, &Purse),
        (policy, signals, events): (&Policy, &[Signal], &[Window]),
        (trust, now): (&BTreeMap<String, TrustState>, Timestamp),
    ) {
        let learned = signals.iter().filter(|signal| signal.forecaster().is_some()).count();
        let known = self.usual.as_ref().map_or(0, |(_, usual)| usual.iter().flatten().count());
        let news = learned != known;
        if !news && self.near.is_some_and(|at| now.since(at) < NEAR_EVERY) {
            return;
        }
        let Some(stretch) = ctx.budgets.period(ctx, &purse.budget, now) else { return };
        self.near = Some(now);
        if news || self.usual.as_ref().is_none_or(|(at, _)| now.since(*at) >= USUAL_EVERY) {
            let usual = signals.iter().map(|one| one.forecaster().map(|known| Usual::of(known, now)));
            self.usual = Some((now, usual.collect()));
        }
        let usual = self.usual.as_ref().map(|(_, usual)| usual.as_slice()).unwrap_or_default();
        let metrics: Vec<Foreseen<'_>> = signals
            .iter()
            .zip(usual)
            .filter_map(|(signal, usual)| {
                let TrustState { trusted, level, .. } = trust.get(signal.name()).copied().unwrap_or_default();
                let outlook = signal.outlook().map(|outlook| (outlook, trusted));
                let (capacity, usual) = (signal.capacity()?, usual.as_ref());
                Some(Foreseen { capacity, outlook, level, usual, demand: None })
            })
            .collect();
        if let Some(needs) = spend::needs(policy, (now, stretch.end), &metrics, events) {
            ctx.budgets.foresee(purse, needs);
        }
    }
}
