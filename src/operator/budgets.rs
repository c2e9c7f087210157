//! The books of budgets: reserve, then act.
//!
//! One book for each `SpendBudget`, all of them under one lock that is held for arithmetic only. What an autoscaler has
//! spent is in its own status; a book is made of those, of what the budget's status told, and of what is in the watch
//! cache, so that a new leader knows every member before it lets one of them grow.

mod ahead;
mod recall;
mod status;

pub use ahead::Foresight;
pub use recall::purse;
pub use status::run;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::ResourceExt as _;

use super::context::Context;
use super::status::memory_of;
use crate::api::{self, FieldError, PredictiveAutoscaler, SpendBudget};
use crate::calendar::Stretch;
use crate::decide::Decision;
use crate::decide::spend::{Allowance, Book, Claim, Ledger, Needs, Recalled, Stands, Taken};
use crate::edge::clock::from_jiff;
use crate::engine::Memory;
use crate::policy::{Policy, SpendRule};
use crate::units::{Money, PricePerReplicaHour, Replicas, Timestamp};

/// The books.
#[derive(Debug, Default)]
pub struct Budgets {
    books: Mutex<BTreeMap<String, Kept>>,
    /// The epoch under which they are kept.
    epoch: Mutex<Option<u64>>,
}

/// One budget's book, or why there is none.
#[derive(Debug)]
struct Kept {
    /// Which object, and which generation of it.
    version: (Option<String>, Option<i64>),
    book: Result<Book, Vec<FieldError>>,
}

/// One autoscaler's way to its budget, in one tick.
#[derive(Clone, Debug)]
pub struct Purse {
    /// The budget's name.
    pub budget: String,
    /// `namespace/name` of the autoscaler.
    pub key: String,
    /// Its priority; or the reason why the budget does not take it, and a sentence.
    pub admitted: Result<u32, (&'static str, String)>,
    /// What it spent in the period as far as somebody else knows, where its own status does not: without it what stands
    /// counts.
    pub recalled: Option<Recalled>,
}

impl Budgets {
    fn books(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever is about to use the books leads under `epoch`. What was kept under another is closed: somebody else led
    /// since, so the books are opened again from what is stored.
    pub fn lead_under(&self, epoch: u64) {
        let mut known = self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        if known.replace(epoch) != Some(epoch) {
            self.books().clear();
        }
    }

    /// The way of `object` to its budget; `None` when it names none, or states no price.
    pub fn purse(
        &self,
        ctx: &Context,
        object: &PredictiveAutoscaler,
        policy: &Policy,
        now: Timestamp,
    ) -> Option<Purse> {
        let SpendRule { currency, budget, .. } = policy.spend.as_ref()?;
        let name = budget.clone()?;
        let (namespace, key) = (object.namespace().unwrap_or_default(), key_of(object));
        let found = ctx.budget(&name);
        let admitted = match &found {
            None => Err((
                "BudgetNotFound",
                format!("SpendBudget `{name}` does not exist: create it, or remove spend.budgetRef"),
            )),
            Some(budget) if budget.spec.currency != *currency => Err((
                "CurrencyMismatch",
                format!(
                    "SpendBudget `{name}` is in {}, and spend.currency is {currency}: state the price in {}",
                    budget.spec.currency, budget.spec.currency
                ),
            )),
            Some(budget) => api::priority(&budget.spec, &namespace, Some(object.labels())).ok_or_else(|| {
                let remedy = "have its members include the namespace and labels of this autoscaler";
                ("NotAMember", format!("SpendBudget `{name}` does not take this autoscaler: {remedy}"))
            }),
        };
        let start = self.period(ctx, &name, now).map(|stretch| stretch.start);
        let recalled = found.as_deref().zip(start).and_then(|(budget, start)| recalled(budget, &key, start));
        Some(Purse { budget: name, key, admitted, recalled })
    }

    /// What may be asked for at `now`, where `stands` stands; `None` when no book takes the autoscaler.
    pub fn allow(
        &self,
        (ctx, purse): (&Context, &Purse),
        (policy, ledger): (&Policy, &Ledger),
        (now, stands): (Timestamp, Stands),
    ) -> Option<Allowance> {
        let priority = *purse.admitted.as_ref().ok()?;
        let budget = ctx.budget(&purse.budget)?;
        let mut books = self.books();
        let book = open(&mut books, ctx, &budget, now).ok()?;
        let Stands { replicas: asked, price } = stands;
        let claim = Claim { priority, price, min: policy.bounds.min(), asked, wish: asked };
        book.correct(&purse.key, ledger, now);
        book.note(&purse.key, claim, ledger.clone());
        book.allow(&purse.key, now)
    }

    /// The period of a budget at `now`, if it can be used.
    pub fn period(&self, ctx: &Context, name: &str, now: Timestamp) -> Option<Stretch> {
        let budget = ctx.budget(name)?;
        let mut books = self.books();
        open(&mut books, ctx, &budget, now).ok().map(|book| book.rule().stretch(now))
    }

    /// Reserves what was decided.
    pub fn take(&self, purse: &Purse, decision: &Decision, memory: &Memory) {
        let Some(ledger) = memory.ledger.clone() else { return };
        self.with(&purse.budget, |book| book.reserve(&purse.key, Taken::of(decision, ledger)));
    }

    /// The write may have landed, or it did not.
    pub fn settle(&self, purse: &Purse, landed: bool) {
        self.with(&purse.budget, |book| book.settle(&purse.key, landed));
    }

    /// What the autoscaler is expected to need until the period ends.
    pub fn foresee(&self, purse: &Purse, needs: Needs) {
        self.with(&purse.budget, |book| book.foresee(&purse.key, needs));
    }

    fn with(&self, budget: &str, act: impl FnOnce(&mut Book)) {
        if let Some(Kept { book: Ok(book), .. }) = self.books().get_mut(budget) {
            act(book);
        }
    }
}

/// The ledger with which an autoscaler goes on: its own; or, where its status was lost, what the budget's status or the
/// operator's own series know, and else what stands now since the period began, or the autoscaler was made (never free).
/// One that has a memory and no ledger has only just named the budget.
pub fn ledger_of(
    object: &PredictiveAutoscaler,
    (budget, stretch): (&str, Stretch),
    memory: Option<&Memory>,
    (now, stands): (Timestamp, Stands),
    recalled: Option<Recalled>,
) -> Ledger {
    if let Some(memory) = memory {
        let own = memory.ledger.clone().filter(|ledger| ledger.budget == budget);
        return own.unwrap_or_else(|| Ledger::begin(budget, (stretch, now), stands));
    }
    if let Some(Recalled { spent, at, replicas }) = recalled.filter(|known| known.at >= stretch.start) {
        let begun = Ledger::begin(budget, (stretch, at), stands);
        return Ledger { settled: spent, replicas, ..begun };
    }
    Ledger::begin(budget, (stretch, made(object, now).min(now)), stands)
}

/// When the autoscaler was made; `now` for one that no API server knows.
fn made(object: &PredictiveAutoscaler, now: Timestamp) -> Timestamp {
    object.metadata.creation_timestamp.as_ref().map_or(now, |time| from_jiff(time.0))
}

/// The book of `budget`, opened when there is none of this object, with every member that the watch cache knows.
fn open<'a>(
    books: &'a mut BTreeMap<String, Kept>,
    ctx: &Context,
    budget: &SpendBudget,
    now: Timestamp,
) -> Result<&'a mut Book, &'a [FieldError]> {
    let name = budget.name_any();
    let version = (budget.metadata.uid.clone(), budget.metadata.generation);
    let kept = books.entry(name.clone()).or_insert_with(|| {
        let book =
            api::budget(&name, &budget.spec).map(|rule| first(ctx, budget, Book::open(rule, now), now));
        Kept { version: version.clone(), book }
    });
    if kept.version != version {
        let same_object = kept.version.0 == version.0;
        kept.version = version;
        match (&mut kept.book, api::budget(&name, &budget.spec)) {
            (Ok(book), Ok(rule)) if same_object => book.amend(rule, now),
            (slot, rule) => *slot = rule.map(|rule| first(ctx, budget, Book::open(rule, now), now)),
        }
    }
    kept.book.as_mut().map_err(|errors| &**errors)
}

/// A book with the members of the watch cache, and what members that are gone have spent.
fn first(ctx: &Context, budget: &SpendBudget, mut book: Book, now: Timestamp) -> Book {
    seat_all(ctx, budget, &mut book, now);
    let told = budget.status.as_ref().and_then(|status| {
        let money = |text: &Option<String>| text.as_deref().and_then(|text| Money::stored(text).ok());
        Some((
            from_jiff(status.at?),
            from_jiff(status.period_start?),
            (money(&status.spent)?, money(&status.overdrawn).unwrap_or(Money::ZERO)),
        ))
    });
    if let Some((at, start, spent)) = told {
        book.recover(at, start, spent);
    }
    book
}

/// Takes up the members that have no seat, and lets those go that left.
fn seat_all(ctx: &Context, budget: &SpendBudget, book: &mut Book, now: Timestamp) {
    let name = budget.name_any();
    let mut members: BTreeMap<String, std::sync::Arc<PredictiveAutoscaler>> = BTreeMap::new();
    for object in ctx.all() {
        let named = object.spec.spend.as_ref().is_some_and(|spend| {
            spend.budget_ref.as_ref().is_some_and(|one| one.name == name)
                && spend.currency == budget.spec.currency
        });
        if named && object.metadata.deletion_timestamp.is_none() {
            members.insert(key_of(&object), object);
        }
    }
    book.keep_only(now, |key| members.contains_key(key));
    let stretch = book.rule().stretch(now);
    for (key, object) in members {
        if book.seats(&key) {
            continue;
        }
        let namespace = object.namespace().unwrap_or_default();
        let priority = api::priority(&budget.spec, &namespace, Some(object.labels()));
        let Some(priority) = priority else { continue };
        let price = price_of(&object);
        let min = Replicas::new(object.spec.min_replicas);
        let told = object.status.as_ref().and_then(|status| status.replicas.as_ref());
        let asked = told.and_then(|told| told.asked).map_or(min, Replicas::new);
        let memory = memory_of(&object).filter(Memory::has_decided);
        let stands = Stands { replicas: asked, price };
        let recalled = recalled(budget, &key, stretch.start);
        let ledger = ledger_of(&object, (&name, stretch), memory.as_ref(), (now, stands), recalled);
        book.note(&key, Claim { priority, price, min, asked, wish: asked }, ledger);
        if memory.is_none() && recalled.is_none() {
            book.doubt(&key);
        }
    }
}

/// What a replica costs as the spec states it, or as it was told last.
fn price_of(object: &PredictiveAutoscaler) -> Option<PricePerReplicaHour> {
    if let Some(stated) = object.spec.spend.as_ref()?.price_per_replica_hour.as_ref() {
        return PricePerReplicaHour::parse(&stated.0).ok();
    }
    memory_of(object)?.price?.last.map(|(price, _)| price)
}

/// What the budget's status told of one member in the period that began at `start`.
fn recalled(budget: &SpendBudget, key: &str, start: Timestamp) -> Option<Recalled> {
    let status = budget.status.as_ref()?;
    let member = status.members.iter().find(|member| member.name == key)?;
    let (at, replicas) = (from_jiff(status.at?), Replicas::new(member.asked));
    let of_now = status.period_start.is_some_and(|told| from_jiff(told) == start) && at >= start;
    of_now.then_some(Recalled { spent: Money::stored(&member.spent).ok()?, at, replicas })
}

fn key_of(object: &PredictiveAutoscaler) -> String {
    format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}
