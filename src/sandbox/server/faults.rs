//! What goes wrong between a client and the server, from a seed.

use std::time::Duration;

use http::Method;

use super::call::{Call, Place};
use crate::sandbox::seed::Seed;

/// One thing that can go wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is refused with this code (429, 500, 503, 504) and not carried out.
    Refuse(u16),
    /// It is neither carried out nor answered.
    Silence,
    /// It is carried out and never answered.
    LoseAnswer,
    /// Somebody else changes the object a moment before; a conditional write then meets a conflict.
    Overtake,
    /// It is answered after a while of up to so many milliseconds.
    Delay(u64),
    /// A watch ends after one second to one minute.
    CutWatch,
}

/// Faults with their probabilities, for one request each; the first that happens is the one.
#[derive(Clone, Debug)]
pub struct Faults {
    chance: Seed,
    rates: Vec<(Fault, f64)>,
}

/// What is done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    Late(Duration),
    Refuse(u16),
    Silence,
    LoseAnswer,
    Overtake,
}

impl Faults {
    /// Nothing goes wrong.
    pub const fn none() -> Self {
        Self { chance: Seed::new(0), rates: Vec::new() }
    }

    /// Each of `rates` with its probability (0 to 1), drawn from `seed`.
    pub fn seeded(seed: u64, rates: &[(Fault, f64)]) -> Self {
        Self { chance: Seed::stream(seed, "faults"), rates: rates.to_vec() }
    }

    /// What is done with `call`. Lists and watches are left alone but for their length: how a client waits after a
    /// failed one is up to its own, unseeded, chance.
    pub(super) fn judge(&mut self, call: &Call) -> Verdict {
        let Place::Object { .. } = call.place else {
            return if call.method == Method::POST { self.draw(call) } else { Verdict::Fine };
        };
        self.draw(call)
    }

    fn draw(&mut self, call: &Call) -> Verdict {
        let writes = call.method != Method::GET;
        for (fault, rate) in self.rates.clone() {
            if !self.chance.happens(rate) {
                continue;
            }
            return match fault {
                Fault::Refuse(code) => Verdict::Refuse(code),
                Fault::Silence => Verdict::Silence,
                Fault::LoseAnswer if writes => Verdict::LoseAnswer,
                Fault::Overtake if writes => Verdict::Overtake,
                Fault::Delay(most) => {
                    Verdict::Late(Duration::from_millis(self.chance.below(most.saturating_add(1))))
                }
                Fault::LoseAnswer | Fault::Overtake | Fault::CutWatch => continue,
            };
        }
        Verdict::Fine
    }

    /// How long a watch lasts that would last `length`: never less than a second, or clients would begin it anew
    /// without end.
    pub(super) fn length_of_watch(&mut self, length: Duration) -> Duration {
        let rate =
            self.rates.iter().find(|(fault, _)| *fault == Fault::CutWatch).map_or(0.0, |(_, rate)| *rate);
        if rate > 0.0 && self.chance.happens(rate) {
            length.min(Duration::from_millis(1000 + self.chance.below(59_000)))
        } else {
            length
        }
    }
}
