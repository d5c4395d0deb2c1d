//! The processes of one version of one function: taken for a call, kept warm, ended when nobody needs them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use query::{Code, Error, Result};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::context::Invocation;
use super::logs::Logs;
use super::record::FunctionRecord;
use super::sandbox::Sandbox;
use super::worker::{Outcome, Worker};

/// How long a process stays that nobody needs.
const IDLE_MAX: Duration = Duration::from_secs(300);
/// After so long an idle process no longer gets the processor.
const STOPPED_AFTER: Duration = Duration::from_secs(2);
/// How long a call waits for a busy process before another one is started: most calls end sooner than a start.
const PATIENCE: Duration = Duration::from_millis(40);
/// How long a call waits for its turn.
const TURN_MAX: Duration = Duration::from_secs(10);

/// The processes that may run at once on a server.
pub(super) struct Places {
    free: Arc<Semaphore>,
    /// Counts wishes for a place: pools give up an idle process for each.
    wanted: AtomicUsize,
}

impl Places {
    pub fn new(count: usize) -> Places {
        Places { free: Arc::new(Semaphore::new(count)), wanted: AtomicUsize::new(0) }
    }

    async fn take(&self) -> Result<OwnedSemaphorePermit> {
        if let Ok(place) = self.free.clone().try_acquire_owned() {
            return Ok(place);
        }
        self.wanted.fetch_add(1, Ordering::Relaxed);
        let taken = timeout(TURN_MAX, self.free.clone().acquire_owned()).await;
        self.wanted.fetch_sub(1, Ordering::Relaxed);
        taken.ok().and_then(std::result::Result::ok).ok_or_else(|| {
            Error::new(Code::ConcurrencyLimited, "too many functions run at once on this server; try again")
        })
    }
}

/// The processes of one version of one function.
pub(super) struct Pool {
    record: FunctionRecord,
    code: PathBuf,
    sandbox: Arc<Sandbox>,
    places: Arc<Places>,
    logs: Arc<Logs>,
    /// Calls that may be under way.
    turns: Semaphore,
    idle: Mutex<Vec<Worker>>,
    /// Processes that work on a call.
    busy: AtomicUsize,
    freed: Notify,
}

impl Pool {
    pub fn new(
        record: FunctionRecord,
        code: PathBuf,
        sandbox: Arc<Sandbox>,
        places: Arc<Places>,
        logs: Arc<Logs>,
    ) -> Pool {
        let turns = Semaphore::new(usize::try_from(record.settings.concurrency).unwrap_or(1));
        let (idle, busy, freed) = (Mutex::default(), AtomicUsize::new(0), Notify::new());
        Pool { record, code, sandbox, places, logs, turns, idle, busy, freed }
    }

    /// Carries out one call.
    pub async fn call(&self, invocation: &Invocation<'_>, url: &str) -> Result<String> {
        let turn = timeout(TURN_MAX, self.turns.acquire()).await;
        let _turn = turn.ok().and_then(std::result::Result::ok).ok_or_else(|| {
            let text = format!(
                "{} calls of this function are under way already (`--concurrency`), and none ended in time; try again",
                self.record.settings.concurrency
            );
            Error::new(Code::ConcurrencyLimited, text)
        })?;
        let mut worker = self.worker(invocation, url).await?;
        let busy = Busy::new(&self.busy);
        worker.go_on();
        let outcome = worker.call(invocation, &self.record).await;
        drop(busy);
        match outcome {
            Outcome::Broken(error) => Err(error),
            Outcome::Done(text) => {
                self.put_back(worker);
                Ok(text)
            }
            Outcome::Threw(error) => {
                self.put_back(worker);
                Err(error)
            }
        }
    }

    /// A process for a call: one that is idle, one that becomes so in a moment, or a new one.
    async fn worker(&self, invocation: &Invocation<'_>, url: &str) -> Result<Worker> {
        let until = Instant::now() + PATIENCE;
        loop {
            let freed = self.freed.notified();
            if let Some(worker) = self.idle_worker() {
                return Ok(worker);
            }
            let left = until.saturating_duration_since(Instant::now());
            if self.busy.load(Ordering::Relaxed) == 0 || left.is_zero() || timeout(left, freed).await.is_err() {
                break;
            }
        }
        let place = self.places.take().await?;
        let about = (&self.record, url);
        Worker::start(&self.sandbox, &self.code, about, invocation, (place, self.logs.clone())).await
    }

    fn idle_worker(&self) -> Option<Worker> {
        loop {
            let mut worker = self.idle.lock().pop()?;
            if worker.is_well() {
                return Some(worker);
            }
        }
    }

    fn put_back(&self, mut worker: Worker) {
        worker.idle_since = Instant::now();
        if self.places.wanted.load(Ordering::Relaxed) == 0 {
            self.idle.lock().push(worker);
            self.freed.notify_one();
        }
    }

    /// Ends what is idle for long or in somebody's way, stops what is idle for a while.
    pub fn tidy(&self) {
        let mut ended = Vec::new();
        let mut idle = self.idle.lock();
        let wanted = self.places.wanted.load(Ordering::Relaxed) > 0;
        let kept = std::mem::take(&mut *idle);
        for mut worker in kept {
            let age = worker.idle_since.elapsed();
            if wanted || age > IDLE_MAX || !worker.is_well() {
                ended.push(worker);
                continue;
            }
            if age > STOPPED_AFTER {
                worker.stop();
            }
            idle.push(worker);
        }
    }
}

/// Counts a call while it is under way, however it ends.
struct Busy<'b>(&'b AtomicUsize);

impl<'b> Busy<'b> {
    fn new(count: &'b AtomicUsize) -> Busy<'b> {
        count.fetch_add(1, Ordering::Relaxed);
        Busy(count)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
