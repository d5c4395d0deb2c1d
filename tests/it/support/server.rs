//! The server as a process: started on a free port with known credentials, killed, stopped, or left to end by itself.

use super::client::Client;
use super::gateway::Credentials;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

const READY_WITHIN: Duration = Duration::from_secs(60);
const ADMIN_TOKEN: &str = "crash-admin-token";

/// The binary under test.
pub fn binary() -> PathBuf {
    std::env::var_os("WAFERDB_BIN").map_or_else(|| env!("CARGO_BIN_EXE_waferdb").into(), PathBuf::from)
}

/// Can the binary serve at all? Where not, tests of the served surface say so and are skipped.
pub fn can_serve() -> bool {
    let help = Command::new(binary()).args(["serve", "--help"]).output().expect("the binary runs");
    let can = help.status.success() && !help.stdout.is_empty();
    if !can {
        eprintln!("SKIPPED: this binary does not serve");
    }
    can
}

/// The credentials that every test server is started with.
pub fn credentials() -> Credentials {
    Credentials {
        env: "crash-1a2b".to_owned(),
        secret_id: "AKIDcrash00000000000000".to_owned(),
        secret_key: "crashSecretKey0123456789".to_owned(),
    }
}

/// A running server. Dropping it kills it.
pub struct Server {
    child: Child,
    pub address: String,
    log: PathBuf,
}

impl Server {
    /// Starts on a folder, with more variables (an instrument to load, for example), and waits until it serves.
    ///
    /// # Errors
    /// What it printed, when it ended instead.
    pub fn start(folder: &Path, variables: &[(&str, &Path)]) -> Result<Server, String> {
        let address = format!("127.0.0.1:{}", free_port());
        let log = folder.with_extension("log");
        let output = File::create(&log).expect("a log file");
        let who = credentials();
        let child = Command::new(binary())
            .args(["serve", "--data", text(folder), "--listen", &address])
            .envs([
                ("WAFERDB_INIT_ENV", who.env.as_str()),
                ("WAFERDB_INIT_SECRET_ID", &who.secret_id),
                ("WAFERDB_INIT_SECRET_KEY", &who.secret_key),
                ("WAFERDB_INIT_ADMIN_TOKEN", ADMIN_TOKEN),
            ])
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a log file"))
            .stderr(output)
            .spawn()
            .expect("the binary starts");
        let mut server = Server { child, address, log };
        server.wait_until_ready()?;
        Ok(server)
    }

    pub fn client(&self) -> Client {
        Client::new(&self.address, &credentials())
    }

    /// Ends it at once, as the kernel or the power would.
    pub fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ended");
    }

    /// Asks it to end and waits.
    pub fn stop(mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        self.child.wait().expect("it ended")
    }

    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Bytes of memory that it holds.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kibibytes.unwrap_or(0) << 10
    }

    /// What it tells about itself.
    pub fn state(&self) -> serde_json::Value {
        let answer = get(&self.address, "/waferdb/v1/server").expect("an answer");
        let body = answer.split_once("\r\n\r\n").expect("a body").1;
        serde_json::from_str(body).expect("JSON")
    }

    /// What it printed so far.
    pub fn printed(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Runs a verb of the command line against it.
    pub fn command_line(&self, words: &[&str]) -> Output {
        let output = self.try_command_line(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// Runs a verb of the command line that may be refused.
    pub fn try_command_line(&self, words: &[&str]) -> Output {
        let url = format!("http://{}", self.address);
        let output = Command::new(binary()).args(["--server", &url, "--admin-token", ADMIN_TOKEN]).args(words).output();
        output.expect("the binary runs")
    }

    /// Begins a verb of the command line whose output is read as it comes.
    pub fn command_line_under_way(&self, words: &[&str]) -> Child {
        let url = format!("http://{}", self.address);
        let mut command = Command::new(binary());
        command.args(["--server", &url, "--admin-token", ADMIN_TOKEN]).args(words).stdout(Stdio::piped());
        command.spawn().expect("the binary runs")
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let until = Instant::now() + READY_WITHIN;
        while Instant::now() < until {
            if self.has_ended() {
                return Err(format!("the server ended before it was ready:\n{}", self.printed()));
            }
            if is_healthy(&self.address) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(format!("the server was not ready within {READY_WITHIN:?}:\n{}", self.printed()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.has_ended() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn is_healthy(address: &str) -> bool {
    get(address, "/healthz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

fn get(address: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let head = format!("Host: {address}\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\nConnection: close");
    stream.write_all(format!("GET {path} HTTP/1.1\r\n{head}\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Checks a folder that no server has open: format, checksums, index against documents.
pub fn doctor(folder: &Path) -> Result<(), String> {
    let output = Command::new(binary()).args(["--data", text(folder), "doctor"]).output().expect("the binary runs");
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a readable path")
}
