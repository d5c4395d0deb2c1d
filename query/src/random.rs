//! Chance, from a seed: the only source of it below the edge, so a request can be repeated exactly.
//!
//! The edge seeds it from the operating system; tests seed it by hand. It is good for samples and shuffles, not for
//! secrets.

use std::sync::atomic::{AtomicU64, Ordering};

/// A stream of pseudo-random numbers (SplitMix64: Steele, Lea, Flood 2014), shared by reference.
#[derive(Debug, Default)]
pub struct Random(AtomicU64);

const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

impl Random {
    /// The stream that belongs to a seed.
    pub const fn seeded(seed: u64) -> Random {
        Random(AtomicU64::new(seed))
    }

    /// The next 64 bits.
    pub fn next_bits(&self) -> u64 {
        let state = self.0.fetch_add(GOLDEN_GAMMA, Ordering::Relaxed).wrapping_add(GOLDEN_GAMMA);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// The next number from 0 (inclusive) to 1 (exclusive), with 53 random bits.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exactly what a double holds")]
    pub fn next_unit(&self) -> f64 {
        (self.next_bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The next whole number below `bound`; 0 for a bound of 0. The bias is below 2^-64 * `bound`.
    pub fn next_below(&self, bound: u64) -> u64 {
        ((u128::from(self.next_bits()) * u128::from(bound)) >> 64) as u64
    }
}

/// A copy goes on from the same place.
impl Clone for Random {
    fn clone(&self) -> Random {
        Random::seeded(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_one_stream() {
        let (a, b) = (Random::seeded(7), Random::seeded(7));
        let first: Vec<u64> = (0..5).map(|_| a.next_bits()).collect();
        assert_eq!(first, (0..5).map(|_| b.next_bits()).collect::<Vec<_>>());
        assert!(first.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn units_and_bounds_hold() {
        let random = Random::seeded(1);
        let mut sum = 0.0;
        for _ in 0..10_000 {
            let unit = random.next_unit();
            assert!((0.0..1.0).contains(&unit));
            assert!(random.next_below(3) < 3);
            sum += unit;
        }
        assert!((4800.0..5200.0).contains(&sum), "{sum}");
        assert_eq!(random.next_below(0), 0);
    }
}
