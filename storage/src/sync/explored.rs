//! The primitives of the commit path with a scheduling point before each operation. While [`explore`] runs, threads are
//! coroutines on one thread, and shuttle decides at every point who goes on: at random, or with few well-placed changes of
//! turn (PCT), which finds rare orders. Everywhere else they behave like the real ones.
//!
//! Waiting has no clock here: `wait_for` returns when it is woken and not before, so a lost wake-up shows as a schedule
//! that never ends.

use std::cell::Cell;
use std::time::Duration;

use parking_lot::MutexGuard;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, MaxSteps, Runner};

use super::Ordering;

thread_local! {
    static EXPLORING: Cell<bool> = const { Cell::new(false) };
}

/// No schedule of the tests comes near so many steps unless nobody can go on.
const STEPS_MAX: usize = 200_000;

/// Runs a scenario under so many schedules of each kind. Prints the seed; a failing schedule is printed by shuttle.
pub(crate) fn explore(name: &str, schedules: usize, seed: u64, scenario: fn()) {
    println!("schedules: {name}: WAFERDB_SEED={seed}, {schedules} at random and {schedules} by PCT");
    let mut config = Config::new();
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    config.stack_size = 1 << 20;
    EXPLORING.set(true);
    Runner::new(RandomScheduler::new_from_seed(seed, schedules), config.clone()).run(scenario);
    Runner::new(PctScheduler::new_from_seed(seed, 3, schedules), config).run(scenario);
    EXPLORING.set(false);
}

/// Somebody else may go on here.
fn point() {
    if EXPLORING.get() {
        shuttle::thread::yield_now();
    }
}

/// Tries again and again, with others going on in between; outside of [`explore`] waits as ever.
fn until<T>(mut attempt: impl FnMut() -> Option<T>, wait: impl FnOnce() -> T) -> T {
    if !EXPLORING.get() {
        return wait();
    }
    loop {
        shuttle::thread::yield_now();
        if let Some(done) = attempt() {
            return done;
        }
    }
}

/// A mutex.
#[derive(Default)]
pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Mutex<T> {
        Mutex(parking_lot::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        until(|| self.0.try_lock(), || self.0.lock())
    }
}

/// A lock for one writer or many readers.
#[derive(Default)]
pub(crate) struct RwLock<T>(parking_lot::RwLock<T>);

impl<T> RwLock<T> {
    pub(crate) const fn new(value: T) -> RwLock<T> {
        RwLock(parking_lot::RwLock::new(value))
    }

    pub(crate) fn read(&self) -> parking_lot::RwLockReadGuard<'_, T> {
        until(|| self.0.try_read(), || self.0.read())
    }

    pub(crate) fn write(&self) -> parking_lot::RwLockWriteGuard<'_, T> {
        until(|| self.0.try_write(), || self.0.write())
    }
}

/// A condition; whoever waited longest is woken first.
#[derive(Default)]
pub(crate) struct Condvar {
    real: parking_lot::Condvar,
    waits: std::sync::atomic::AtomicU64,
    woken: std::sync::atomic::AtomicU64,
}

/// How a wait ended.
pub(crate) struct Waited(bool);

impl Waited {
    pub(crate) const fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    pub(crate) fn new() -> Condvar {
        Condvar::default()
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        if !EXPLORING.get() {
            return self.real.wait(guard);
        }
        let place = self.waits.fetch_add(1, Ordering::SeqCst);
        let mutex = MutexGuard::mutex(guard);
        MutexGuard::unlocked(guard, || {
            // Free as well: what comes next locks it on the thread that all share.
            while self.woken.load(Ordering::SeqCst) <= place || mutex.is_locked() {
                shuttle::thread::yield_now();
            }
        });
    }

    pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, timeout: Duration) -> Waited {
        if !EXPLORING.get() {
            return Waited(self.real.wait_for(guard, timeout).timed_out());
        }
        self.wait(guard);
        Waited(false)
    }

    pub(crate) fn notify_one(&self) {
        point();
        let waits = self.waits.load(Ordering::SeqCst);
        if self.woken.load(Ordering::SeqCst) < waits {
            self.woken.fetch_add(1, Ordering::SeqCst);
        }
        self.real.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        point();
        self.woken.store(self.waits.load(Ordering::SeqCst), Ordering::SeqCst);
        self.real.notify_all();
    }
}

/// A flag.
pub(crate) struct AtomicBool(std::sync::atomic::AtomicBool);

impl AtomicBool {
    pub(crate) const fn new(value: bool) -> AtomicBool {
        AtomicBool(std::sync::atomic::AtomicBool::new(value))
    }

    pub(crate) fn load(&self, order: Ordering) -> bool {
        point();
        self.0.load(order)
    }

    pub(crate) fn store(&self, value: bool, order: Ordering) {
        point();
        self.0.store(value, order);
    }

    pub(crate) fn swap(&self, value: bool, order: Ordering) -> bool {
        point();
        self.0.swap(value, order)
    }
}

/// A counter.
#[derive(Default)]
pub(crate) struct AtomicU64(std::sync::atomic::AtomicU64);

impl AtomicU64 {
    pub(crate) const fn new(value: u64) -> AtomicU64 {
        AtomicU64(std::sync::atomic::AtomicU64::new(value))
    }

    pub(crate) fn load(&self, order: Ordering) -> u64 {
        point();
        self.0.load(order)
    }

    pub(crate) fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        point();
        self.0.fetch_add(value, order)
    }

    pub(crate) fn fetch_sub(&self, value: u64, order: Ordering) -> u64 {
        point();
        self.0.fetch_sub(value, order)
    }
}

/// A thread, or what stands for one.
pub(crate) enum JoinHandle<T> {
    Real(std::thread::JoinHandle<T>),
    Explored(shuttle::thread::JoinHandle<T>),
}

impl<T> JoinHandle<T> {
    pub(crate) fn join(self) -> std::thread::Result<T> {
        match self {
            JoinHandle::Real(thread) => thread.join(),
            JoinHandle::Explored(thread) => thread.join(),
        }
    }
}

/// Starts a thread with a name.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<JoinHandle<T>> {
    if EXPLORING.get() {
        return Ok(JoinHandle::Explored(shuttle::thread::spawn(work)));
    }
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(JoinHandle::Real)
}
