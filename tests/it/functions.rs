//! Cloud functions from outside: deployed and called by the command line, and functions that mean harm.

use std::fs;
use std::path::Path;
use std::time::Instant;

use super::support::server::{Server, binary, credentials};
use serde_json::{Value, json};

/// A server with one function that does what its event says.
struct Stage {
    server: Server,
    folder: tempfile::TempDir,
}

/// Each member of the table is a way to do harm; `run` carries one out and tells what came of it.
const HARMFUL: &str = r"
const fs = require('fs'), cp = require('child_process'), net = require('net')
const tried = work => { try { return work() } catch (fault) { return 'refused: ' + (fault.code ?? fault.message) } }
const ways = {
  env: () => Object.keys(process.env).filter(name => /WAFERDB_INIT|ADMIN|HOSTILE/.test(name)),
  user: () => process.getuid(),
  processes: () => fs.readdirSync('/proc').filter(name => /^\d+$/.test(name)).length,
  read: ({ path }) => tried(() => fs.readdirSync(path).length),
  write: ({ path }) => tried(() => { fs.writeFileSync(path, 'x'); return 'written' }),
  shell: ({ line }) => tried(() => { cp.execSync(line, { stdio: 'ignore' }); return 'done' }),
  fork: () => { let made = 0; for (let i = 0; i < 300; i++) { const child = cp.spawn('sleep', ['60']); child.on('error', () => {}); if (child.pid) made++ } return made },
  files: () => { let open = 0; try { for (;;) { fs.openSync('/dev/null'); open++ } } catch { return open } },
  disk: () => { let mib = 0; try { for (;; mib++) fs.appendFileSync('/tmp/x', Buffer.alloc(1 << 20)) } catch { return mib } },
  buffers: () => { const held = []; for (;;) held.push(Buffer.alloc(1 << 20, 1)) },
  heap: () => { const held = []; for (;;) held.push({ x: Math.random() }) },
  spin: () => { for (;;) {} },
  exit: () => process.exit(0),
  reject: () => { Promise.reject(new Error('lost')); return new Promise(() => {}) },
  huge: () => 'x'.repeat(8 << 20),
  circle: () => { const a = {}; a.a = a; return a },
  kill: () => tried(() => { process.kill(-1, 'SIGKILL'); return 'sent' }),
  forge: () => { fs.writeSync(0, Buffer.from([255, 255, 255, 255, 1])); return new Promise(() => {}) }
}
exports.main = async event => ways[event.way](event)
";

impl Stage {
    fn new(flags: &[&str]) -> Stage {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::start(&folder.path().join("data"), &[]).expect("a server");
        fs::create_dir(folder.path().join("code")).expect("a folder");
        fs::write(folder.path().join("code/index.js"), HARMFUL).expect("written");
        let stage = Stage { server, folder };
        let code = stage.folder.path().join("code");
        let words = [&["deploy", "--name", "harm", code.to_str().expect("UTF-8")], flags].concat();
        stage.told(&words).expect("deployed");
        stage
    }

    fn told(&self, words: &[&str]) -> Result<Value, String> {
        let env = credentials().env;
        let output = self.server.try_command_line(&[&["fn"], words, &["--env", &env, "--json"]].concat());
        match output.status.success() {
            true => Ok(serde_json::from_slice(&output.stdout).expect("JSON")),
            false => Err(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()),
        }
    }

    fn call(&self, event: &Value) -> Result<Value, String> {
        self.told(&["call", "harm", &event.to_string()]).map(|answer| answer["result"].clone())
    }

    fn data(&self) -> String {
        self.folder.path().join("data").to_str().expect("UTF-8").to_owned()
    }
}

/// Is Node there at all?
fn has_node() -> bool {
    let has = std::process::Command::new("node").arg("--version").output().is_ok();
    if !has {
        eprintln!("SKIPPED: no node on this machine");
    }
    has
}

#[test]
fn functions_cannot_get_out() {
    if !has_node() {
        return;
    }
    let stage = Stage::new(&[]);
    let call = |event: Value| stage.call(&event).expect("an answer");
    assert_eq!(call(json!({"way": "env"})), json!([]));
    assert!(call(json!({"way": "processes"})).as_u64().expect("a number") <= 3);
    let (data, repository) = (stage.data(), env!("CARGO_MANIFEST_DIR"));
    let binary = binary();
    let elsewhere = [data.as_str(), repository, "/root", "/home", "/var/lib", "/old", "/sys", "/etc/shadow"];
    let binary_folder = binary.parent().and_then(Path::to_str).expect("UTF-8");
    for path in elsewhere.into_iter().chain([binary_folder, "/proc/1/cwd/../../old", "/../../old"]) {
        let answer = call(json!({"way": "read", "path": path}));
        assert!(answer.as_str().is_some_and(|text| text.starts_with("refused")), "{path}: {answer}");
    }
    let places =
        ["/var/user/index.js", "/var/user/new", "/var/runtime/worker.cjs", "/usr/bin/new", "/etc/hosts", "/new"];
    for path in places.into_iter().chain(["/proc/sys/kernel/core_pattern", "/dev/new", "/proc/sysrq-trigger"]) {
        let answer = call(json!({"way": "write", "path": path}));
        assert!(answer.as_str().is_some_and(|text| text.starts_with("refused")), "{path}: {answer}");
    }
    let lines = [
        "mount -t tmpfs none /tmp",
        "mount -o remount,rw /var/user",
        "umount /var/user",
        "chroot / true",
        "nsenter -t 1 -m true",
        "mknod /tmp/disk b 8 0",
        "chown 1 /tmp",
        "su -c true",
        "setpriv --reuid 1 true",
        "hostname stolen",
    ];
    for line in lines {
        let answer = call(json!({"way": "shell", "line": line}));
        assert!(answer.as_str().is_some_and(|text| text.starts_with("refused")), "{line}: {answer}");
    }
}

#[test]
fn bombs_end_where_they_went_off() {
    if !has_node() {
        return;
    }
    let stage = Stage::new(&["--timeout", "3", "--memory", "128"]);
    let number = |way: &str| stage.call(&json!({"way": way})).expect("a result").as_u64().expect("a number");
    assert!(number("fork") < 64);
    assert!(number("files") < 512);
    let ended = |way: &str, words: &[&str]| {
        let message = stage.call(&json!({"way": way})).expect_err("it cannot go well");
        assert!(words.iter().any(|word| message.contains(word)), "{way}: {message}");
        assert!(message.contains("FUNCTION_FAILED"), "{way}: {message}");
    };
    ended("exit", &["ended by itself"]);
    assert!(number("disk") <= 128);
    ended("reject", &["lost"]);
    ended("buffers", &["MiB of memory", "ended by itself", "Array buffer allocation failed"]);
    ended("heap", &["MiB of memory", "ended by itself", "timed out"]);
    ended("huge", &["at most"]);
    ended("circle", &["circular"]);
    ended("forge", &["broke the protocol"]);
    let began = Instant::now();
    ended("spin", &["timed out after 3 seconds"]);
    assert!(began.elapsed().as_secs() < 10);
    // The server and the function itself go on.
    assert_eq!(stage.call(&json!({"way": "env"})), Ok(json!([])));
    let _ = stage.call(&json!({"way": "kill"}));
    assert_eq!(stage.call(&json!({"way": "env"})), Ok(json!([])));
}

#[test]
fn deployments_change_over_and_outlive_a_kill() {
    if !has_node() {
        return;
    }
    let stage = Stage::new(&[]);
    let code = stage.folder.path().join("code");
    let deploy = |text: &str| {
        fs::write(code.join("index.js"), text).expect("written");
        stage.told(&["deploy", "--name", "harm", code.to_str().expect("UTF-8")])
    };
    assert_eq!(deploy("exports.main = () => 'second'").map(|answer| answer["version"].clone()), Ok(json!(2)));
    assert_eq!(stage.call(&json!({})), Ok(json!("second")));
    fs::remove_file(code.join("index.js")).expect("removed");
    fs::write(code.join("other.js"), "").expect("written");
    let refused = stage.told(&["deploy", "--name", "harm", code.to_str().expect("UTF-8")]);
    assert!(refused.is_err_and(|message| message.contains("index.js")));
    assert_eq!(stage.call(&json!({})), Ok(json!("second")));
    let Stage { server, folder } = stage;
    server.kill();
    let server = Server::start(&folder.path().join("data"), &[]).expect("a server");
    let stage = Stage { server, folder };
    assert_eq!(stage.call(&json!({})), Ok(json!("second")));
    assert!(stage.told(&["delete", "harm", "--yes"]).is_ok());
    assert!(stage.call(&json!({})).is_err_and(|message| message.contains("FUNCTION_MISSING")));
}
