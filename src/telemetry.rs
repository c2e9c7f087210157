//! What Foresail says about itself: logs, metrics, and Events on the objects it acts on.

pub mod budgets;
pub mod decisions;
pub mod events;
pub mod logs;
pub mod metrics;
