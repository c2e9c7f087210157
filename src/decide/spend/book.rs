//! The book of one budget: who draws on it, what was spent, and how much each may ask for now.
//!
//! Reserve, then act: [`Book::allow`] says what a member may ask for, [`Book::reserve`] takes it before the write, and
//! [`Book::settle`] gives it back when the write did not land. Every member's share is its own, and what is left over is
//! granted one member after the other, so that no interleaving can spend the same money twice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ledger::Ledger;
use super::path::{FADE, Needs, Part, Rest, Shares, Theta, share_out};
use super::report::{BudgetReport, MemberReport};
use super::seat::{Claim, Seat, Taken, Tally};
use crate::calendar::Stretch;
use crate::policy::{BudgetRule, OnExceed};
use crate::units::{Money, PricePerReplicaHour, Replicas, Span, Timestamp, faulty};

/// What remains is shared out anew so often.
pub const PLAN_EVERY: Span = Span::from_minutes(1);
/// A rise that is foreseen within this is no growth beyond what is foreseen.
const SOON: Span = Span::from_minutes(5);
/// After a start nothing is told for so long while what members spent is a guess, so that no guess is taken for knowledge.
const GUESSES_WAIT: Span = Span::from_minutes(2);
/// A new member waits at most so long for its share.
const NEW_MEMBER_WAITS: Span = Span::from_seconds(5);
/// What the overdraft grants must be paid for at least this long, and for as long as it is foreseen to be needed: money
/// never takes it away again.
const OVERDRAFT_LASTS: Span = Span::from_hours(1);

/// Nothing spent, and nothing of it by the overdraft.
const NOTHING: (Money, Money) = (Money::ZERO, Money::ZERO);

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

/// What was shared out, and when.
#[derive(Clone, Copy, Debug)]
struct Plan {
    at: Timestamp,
    surplus: Money,
    remaining: Money,
    overdrawn: Money,
    feasible: bool,
    /// What will have been spent at the end: in the low course of demand, as foreseen, in the high course.
    projected: [Money; 3],
    /// What the amount no longer pays of what stands: the overdraft has to, before it pays for growth.
    deficit: Money,
}

/// What the budget's status told when the book was opened, and how much of that the members' ledgers explain: all of it,
/// and the overdraft's part.
#[derive(Clone, Copy, Debug)]
struct Told {
    spent: (Money, Money),
    explained: (Money, Money),
}

/// The book of one budget.
#[derive(Clone, Debug)]
pub struct Book {
    rule: BudgetRule,
    opened: Timestamp,
    stretch: Stretch,
    seats: BTreeMap<String, Seat>,
    /// What members spent that left: all of it, and the overdraft's part.
    gone: (Money, Money),
    told: Option<Told>,
    plan: Option<Plan>,
    tally: Tally,
    changed: bool,
}

impl Book {
    /// The book of `rule` in the period of `now`, without members.
    pub fn open(rule: BudgetRule, now: Timestamp) -> Self {
        let stretch = rule.stretch(now);
        let (seats, tally) = (BTreeMap::new(), Tally::NONE);
        Self {
            rule,
            opened: now,
            stretch,
            seats,
            gone: NOTHING,
            told: None,
            plan: None,
            tally,
            changed: false,
        }
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
        // Until the next plan all have one, or none has.
        let unpriced = self.seats.values().next().is_some_and(|seat| seat.price.is_none());
        let first = price.is_some() && unpriced;
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
        let guessed = false;
        let seat = Seat {
            claim,
            price,
            ledger,
            guessed,
            needs,
            decided,
            reserved,
            theta,
            base,
            over_lasts,
            withheld,
        };
        self.tally = self.tally.plus(Tally::of(&seat));
        self.seats.insert(key.to_owned(), seat);
        self.changed = true;
    }

    /// The ledger of a member is a guess: it is not told, and waits for [`Self::correct`].
    pub fn doubt(&mut self, key: &str) {
        self.change(key, |seat| seat.guessed = true);
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
                self.gone = both(self.gone, seat.spent(now, self.stretch), Money::plus);
                self.changed = true;
            }
        }
    }

    /// What the status told at `at` of the period that began at `start`: what no member's ledger explains was spent by somebody
    /// who is gone.
    pub fn recover(&mut self, at: Timestamp, start: Timestamp, spent: (Money, Money)) {
        if start == self.stretch.start {
            self.told = Some(Told { spent, explained: self.of_members(at) });
            self.plan = None;
        }
    }

    /// A better account of what a member spent than the guess that it was seated with. It explains as much more, or less,
    /// of what the status told; doing so twice changes nothing.
    pub fn correct(&mut self, key: &str, ledger: &Ledger, now: Timestamp) {
        if !self.seats.get(key).is_some_and(|seat| seat.guessed) {
            return;
        }
        let (stretch, mut before, mut after) = (self.stretch, NOTHING, NOTHING);
        self.change(key, |seat| {
            before = seat.spent(now, stretch);
            seat.ledger = ledger.clone();
            seat.guessed = false;
            after = seat.spent(now, stretch);
        });
        if let Some(told) = &mut self.told {
            told.explained = both(both(told.explained, after, Money::plus), before, Money::less);
        }
        self.changed = true;
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
            let used = plan.overdrawn.plus(plan.deficit).plus(granted.over);
            let left = overdraft.amount.less(faulty!(OverdraftWithoutEnd, Money::ZERO, used));
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
            seat.reserved = faulty!(NoReserve, None, to);
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
                && faulty!(KeepsReserved, true, landed)
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
        let projected = plan.projected.map(|projected| projected.max(spent));
        let mut members = Vec::with_capacity(self.seats.len());
        for (name, seat) in &self.seats {
            let Claim { priority, asked, .. } = seat.claim;
            members.push(MemberReport {
                name: name.clone(),
                priority,
                spent: seat.spent(now, self.stretch).0,
                theta: seat.theta,
                asked,
                ceiling: seat.base(),
                guessed: seat.guessed,
                withheld: seat.withheld,
                withheld_hourly: seat.price.map_or(Money::ZERO, |price| price.hourly(seat.withheld)),
            });
        }
        let n_unpriced = self.seats.values().filter(|seat| seat.claim.price.is_none()).count();
        members.sort_by(|a, b| (b.withheld, &a.name).cmp(&(a.withheld, &b.name)));
        let theta = self.seats.values().map(|seat| seat.theta).min().unwrap_or(Theta::ONE);
        let (period, remaining, feasible) = (self.stretch, self.remaining(now), plan.feasible);
        let complete = now.since(self.opened) >= GUESSES_WAIT || !members.iter().any(|member| member.guessed);
        BudgetReport {
            period,
            spent,
            overdrawn,
            remaining,
            projected,
            theta,
            feasible,
            n_unpriced,
            complete,
            members,
        }
    }

    /// What was spent in the period, and the overdraft's part of it.
    pub fn spent(&self, now: Timestamp) -> (Money, Money) {
        let unexplained = self.told.map_or(NOTHING, |told| both(told.spent, told.explained, Money::less));
        let gone = both(self.gone, unexplained, Money::plus);
        let gone = faulty!(GoneIsFree, NOTHING, gone);
        both(self.of_members(now), gone, Money::plus)
    }

    fn of_members(&self, now: Timestamp) -> (Money, Money) {
        let all = self.seats.values().map(|seat| seat.spent(now, self.stretch));
        all.fold(NOTHING, |sum, one| both(sum, one, Money::plus))
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
            (self.gone, self.told, self.plan) = (NOTHING, None, None);
        }
        if let Some(plan) = self.plan {
            let age = now.since(plan.at);
            let waits = if self.changed { NEW_MEMBER_WAITS } else { PLAN_EVERY };
            // A plan of a time that is yet to come is that of a clock set back since.
            if age < waits && plan.at <= now {
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
        let mut projected = [spent; 3];
        for ((seat, theta), part) in self.seats.values_mut().zip(thetas).zip(&parts) {
            let soon = seat.needs.as_ref().map_or(Replicas::ZERO, |needs| needs.soon(now, SOON));
            let base = theta.of(seat.claim.wish.max(soon)).max(seat.claim.min);
            let spread = seat.needs.as_ref().map_or((500, 1500), |needs| needs.spread);
            for (sum, times) in projected.iter_mut().zip([spread.0, 1000, spread.1]) {
                *sum = sum.plus(part.cost(theta, times));
            }
            seat.theta = theta;
            seat.base = Some(base);
            seat.over_lasts = part.rest.seconds_above(base).max(least).saturating_add(PLAN_EVERY.seconds());
        }
        self.tally = self.seats.values().fold(Tally::NONE, |sum, seat| sum.plus(Tally::of(seat)));
        self.changed = false;
        let plan = Plan { at: now, surplus, remaining, overdrawn, feasible, projected, deficit };
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
        let prices = self.seats.values().filter_map(|seat| seat.claim.price.or(seat.ledger.price));
        faulty!(UnpricedIsCheapest, prices.min(), prices.max())
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

/// The whole with the whole, the overdraft's part with the overdraft's part.
fn both(one: (Money, Money), other: (Money, Money), how: impl Fn(Money, Money) -> Money) -> (Money, Money) {
    (how(one.0, other.0), how(one.1, other.1))
}
