//! Faults that tests plant, to show that their laws would see them. No build but that of the unit tests holds any.

/// The second expression; in unit tests the first one where that fault is planted.
macro_rules! faulty {
    ($fault:ident, $wrong:expr, $right:expr) => {{
        #[cfg(test)]
        let value =
            if $crate::units::fault::planted($crate::units::fault::Fault::$fault) { $wrong } else { $right };
        #[cfg(not(test))]
        let value = $right;
        value
    }};
}
pub(crate) use faulty;

#[cfg(test)]
pub(crate) use planted::{Fault, planted, toggles, with};

#[cfg(test)]
mod planted {
    use std::cell::Cell;

    /// What may be wrong.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Fault {
        Unbounded,
        Overflow,
        Chance,
        ManyAreOne,
        CapacityUpsideDown,
        OddMinimum,
        HalfAUnit,
        FirstMetricOnly,
        PlainCeiling,
        NoPresentDemand,
        WrapsAround,
        NoTolerance,
        ReadyIsAsked,
        AbsentIsFresh,
        BadIsZero,
        PartialIsWhole,
        NoFallback,
        AbsentStopsRaises,
        ReturnsAtOnce,
        BelowReactive,
        DriftIgnored,
        TrustsAll,
        LowQuantile,
        FixedInstant,
        ForgetsChanges,
        NoCooldown,
        LostIsSettled,
        ClockBackWaits,
        TickIsChange,
        NoWindow,
        Overshoots,
        RoundsMoneyUp,
        RoundsRatesDown,
        NoCeiling,
        UnknownIsFree,
        MoneyLowers,
        DryRunWrites,
        NoPause,
        NoConflict,
        NoBackwardPass,
        GapsAreFree,
        ThetaIsOne,
        RoundsThetaUp,
        StandsIsFree,
        PriorityUpsideDown,
        NoReserve,
        KeepsReserved,
        OverdraftWithoutEnd,
        AccountsTwice,
        ClockRefills,
        GoneIsFree,
        ForgetsLastPrice,
        UnpricedTimeIsFree,
        UnpricedIsCheapest,
    }

    thread_local! {
        static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
        static TURN: Cell<u32> = const { Cell::new(0) };
    }

    /// Whether `fault` is planted in this thread.
    pub(crate) fn planted(fault: Fault) -> bool {
        PLANTED.get() == Some(fault)
    }

    /// True every fifth time.
    pub(crate) fn toggles() -> bool {
        TURN.replace(TURN.get().wrapping_add(1)).is_multiple_of(5)
    }

    /// What `work` gives while `fault` is planted.
    pub(crate) fn with<T>(fault: Fault, work: impl FnOnce() -> T) -> T {
        PLANTED.set(Some(fault));
        let value = work();
        PLANTED.set(None);
        value
    }
}
