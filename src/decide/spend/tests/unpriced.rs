//! What is bought and owed while the price is not known.

use super::*;

/// What a policy of budget `shop` that holds growth is given where the price is not known.
fn unknown(last: Option<u32>, max_per_hour: Option<&str>, budget: bool) -> Policy {
    let mut policy = any_policy();
    policy.bounds = ReplicaBounds::new(n(2), n(10_000)).unwrap();
    let unpriced = Unpriced { last: last.map(price), since: Some(MONDAY), because: "nobody answers".into() };
    policy.spend = Some(SpendRule {
        price: Price::Unknown(unpriced),
        currency: "EUR".into(),
        max_per_hour: max_per_hour.map(money),
        budget: budget.then(|| "shop".into()),
    });
    policy
}

fn allowance(holds: bool, ceiling: u32, overdraft: Option<u32>) -> Allowance {
    Allowance {
        budget: "shop".into(),
        currency: "EUR".into(),
        period: Stretch { start: MONDAY, end: MONDAY.plus(Span::from_hours(24)) },
        holds,
        theta: Theta::ONE,
        ceiling: n(ceiling),
        overdraft: overdraft.map(n),
        remaining: money("100"),
        feasible: true,
    }
}

proptest! {
    #[test]
    fn i47_losing_the_price_buys_nothing_and_lowers_nothing(case in lost()) {
        losing_buys_nothing(case)?;
    }

    #[test]
    fn i47_time_without_a_price_is_paid_for_when_there_is_one(spans in spans()) {
        unpriced_time_is_paid(&spans)?;
    }
}

/// What happens to an autoscaler that loses its price.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lost {
    counts: (u32, u32, u32),
    /// What the budget allows, and whether it withholds.
    allowed: (u32, Option<u32>, bool),
    last: Option<u32>,
    limit: Option<u32>,
    /// Whether it names a budget, and whether that takes it.
    budget: (bool, bool),
}

pub(super) fn lost() -> impl Strategy<Value = Lost> {
    let allowed = (0_u32..300, prop::option::of(0_u32..400), any::<bool>());
    let (last, limit) = (prop::option::of(1_u32..500), prop::option::of(1_u32..300));
    ((1_u32..200, 0_u32..400, 0_u32..300), allowed, last, limit, any::<(bool, bool)>())
        .prop_map(|(counts, allowed, last, limit, budget)| Lost { counts, allowed, last, limit, budget })
}

/// Losing the price buys nothing: never more than at the last price, never more than what stands, the minimum and
/// present demand need; and it takes nothing away.
pub(super) fn losing_buys_nothing(case: Lost) -> Held {
    let Lost { counts: (asked, proposal, need), allowed, last, limit, budget: (named, takes) } = case;
    let (ceiling, overdraft, holds) = allowed;
    let most = limit.map(|cents| format!("{}.{:02}", cents / 100, cents % 100));
    let policy = unknown(last, most.as_deref(), named);
    let allowed = (named && takes).then(|| allowance(holds, ceiling, overdraft));
    let counts = (n(asked), n(proposal), n(need));
    let (given, fact) = apply(&policy, counts, allowed.as_ref());
    prop_assert!(given <= n(proposal));
    prop_assert!(given >= n(proposal.min(asked)), "{fact}");
    let held = limit.is_some() || (named && (holds || !takes));
    if held {
        prop_assert!(given <= n(asked.max(need).max(2)), "{fact}");
    } else {
        prop_assert_eq!(given, n(proposal));
    }
    if let Some(cents) = last {
        let mut known = policy.clone();
        known.spend = known.spend.map(|rule| SpendRule { price: price(cents).into(), ..rule });
        let (bought, _) = apply(&known, counts, allowed.as_ref());
        prop_assert!(given <= bought, "{given} without the price, {bought} with it");
    } else if held {
        // It is what a limit that pays for nothing leaves.
        prop_assert_eq!(given, n(proposal.min(asked.max(need).max(2))));
    }
    let told = fact.limited().map(|(limited, reason)| (limited, reason.to_owned()));
    let limits = limit.is_some() || named;
    prop_assert_eq!(told, limits.then(|| (true, "PriceUnknown".to_owned())));
    let sentence = fact.to_string();
    prop_assert!(
        sentence.contains("price unknown since 2026-11-23T00:00:00Z because nobody answers"),
        "{}",
        sentence
    );
    Ok(())
}

/// Seconds, replicas, and the price in cents while it is known.
pub(super) fn spans() -> impl Strategy<Value = Vec<(u64, u32, Option<u32>)>> {
    prop::collection::vec((1_u64..3600, 0_u32..50, prop::option::of(1_u32..500)), 1..20)
}

/// Time without a price is paid for at the first price that is known, also over several gaps and twice accounted.
pub(super) fn unpriced_time_is_paid(spans: &[(u64, u32, Option<u32>)]) -> Held {
    let stretch = Stretch { start: MONDAY, end: MONDAY.plus(Span::from_hours(24)) };
    let mut ledger = Ledger::begin("shop", (stretch, MONDAY), Stands { replicas: n(0), price: None });
    let mut now = MONDAY;
    let (mut owed, mut reckoned, mut due) = (Money::ZERO, None, 0_u64);
    for &(seconds, replicas, cents) in spans {
        // A price that was lost goes on to count.
        if let Some(cents) = cents {
            let next = Some(price(cents));
            if let Some(before) = reckoned.filter(|_| reckoned != next) {
                owed = owed.plus(PricePerReplicaHour::of_replica_seconds(before, due));
                due = 0;
            }
            reckoned = next;
        }
        for part in 0..seconds.div_ceil(60) {
            let step = (seconds - part * 60).min(60);
            now = now.plus(Span::from_seconds(step));
            due += u64::from(replicas) * step;
            let stands = Stands { replicas: n(replicas), price: cents.map(price) };
            ledger.account(now, stretch, stands);
            ledger.account(now, stretch, stands);
        }
        let so_far = owed.plus(reckoned.map_or(Money::ZERO, |price| price.of_replica_seconds(due)));
        prop_assert_eq!(ledger.spent(None), so_far);
        if reckoned.is_none() {
            prop_assert_eq!(ledger.spent(Some(price(100))), price(100).of_replica_seconds(due));
        }
    }
    Ok(())
}

#[test]
pub(super) fn i47_a_member_whose_price_was_never_known_counts_as_the_dearest() {
    let mut book = Book::open(rule(money("100"), None), MONDAY);
    let stretch = book.period();
    let seat = |book: &mut Book, key: &str, price: Option<PricePerReplicaHour>| {
        let stands = Stands { replicas: n(1), price };
        let claim = Claim { priority: 0, price, min: n(1), asked: n(1), wish: n(1) };
        book.note(key, claim, Ledger::begin("shop", (stretch, MONDAY), stands));
        book.foresee(key, Needs { from: MONDAY, ahead: vec![(n(1), 86_400)], spread: (1000, 1000) });
    };
    seat(&mut book, "unknown", None);
    // While nobody has a price nobody is paid anything.
    assert_eq!(book.allow("unknown", MONDAY).unwrap().ceiling, n(1));
    assert_eq!((book.report(MONDAY).n_unpriced, book.report(MONDAY).projected[1]), (1, Money::ZERO));
    seat(&mut book, "cheap", Some(price(50)));
    seat(&mut book, "dear", Some(price(100)));
    let later = MONDAY.plus(Span::from_hours(2));
    let report = book.report(later);
    assert_eq!(report.spent, money("5"), "two hours at 0.50, 1.00 and as much");
    assert_eq!(report.projected[1], money("60"));
    assert_eq!(report.n_unpriced, 1);
    // Now that it is known, what it used is paid for at that.
    let mut ledger = Ledger::begin("shop", (stretch, MONDAY), Stands { replicas: n(1), price: None });
    let known = Stands { replicas: n(1), price: Some(price(25)) };
    ledger.account(later, stretch, known);
    let claim = Claim { priority: 0, price: Some(price(25)), min: n(1), asked: n(1), wish: n(1) };
    book.note("unknown", claim, ledger);
    assert_eq!(book.spent(later).0, money("3.5"));
    assert_eq!(book.report(later).n_unpriced, 0);
}
