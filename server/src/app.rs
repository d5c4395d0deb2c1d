//! What every request shares: the database, the tenants, the clock; and the bridge from async code to the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use query::{Caller, Code, Command, Db, Deadline, Error, Limits, Random, Reply, Result, Session, Started, Work};
use storage::EnvId;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::chance;
use crate::clock::Clock;
use crate::config::Config;
use crate::files::Files;
use crate::functions::Functions;
use crate::identity::Identity;
use crate::realtime::Realtime;
use crate::tenants::Tenants;

/// The shared state of a running server.
pub struct App {
    /// The settings.
    pub config: Config,
    /// The database.
    pub db: Db,
    /// Environments, key pairs, limits and tokens.
    pub tenants: Tenants,
    /// Users, their logins and tokens.
    pub identity: Arc<Identity>,
    /// Files of all environments.
    pub files: Files,
    /// Cloud functions of all environments.
    pub functions: Functions,
    /// Sockets and the watches on them.
    pub realtime: Realtime,
    now: fn() -> i64,
    clock: Clock,
    seeds: Random,
    boot: u32,
    requests: AtomicU64,
    long: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
}

/// How often somebody who waits for a turn looks whether it was kept from him for too long, and how many times.
const TURN_LOOK: Duration = Duration::from_millis(100);
const TURN_LOOKS: u32 = 50;

/// Bodies are counted in units of so many bytes.
pub(crate) const BODY_UNIT_BYTES: usize = 1024;

impl App {
    /// Puts a server's state together. `now` tells the instant in milliseconds since 1970; tests bring their own.
    ///
    /// # Errors
    /// `Internal` where the operating system refuses randomness or a thread.
    pub fn new(config: Config, db: Db, tenants: Tenants, now: fn() -> i64) -> Result<App> {
        let seed = u64::from_le_bytes(chance::bytes()?);
        let files = Files::open(config.files.as_deref(), db.store().clone(), tenants.derived_key("file links"))?;
        let functions = Functions::new(config.functions.clone(), db.store().clone(), config.functions_unconfined);
        let clock = Clock::start().map_err(|fault| Error::new(Code::Internal, format!("no clock: {fault}")))?;
        Ok(App {
            now,
            clock,
            seeds: Random::seeded(seed),
            boot: u32::from_le_bytes(chance::bytes()?),
            requests: AtomicU64::new(1),
            long: Arc::new(Semaphore::new(config.long_operations_max)),
            bodies: Arc::new(Semaphore::new(config.bodies_bytes_max / BODY_UNIT_BYTES)),
            realtime: Realtime::new(chance::bytes()?, config.feeds_bytes_max),
            config,
            db,
            identity: Arc::new(Identity::new(tenants.store().clone(), tenants.seal())),
            tenants,
            files,
            functions,
        })
    }

    /// A new id for a request: unique, short, and easy to find in the log.
    pub fn request_id(&self) -> String {
        format!("{:08x}-{:x}", self.boot, self.requests.fetch_add(1, Ordering::Relaxed))
    }

    /// The instant, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        (self.now)()
    }

    /// The session of a caller in an environment, from now on.
    pub fn session(&self, env: EnvId, caller: Caller) -> Session {
        let limits = self.tenants.limits(env);
        let deadline = self.clock.deadline(limits.deadline_ms);
        self.session_until(env, caller, limits, deadline)
    }

    /// As [`App::session`], but with no more than so many milliseconds.
    pub fn session_within(&self, env: EnvId, caller: Caller, millis: u64) -> Session {
        let limits = self.tenants.limits(env);
        let deadline = self.clock.deadline(limits.deadline_ms.min(millis));
        self.session_until(env, caller, limits, deadline)
    }

    fn session_until(&self, env: EnvId, caller: Caller, limits: Arc<Limits>, deadline: Deadline) -> Session {
        Session {
            env,
            caller,
            key: None,
            transaction: None,
            now: self.now_ms(),
            deadline,
            random: Random::seeded(self.seeds.next_bits()),
            limits,
        }
    }

    /// Carries out a command and waits until its commits are durable. Short work is done at once on this thread, which
    /// costs less than handing it over; long work moves to threads of its own.
    ///
    /// # Errors
    /// Whatever the command meets.
    pub async fn run(&self, session: &Session, command: Command) -> Result<Reply> {
        let ends = match command {
            Command::Commit(id) | Command::Abort(id) => Some(id),
            _ => None,
        };
        if session.transaction.is_some() {
            self.wait_for_turn(session, &command).await?;
        }
        let outcome = self.carry_out(session, command).await;
        // Only now can the next one read what this one did; a transaction with a failed operation is over as well.
        let over = ends.or(session.transaction.filter(|_| outcome.is_err()));
        if let Some(id) = over {
            self.db.end_turns(id, self.now_ms());
        }
        outcome
    }

    async fn carry_out(&self, session: &Session, command: Command) -> Result<Reply> {
        let started = self.start(session, command).await?;
        started.durable.await?;
        Ok(started.reply)
    }

    /// Where transactions fight over a document they go one after the other, as far as patience reaches.
    async fn wait_for_turn(&self, session: &Session, command: &Command) -> Result<()> {
        let Some(mut turn) = self.db.turn(session, command) else { return Ok(()) };
        for _ in 0..TURN_LOOKS {
            if timeout(TURN_LOOK, &mut turn).await.is_ok() {
                break;
            }
            turn.hurry(self.now_ms());
        }
        self.db.take_turn(session)
    }

    /// As [`App::run`], but the caller waits for the commits, so that several commands can share one wait.
    ///
    /// # Errors
    /// Whatever the command meets.
    pub async fn start(&self, session: &Session, command: Command) -> Result<Started> {
        let reads =
            matches!(command, Command::Find(_) | Command::Count(_) | Command::Distinct(_) | Command::Aggregate(_));
        match self.db.start(session, command)? {
            Work::Done(started) => Ok(started),
            Work::Long(work) => {
                // Nobody waits for the rows of a caller who went away; a write goes on to a defined end.
                let _watch = reads.then(|| CancelOnDrop(session));
                self.run_long(work).await
            }
        }
    }

    /// Does work that may take long where it holds up nobody.
    ///
    /// # Errors
    /// What the work meets; `Cancelled` where the server is stopping.
    pub async fn run_long<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let _permit = self.long.acquire().await.map_err(|_| Error::new(Code::Cancelled, "the server is stopping"))?;
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|fault| Error::new(Code::Internal, format!("an operation ended abnormally: {fault}")))?
    }

    pub(crate) fn bodies(&self) -> &Arc<Semaphore> {
        &self.bodies
    }
}

/// Ends a session's work when the future that waits for it goes away.
struct CancelOnDrop<'s>(&'s Session);

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        self.0.deadline.cancel();
    }
}
