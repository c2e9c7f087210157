//! Chance from a seed: the same numbers on every machine and in every release.
//!
//! `SplitMix64` of Steele, Lea and Flood, *Fast Splittable Pseudorandom Number Generators* (OOPSLA 2014): ten lines,
//! and no library may change what a seed means.

use std::f64::consts::TAU;

/// A stream of chance.
#[derive(Clone, Debug)]
pub struct Seed(u64);

impl Seed {
    /// The stream of `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another stream, the same for the same seed and `purpose`: drawing more for one purpose changes no other.
    #[must_use]
    pub fn stream(seed: u64, purpose: &str) -> Self {
        let mut mixed = Self(seed);
        for byte in purpose.bytes() {
            mixed.0 ^= u64::from(byte);
            mixed.0 = mixed.next();
        }
        mixed
    }

    /// The stream at place `idx` of many: any place can be asked for, in any order.
    #[must_use]
    pub const fn at(&self, idx: u64) -> Self {
        let mut mixed = Self(self.0 ^ idx.wrapping_mul(0xd6e8_feb8_6659_fd93));
        mixed.0 = mixed.next();
        mixed
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `[0, 1)`.
    #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "53 bits are exact in f64")]
    pub fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something of this `probability` happens; 0 never, 1 always.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// A whole number in `[0, n)`; 0 for `n = 0`. The bias of the remainder is below `n / 2^64`.
    pub const fn below(&mut self, n: u64) -> u64 {
        match self.next().checked_rem(n) {
            Some(rest) => rest,
            None => 0,
        }
    }

    /// A normal number of mean 0 and deviation 1 (Box and Muller, 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (TAU * self.uniform()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_everywhere() {
        // The first outputs of the reference implementation for seed 1234567.
        let mut seed = Seed::new(1_234_567);
        assert_eq!([seed.next(), seed.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn purposes_have_streams_of_their_own() {
        let draw = |purpose| Seed::stream(7, purpose).next();
        assert_eq!(draw("pods"), draw("pods"));
        assert_ne!(draw("pods"), draw("faults"));
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_deviation_one() {
        let mut seed = Seed::new(3);
        let numbers: Vec<f64> = (0..20_000).map(|_| seed.normal()).collect();
        let mean = numbers.iter().sum::<f64>() / 20_000.0;
        let variance = numbers.iter().map(|x| x * x).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }
}
