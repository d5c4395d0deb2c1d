//! The clocks of the edge: the instant of a request, and the count of milliseconds that deadlines are measured in.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use query::Deadline;

/// How often deadlines are looked at: an operation may outlive its deadline by so much.
const STEP: Duration = Duration::from_millis(5);

/// A running count of milliseconds.
#[derive(Debug)]
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    /// Starts a thread of its own that moves the count on: a runtime whose threads are all busy could not, and then
    /// no deadline would end.
    ///
    /// # Errors
    /// Where the thread cannot be started.
    pub fn start() -> std::io::Result<Clock> {
        let count = Arc::new(AtomicU64::new(0));
        let moved = Arc::downgrade(&count);
        std::thread::Builder::new().name("clock".to_owned()).spawn(move || run(&moved))?;
        Ok(Clock(count))
    }

    /// The deadline that ends so many milliseconds from now.
    pub fn deadline(&self, millis: u64) -> Deadline {
        let now = self.0.load(Ordering::Relaxed);
        Deadline::at(self.0.clone(), now.saturating_add(millis))
    }
}

fn run(count: &Weak<AtomicU64>) {
    let start = Instant::now();
    while let Some(count) = count.upgrade() {
        count.store(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        drop(count);
        std::thread::sleep(STEP);
    }
}

/// The instant, in milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
