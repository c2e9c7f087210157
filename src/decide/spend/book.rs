//! The book of one budget: who draws on it, what was spent, and how much each may ask for now.
//!
//! Reserve, then act: [`Book::allow`] says what a member may ask for, [`Book::reserve`] takes it before the write, and
//! [`Book::settle`] gives it back when the write did not land. Every member's share is its own, and what is left over is
//! granted one member after the other, so that no interleaving can spend the same money twice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ledger::{Ledger, Stands};
use super::path::{FADE, Needs, Part, Rest, Shares, Theta, share_out};
use super::report::{BudgetReport, MemberReport};
use crate::calendar::Stretch;
use crate::decide::Decision;
use crate::policy::{BudgetRule, OnExceed};
use crate::units::{Money, PricePerReplicaHour, Replicas, Span, Timestamp};

/// What remains is shared out anew so often.
pub const PLAN_EVERY: Span = Span::from_minutes(1);
/// A rise that is foreseen within this is no growth beyond what is foreseen.
const SOON: Span = Span::from_minutes(5);
/// A new member waits at most so long for its share.
const NEW_MEMBER_WAITS: Span = Span::from_seconds(5);
/// What the overdraft grants must be paid for at least this long, and for as long as it is foreseen to be needed: money
/// never takes it away again.
const OVERDRAFT_LASTS: Span = Span::from_hours(1);

/// What a budget lets one autoscaler ask for now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Allowance {
    /// The budget.
    pub budget: String,
    /// Its currency.
    pub currency: String,
    /// The period.
    pub period: Stretch,
    /// Whether growth beyond it is withheld, or only told.
    pub holds: bool,
    /// The share of what is needed until the end of the period that is paid for.
    pub theta: Theta,
    /// The most replicas that are paid for now.
    pub ceiling: Replicas,
    /// Present demand is served up to so many replicas from the overdraft.
    pub overdraft: Option<Replicas>,
    /// What remains of the amount.
    pub remaining: Money,
    /// Whether `minReplicas` of every member are paid for until the end of the period.
    pub feasible: bool,
}

/// What is known of a member at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Higher ones are served first.
    pub priority: u32,
    /// What a replica costs, as it is known or was last. While it never was it counts as the dearest of the members'.
    pub price: Option<PricePerReplicaHour>,
    /// `minReplicas`.
    pub min: Replicas,
    /// What stands.
    pub asked: Replicas,
    /// What it wants now, money aside, until it has decided.
    pub wish: Replicas,
}

/// What a member has decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What is about to be written; `None` when nothing is.
    pub to: Option<Replicas>,
    /// What it wants, money aside.
    pub wish: Replicas,
    /// What was withheld from it.
    pub withheld: Replicas,
    /// Its ledger.
    pub ledger: Ledger,
}

impl Taken {
    /// What `decision` takes, of a member with this ledger.
    pub fn of(decision: &Decision, ledger: Ledger) -> Self {
        Self { to: decision.write, wish: decision.wish(), withheld: decision.withheld, ledger }
    }
}

/// One member.
#[derive(Clone, Debug)]
struct Seat {
    claim: Claim,
    /// The price that it is reckoned with; `None` only while no member has one.
    price: Option<PricePerReplicaHour>,
    ledger: Ledger,
    needs: Option<Needs>,
    /// Whether it has decided anything since the book was opened.
    decided: bool,
    /// What is being written.
    reserved: Option<Replicas>,
    theta: Theta,
    /// What the share pays for now; `None` before the first plan.
    base: Option<Replicas>,
    /// For how many seconds something from the overdraft must be paid for.
    over_lasts: u64,
    /// What the last decision withheld.
    withheld: Replicas,
}

impl Seat {
    fn stands(&self) -> Replicas {
        self.reserved.map_or(self.claim.asked, |to| to.max(self.claim.asked))
    }

    /// What its share pays for: never less than `minReplicas`.
    fn base(&self) -> Replicas {
        self.base.unwrap_or(self.claim.asked).max(self.claim.min)
    }

    /// Replicas that stand above its share and not on the overdraft.
    fn extra(&self) -> Replicas {
        let paid = self.base().get().saturating_add(self.ledger.over.get());
        Replicas::new(self.stands().get().saturating_sub(paid))
    }
}

/// What was shared out, and when.
#[derive(Clone, Copy, Debug)]
struct Plan {
    at: Timestamp,
    surplus: Money,
    remaining: Money,
    overdrawn: Money,
    feasible: bool,
    /// What the amount no longer pays of what stands: the overdraft has to, before it pays for growth.
    deficit: Money,
}

/// What was granted beyond the shares, an hour of it from the surplus and all of it from the overdraft: kept as a sum,
/// since every decision looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tally {
    extra: Money,
    over: Money,
}

impl Tally {
    const NONE: Self = Self { extra: Money::ZERO, over: Money::ZERO };

    fn of(seat: &Seat) -> Self {
        let Some(price) = seat.price else { return Self::NONE };
        let over = u64::from(seat.ledger.over.get()).saturating_mul(seat.over_lasts);
        Self { extra: price.hourly(seat.extra()), over: price.of_replica_seconds(over) }
    }

    fn plus(self, other: Self) -> Self {
        Self { extra: self.extra.plus(other.extra), over: self.over.plus(other.over) }
    }

    fn less(self, other: Self) -> Self {
        Self { extra: self.extra.less(other.extra), over: self.over.less(other.over) }
    }
}

/// The book of one budget.
#[derive(Clone, Debug)]
pub struct Book {
    rule: BudgetRule,
    stretch: Stretch,
    seats: BTreeMap<String, Seat>,
    /// What members spent that are gone: all of it, and the overdraft's part.
    gone: (Money, Money),
    plan: Option<Plan>,
    tally: Tally,
    changed: bool,
}

impl Book {
    /// The book of `rule` in the period of `now`, without members.
    pub fn open(rule: BudgetRule, now: Timestamp) -> Self {
        let stretch = rule.stretch(now);
        let nothing = (Money::ZERO, Money::ZERO);
        let (seats, tally) = (BTreeMap::new(), Tally::NONE);
        Self { rule, stretch, seats, gone: nothing, plan: None, tally, changed: false }
    }

    /// The rule.
    pub const fn rule(&self) -> &BudgetRule {
        &self.rule
    }

    /// The period.
    pub const fn period(&self) -> Stretch {
        self.stretch
    }

    /// Another amount, overdraft or period holds from now on; what was spent stays spent.
    pub fn amend(&mut self, rule: BudgetRule, now: Timestamp) {
        if rule == self.rule {
            return;
        }
        if (rule.period, &rule.time_zone) != (self.rule.period, &self.rule.time_zone) {
            self.stretch = rule.stretch(now);
        }
        self.rule = rule;
        self.plan = None;
    }

    /// Whether a member has a seat.
    pub fn seats(&self, key: &str) -> bool {
        self.seats.contains_key(key)
    }

    /// Takes up a member, or what is new of it.
    pub fn note(&mut self, key: &str, claim: Claim, ledger: Ledger) {
        let price = claim.price.or(ledger.price).or_else(|| self.dearest());
        let first = price.is_some() && self.seats.values().any(|seat| seat.price.is_none());
        if first {
            // The first price of all: whoever has none is reckoned with it at the next plan, which is due now.
            self.plan = None;
        }
        if self.seats.contains_key(key) {
            // What it wants is known from its last decision.
            self.change(key, |seat| {
                seat.claim = Claim { wish: seat.claim.wish, ..claim };
                seat.price = price;
                seat.ledger = ledger;
            });
            return;
        }
        let (reserved, needs, base, decided) = (None, None, None, false);
        let (theta, withheld) = (Theta::ONE, Replicas::ZERO);
        let over_lasts = self.stretch.length().seconds();
        let seat = Seat { claim, price, ledger, needs, decided, reserved, theta, base, over_lasts, withheld };
        self.tally = self.tally.plus(Tally::of(&seat));
        self.seats.insert(key.to_owned(), seat);
        self.changed = true;
    }

    /// What a member is expected to need.
    pub fn foresee(&mut self, key: &str, needs: Needs) {
        if let Some(seat) = self.seats.get_mut(key) {
            self.changed |= seat.needs.is_none();
            seat.needs = Some(needs);
        }
    }

    /// Lets members go of whom `stays` says no; what they spent stays spent.
    pub fn keep_only(&mut self, now: Timestamp, stays: impl Fn(&str) -> bool) {
        let leaving: Vec<String> = self.seats.keys().filter(|key| !stays(key)).cloned().collect();
        for key in leaving {
            if let Some(seat) = self.seats.remove(&key) {
                self.tally = self.tally.less(Tally::of(&seat));
                let ledger = accounted(&seat, now, self.stretch);
                let (spent, over) = (ledger.spent(seat.price), ledger.overdrawn(seat.price));
                self.gone = (self.gone.0.plus(spent), self.gone.1.plus(over));
                self.changed = true;
            }
        }
    }

    /// What the status told at `at` of the period that began at `start`: what no member's ledger explains was spent by somebody
    /// who is gone.
    pub fn recover(&mut self, at: Timestamp, start: Timestamp, (spent, overdrawn): (Money, Money)) {
        if start != self.stretch.start {
            return;
        }
        let (of_members, over) = self.of_members(at);
        let gone = (spent.less(of_members), overdrawn.less(over));
        self.gone = (self.gone.0.max(gone.0), self.gone.1.max(gone.1));
        self.plan = None;
    }

    /// What a member may ask for at `now`; `None` for a stranger.
    pub fn allow(&mut self, key: &str, now: Timestamp) -> Option<Allowance> {
        let plan = self.planned(now);
        let seat = self.seats.get(key)?;
        let granted = self.tally.less(Tally::of(seat));
        let lasts = self.lasts(now, half_fade());
        // Without any price nothing can be paid for beyond what stands.
        let whole = |money: Money, seconds: u64| {
            seat.price.map_or(Replicas::ZERO, |price| whole(money, price, seconds))
        };
        let extra = whole(plan.surplus.less(granted.extra.for_seconds(lasts)), lasts);
        let ceiling = Replicas::new(seat.base().get().saturating_add(extra.get()));
        let overdraft = self.rule.overdraft.filter(|overdraft| overdraft.unserved).map(|overdraft| {
            let left = overdraft.amount.less(plan.overdrawn).less(plan.deficit).less(granted.over);
            let more = whole(left, seat.over_lasts);
            Replicas::new(ceiling.get().saturating_add(more.get()))
        });
        let Plan { remaining, feasible, .. } = plan;
        Some(Allowance {
            budget: self.rule.name.clone(),
            currency: self.rule.currency.clone(),
            period: self.stretch,
            holds: self.rule.on_exceed == OnExceed::HoldGrowth,
            theta: seat.theta,
            ceiling,
            overdraft,
            remaining,
            feasible,
        })
    }

    /// Takes what a member has decided: what it is about to ask for is reserved.
    pub fn reserve(&mut self, key: &str, taken: Taken) {
        let Taken { to, wish, withheld, ledger } = taken;
        let mut wants_more = false;
        self.change(key, |seat| {
            wants_more = wish > seat.claim.wish || !seat.decided;
            seat.decided = true;
            seat.reserved = to;
            seat.ledger = ledger;
            seat.withheld = withheld;
            // Less is looked at with the next plan.
            seat.claim.wish = wish;
        });
        self.changed |= wants_more;
    }

    /// The write landed, or it did not and what was reserved for it is free again.
    pub fn settle(&mut self, key: &str, landed: bool) {
        self.change(key, |seat| {
            if let Some(to) = seat.reserved.take()
                && landed
            {
                seat.claim.asked = to;
            }
        });
    }

    /// Changes a member, and the sums with it.
    fn change(&mut self, key: &str, how: impl FnOnce(&mut Seat)) {
        if let Some(seat) = self.seats.get_mut(key) {
            let before = Tally::of(seat);
            how(seat);
            self.tally = self.tally.less(before).plus(Tally::of(seat));
        }
    }

    /// The budget as it is told.
    pub fn report(&mut self, now: Timestamp) -> BudgetReport {
        let plan = self.planned(now);
        let (spent, overdrawn) = self.spent(now);
        let mut projected = [spent; 3];
        let mut members = Vec::with_capacity(self.seats.len());
        for (name, seat) in &self.seats {
            let part = self.part(seat, now);
            let spread = seat.needs.as_ref().map_or((500, 1500), |needs| needs.spread);
            for (sum, times) in projected.iter_mut().zip([spread.0, 1000, spread.1]) {
                *sum = sum.plus(part.as_ref().map_or(Money::ZERO, |part| part.cost(seat.theta, times)));
            }
            let Claim { priority, asked, .. } = seat.claim;
            members.push(MemberReport {
                name: name.clone(),
                priority,
                spent: accounted(seat, now, self.stretch).spent(seat.price),
                theta: seat.theta,
                asked,
                ceiling: seat.base(),
                withheld: seat.withheld,
                withheld_hourly: seat.price.map_or(Money::ZERO, |price| price.hourly(seat.withheld)),
            });
        }
        let n_unpriced = self.seats.values().filter(|seat| seat.claim.price.is_none()).count();
        members.sort_by(|a, b| (b.withheld, &a.name).cmp(&(a.withheld, &b.name)));
        let theta = self.seats.values().map(|seat| seat.theta).min().unwrap_or(Theta::ONE);
        let (period, remaining, feasible) = (self.stretch, self.remaining(now), plan.feasible);
        BudgetReport { period, spent, overdrawn, remaining, projected, theta, feasible, n_unpriced, members }
    }

    /// What was spent in the period, and the overdraft's part of it.
    pub fn spent(&self, now: Timestamp) -> (Money, Money) {
        let (spent, over) = self.of_members(now);
        (spent.plus(self.gone.0), over.plus(self.gone.1))
    }

    fn of_members(&self, now: Timestamp) -> (Money, Money) {
        self.seats.values().fold((Money::ZERO, Money::ZERO), |(spent, over), seat| {
            let ledger = accounted(seat, now, self.stretch);
            (spent.plus(ledger.spent(seat.price)), over.plus(ledger.overdrawn(seat.price)))
        })
    }

    fn remaining(&self, now: Timestamp) -> Money {
        let (spent, over) = self.spent(now);
        self.rule.amount.less(spent.less(over))
    }

    /// The plan that holds, made anew when it is old, or soon after something changed.
    fn planned(&mut self, now: Timestamp) -> Plan {
        let stretch = self.rule.stretch(now);
        if stretch.start > self.stretch.start {
            self.stretch = stretch;
            self.gone = (Money::ZERO, Money::ZERO);
            self.plan = None;
        }
        if let Some(plan) = self.plan {
            let age = now.since(plan.at);
            let waits = if self.changed { NEW_MEMBER_WAITS } else { PLAN_EVERY };
            if age < waits {
                return plan;
            }
        }
        let dearest = self.dearest();
        for seat in self.seats.values_mut() {
            seat.price = seat.claim.price.or(seat.ledger.price).or(dearest);
        }
        let (spent, overdrawn) = self.spent(now);
        let own = spent.less(overdrawn);
        let remaining = self.rule.amount.less(own);
        // All members have a price to reckon with, or none has.
        let parts: Vec<Part> = self.seats.values().filter_map(|seat| self.part(seat, now)).collect();
        let Shares { thetas, surplus, feasible, deficit } = share_out(remaining, &parts);
        let deficit = deficit.plus(own.less(self.rule.amount));
        // While anyone's needs are unknown nobody knows what is left over, and the first to ask would take it all.
        let known = self.seats.values().all(|seat| seat.decided || seat.needs.is_some());
        let surplus = if known { surplus } else { Money::ZERO };
        let least = self.lasts(now, OVERDRAFT_LASTS);
        for ((seat, theta), part) in self.seats.values_mut().zip(thetas).zip(&parts) {
            let soon = seat.needs.as_ref().map_or(Replicas::ZERO, |needs| needs.soon(now, SOON));
            let base = theta.of(seat.claim.wish.max(soon)).max(seat.claim.min);
            seat.theta = theta;
            seat.base = Some(base);
            seat.over_lasts = part.rest.seconds_above(base).max(least).saturating_add(PLAN_EVERY.seconds());
        }
        self.tally = self.seats.values().fold(Tally::NONE, |sum, seat| sum.plus(Tally::of(seat)));
        self.changed = false;
        let plan = Plan { at: now, surplus, remaining, overdrawn, feasible, deficit };
        self.plan = Some(plan);
        plan
    }

    /// What it needs, at its price; `None` while no member has one.
    fn part(&self, seat: &Seat, now: Timestamp) -> Option<Part> {
        let price = seat.price?;
        let Claim { priority, min, wish, .. } = seat.claim;
        let over = seat.ledger.over.get();
        let stands = Replicas::new(seat.stands().get().saturating_sub(over));
        let ends = self.stretch.end;
        let rest = match &seat.needs {
            Some(needs) => needs.rest((now, ends), PLAN_EVERY, wish),
            // Nothing is known of it: what it wants now, or has, it is taken to need to the end.
            None => Rest::level(wish.max(stands), ends.since(now).seconds()),
        };
        Some(Part { priority, price, min, stands, rest })
    }

    /// The highest price of the members.
    fn dearest(&self) -> Option<PricePerReplicaHour> {
        self.seats.values().filter_map(|seat| seat.claim.price.or(seat.ledger.price)).max()
    }

    /// How long something granted now must be paid for, in seconds.
    fn lasts(&self, now: Timestamp, at_most: Span) -> u64 {
        self.stretch.end.since(now).min(at_most).seconds().max(1)
    }
}

/// An unforeseen need fades in a line: on average it lasts half of that.
fn half_fade() -> Span {
    Span::from_seconds(FADE.seconds() / 2)
}

/// Whole replicas that `money` pays for over so many seconds.
fn whole(money: Money, price: PricePerReplicaHour, seconds: u64) -> Replicas {
    let count = money.replica_seconds_at(price) / seconds.max(1);
    Replicas::new(u32::try_from(count).unwrap_or(u32::MAX).min(Replicas::HARD_CAP.get()))
}

/// A member's ledger, up to `now`.
fn accounted(seat: &Seat, now: Timestamp, stretch: Stretch) -> Ledger {
    let mut ledger = seat.ledger.clone();
    ledger.account(now, stretch, Stands { replicas: seat.claim.asked, price: seat.claim.price });
    ledger
}
