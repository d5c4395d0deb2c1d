//! Cloud functions: programs that developers deploy, run in Node processes of their own.
//!
//! The code of each version lies in a folder of its own, what is known about a function in a record that names the
//! version: a deployment becomes visible in one step, and a crash leaves at most a folder that nobody names. Who may
//! call what is decided by the caller of this module; what a process can reach is decided in `sandbox`.

mod code;
pub mod context;
mod install;
pub mod logs;
pub mod pool;
pub mod record;
mod sandbox;
mod worker;

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use query::{Code, Error, Limits, Result};
use storage::{EnvId, Store};

use crate::chance;
use context::Invocation;
use logs::{LogEntry, Logs};
use pool::{Places, Pool};
use record::{FunctionRecord, Settings, check_name};
pub use sandbox::Confinement;
use sandbox::Sandbox;

/// Processes of functions that run at once on this server; an idle one makes room for another function's.
const PROCESSES_MAX: usize = 64;

/// How often idle processes are looked at.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// The functions of all environments.
pub struct Functions {
    folder: PathBuf,
    /// Is the folder to vanish with the process?
    passing: bool,
    store: Store,
    sandbox: Arc<Sandbox>,
    pools: Mutex<HashMap<(EnvId, String), Arc<Pool>>>,
    places: Arc<Places>,
    /// What functions printed, and how their calls ended.
    pub logs: Arc<Logs>,
    url: OnceLock<String>,
}

impl Functions {
    /// The functions of a data folder, or of a process without one. `unconfined` lets them run where the operating
    /// system offers no way to shut them in.
    pub fn new(folder: Option<PathBuf>, store: Store, unconfined: bool) -> Functions {
        let passing = folder.is_none();
        let folder =
            folder.unwrap_or_else(|| std::env::temp_dir().join(format!("waferdb-functions-{}", std::process::id())));
        Functions {
            sandbox: Arc::new(Sandbox::new(folder.join("runtime"), unconfined)),
            folder,
            passing,
            store,
            pools: Mutex::default(),
            places: Arc::new(Places::new(PROCESSES_MAX)),
            logs: Arc::default(),
            url: OnceLock::new(),
        }
    }

    /// From now on functions run, and find the server at this address.
    pub fn serve_at(&self, url: &str) {
        let url = url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:");
        // A second address would be a fault of ours; the first keeps serving.
        let _ = self.url.set(url);
    }

    /// How functions are shut in.
    ///
    /// # Errors
    /// `NotSupported` with what is missing.
    pub fn confinement(&self) -> Result<Confinement> {
        self.sandbox.confinement()
    }

    /// What is known about a function.
    ///
    /// # Errors
    /// `FunctionMissing`, `Corrupt`.
    pub fn find(&self, env: EnvId, name: &str) -> Result<FunctionRecord> {
        let found = self.store.view().record(record::KIND, env, name.as_bytes())?;
        found.map_or_else(|| Err(missing(name)), |bytes| FunctionRecord::read(&bytes))
    }

    /// Every function of an environment, by name.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn list(&self, env: EnvId) -> Result<Vec<(String, FunctionRecord)>> {
        let records = self.store.view().records(record::KIND, env)?;
        let read = |(name, bytes): (Vec<u8>, Bytes)| {
            Ok((String::from_utf8_lossy(&name).into_owned(), FunctionRecord::read(&bytes)?))
        };
        records.into_iter().map(read).collect()
    }

    /// A new file without a name, that an archive can be written into before it is deployed.
    ///
    /// # Errors
    /// `Internal`, `StorageFull`.
    pub fn spool(&self) -> Result<fs::File> {
        fs::create_dir_all(&self.folder).map_err(|fault| broken(&fault))?;
        let path = self.folder.join(format!("{}.upload", new_version()?));
        let mut options = fs::OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).open(&path).map_err(|fault| broken(&fault))?;
        // Its bytes stay as long as it is open, and no crash leaves them behind.
        fs::remove_file(&path).map_err(|fault| broken(&fault))?;
        Ok(file)
    }

    /// Deploys an archive as the newest version of a function. Waits for the disk, and for packages to be installed.
    ///
    /// # Errors
    /// `InvalidParam` for a name, setting or archive that cannot be used; `TooLarge`, `QuotaExceeded`.
    pub fn deploy(&self, order: Order<'_>) -> Result<FunctionRecord> {
        let Order { env, name, archive, settings, limits, now_ms } = order;
        check_name(name)?;
        settings.check()?;
        let held = self.find(env, name).ok();
        if held.is_none() && self.list(env)?.len() as u64 >= limits.functions_max {
            let text = format!("the environment holds {} functions (`functions_max`)", limits.functions_max);
            return Err(Error::new(Code::QuotaExceeded, text));
        }
        let version = new_version()?;
        let place = self.place(env, name, &version);
        let made = self.stage(&place, archive, &settings, limits).and_then(|bytes| {
            let number = held.as_ref().map_or(1, |held| held.number + 1);
            let record = FunctionRecord { version, number, deployed_ms: now_ms, bytes, settings };
            self.store.put_record(record::KIND, env, name.as_bytes(), &record.write()?)?.wait()?;
            Ok(record)
        });
        match made {
            Ok(record) => {
                self.pools.lock().remove(&(env, name.to_owned()));
                self.sweep(env, name, [Some(&record), held.as_ref()]);
                Ok(record)
            }
            Err(error) => {
                let _ = fs::remove_dir_all(&place);
                Err(error)
            }
        }
    }

    /// Unpacks an archive, installs its packages, and waits until all of it is on the disk.
    fn stage(&self, place: &PathBuf, archive: fs::File, settings: &Settings, limits: &Limits) -> Result<u64> {
        let bytes = code::unpack(archive, place, limits.function_code_bytes_max)?;
        if settings.install && install::wanted(place) {
            install::run(&self.sandbox, place)?;
        }
        code::check_handler(place, &settings.handler)?;
        let folder = fs::File::open(place).map_err(|fault| broken(&fault))?;
        rustix::fs::syncfs(&folder).map_err(|fault| broken(&fault))?;
        Ok(bytes)
    }

    /// Removes a function with its code.
    ///
    /// # Errors
    /// `FunctionMissing`.
    pub fn remove(&self, env: EnvId, name: &str) -> Result<()> {
        self.find(env, name)?;
        self.store.delete_record(record::KIND, env, name.as_bytes())?.wait()?;
        self.pools.lock().remove(&(env, name.to_owned()));
        self.sweep(env, name, [None, None]);
        Ok(())
    }

    /// Ends the processes of an environment that is dropped, and removes its code.
    pub fn remove_all(&self, env: EnvId) {
        self.pools.lock().retain(|(owner, _), _| *owner != env);
        self.logs.forget(env);
        let _ = fs::remove_dir_all(self.folder.join(env.0.to_string()));
    }

    /// Calls a function and waits for its result: JSON text.
    ///
    /// # Errors
    /// `FunctionMissing`; `FunctionFailed` where it threw, took too long or too much; `ConcurrencyLimited`.
    pub async fn invoke(&self, invocation: Invocation<'_>) -> Result<String> {
        let (env, name) = (invocation.env, invocation.function);
        let limits = invocation.limits;
        if invocation.event.len() as u64 > limits.function_event_bytes_max {
            let text = format!(
                "the event has {} bytes, at most {} are allowed (`function_event_bytes_max`)",
                invocation.event.len(),
                limits.function_event_bytes_max
            );
            return Err(Error::new(Code::TooLarge, text));
        }
        let pool = self.pool(env, name)?;
        let url = self.url.get().ok_or_else(|| {
            Error::new(Code::NotSupported, "functions run in a server: start `waferdb serve` on this folder first")
        })?;
        let began = std::time::Instant::now();
        let outcome = pool.call(&invocation, url).await;
        self.logs.add(LogEntry {
            env,
            function: name.to_owned(),
            request_id: invocation.request_id.to_owned(),
            at_ms: invocation.now_ms,
            text: match &outcome {
                Ok(_) => format!("END took {} ms", began.elapsed().as_millis()),
                Err(error) => format!("FAILED after {} ms: {}", began.elapsed().as_millis(), error.message),
            },
        });
        outcome
    }

    /// Ends processes that nobody needed for a while and stops idle ones from running. Never returns.
    pub async fn tidy(&self) {
        loop {
            tokio::time::sleep(TIDY_EVERY).await;
            let pools: Vec<Arc<Pool>> = self.pools.lock().values().cloned().collect();
            pools.iter().for_each(|pool| pool.tidy());
        }
    }

    /// Ends every process.
    pub fn stop(&self) {
        self.pools.lock().clear();
    }

    fn pool(&self, env: EnvId, name: &str) -> Result<Arc<Pool>> {
        let key = (env, name.to_owned());
        if let Some(pool) = self.pools.lock().get(&key) {
            return Ok(pool.clone());
        }
        let record = self.find(env, name)?;
        let place = self.place(env, name, &record.version);
        let made = Arc::new(Pool::new(record, place, self.sandbox.clone(), self.places.clone(), self.logs.clone()));
        Ok(self.pools.lock().entry(key).or_insert(made).clone())
    }

    fn place(&self, env: EnvId, name: &str, version: &str) -> PathBuf {
        self.folder.join(env.0.to_string()).join(name).join(version)
    }

    /// Removes versions that are neither the newest nor the one before, which calls may still be using.
    fn sweep(&self, env: EnvId, name: &str, kept: [Option<&FunctionRecord>; 2]) {
        let Ok(found) = fs::read_dir(self.folder.join(env.0.to_string()).join(name)) else { return };
        for entry in found.flatten() {
            let is_kept = kept.iter().flatten().any(|record| entry.file_name() == record.version.as_str());
            if !is_kept {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

impl Drop for Functions {
    fn drop(&mut self) {
        if self.passing {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// What is to be deployed.
pub struct Order<'o> {
    /// The environment.
    pub env: EnvId,
    /// The function's name.
    pub name: &'o str,
    /// The code: a tar archive.
    pub archive: fs::File,
    /// How it is run.
    pub settings: Settings,
    /// What the environment may use.
    pub limits: &'o Limits,
    /// The instant, in milliseconds since 1970.
    pub now_ms: i64,
}

fn new_version() -> Result<String> {
    Ok(chance::bytes::<8>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn missing(name: &str) -> Error {
    Error::new(
        Code::FunctionMissing,
        format!("the function {name:?} does not exist; deploy it with `waferdb fn deploy`"),
    )
}

/// The error for a function that did not come to a result.
fn failed(what: impl Into<String>) -> Error {
    Error::new(Code::FunctionFailed, what.into())
}

fn broken(fault: &dyn std::fmt::Display) -> Error {
    let text = fault.to_string();
    match text.contains("os error 28") || text.contains("No space left") {
        true => Error::new(Code::StorageFull, "the disk is full: nothing was deployed; free some space and try again"),
        false => Error::new(Code::Internal, format!("the functions: {text}")),
    }
}
