//! Random numbers that a seed repeats. Every test that draws prints its seed; `WAFERDB_SEED` sets it.

/// A splitmix64 sequence.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The seed of this run: given by WAFERDB_SEED, or from the clock.
    pub fn seed() -> u64 {
        let given = std::env::var("WAFERDB_SEED").ok().and_then(|text| text.parse().ok());
        given.unwrap_or_else(|| {
            let since = std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970");
            since.as_nanos() as u64 % 1_000_000_007
        })
    }

    /// A generator of its own for a part of the test, so that parts do not shift each other.
    pub fn split(&mut self) -> Random {
        Random(self.next())
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}
