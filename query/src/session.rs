//! Who asks, for which environment, at which instant, until when.
//!
//! A session is made once per request at the edge and never changes. Time enters the crate only here: nothing below
//! reads a clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use storage::EnvId;

use crate::error::{Code, Error, Result, number};
use crate::limits::Limits;
use crate::random::Random;

/// One request's caller, place and time.
#[derive(Clone, Debug)]
pub struct Session {
    /// The environment that the credential belongs to.
    pub env: EnvId,
    /// Who asks.
    pub caller: Caller,
    /// The key pair that the caller came with, by its id, where the request opens a transaction or belongs to one: a
    /// transaction is its key pair's.
    pub key: Option<Arc<str>>,
    /// The open transaction that the request belongs to.
    pub transaction: Option<TransactionId>,
    /// What this caller may use.
    pub limits: Arc<Limits>,
    /// The instant of the request, in milliseconds since 1970; every server date in it means this instant.
    pub now: i64,
    /// When the request must end.
    pub deadline: Deadline,
    /// Where the request takes its chance from; seeded at the edge.
    pub random: Random,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A key pair or the console: permission rules do not apply.
    Admin,
    /// A signed-in user.
    User(User),
    /// Nobody.
    Guest,
}

/// A signed-in user, as rules see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Stable id inside the environment.
    pub uid: String,
    /// The WeChat openid, or the uid for users without one; what `_openid` is filled with.
    pub openid: String,
    /// How the user signed in, e.g. `WECHAT_PUBLIC`, `ANONYMOUS`, `CUSTOM`.
    pub login_type: String,
}

/// Id of an open transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransactionId(pub u128);

/// When a request must end: looked at inside every loop over data.
#[derive(Clone, Debug)]
pub struct Deadline(Arc<Watch>);

#[derive(Debug)]
struct Watch {
    clock: Clock,
    end: u64,
    cancelled: AtomicBool,
}

#[derive(Debug)]
enum Clock {
    /// Milliseconds of a clock that the edge moves on.
    Shared(Arc<AtomicU64>),
    /// Moves on by one with each look: for tests.
    Ticks(AtomicU64),
}

impl Deadline {
    /// Ends when the shared clock passes `end`. The edge moves the clock; both count the same milliseconds.
    pub fn at(clock: Arc<AtomicU64>, end: u64) -> Deadline {
        Deadline(Arc::new(Watch { clock: Clock::Shared(clock), end, cancelled: AtomicBool::new(false) }))
    }

    /// Ends at the n-th look at it.
    pub fn after_ticks(count: u64) -> Deadline {
        Deadline(Arc::new(Watch { clock: Clock::Ticks(AtomicU64::new(0)), end: count, cancelled: false.into() }))
    }

    /// Never ends.
    pub fn never() -> Deadline {
        Deadline::at(Arc::default(), u64::MAX)
    }

    /// Ends the request now, from any thread.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }

    /// Costs two relaxed loads; call it once per document or entry.
    ///
    /// # Errors
    /// `Timeout` after the end, `Cancelled` after [`Deadline::cancel`].
    #[inline]
    pub fn tick(&self) -> Result<()> {
        let now = match &self.0.clock {
            Clock::Shared(clock) => clock.load(Ordering::Relaxed),
            Clock::Ticks(count) => count.fetch_add(1, Ordering::Relaxed) + 1,
        };
        if now < self.0.end && !self.0.cancelled.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(self.over())
    }

    #[cold]
    fn over(&self) -> Error {
        match self.0.cancelled.load(Ordering::Relaxed) {
            true => Error::new(Code::Cancelled, "the request was cancelled"),
            false => Error {
                code: Code::Timeout,
                number: number::MAX_TIME_EXPIRED,
                message: "the operation ran longer than its deadline; narrow the query, add an index that serves it, \
                          or raise the environment's `deadline_ms`"
                    .to_owned(),
                cause: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_at_the_end() {
        let clock = Arc::new(AtomicU64::new(5));
        let deadline = Deadline::at(clock.clone(), 10);
        assert!(deadline.tick().is_ok());
        clock.store(10, Ordering::Relaxed);
        assert_eq!(deadline.tick().map_err(|error| error.code), Err(Code::Timeout));
        let counted = Deadline::after_ticks(2);
        assert!(counted.tick().is_ok());
        assert!(counted.tick().is_err());
        let never = Deadline::never();
        never.cancel();
        assert_eq!(never.tick().map_err(|error| error.code), Err(Code::Cancelled));
    }
}
