//! One process of one function: starting it, talking to it over a socket, ending it.
//!
//! What arrives from the process is a stranger's: frames are bounded, and a process that breaks the protocol is ended.

use std::collections::VecDeque;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use query::Result;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::OwnedSemaphorePermit;

use super::context::{self, Invocation};
use super::logs::{LogEntry, Logs};
use super::record::FunctionRecord;
use super::sandbox::{Access, Bounds, Sandbox};
use super::{broken, failed};

/// How long a process may take until its function is loaded.
const LOAD_MAX: Duration = Duration::from_secs(30);
/// Processes and threads that one process may have; Node itself has about a dozen.
const TASKS_MAX: u32 = 64;
/// Memory that Node itself takes beside what the function may have, in MiB.
const NODE_MB: u64 = 64;
/// How often the memory of a working process is looked at.
const MEMORY_LOOK: Duration = Duration::from_millis(100);
/// Bytes of printed text that one call may bring into the log.
const PRINTED_BYTES_MAX: usize = 1 << 20;

/// Kinds of frames from a process.
mod kind {
    pub(super) const FAILED: u8 = 0;
    pub(super) const DONE: u8 = 1;
    pub(super) const READY: u8 = 2;
    pub(super) const PRINTED: u8 = 3;
}

/// A running process.
pub(super) struct Worker {
    child: Option<Child>,
    socket: UnixStream,
    received: Vec<u8>,
    stopped: bool,
    memory_mb: u64,
    frame_bytes_max: usize,
    printed: usize,
    logs: Arc<Logs>,
    last: LogEntry,
    /// Since when nobody needs it.
    pub idle_since: Instant,
    /// Its place among the processes of the server.
    _place: OwnedSemaphorePermit,
}

/// What a process says about a call that failed.
#[derive(Deserialize)]
struct Fault {
    message: String,
    stack: String,
}

impl Worker {
    /// Starts a process and waits until its function is loaded.
    pub async fn start(
        sandbox: &Arc<Sandbox>,
        code: &Path,
        (record, url): (&FunctionRecord, &str),
        invocation: &Invocation<'_>,
        (place, logs): (OwnedSemaphorePermit, Arc<Logs>),
    ) -> Result<Worker> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(|fault| broken(&fault))?;
        ours.set_nonblocking(true).map_err(|fault| broken(&fault))?;
        let memory_mb = record.settings.memory_size;
        let (code, lasting, sandbox) = (code.to_owned(), context::lasting(invocation, record, url), sandbox.clone());
        // Starting a process and finding out how to shut it in both wait for the system.
        let started = tokio::task::spawn_blocking(move || {
            let (folder, runtime) = sandbox.seen(&code)?;
            let script = runtime.join("worker.cjs");
            let heap = format!("--max-old-space-size={memory_mb}");
            let bounds = Bounds { memory_mb, tasks: TASKS_MAX, access: Access::Run };
            let mut command = sandbox.command(&code, bounds, &["node", &heap, &script.to_string_lossy()])?;
            command.envs(lasting).env("WAFERDB_FUNCTION_FOLDER", folder);
            command.stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().map_err(|fault| broken(&fault))
        });
        let child = started.await.map_err(|fault| broken(&fault))??;
        let mut worker = Worker {
            child: Some(child),
            socket: UnixStream::from_std(ours).map_err(|fault| broken(&fault))?,
            received: Vec::new(),
            stopped: false,
            memory_mb: u64::from(memory_mb) + NODE_MB,
            frame_bytes_max: frame_bytes_max(invocation),
            printed: 0,
            logs,
            last: entry_of(invocation),
            idle_since: Instant::now(),
            _place: place,
        };
        worker.load().await?;
        Ok(worker)
    }

    async fn load(&mut self) -> Result<()> {
        match tokio::time::timeout(LOAD_MAX, self.answer()).await {
            Ok(Ok((kind::READY, _))) => Ok(()),
            Ok(Ok((_, text))) => Err(self.told(&text)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(failed(format!("the function's file was not loaded within {} s", LOAD_MAX.as_secs()))),
        }
    }

    /// Carries out one call. After an error the process must not be used again, unless the function itself threw.
    pub async fn call(&mut self, invocation: &Invocation<'_>, record: &FunctionRecord) -> Outcome {
        self.last = entry_of(invocation);
        self.printed = 0;
        let time_max = Duration::from_secs(u64::from(record.settings.timeout));
        let frame = context::frame(invocation, record);
        let worked = tokio::time::timeout(time_max, self.exchange(&frame)).await;
        match worked {
            Ok(Ok((kind::DONE, text))) => Outcome::Done(String::from_utf8_lossy(&text).into_owned()),
            Ok(Ok((kind::FAILED, text))) => Outcome::Threw(self.told(&text)),
            Ok(Ok(_)) => Outcome::Broken(failed("the function's process broke the protocol")),
            Ok(Err(error)) => Outcome::Broken(error),
            Err(_) => {
                let text = format!("Invoking task timed out after {} seconds", record.settings.timeout);
                Outcome::Broken(failed(text))
            }
        }
    }

    async fn exchange(&mut self, frame: &str) -> Result<(u8, Vec<u8>)> {
        let length = u32::try_from(frame.len()).map_err(|_| failed("the event is too large"))?;
        let mut bytes = Vec::with_capacity(frame.len() + 4);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(frame.as_bytes());
        let sent = self.socket.write_all(&bytes).await;
        sent.map_err(|_| failed("the function's process ended before the call"))?;
        loop {
            match tokio::time::timeout(MEMORY_LOOK, self.answer()).await {
                Ok(answer) => return answer,
                Err(_) => self.check_memory()?,
            }
        }
    }

    /// The next frame that is not printed text. May be dropped and called again.
    async fn answer(&mut self) -> Result<(u8, Vec<u8>)> {
        loop {
            while let Some((kind, text)) = self.next_frame()? {
                match kind {
                    kind::PRINTED => self.print(&text),
                    other => return Ok((other, text)),
                }
            }
            match self.socket.read_buf(&mut self.received).await {
                Ok(0) | Err(_) => return Err(self.ended()),
                Ok(_) => {}
            }
        }
    }

    fn next_frame(&mut self) -> Result<Option<(u8, Vec<u8>)>> {
        let Some((head, rest)) = self.received.split_first_chunk::<4>() else { return Ok(None) };
        let length = usize::try_from(u32::from_le_bytes(*head)).unwrap_or(usize::MAX);
        if length == 0 || length > self.frame_bytes_max {
            return Err(failed("the function's process broke the protocol"));
        }
        let Some((kind, text)) = rest.get(..length).and_then(<[u8]>::split_first) else { return Ok(None) };
        let frame = (*kind, text.to_vec());
        self.received.drain(..4 + length);
        Ok(Some(frame))
    }

    fn print(&mut self, text: &[u8]) {
        let text: String = serde_json::from_slice(text).unwrap_or_default();
        self.printed += text.len();
        let text = text.trim_end();
        if self.printed <= PRINTED_BYTES_MAX && !text.is_empty() {
            self.logs.add(LogEntry { text: text.to_owned(), ..self.last.clone() });
        }
    }

    fn told(&self, text: &[u8]) -> query::Error {
        let Ok(Fault { message, stack }) = serde_json::from_slice(text) else {
            return failed("the function's process broke the protocol");
        };
        self.logs.add(LogEntry { text: stack, ..self.last.clone() });
        failed(message)
    }

    /// Why the socket ended.
    fn ended(&mut self) -> query::Error {
        let status = self.child.as_mut().and_then(|child| {
            // The socket goes a moment before the process that started it all.
            (0..20).find_map(|_| match child.try_wait() {
                Ok(None) => {
                    std::thread::sleep(Duration::from_millis(1));
                    None
                }
                other => other.ok().flatten(),
            })
        });
        match status.and_then(|status| status.code()) {
            Some(code) if code != 0 => failed(format!(
                "the function's process ended by itself with {code}: it may have used more memory than \
                                it has, or called process.exit"
            )),
            _ => failed("the function's process ended by itself: does it call process.exit?"),
        }
    }

    fn check_memory(&self) -> Result<()> {
        let used_mb = self.child.as_ref().map_or(0, |child| memory_of(child.id())) >> 20;
        match used_mb > self.memory_mb {
            true => Err(failed(format!(
                "the function used {used_mb} MiB of memory with Node's own, at most {} MiB are allowed (`--memory`)",
                self.memory_mb
            ))),
            false => Ok(()),
        }
    }

    /// Is the process still there? Takes in what it printed meanwhile.
    pub fn is_well(&mut self) -> bool {
        let mut part = [0; 4096];
        loop {
            match self.socket.try_read(&mut part) {
                Ok(0) => return false,
                Ok(count) => self.received.extend_from_slice(part.get(..count).unwrap_or_default()),
                Err(fault) if fault.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
            if self.received.len() > self.frame_bytes_max {
                return false;
            }
        }
        loop {
            match self.next_frame() {
                Ok(Some((kind::PRINTED, text))) => self.print(&text),
                Ok(None) => return true,
                _ => return false,
            }
        }
    }

    /// Takes the processor away from an idle process: timers that a function left running stand still.
    pub fn stop(&mut self) {
        if !self.stopped {
            self.stopped = true;
            self.signal(Signal::STOP);
        }
    }

    /// Gives it back.
    pub fn go_on(&mut self) {
        if self.stopped {
            self.stopped = false;
            self.signal(Signal::CONT);
        }
    }

    /// To the process and everything that it started.
    fn signal(&self, signal: Signal) {
        let Some(child) = &self.child else { return };
        for id in family(child.id()) {
            if let Some(process) = i32::try_from(id).ok().and_then(Pid::from_raw) {
                let _ = rustix::process::kill_process(process, signal);
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        // What a process started outside of its group goes with its namespace; the end itself takes a moment.
        let mut reap = move || drop(child.wait());
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(reap)),
            Err(_) => reap(),
        }
    }
}

/// How a call ended.
pub(super) enum Outcome {
    /// With a result.
    Done(String),
    /// With an error of the function's own; the process goes on.
    Threw(query::Error),
    /// In a way that leaves the process unusable.
    Broken(query::Error),
}

fn entry_of(invocation: &Invocation<'_>) -> LogEntry {
    LogEntry {
        env: invocation.env,
        function: invocation.function.to_owned(),
        request_id: invocation.request_id.to_owned(),
        at_ms: invocation.now_ms,
        text: String::new(),
    }
}

/// Longest frame: a result, or printed text whose every letter is escaped.
fn frame_bytes_max(invocation: &Invocation<'_>) -> usize {
    let result = usize::try_from(invocation.limits.function_result_bytes_max).unwrap_or(usize::MAX >> 1);
    result.saturating_add(512 << 10)
}

/// A process and all that descend from it.
fn family(root: u32) -> Vec<u32> {
    const MOST: usize = 256;
    let mut found = vec![root];
    let mut waiting = VecDeque::from([root]);
    while let Some(id) = waiting.pop_front() {
        let listed = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        for child in listed.split_whitespace().filter_map(|word| word.parse().ok()) {
            found.push(child);
            waiting.push_back(child);
        }
        if found.len() > MOST {
            break;
        }
    }
    found
}

/// Resident memory of a process and all that descend from it, in bytes.
fn memory_of(root: u32) -> u64 {
    let page = rustix::param::page_size() as u64;
    let resident = |id: &u32| {
        let mut text = String::new();
        let read = fs::File::open(format!("/proc/{id}/statm")).and_then(|mut file| file.read_to_string(&mut text));
        let pages = read.ok().and_then(|_| text.split(' ').nth(1)?.parse::<u64>().ok());
        pages.unwrap_or(0) * page
    };
    family(root).iter().map(resident).sum()
}
