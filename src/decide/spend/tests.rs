//! Money as laws: the ceiling is kept under every interleaving, nothing is taken away, nothing is spent twice.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;
use crate::calendar::{Effect, Period, Stretch, Window};
use crate::decide::tests::policy as any_policy;
use crate::policy::{BudgetRule, OnExceed, Overdraft, Price, Unpriced};
use crate::units::{CapacityPerReplica, Demand, ReplicaBounds, Span, Timestamp};

mod faults;
mod scraped;
mod unpriced;

/// Whether a law holds in one case.
type Held = Result<(), TestCaseError>;

/// Monday, 2026-11-23T00:00:00Z.
const MONDAY: Timestamp = Timestamp::from_seconds(1_795_392_000);
const INTERVAL: Span = Span::from_minutes(2);
const N_TICKS: usize = 720;

fn n(count: u32) -> Replicas {
    Replicas::new(count)
}

fn price(cents: u32) -> PricePerReplicaHour {
    PricePerReplicaHour::parse(&format!("{}.{:02}", cents / 100, cents % 100)).unwrap()
}

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

fn rule(amount: Money, overdraft: Option<&str>) -> BudgetRule {
    let overdraft =
        overdraft.map(|share| Overdraft { amount: amount.portion(share).unwrap(), unserved: true });
    BudgetRule {
        name: "shop".into(),
        amount,
        currency: "EUR".into(),
        period: Period::Day,
        time_zone: "UTC".into(),
        on_exceed: OnExceed::HoldGrowth,
        overdraft,
    }
}

fn policy_of(member: &Member) -> Policy {
    let mut policy = any_policy();
    policy.bounds = ReplicaBounds::new(n(member.min), n(10_000)).unwrap();
    policy.spend = Some(SpendRule {
        price: price(member.cents).into(),
        currency: "EUR".into(),
        max_per_hour: None,
        budget: Some("shop".into()),
    });
    policy
}

/// One autoscaler: what a replica costs, and what it needs over a day, tick by tick.
#[derive(Clone, Debug)]
struct Member {
    priority: u32,
    cents: u32,
    min: u32,
    needs: Vec<u32>,
}

fn member() -> impl Strategy<Value = Member> {
    let hours = prop::collection::vec(0_u32..60, 24);
    (0_u32..3, 1_u32..200, 1_u32..6, hours, 0_u32..8).prop_map(|(priority, cents, min, hours, wobble)| {
        let needs = (0..N_TICKS).map(|i| {
            let hour = hours[i * 24 / N_TICKS];
            (hour + wobble * u32::from(i % 3 == 0)).max(min)
        });
        Member { priority, cents, min, needs: needs.collect() }
    })
}

/// A day of several members: who goes first at each tick, and whose writes are lost.
#[derive(Clone, Debug)]
struct Day {
    members: Vec<Member>,
    /// The amount, in thousandths between what the minima and what all needs cost.
    share: u32,
    overdraft: bool,
    order: Vec<u8>,
    lost: Vec<bool>,
    /// What is foreseen, in percent of what comes.
    foreseen: u32,
    crash_at: usize,
}

fn day(
    foreseen: impl Strategy<Value = u32>,
    overdraft: impl Strategy<Value = bool>,
) -> impl Strategy<Value = Day> {
    let members = prop::collection::vec(member(), 1..5);
    let chances = prop::collection::vec(any::<u8>(), 64);
    let lost = prop::collection::vec(prop::bool::weighted(0.1), 61);
    (members, 0_u32..1300, overdraft, chances, lost, foreseen, 0..N_TICKS).prop_map(
        |(members, share, overdraft, order, lost, foreseen, crash_at)| Day {
            members,
            share,
            overdraft,
            order,
            lost,
            foreseen,
            crash_at,
        },
    )
}

/// What a day came to.
#[derive(Debug)]
struct Came {
    amount: Money,
    overdraft: Money,
    /// By an account that knows nothing of ledgers: what stood, times the price, times the time.
    spent: Money,
    /// The most that, at any instant, was spent so far and is bound for the minima of the rest, without what was late.
    bound: Money,
    /// The same by the ledgers.
    accounted: (Money, Money),
    /// What one interval costs at the most that ever stood.
    interval: Money,
    /// What replicas cost that were to go, for as long as the write that says so was lost.
    late: Money,
    /// What stood beyond the ceiling and was needed, with the overdraft used up: money takes nothing away.
    kept: Money,
    withheld: u64,
}

impl Day {
    fn cost(&self, of: impl Fn(&Member, usize) -> u32) -> Money {
        self.members.iter().fold(Money::ZERO, |sum, member| {
            let seconds = (0..N_TICKS).map(|i| u64::from(of(member, i)) * INTERVAL.seconds()).sum();
            sum.plus(price(member.cents).of_replica_seconds(seconds))
        })
    }

    fn amount(&self) -> Money {
        let (least, most) = (self.cost(|member, _| member.min), self.cost(|member, i| member.needs[i]));
        let part = most.less(least).for_seconds(u64::from(self.share)).for_seconds(3600 * 36 / 10);
        least.plus(part).plus(money("0.01"))
    }

    /// What the minima cost after that tick.
    fn minima_after(&self, tick: usize) -> Money {
        let seconds = u64::try_from(N_TICKS - 1 - tick).unwrap() * INTERVAL.seconds();
        self.members.iter().fold(Money::ZERO, |sum, member| {
            sum.plus(price(member.cents).of_replica_seconds(u64::from(member.min) * seconds))
        })
    }

    /// Takes a member up, with what is foreseen of it when it is new.
    fn seat(&self, book: &mut Book, i: usize, asked: Replicas, ledger: &Ledger) {
        let (member, key) = (&self.members[i], i.to_string());
        let (priority, price, min) = (member.priority, Some(price(member.cents)), n(member.min));
        let first = !book.seats(&key);
        book.note(&key, Claim { priority, price, min, asked, wish: asked }, ledger.clone());
        if first {
            let ahead = member.needs.iter().map(|&need| (n(need * self.foreseen / 100), 120)).collect();
            book.foresee(&key, Needs { from: MONDAY, ahead, spread: (800, 1200) });
        }
    }

    fn ledgers(&self, stretch: Stretch) -> Vec<Ledger> {
        let stands = |one: &Member| Stands { replicas: n(one.min), price: Some(price(one.cents)) };
        self.members.iter().map(|one| Ledger::begin("shop", (stretch, MONDAY), stands(one))).collect()
    }

    fn play(
        &self,
        each: impl Fn(&Member, (Replicas, Replicas, Replicas), &Allowance) -> Held,
    ) -> Result<Came, TestCaseError> {
        let amount = self.amount();
        let rule = rule(amount, self.overdraft.then_some("30%"));
        let mut book = Book::open(rule.clone(), MONDAY);
        let stretch = Stretch { start: MONDAY, end: MONDAY.plus(Span::from_hours(24)) };
        let mut asked: Vec<Replicas> = self.members.iter().map(|member| n(member.min)).collect();
        let mut ledgers = self.ledgers(stretch);
        let policies: Vec<Policy> = self.members.iter().map(policy_of).collect();
        let (mut spent, mut most, mut withheld) = (Money::ZERO, Money::ZERO, 0);
        let (mut late, mut kept, mut bound) = (Money::ZERO, Money::ZERO, Money::ZERO);
        for tick in 0..N_TICKS {
            let now = MONDAY.plus(Span::from_millis(INTERVAL.millis() * u64::try_from(tick).unwrap()));
            if tick == self.crash_at || tick == 0 {
                // All that is left are the ledgers.
                book = Book::open(rule.clone(), now);
                for i in 0..self.members.len() {
                    self.seat(&mut book, i, asked[i], &ledgers[i]);
                }
            }
            let mut turns: Vec<usize> = (0..self.members.len()).collect();
            turns.sort_by_key(|i| self.order[(tick * 7 + i * 13) % self.order.len()]);
            for i in turns {
                let (member, key) = (&self.members[i], i.to_string());
                let stands = Stands { replicas: asked[i], price: Some(price(member.cents)) };
                ledgers[i].account(now, stretch, stands);
                ledgers[i].account(now, stretch, stands);
                self.seat(&mut book, i, asked[i], &ledgers[i]);
                let allowance = book.allow(&key, now).unwrap();
                let need = n(member.needs[tick]);
                let (desired, _) = apply(&policies[i], (asked[i], need, need), Some(&allowance));
                each(member, (asked[i], need, desired), &allowance)?;
                if allowance.overdraft.is_none() {
                    let over = desired.get().saturating_sub(allowance.ceiling.get().max(member.min));
                    let seconds = u64::from(over) * INTERVAL.seconds();
                    kept = kept.plus(price(member.cents).of_replica_seconds(seconds));
                }
                ledgers[i].draw((asked[i], desired), allowance.ceiling.max(n(member.min)));
                let held = n(need.get().saturating_sub(desired.get()));
                withheld += u64::from(held.get());
                let to = (desired != asked[i]).then_some(desired);
                let ledger = ledgers[i].clone();
                book.reserve(&key, Taken { to, wish: need, withheld: held, ledger });
                let lost = self.lost[(tick * 3 + i) % self.lost.len()];
                book.settle(&key, !lost);
                if lost {
                    let stays = u64::from(asked[i].get().saturating_sub(desired.get()));
                    late = late.plus(price(member.cents).of_replica_seconds(stays * INTERVAL.seconds()));
                } else {
                    asked[i] = desired;
                }
            }
            let stood = self.members.iter().zip(&asked).fold(Money::ZERO, |sum, (member, asked)| {
                let seconds = u64::from(asked.get()) * INTERVAL.seconds();
                sum.plus(price(member.cents).of_replica_seconds(seconds))
            });
            (spent, most) = (spent.plus(stood), most.max(stood));
            bound = bound.max(spent.plus(self.minima_after(tick)).less(late));
        }
        for (i, ledger) in ledgers.iter_mut().enumerate() {
            let stands = Stands { replicas: asked[i], price: Some(price(self.members[i].cents)) };
            ledger.account(stretch.end, stretch, stands);
        }
        let accounted = ledgers.iter().fold((Money::ZERO, Money::ZERO), |(all, over), ledger| {
            (all.plus(ledger.spent(None)), over.plus(ledger.overdrawn(None)))
        });
        let overdraft = rule.overdraft.map_or(Money::ZERO, |overdraft| overdraft.amount);
        Ok(Came { amount, overdraft, spent, bound, accounted, interval: most, late, kept, withheld })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn i41_the_ceiling_is_kept_under_every_interleaving(day in day(Just(100), Just(false))) {
        ceiling_kept(&day)?;
    }

    #[test]
    fn i41_the_overdraft_bounds_what_is_spent_beyond_the_amount(day in day(Just(100), Just(true))) {
        overdraft_bounded(&day)?;
    }

    #[test]
    fn i42_i43_money_takes_nothing_away(day in day(50_u32..150, any::<bool>())) {
        nothing_taken_away(&day)?;
    }

    #[test]
    fn i44_the_ledger_is_what_stood(day in day(50_u32..150, any::<bool>())) {
        ledger_is_what_stood(&day)?;
    }

    #[test]
    fn i46_what_is_shared_out_fits_and_is_the_most_that_does(
        members in prop::collection::vec(member(), 1..6),
        thousandths in 0_u32..1500,
    ) {
        shares_fit(&members, thousandths)?;
    }
}

/// Where what is foreseen comes, what is spent is the amount and one interval at most, whoever goes first, whatever
/// writes are lost, and also over a crash; and what stood on because a write was lost that would have lowered it. At every
/// instant what is left pays for the minima of the rest.
fn ceiling_kept(day: &Day) -> Held {
    let came = day.play(|_, _, _| Ok(()))?;
    let most = came.amount.plus(came.interval).plus(came.late);
    prop_assert!(came.spent <= most, "{came:?}");
    prop_assert!(came.bound <= came.amount.plus(came.interval), "{came:?}");
    Ok(())
}

/// With an overdraft no more than that is spent on top of it, an interval for each of both, and what it raised that is
/// needed still when it is used up.
fn overdraft_bounded(day: &Day) -> Held {
    let came = day.play(|_, _, _| Ok(()))?;
    let both = came.interval.plus(came.interval);
    let most = came.amount.plus(came.overdraft).plus(both).plus(came.late).plus(came.kept);
    prop_assert!(came.spent <= most, "{came:?}");
    prop_assert!(came.accounted.1 <= came.overdraft.plus(came.interval), "{came:?}");
    Ok(())
}

/// A budget that does not pay for the minima withholds all growth, and takes nothing away; nothing stands under
/// minReplicas for money.
fn nothing_taken_away(day: &Day) -> Held {
    day.play(|member, (asked, need, desired), allowance| {
        let wanted = need.max(n(member.min));
        prop_assert!(desired >= asked.min(wanted), "{desired} of {wanted}, {asked} stand");
        prop_assert!(desired <= wanted.max(asked));
        if !allowance.feasible && allowance.overdraft.is_none() {
            prop_assert!(desired <= asked.max(n(member.min)), "{desired}, {asked} stand");
        }
        Ok(())
    })
    .map(drop)
}

/// The ledgers are what stood, times the price: to one interval, over lost writes and a crash.
fn ledger_is_what_stood(day: &Day) -> Held {
    let came = day.play(|_, _, _| Ok(()))?;
    let (low, high) = (came.spent.less(came.interval), came.spent.plus(came.interval));
    prop_assert!(low <= came.accounted.0 && came.accounted.0 <= high, "{came:?}");
    Ok(())
}

/// Whatever is foreseen, theta never lets the rest of the period cost more than remains, and one millionth more would.
fn shares_fit(members: &[Member], thousandths: u32) -> Held {
    let parts: Vec<Part> = members
        .iter()
        .map(|member| Part {
            priority: member.priority,
            price: price(member.cents),
            min: n(member.min),
            stands: n(member.needs[0] / 2),
            rest: Needs {
                from: MONDAY,
                ahead: member.needs.iter().map(|&need| (n(need), 120)).collect(),
                spread: (800, 1200),
            }
            .rest((MONDAY, MONDAY.plus(Span::from_hours(24))), PLAN_EVERY, n(member.needs[0])),
        })
        .collect();
    let cost = |theta: &dyn Fn(usize) -> Theta| {
        parts.iter().enumerate().fold(Money::ZERO, |sum, (i, part)| sum.plus(part.cost(theta(i), 1000)))
    };
    let remaining = cost(&|_| Theta::ONE).for_seconds(u64::from(thousandths) * 36 / 10);
    let shares = share_out(remaining, &parts);
    let all = cost(&|i| shares.thetas[i]);
    let minima = parts.iter().fold(Money::ZERO, |sum, part| {
        let minimum = Part { stands: n(0), rest: Rest::level(n(0), 24 * 3600), ..part.clone() };
        sum.plus(minimum.cost(Theta::ZERO, 1000))
    });
    prop_assert_eq!(shares.feasible, minima <= remaining);
    if cost(&|_| Theta::ZERO) <= remaining {
        prop_assert!(shares.feasible);
        // A third of a cent has no end in decimals.
        let crumbs = money("0.0000001");
        prop_assert!(all.plus(shares.surplus) <= remaining.plus(crumbs));
        for (i, theta) in shares.thetas.iter().enumerate() {
            // Whoever comes later keeps nothing back from who comes first.
            let more = |j: usize| match parts[j].priority.cmp(&parts[i].priority) {
                std::cmp::Ordering::Less => Theta::ZERO,
                std::cmp::Ordering::Equal => Theta::from_millionths(theta.millionths() + 1),
                std::cmp::Ordering::Greater => shares.thetas[j],
            };
            prop_assert!(*theta == Theta::ONE || cost(&more).plus(crumbs) > remaining);
        }
    }
    Ok(())
}

#[test]
fn the_days_of_the_laws_withhold_and_do_not() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let days: Vec<Came> = (0..40)
        .map(|_| {
            day(Just(100), any::<bool>())
                .new_tree(&mut runner)
                .unwrap()
                .current()
                .play(|_, _, _| Ok(()))
                .unwrap()
        })
        .collect();
    assert!(days.iter().filter(|came| came.withheld > 0).count() > 10);
    assert!(days.iter().filter(|came| came.withheld == 0).count() > 3);
    assert!(days.iter().filter(|came| came.accounted.1 > Money::ZERO).count() > 3, "the overdraft is used");
}

#[test]
fn the_higher_priority_is_served_first() {
    let part = |priority: u32| Part {
        priority,
        price: price(100),
        min: n(2),
        stands: n(2),
        rest: Rest::level(n(10), 36_000),
    };
    // Ten hours of two minima cost 40; sixty are left for growth of which each could use 80.
    let shares = share_out(money("100"), &[part(1), part(5)]);
    assert_eq!(shares.thetas.iter().map(|one| one.of(n(10))).collect::<Vec<_>>(), [n(2), n(8)]);
    let equal = share_out(money("100"), &[part(1), part(1)]);
    assert_eq!(equal.thetas.iter().map(|one| one.of(n(10))).collect::<Vec<_>>(), [n(5), n(5)]);
    assert!(!share_out(money("39"), &[part(1), part(5)]).feasible);
    // What stands costs more than is left, and its minimum does not: minReplicas are not what is wrong.
    let stood = Part { stands: n(10), ..part(1) };
    let short = share_out(money("39"), &[stood]);
    assert!(short.feasible && short.thetas == [Theta::ZERO] && short.deficit > Money::ZERO, "{short:?}");
}

#[test]
fn i45_a_ledger_is_idempotent_and_no_step_of_the_clock_refills_it() {
    let stretch = |day: u64| {
        let start = MONDAY.plus(Span::from_hours(24 * day));
        Stretch { start, end: start.plus(Span::from_hours(24)) }
    };
    let stands = Stands { replicas: n(4), price: Some(price(50)) };
    let mut ledger = Ledger::begin("shop", (stretch(0), MONDAY), stands);
    let noon = MONDAY.plus(Span::from_hours(12));
    ledger.account(noon, stretch(0), stands);
    assert_eq!(ledger.spent(None), money("24"));
    ledger.account(noon, stretch(0), stands);
    ledger.account(MONDAY, stretch(0), stands);
    assert_eq!(ledger.spent(None), money("24"), "twice, and from a clock that went back");
    // Another price counts from then on.
    ledger.account(noon.plus(Span::from_hours(1)), stretch(0), Stands { price: Some(price(100)), ..stands });
    assert_eq!(ledger.spent(None), money("28"));
    // A new day begins at its start, whenever it is first seen.
    let dear = Stands { price: Some(price(100)), ..stands };
    ledger.account(MONDAY.plus(Span::from_hours(25)), stretch(1), dear);
    assert_eq!(ledger.spent(None), money("4"));
    ledger.account(MONDAY.plus(Span::from_hours(23)), stretch(0), dear);
    assert_eq!(
        (ledger.period, ledger.spent(None)),
        (stretch(1).start, money("4")),
        "yesterday is not opened anew"
    );
}

#[test]
fn a_long_gap_costs_the_dearer_of_the_prices_at_its_ends() {
    let stretch = Stretch { start: MONDAY, end: MONDAY.plus(Span::from_hours(24)) };
    let stands = |cents: u32| Stands { replicas: n(4), price: Some(price(cents)) };
    let mut ledger = Ledger::begin("shop", (stretch, MONDAY), stands(50));
    let mut spent = |hour: u64, cents: u32| {
        ledger.account(MONDAY.plus(Span::from_hours(hour)), stretch, stands(cents));
        ledger.spent(None)
    };
    assert_eq!(spent(5, 10), money("10"), "it fell at some time in five hours");
    assert_eq!(spent(6, 10), money("10.4"), "from then on it counts");
    assert_eq!(spent(7, 100), money("14.4"), "it rose");
}

#[test]
fn a_clock_that_is_set_back_keeps_no_plan_of_later() {
    let mut book = Book::open(rule(money("60"), None), MONDAY);
    let stands = Stands { replicas: n(1), price: Some(price(100)) };
    let claim = Claim { priority: 0, price: Some(price(100)), min: n(1), asked: n(1), wish: n(1) };
    book.note("a", claim, Ledger::begin("shop", (book.period(), MONDAY), stands));
    let foreseen = |need: u32| Needs { from: MONDAY, ahead: vec![(n(need), 86_400)], spread: (1000, 1000) };
    book.foresee("a", foreseen(1));
    let later = MONDAY.plus(Span::from_hours(2));
    assert_eq!(book.report(later).theta, Theta::ONE);
    book.foresee("a", foreseen(10));
    let theta = book.report(later.minus(Span::from_hours(1))).theta;
    assert!(theta < Theta::ONE, "ten for a day cost 240 of 60: {theta}");
}

#[test]
fn what_a_member_spent_that_left_stays_spent() {
    let mut book = Book::open(rule(money("100"), None), MONDAY);
    let stands = Stands { replicas: n(10), price: Some(price(100)) };
    let stretch = book.period();
    for key in ["a", "b"] {
        let claim = Claim { priority: 0, price: Some(price(100)), min: n(1), asked: n(10), wish: n(10) };
        book.note(key, claim, Ledger::begin("shop", (stretch, MONDAY), stands));
    }
    let later = MONDAY.plus(Span::from_hours(2));
    assert_eq!(book.spent(later).0, money("40"));
    book.keep_only(later, |key| key == "a");
    assert_eq!(book.spent(later).0, money("40"));
    let mut anew = Book::open(rule(money("100"), None), later);
    let claim = Claim { priority: 0, price: Some(price(100)), min: n(1), asked: n(10), wish: n(10) };
    anew.note("a", claim, Ledger::begin("shop", (stretch, MONDAY), stands));
    anew.recover(later, stretch.start, (money("40"), Money::ZERO));
    assert_eq!(anew.spent(later).0, money("40"), "as the status told it");
}

#[test]
fn growth_that_was_not_foreseen_is_paid_from_the_surplus_once() {
    // The day costs 48 of 60: twelve are left, one replica more for twelve hours.
    let mut book = Book::open(rule(money("60"), None), MONDAY);
    let stretch = book.period();
    for key in ["a", "b"] {
        let stands = Stands { replicas: n(1), price: Some(price(100)) };
        let claim = Claim { priority: 0, price: Some(price(100)), min: n(1), asked: n(1), wish: n(1) };
        book.note(key, claim, Ledger::begin("shop", (stretch, MONDAY), stands));
        book.foresee(key, Needs { from: MONDAY, ahead: vec![(n(1), 86_400)], spread: (1000, 1000) });
    }
    assert_eq!(book.allow("a", MONDAY).unwrap().ceiling, n(2));
    assert_eq!(book.allow("b", MONDAY).unwrap().ceiling, n(2));
    let taken = |to: Option<Replicas>| Taken {
        to,
        wish: n(1),
        withheld: n(0),
        ledger: Ledger::begin("shop", (stretch, MONDAY), Stands { replicas: n(1), price: Some(price(100)) }),
    };
    book.reserve("a", taken(Some(n(2))));
    assert_eq!(book.allow("b", MONDAY).unwrap().ceiling, n(1), "it is reserved");
    book.settle("a", false);
    assert_eq!(book.allow("b", MONDAY).unwrap().ceiling, n(2), "and free again, as nothing was written");
}

#[test]
fn a_better_account_of_a_member_explains_what_the_status_told_and_adds_nothing_twice() {
    let begin = |replicas: u32| {
        let stands = Stands { replicas: n(replicas), price: Some(price(100)) };
        Ledger::begin("shop", (rule(money("100"), None).stretch(MONDAY), MONDAY), stands)
    };
    let later = MONDAY.plus(Span::from_hours(2));
    let known = |spent: &str| Ledger { settled: money(spent), at: later, ..begin(10) };
    // Of 60 that were told ten replicas explain 20 as they stand; what they really spent explains more of it, or less.
    for (truly, all) in [("50", "60"), ("5", "60"), ("70", "70")] {
        let mut book = Book::open(rule(money("100"), None), later);
        let claim = Claim { priority: 0, price: Some(price(100)), min: n(1), asked: n(10), wish: n(10) };
        book.note("a", claim, begin(10));
        book.doubt("a");
        assert!(!book.report(later).complete, "a guess is not told");
        book.recover(later, book.period().start, (money("60"), Money::ZERO));
        assert_eq!(book.spent(later).0, money("60"));
        for _ in 0..2 {
            book.correct("a", &known(truly), later);
            book.note("a", claim, known(truly));
            assert_eq!(book.spent(later).0, money(all), "{truly}");
            assert!(book.report(later).complete);
        }
    }
}

/// What is needed, hour by hour, where three times ten replicas are announced for the third hour, and eight at least
/// for the fifth.
#[test]
fn an_announced_event_is_part_of_what_is_needed_until_the_end_of_the_period() {
    let policy = any_policy();
    let start = Timestamp::from_seconds(1_795_737_600);
    let hour = |n: u64| start.plus(Span::from_hours(n));
    let window = |(from, to): (u64, u64), multiplier, least| Window {
        start: hour(from),
        end: hour(to),
        effect: Effect {
            name: "retail/sale".to_owned(),
            multiplier,
            ramp_up: Span::ZERO,
            decay: Span::ZERO,
            ready_before: Span::ZERO,
            min_replicas: least,
            max_replicas: None,
            exclude_from_learning: true,
        },
    };
    let capacity = CapacityPerReplica::new(100.0).unwrap();
    let demand = Demand::new(280.0);
    let seen = Foreseen { capacity, outlook: None, level: None, usual: None, demand };
    let events = [window((2, 3), 3.0, None), window((4, 5), 1.0, Some(Replicas::new(8)))];
    let needs = needs(&policy, (start, hour(8)), &[seen], &events).unwrap();
    let each: Vec<u32> = (0..7).map(|n| needs.soon(hour(n), Span::from_minutes(59)).get()).collect();
    assert_eq!(each, [4, 4, 12, 4, 8, 4, 4], "at 70 % of 100");
    // During the event demand has it in it already.
    let within = Foreseen { demand: Demand::new(840.0), ..seen };
    let events = [window((0, 3), 3.0, None)];
    let needs = super::needs(&policy, (start, hour(8)), &[within], &events).unwrap();
    let each: Vec<u32> = (0..5).map(|n| needs.soon(hour(n), Span::from_minutes(59)).get()).collect();
    assert_eq!(each, [12, 12, 12, 4, 4]);
}
