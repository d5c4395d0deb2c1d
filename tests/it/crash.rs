//! Acknowledged writes survive kills, power cuts, failing syncs and full disks; half a transaction is never seen; every index
//! agrees with its documents.
//!
//! `cargo test` runs the short form. `WAFERDB_TORTURE_SECONDS` makes it long (`make torture`), `WAFERDB_SEED` repeats a run.
//! [`store`] tests the store alone, [`served`] the server through its gateway; what must be true afterwards is in [`ledger`], and
//! [`instrument`] shows that the instruments can tell.

mod instrument;
mod ledger;
mod load;
mod served;
mod store;

use crate::support::random::Random;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a test goes on: one round in the short form, rounds until the time is up in the long one.
struct Budget {
    until: Instant,
    rounds: u32,
}

impl Budget {
    fn new() -> Budget {
        let seconds = std::env::var("WAFERDB_TORTURE_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        Budget { until: Instant::now() + Duration::from_secs(seconds) / TESTS, rounds: 0 }
    }

    /// Is there time for one more round? There always is for the first `least`.
    fn next(&mut self, least: u32) -> bool {
        self.rounds += 1;
        self.rounds <= least || Instant::now() < self.until
    }

    /// Rounds take turns between two ways.
    fn is_even(&self) -> bool {
        self.rounds.is_multiple_of(2)
    }
}
/// Tests that share the time of a long run.
const TESTS: u32 = 7;

/// A scratch folder, and the seed that repeats the run; printed, so that a failure names it.
fn scene(test: &str) -> (tempfile::TempDir, Random) {
    let seed = Random::seed();
    println!("{test}: WAFERDB_SEED={seed}");
    (tempfile::tempdir().expect("a scratch folder"), Random::new(seed))
}

fn empty_folder(parent: &Path, name: &str) -> PathBuf {
    let folder = parent.join(name);
    let _ = std::fs::remove_dir_all(&folder); // an earlier round's
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}
