//! Where in an interval an object has its turn, so that many objects do not work at once.

use super::Span;

/// How long into each interval what belongs to `key` (`namespace/name`) is done: a hash spreads many objects evenly,
/// and keeps its answer over restarts, machines and releases. Always shorter than the interval.
pub fn offset_of(key: &str, interval: Span) -> Span {
    match hash(key).checked_rem(interval.millis()) {
        Some(millis) => Span::from_millis(millis),
        None => Span::ZERO,
    }
}

/// FNV-1a, 64 bits, with a final mix (the last step of splitmix64): FNV alone leaves the low bits of short names
/// that differ in their last digit close together, and the remainder takes the low bits.
fn hash(key: &str) -> u64 {
    let fnv = key
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let once = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let twice = (once ^ (once >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    twice ^ (twice >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Span = Span::from_seconds(15);

    #[test]
    fn offsets_stay_inside_the_interval_and_spread_over_it() {
        let mut n_per_second = [0_u32; 15];
        for idx in 0..15_000 {
            let offset = offset_of(&format!("team-{}/web-{idx}", idx % 7), INTERVAL);
            assert!(offset < INTERVAL);
            n_per_second[usize::try_from(offset.seconds()).unwrap()] += 1;
        }
        assert!(n_per_second.iter().all(|n| (850..1150).contains(n)), "{n_per_second:?}");
    }

    #[test]
    fn an_offset_is_the_same_in_every_release() {
        assert_eq!(offset_of("shop/web", INTERVAL), offset_of("shop/web", INTERVAL));
        assert_ne!(offset_of("shop/web", INTERVAL), offset_of("shop/web2", INTERVAL));
        assert_eq!(offset_of("shop/web", Span::ZERO), Span::ZERO);
    }
}
