//! Locks, counters and the thread of the commit path: those of parking_lot and the standard library, which in unit tests
//! can be put under a scheduler that explores how threads interleave (`sync/explored.rs`).

#[cfg(test)]
pub(crate) mod explored;

#[cfg(test)]
pub(crate) use explored::{AtomicBool, AtomicU64, Condvar, JoinHandle, Mutex, RwLock, spawn};
pub(crate) use parking_lot::MutexGuard;
#[cfg(not(test))]
pub(crate) use parking_lot::{Condvar, Mutex, RwLock};
pub(crate) use std::sync::atomic::Ordering;
#[cfg(not(test))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64};
#[cfg(not(test))]
pub(crate) use std::thread::JoinHandle;

/// Starts a thread with a name.
///
/// # Errors
/// Those of the operating system.
#[cfg(not(test))]
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work)
}
