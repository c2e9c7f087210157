//! The newest samples of a grid, contiguous in memory, so that windows are plain slices.

/// Samples that may pile up at the old end before they are dropped at once: dropping one at a time would move all of
/// them for each new sample. 64 cost a quarter of a kilobyte.
const SLACK: usize = 64;

/// At most `most` samples in 32 bits each, oldest first; NaN is a gap, the sign bit marks a censored sample.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    values: Vec<f32>,
    most: usize,
}

impl Ring {
    /// Holds nothing, and never more than `most`.
    pub(super) const fn new(most: usize) -> Self {
        Self { values: Vec::new(), most }
    }

    /// How many samples it holds at most.
    pub(super) const fn most(&self) -> usize {
        self.most
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.values.clear();
    }

    /// Appends `stored`; the oldest sample goes when there are too many.
    pub(super) fn push(&mut self, stored: f32) {
        if self.most == 0 {
            return;
        }
        if self.values.len() >= self.most + SLACK {
            self.values.drain(..=SLACK);
        }
        if self.values.len() == self.values.capacity() {
            // Growing by an eighth instead of doubling keeps the memory close to what is held.
            let more = (self.values.len() / 8 + SLACK).min(self.most + SLACK - self.values.len());
            self.values.reserve_exact(more);
        }
        self.values.push(stored);
    }

    /// What is held, oldest first.
    pub(super) fn as_slice(&self) -> &[f32] {
        self.values.get(self.values.len().saturating_sub(self.most)..).unwrap_or_default()
    }

    /// How many are held.
    pub(super) fn len(&self) -> usize {
        self.values.len().min(self.most)
    }

    /// The sample `age` places before the newest.
    pub(super) fn back(&self, age: usize) -> Option<f32> {
        let slice = self.as_slice();
        slice.get(slice.len().checked_sub(age)?.checked_sub(1)?).copied()
    }

    /// The same, to be replaced.
    pub(super) fn back_mut(&mut self, age: usize) -> Option<&mut f32> {
        if age >= self.len() {
            return None;
        }
        let at = self.values.len().checked_sub(age)?.checked_sub(1)?;
        self.values.get_mut(at)
    }

    /// Bytes that the samples take.
    pub(super) fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<f32>()
    }
}
