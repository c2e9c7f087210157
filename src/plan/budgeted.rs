//! A budget in a replay: the autoscaler is alone in it, and its book is the operator's.

use super::replay::Foreseen as Known;
use super::scenario::Scenario;
use crate::calendar::Window;
use crate::decide::Decision;
use crate::decide::spend::{self, Allowance, Book, Claim, Foreseen, Ledger, Stands, Taken};
use crate::engine::Memory;
use crate::policy::{Policy, SpendRule};
use crate::units::{Demand, Replicas, Span, Timestamp};

/// The only member.
const KEY: &str = "planned";
/// What is needed is looked at so often: the grid of the near part.
const LOOK_EVERY: Span = Span::from_minutes(5);

/// The budget of one replay.
#[derive(Clone, Debug)]
pub(super) struct Budgeted {
    book: Book,
    begun: Replicas,
    looked: Option<Timestamp>,
}

/// What is known at one tick.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    /// The instant.
    pub(super) now: Timestamp,
    /// What stands.
    pub(super) asked: Replicas,
    /// The step whose demand was seen last.
    pub(super) seen: usize,
    /// What is foreseen of each metric.
    pub(super) known: &'a [Known<'a>],
    /// Announced events.
    pub(super) events: &'a [Window],
}

impl Budgeted {
    /// The book of the scenario's budget, where the policy names it.
    pub(super) fn begin(policy: &Policy, scenario: &Scenario) -> Option<Self> {
        let rule = scenario.budget.clone()?;
        let named = policy.spend.as_ref()?.budget.as_deref()?;
        let book = Book::open(rule, scenario.grid.time(0));
        (named == book.rule().name).then_some(Self { book, begun: scenario.start(), looked: None })
    }

    /// What may be asked for.
    pub(super) fn allow(
        &mut self,
        (policy, scenario): (&Policy, &Scenario),
        moment: Moment<'_>,
        memory: &Memory,
    ) -> Option<Allowance> {
        let Moment { now, asked, .. } = moment;
        let SpendRule { price, .. } = policy.spend.as_ref()?;
        let price = price.reckoned();
        let stands = Stands { replicas: asked, price };
        let begun = || Ledger::begin(&self.book.rule().name, (self.book.period(), now), stands);
        let ledger = memory.ledger.clone().unwrap_or_else(begun);
        let (min, wish) = (policy.bounds.min(), self.begun);
        self.book.note(KEY, Claim { priority: 0, price, min, asked, wish }, ledger);
        if self.looked.is_none_or(|at| now.since(at) >= LOOK_EVERY) {
            self.looked = Some(now);
            self.look_ahead((policy, scenario), moment);
        }
        self.book.allow(KEY, now)
    }

    /// What the decision took of it.
    pub(super) fn take(&mut self, decision: &Decision, memory: &Memory) {
        let Some(ledger) = memory.ledger.clone() else { return };
        self.book.reserve(KEY, Taken::of(decision, ledger));
        self.book.settle(KEY, true);
    }

    fn look_ahead(&mut self, (policy, scenario): (&Policy, &Scenario), moment: Moment<'_>) {
        let Moment { now, seen, known, events, .. } = moment;
        let demand = |m: usize| -> Option<Demand> { scenario.demand.get(m)?.get(seen).copied() };
        let metrics: Vec<Foreseen<'_>> = scenario
            .capacities
            .iter()
            .zip(known)
            .enumerate()
            .map(|(m, (capacity, known))| Foreseen {
                capacity: *capacity,
                outlook: known.outlook.map(|outlook| (outlook, known.trusted)),
                level: known.level,
                usual: known.usual,
                demand: demand(m),
            })
            .collect();
        let end = self.book.rule().stretch(now).end;
        if let Some(needs) = spend::needs(policy, (now, end), &metrics, events) {
            self.book.foresee(KEY, needs);
        }
    }
}
