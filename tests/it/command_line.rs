//! The command line from outside: what it prints, what it leaves behind, and its exit codes.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::support::server::binary;

/// A server that was started without any wish.
struct Served {
    child: Child,
    ready: Value,
}

impl Served {
    fn start(folder: &Path, words: &[&str]) -> Served {
        let mut child = waferdb(folder, &["serve", "--json", "--listen", "127.0.0.1:0"])
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        Served { child, ready: serde_json::from_str(&line).unwrap_or_else(|fault| panic!("{line:?}: {fault}")) }
    }

    fn told(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap_or_default()
    }

    /// Asks it to end; the exit code and how long it took.
    fn stop(mut self) -> (Option<i32>, Duration) {
        let start = Instant::now();
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        (self.child.wait().expect("it ended").code(), start.elapsed())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary on a folder, with no variable that could change what it does.
fn waferdb(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("WAFERDB_")) {
        command.env_remove(name);
    }
    command.arg("--data").arg(folder).args(words).stdin(Stdio::null());
    command
}

fn run(folder: &Path, words: &[&str]) -> Output {
    waferdb(folder, words).output().expect("the binary runs")
}

/// Runs a verb that must succeed; what it printed.
fn done(folder: &Path, words: &[&str]) -> String {
    let output = run(folder, words);
    assert_eq!(output.status.code(), Some(0), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Runs a verb that must not succeed; its exit code and what it said.
fn failed(folder: &Path, words: &[&str]) -> (i32, String) {
    let output = run(folder, words);
    (output.status.code().expect("a code"), String::from_utf8(output.stderr).expect("text"))
}

fn rows(json: &str, name: &str) -> Vec<Value> {
    let answer: Value = serde_json::from_str(json).unwrap_or_else(|fault| panic!("{json:?}: {fault}"));
    answer[name].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_first_start_makes_what_is_needed_and_says_it_once() {
    let scratch = tempfile::tempdir().expect("a folder");
    let folder = scratch.path().join("data");
    let served = Served::start(&folder, &[]);
    let env = served.told("environment").to_owned();
    assert!(!env.is_empty() && served.told("secretId").starts_with("AKID") && !served.told("secretKey").is_empty());
    assert!(served.told("adminToken").starts_with("wat_"));
    // On this machine the command line finds address and token by itself.
    let list = done(&folder, &["env", "list", "--json"]);
    assert_eq!(rows(&list, "environments")[0]["name"], env.as_str());
    let (code, took) = served.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    let again = Served::start(&folder, &[]);
    for name in ["environment", "secretId", "secretKey", "adminToken"] {
        assert_eq!(again.ready[name], Value::Null, "{name}");
    }
    let (code, said) = failed(&folder, &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, 2, "two servers on one folder: {said}");
    again.stop();
    // Without a server the folder itself answers.
    assert_eq!(rows(&done(&folder, &["key", "list", "--json"]), "keys").len(), 1);
    done(&folder, &["doctor"]);
}

#[test]
fn what_a_developer_pastes_is_printed_at_a_first_start() {
    let scratch = tempfile::tempdir().expect("a folder");
    let mut child = waferdb(&scratch.path().join("data"), &["serve", "--memory", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let mut output = BufReader::new(child.stdout.take().expect("its output"));
    let mut printed = String::new();
    while !printed.contains("Make a collection") {
        assert!(output.read_line(&mut printed).expect("a line") > 0, "{printed}");
    }
    for text in [
        "TCB_CONTEXT_CNFG='{\"URL\":\"http://127.0.0.1:",
        "TENCENTCLOUD=true",
        "TENCENTCLOUD_SECRETID=AKID",
        "serviceUrl: 'http://",
        "cloud.init(",
        "tcb.init(",
    ] {
        assert!(printed.contains(text), "{text} is missing in\n{printed}");
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
}

#[test]
fn environments_keys_collections_and_indexes() {
    let scratch = tempfile::tempdir().expect("a folder");
    let folder = scratch.path().join("data");
    let served = Served::start(&folder, &[]);
    done(&folder, &["env", "create", "shop"]);
    let (code, said) = failed(&folder, &["env", "create", "shop"]);
    assert_eq!(code, 1);
    assert!(said.contains("ENV_EXISTS"), "{said}");
    let key: Value =
        serde_json::from_str(&done(&folder, &["key", "create", "--env", "shop", "--note", "till", "--json"]))
            .expect("JSON");
    let id = key["id"].as_str().expect("an id");
    let rotated: Value =
        serde_json::from_str(&done(&folder, &["key", "rotate", id, "--grace-hours", "1", "--json"])).expect("JSON");
    assert_ne!(rotated["id"], key["id"]);
    done(&folder, &["key", "revoke", id]);
    let keys = rows(&done(&folder, &["key", "list", "--env", "shop", "--json"]), "keys");
    assert_eq!(keys.iter().map(|key| key["id"].clone()).collect::<Vec<_>>(), [rotated["id"].clone()]);
    done(&folder, &["env", "limits", "shop", "deadline_ms=1234"]);
    assert!(
        done(&folder, &["env", "limits", "shop"])
            .lines()
            .any(|line| line.starts_with("deadline_ms") && line.contains("1234"))
    );
    done(&folder, &["collection", "create", "--env", "shop", "orders"]);
    let index = ["index", "create", "--env", "shop", "--collection", "orders", "due:-1", "customer", "--unique"];
    assert!(done(&folder, &index).contains("due_-1_customer_1: ready"));
    let indexes = rows(&done(&folder, &["index", "list", "--env", "shop", "-c", "orders", "--json"]), "indexes");
    assert_eq!(indexes[1]["unique"], true);
    done(&folder, &["index", "drop", "--env", "shop", "-c", "orders", "due_-1_customer_1"]);
    assert!(done(&folder, &["collection", "stats", "--env", "shop", "orders"]).contains("_id_"));
    let (code, said) = failed(&folder, &["collection", "drop", "--env", "shop", "orders"]);
    assert_eq!(code, 1);
    assert!(said.contains("--yes"), "{said}");
    done(&folder, &["collection", "drop", "--env", "shop", "orders", "--yes"]);
    done(&folder, &["env", "drop", "shop", "--yes"]);
    assert_eq!(failed(&folder, &["collection", "list", "--env", "shop"]).0, 1);
    served.stop();
}

#[test]
fn documents_go_in_and_come_out() {
    let scratch = tempfile::tempdir().expect("a folder");
    let folder = scratch.path().join("data");
    let served = Served::start(&folder, &[]);
    let env = served.told("environment").to_owned();
    done(&folder, &["collection", "create", "--env", &env, "c"]);
    let file = |name: &str, text: &str| {
        let path = scratch.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("text").to_owned()
    };
    let lines: String = (0..3000).map(|n| format!("{{\"_id\":\"d{n:04}\",\"n\":{n}}}\n")).collect();
    let jsonl = file("in.jsonl", &lines);
    let import = |words: &[&str]| {
        run(&folder, &[["data", "import", "--env", &env, "-c", "c", "--json"].as_slice(), words].concat())
    };
    let report: Value = serde_json::from_slice(&import(&[&jsonl]).stdout).expect("JSON");
    assert_eq!(report["inserted"], 3000);
    let again = import(&[&jsonl]);
    assert_eq!(again.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&again.stdout).expect("JSON");
    assert_eq!((&report["inserted"], &report["failed"]), (&Value::from(0), &Value::from(3000)));
    let stopped: Value = serde_json::from_slice(&import(&[&jsonl, "--stop-on-error"]).stdout).expect("JSON");
    assert_eq!((&stopped["failed"], &stopped["stopped"]), (&Value::from(1), &Value::from(true)));
    let report: Value = serde_json::from_slice(&import(&[&jsonl, "--mode", "upsert"]).stdout).expect("JSON");
    assert_eq!(report["updated"], 3000);
    let export = ["data", "export", "--env", &env, "-c", "c"];
    assert_eq!(done(&folder, &export), lines);
    let csv = file("in.csv", "_id,n,place.city\nx,7,Rome\ny,007,\n");
    let report: Value = serde_json::from_slice(&import(&[&csv]).stdout).expect("JSON");
    assert_eq!(report["inserted"], 2);
    let out = scratch.path().join("out.csv");
    let words = [out.to_str().expect("text"), "--fields", "_id,n,place.city", "--query", r#"{"_id":{"$gte":"x"}}"#];
    done(&folder, &[export.as_slice(), &words].concat());
    assert_eq!(std::fs::read_to_string(&out).expect("read"), "_id,n,place.city\nx,7,Rome\ny,007,\n");
    served.stop();
    // The same on the folder that nobody serves.
    assert_eq!(
        done(&folder, &[export.as_slice(), &["--query", r#"{"n":1}"#]].concat()),
        "{\"_id\":\"d0001\",\"n\":1}\n"
    );
    assert!(import(&[&file("more.jsonl", "{\"_id\":\"z\"}")]).status.success());
    done(&folder, &["doctor"]);
}

#[test]
fn an_import_reads_standard_input() {
    let scratch = tempfile::tempdir().expect("a folder");
    let folder = scratch.path().join("data");
    let served = Served::start(&folder, &[]);
    let env = served.told("environment").to_owned();
    done(&folder, &["collection", "create", "--env", &env, "c"]);
    let mut child = waferdb(&folder, &["data", "import", "--env", &env, "-c", "c", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    child.stdin.take().expect("its input").write_all(b"{\"a\":1}\n{\"a\":2}").expect("written");
    let mut printed = String::new();
    child.stdout.take().expect("its output").read_to_string(&mut printed).expect("read");
    assert!(child.wait().expect("ended").success());
    assert!(printed.contains("2 inserted"), "{printed}");
    served.stop();
}

#[test]
fn what_cannot_run_ends_with_2_and_what_is_refused_with_1() {
    let scratch = tempfile::tempdir().expect("a folder");
    let folder = scratch.path().join("data");
    assert_eq!(failed(&folder, &["env", "list"]).0, 2, "no folder");
    assert_eq!(failed(&folder, &["--server", "http://127.0.0.1:9", "env", "list"]).0, 2, "no server");
    assert_eq!(failed(&folder, &["nonsense"]).0, 2, "no such verb");
    assert_eq!(failed(&folder, &["serve", "--listen", "nowhere"]).0, 2, "no such address");
    let served = Served::start(&folder, &[]);
    let remote = ["--server", served.told("address"), "--admin-token", "wrong-token-here", "--json", "env", "list"];
    let (code, said) = failed(&folder, &remote);
    assert_eq!(code, 1);
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(said["error"]["code"], "UNAUTHENTICATED");
    served.stop();
}

#[test]
fn settings_come_from_flag_variable_and_file_in_this_order() {
    let scratch = tempfile::tempdir().expect("a folder");
    let settings = scratch.path().join("settings.conf");
    std::fs::write(&settings, "# ours\nlisten = nowhere\n").expect("written");
    let settings = settings.to_str().expect("text");
    let folder = scratch.path().join("data");
    assert_eq!(failed(&folder, &["serve", "--config", settings]).0, 2, "the file is read");
    let variable =
        |words: &[&str]| waferdb(&folder, words).env("WAFERDB_LISTEN", "nowhere-else").output().expect("runs");
    let said = variable(&["serve", "--config", settings]);
    assert!(String::from_utf8_lossy(&said.stderr).contains("nowhere-else"), "a variable goes before the file");
    let served = Served::start(&folder, &["--config", settings]);
    assert!(served.told("address").starts_with("http://127.0.0.1:"), "a flag goes before all");
    served.stop();
    std::fs::write(settings, "nonsense = 1\n").expect("written");
    let (code, said) = failed(&folder, &["serve", "--config", settings]);
    assert!(code == 2 && said.contains("nonsense"), "{said}");
}
