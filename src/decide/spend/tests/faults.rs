//! Each law of budgets sees the faults that are planted for it.

use std::panic::catch_unwind;

use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::scraped::{made_up_is_enough, minutes};
use super::unpriced::{
    i47_a_member_whose_price_was_never_known_counts_as_the_dearest, losing_buys_nothing, lost, spans,
    unpriced_time_is_paid,
};
use super::*;
use crate::units::fault::{Fault, with};

/// A planted fault is seen within so many cases.
const CAUGHT_WITHIN: usize = 300;

/// Each of the faults breaks a law that holds without it, in a case of `strategy`.
fn breaks<S: Strategy>(faults: &[Fault], strategy: &S, law: impl Fn(S::Value) -> Held) {
    let cases = || {
        let mut runner = TestRunner::deterministic();
        (0..CAUGHT_WITHIN).position(|_| law(strategy.new_tree(&mut runner).unwrap().current()).is_err())
    };
    for &fault in faults {
        assert!(with(fault, cases).is_some(), "{fault:?} is not seen");
    }
}

/// Each of the faults makes `test` fail.
fn fails(faults: &[Fault], test: fn()) {
    for &fault in faults {
        assert!(with(fault, || catch_unwind(test).is_err()), "{fault:?} is not seen");
    }
}

#[test]
fn i41_sees_a_ceiling_that_does_not_hold_a_path_that_is_too_high_and_what_stands_for_nothing() {
    use Fault::{NoCeiling, StandsIsFree, ThetaIsOne};
    breaks(&[NoCeiling, ThetaIsOne, StandsIsFree], &day(Just(100), Just(false)), |day| ceiling_kept(&day));
}

#[test]
fn i41_sees_an_overdraft_without_end() {
    let days = day(Just(100), Just(true));
    breaks(&[Fault::OverdraftWithoutEnd], &days, |day| overdraft_bounded(&day));
}

#[test]
fn i42_i43_see_growth_that_nobody_pays_for_and_money_that_lowers() {
    let days = day(50_u32..150, any::<bool>());
    breaks(&[Fault::NoCeiling, Fault::MoneyLowers], &days, |day| nothing_taken_away(&day));
}

#[test]
fn i44_sees_a_second_that_is_accounted_twice_and_a_gap_that_is_free() {
    let days = day(50_u32..150, any::<bool>());
    breaks(&[Fault::AccountsTwice], &days, |day| ledger_is_what_stood(&day));
    let minutes = (minutes(), prop::bool::weighted(0.2));
    breaks(&[Fault::GapsAreFree], &minutes, |(minutes, level)| made_up_is_enough(&minutes, level));
    fails(&[Fault::GoneIsFree], what_a_member_spent_that_left_stays_spent);
    fails(
        &[Fault::GoneIsFree],
        a_better_account_of_a_member_explains_what_the_status_told_and_adds_nothing_twice,
    );
}

#[test]
fn i45_sees_a_ledger_that_adds_twice_and_a_clock_that_refills() {
    let faults = [Fault::AccountsTwice, Fault::ClockRefills];
    fails(&faults, i45_a_ledger_is_idempotent_and_no_step_of_the_clock_refills_it);
}

#[test]
fn i46_sees_a_share_that_is_rounded_up_priorities_upside_down_and_money_that_is_given_twice() {
    let members = (prop::collection::vec(member(), 1..6), 0_u32..1500);
    let faults = [Fault::ThetaIsOne, Fault::RoundsThetaUp, Fault::PriorityUpsideDown];
    breaks(&faults, &members, |(members, thousandths)| shares_fit(&members, thousandths));
    let faults = [Fault::NoReserve, Fault::KeepsReserved];
    fails(&faults, growth_that_was_not_foreseen_is_paid_from_the_surplus_once);
}

#[test]
fn i47_sees_every_way_in_which_an_unknown_price_could_be_free() {
    use Fault::{ForgetsLastPrice, MoneyLowers, UnknownIsFree};
    breaks(&[UnknownIsFree, ForgetsLastPrice, MoneyLowers], &lost(), losing_buys_nothing);
    breaks(&[Fault::UnpricedTimeIsFree], &spans(), |spans| unpriced_time_is_paid(&spans));
    fails(&[Fault::UnpricedIsCheapest], i47_a_member_whose_price_was_never_known_counts_as_the_dearest);
}
