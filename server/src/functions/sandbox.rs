//! What a function's process can reach: system programs, its own folder, an empty `/tmp`, the network. Nothing else.
//!
//! Namespaces of the kernel do that, through `unshare`, `setpriv` and `prlimit` of util-linux: as root each process
//! becomes a user of its own, as anybody else it lives in a user namespace. Where neither works functions are refused,
//! unless the administrator accepts that they see what the server sees.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;
use query::{Code, Error, Result};
use rustix::process::{Pid, Signal, geteuid, kill_process_group};
use serde::Serialize;

use super::broken;

const WORKER: &str = include_str!("../../../functions/worker.cjs");
const SETUP: &str = include_str!("../../../functions/sandbox.sh");
/// Users that processes become begin with this number; each process is another one.
const FIRST_USER: u32 = 700_000;
const USERS: u32 = 60_000;
/// Memory that Node itself maps for writing beside what the function may have, in MiB.
const NODE_DATA_MB: u64 = 512;
/// Largest file that a function may write into its `/tmp`, and that an installation may write, in bytes.
const FILE_BYTES_MAX: u64 = 512 << 20;

/// How functions are shut in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confinement {
    /// Namespaces, and a user for each process.
    Users,
    /// Namespaces inside of a user namespace.
    UserNamespace,
    /// Nothing but limits: the functions see what the server sees.
    None,
}

/// What a process may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Memory in MiB.
    pub memory_mb: u32,
    /// Processes and threads.
    pub tasks: u32,
    /// What it may do with its folder.
    pub access: Access,
}

/// What a process may do with its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Read it.
    Run,
    /// Fill it.
    Install,
}

/// Starts processes that are shut in.
pub(super) struct Sandbox {
    runtime: PathBuf,
    unconfined: bool,
    found: Mutex<Option<Confinement>>,
    users: AtomicU32,
}

impl Sandbox {
    pub fn new(runtime: PathBuf, unconfined: bool) -> Sandbox {
        Sandbox { runtime, unconfined, found: Mutex::default(), users: AtomicU32::new(0) }
    }

    /// The best that works here; tried once.
    pub fn confinement(&self) -> Result<Confinement> {
        let mut found = self.found.lock();
        if let Some(known) = *found {
            return Ok(known);
        }
        self.prepare()?;
        let ways: &[Confinement] = match geteuid().is_root() {
            true => &[Confinement::Users, Confinement::UserNamespace],
            false => &[Confinement::UserNamespace],
        };
        let works = ways.iter().copied().find(|way| self.works(*way));
        let way = works.or(self.unconfined.then_some(Confinement::None)).ok_or_else(|| {
            let message = "functions cannot be shut in here: the kernel or the container forbids namespaces, or \
                           util-linux (unshare, setpriv, prlimit) or node is missing. Allow them, or start the server \
                           with --functions-unconfined if you trust every function with what the server can read";
            Error::new(Code::NotSupported, message)
        })?;
        if way == Confinement::None {
            tracing::warn!("functions are not shut in: they can read and change what the server can");
        }
        *found = Some(way);
        Ok(way)
    }

    /// The command that runs some words in a folder, without any variable of the server's.
    pub fn command(&self, folder: &Path, bounds: Bounds, words: &[&str]) -> Result<Command> {
        Ok(self.command_by(self.confinement()?, folder, bounds, words))
    }

    /// Where a process that runs by [`Sandbox::command`] finds its folder and ours.
    pub fn seen(&self, folder: &Path) -> Result<(PathBuf, PathBuf)> {
        match self.confinement()? {
            Confinement::None => Ok((folder.to_owned(), self.runtime.clone())),
            _ => Ok(("/var/user".into(), "/var/runtime".into())),
        }
    }

    /// Ends a process with everything that it started.
    pub fn end(&self, child: &mut Child) {
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Makes files ours again that an installation left to its user.
    pub fn take_back(&self, folder: &Path) -> Result<()> {
        if self.confinement()? != Confinement::Users {
            return Ok(());
        }
        let mut waiting = vec![folder.to_owned()];
        while let Some(path) = waiting.pop() {
            std::os::unix::fs::lchown(&path, Some(0), Some(0)).map_err(|fault| broken(&fault))?;
            let kind = fs::symlink_metadata(&path).map_err(|fault| broken(&fault))?.file_type();
            if kind.is_dir() {
                let inner = fs::read_dir(&path).map_err(|fault| broken(&fault))?;
                waiting.extend(inner.flatten().map(|entry| entry.path()));
            }
        }
        Ok(())
    }

    fn command_by(&self, way: Confinement, folder: &Path, bounds: Bounds, words: &[&str]) -> Command {
        let Bounds { memory_mb, tasks, access } = bounds;
        let data_bytes = (u64::from(memory_mb) + NODE_DATA_MB) << 20;
        let mut command = match way {
            Confinement::None => {
                let mut command = Command::new("prlimit");
                command.args(["--core=0", "--nofile=512", &format!("--data={data_bytes}")]).args(words);
                command.current_dir(folder);
                command
            }
            _ => {
                let mut command = Command::new("unshare");
                if way == Confinement::UserNamespace {
                    command.args(["--user", "--map-root-user"]);
                }
                command.args(["--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child=KILL", "sh"]);
                command.arg(self.runtime.join("sandbox.sh")).arg(self.runtime.join("root")).arg(folder);
                command.arg(if access == Access::Install { "rw" } else { "ro" }).arg(&self.runtime);
                command.arg(self.user(way, folder, access)).arg(memory_mb.to_string()).arg(node_prefix());
                command.arg(tasks.to_string()).arg(FILE_BYTES_MAX.to_string()).arg(data_bytes.to_string()).args(words);
                command
            }
        };
        // Node's own folder first: the server's search path tells about the machine, and nothing in it is there inside.
        let path = format!("{}/bin:/usr/bin:/bin:/usr/sbin:/sbin", node_prefix().display());
        command.env_clear().env("PATH", path);
        command.env("HOME", "/tmp").env("LANG", "C.UTF-8").process_group(0);
        command
    }

    /// The user that a process becomes. Who installs owns the folder meanwhile.
    fn user(&self, way: Confinement, folder: &Path, access: Access) -> String {
        if way == Confinement::UserNamespace {
            return "own".to_owned();
        }
        let user = FIRST_USER + self.users.fetch_add(1, Ordering::Relaxed) % USERS;
        if access == Access::Install {
            // Without it npm fails and says so.
            let _ = chown(folder, Some(user), Some(user));
        }
        user.to_string()
    }

    fn prepare(&self) -> Result<()> {
        let write = || {
            fs::create_dir_all(self.runtime.join("root"))?;
            for (name, text) in [("worker.cjs", WORKER), ("sandbox.sh", SETUP)] {
                fs::write(self.runtime.join(name), text)?;
                fs::set_permissions(self.runtime.join(name), fs::Permissions::from_mode(0o644))?;
            }
            fs::set_permissions(&self.runtime, fs::Permissions::from_mode(0o755))
        };
        write().map_err(|fault: std::io::Error| broken(&fault))
    }

    fn works(&self, way: Confinement) -> bool {
        let bounds = Bounds { memory_mb: 64, tasks: 64, access: Access::Run };
        let mut command = self.command_by(way, &self.runtime, bounds, &["node", "-e", "0"]);
        let tried = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output();
        match tried {
            Ok(output) if output.status.success() => true,
            Ok(output) => {
                tracing::info!(?way, said = %String::from_utf8_lossy(&output.stderr), "functions cannot be shut in so");
                false
            }
            Err(fault) => {
                tracing::info!(?way, %fault, "functions cannot be shut in so");
                false
            }
        }
    }
}

/// The folder that holds `bin/node`: Node may be installed outside of the system's folders.
fn node_prefix() -> PathBuf {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).map(|folder| folder.join("node")).find(|file| file.is_file());
    let real = found.and_then(|file| file.canonicalize().ok());
    real.and_then(|file| Some(file.parent()?.parent()?.to_owned())).unwrap_or_else(|| "/usr".into())
}
