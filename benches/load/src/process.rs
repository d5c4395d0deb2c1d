//! A server as a process: started on one core, paused while another is measured, watched through /proc, ended in order.

use crate::target::Result;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const TICKS_PER_SECOND: u64 = 100; // USER_HZ, the same on every Linux
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// A running server and its data.
pub struct Process {
    child: Child,
    folder: PathBuf,
    stop_signal: Signal,
}

impl Process {
    /// Starts a program pinned to a core; what it prints goes to `log` in its folder's parent.
    pub fn start(
        name: &str,
        folder: &Path,
        core: usize,
        words: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Process> {
        let log = fs::File::create(folder.with_extension("log"))?;
        let child = Command::new("taskset")
            .args(["-c", &core.to_string()])
            .args(words)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{name} does not start: {error}"))?;
        Ok(Process { child, folder: folder.to_owned(), stop_signal: Signal::TERM })
    }

    /// PostgreSQL calls it a fast shutdown.
    pub fn stopped_by_interrupt(mut self) -> Process {
        self.stop_signal = Signal::INT;
        self
    }

    /// User and system time of the process and all its children, living or gone.
    pub fn cpu(&self) -> Duration {
        let root = self.child.id();
        let ticks: u64 = self.tree().into_iter().filter_map(|pid| ticks(pid, pid == root)).sum();
        Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
    }

    /// Memory in bytes, pages shared between its processes counted once.
    pub fn memory_bytes(&self) -> u64 {
        let rollup = |pid| fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok();
        let pss = |text: String| {
            text.lines().find_map(|line| line.strip_prefix("Pss:")?.split_whitespace().next()?.parse::<u64>().ok())
        };
        self.tree().into_iter().filter_map(rollup).filter_map(pss).sum::<u64>() * 1024
    }

    /// What is in memory of the server itself, in bytes.
    pub fn resident_bytes(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most that was in memory since [`Process::forget_peak`], in bytes.
    pub fn peak_bytes(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    /// Begins a new peak at what is in memory now.
    pub fn forget_peak(&self) -> Result<()> {
        const PEAK: &str = "5"; // proc(5), clear_refs
        Ok(fs::write(format!("/proc/{}/clear_refs", self.child.id()), PEAK)?)
    }

    fn status(&self, name: &str) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kilobytes =
            text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse::<u64>().ok());
        Ok(kilobytes.ok_or("no such line in /proc")? * 1024)
    }

    /// What its folder takes on disk, in bytes.
    pub fn disk_bytes(&self) -> u64 {
        disk_bytes(&self.folder)
    }

    pub fn pause(&self) {
        self.signal_all(Signal::STOP);
    }

    pub fn resume(&self) {
        self.signal_all(Signal::CONT);
    }

    /// Ends the server as its users would, and waits for it.
    pub fn stop(mut self) -> Result<()> {
        self.resume();
        self.signal(self.child.id(), self.stop_signal);
        let until = Instant::now() + STOP_WITHIN;
        while Instant::now() < until {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child.kill()?;
        self.child.wait()?;
        Err(format!("{} did not stop within {STOP_WITHIN:?}", self.folder.display()).into())
    }

    fn signal_all(&self, signal: Signal) {
        for pid in self.tree() {
            self.signal(pid, signal);
        }
    }

    fn signal(&self, pid: u32, signal: Signal) {
        if let Some(pid) = Pid::from_raw(pid as i32) {
            let _ = kill_process(pid, signal); // it may have ended meanwhile
        }
    }

    /// The process and its descendants.
    fn tree(&self) -> Vec<u32> {
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            if let Some(parent) = stat(pid).and_then(|fields| fields.get(1)?.parse().ok()) {
                children.entry(parent).or_default().push(pid);
            }
        }
        let mut found = vec![self.child.id()];
        let mut at = 0;
        while let Some(pid) = found.get(at) {
            found.extend(children.remove(pid).unwrap_or_default());
            at += 1;
        }
        found
    }
}

/// Never leaves a server behind, whatever happened.
impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.resume();
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Fields of /proc/PID/stat after the name, beginning with the state.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(") ")?.1.split_whitespace().map(str::to_owned).collect())
}

fn ticks(pid: u32, with_ended_children: bool) -> Option<u64> {
    let fields = stat(pid)?;
    let field = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let own = field(11) + field(12);
    Some(if with_ended_children { own + field(13) + field(14) } else { own })
}

pub fn disk_bytes(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    let inside: u64 = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| disk_bytes(&entry.path())).sum();
    inside + if metadata.is_file() { metadata.blocks() * 512 } else { 0 }
}
