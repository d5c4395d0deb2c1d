//! Packages that a function asks for: installed by npm, as shut in as the function itself but with its folder open.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use query::{Code, Error, Result};
use serde_json::Value;

use super::broken;
use super::sandbox::{Access, Bounds, Sandbox};

/// How long an installation may take.
const TIME_MAX: Duration = Duration::from_secs(180);
const MEMORY_MB: u32 = 1024;
/// Variables of the server that tell npm the way to its registry.
const PASSED_ON: &[&str] =
    &["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "npm_config_registry"];

/// Does the code ask for packages without bringing any?
pub(super) fn wanted(place: &Path) -> bool {
    let text = fs::read(place.join("package.json")).unwrap_or_default();
    let manifest: Value = serde_json::from_slice(&text).unwrap_or_default();
    let asks = manifest.get("dependencies").and_then(Value::as_object).is_some_and(|listed| !listed.is_empty());
    asks && !place.join("node_modules").exists()
}

/// Installs the packages. No package's own scripts run.
///
/// # Errors
/// `BadRequest` with npm's words where it could not.
pub(super) fn run(sandbox: &Sandbox, place: &Path) -> Result<()> {
    let bounds = Bounds { memory_mb: MEMORY_MB, tasks: 128, access: Access::Install };
    let words = ["npm", "install", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress"];
    let mut command = sandbox.command(place, bounds, &words)?;
    command.env("HOME", "/tmp").env("npm_config_cache", "/tmp/npm").env("npm_config_update_notifier", "false");
    for name in PASSED_ON {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let output = tempfile_in(place)?;
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output.1).spawn();
    let mut child = child.map_err(|fault| broken(&fault))?;
    let began = Instant::now();
    let done = loop {
        match child.try_wait().map_err(|fault| broken(&fault))? {
            Some(status) => break status.success(),
            None if began.elapsed() > TIME_MAX => {
                sandbox.end(&mut child);
                break false;
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    let said = fs::read_to_string(&output.0).unwrap_or_default();
    let _ = fs::remove_file(&output.0);
    sandbox.take_back(place)?;
    match done {
        true => Ok(()),
        false => {
            Err(Error::new(Code::BadRequest, format!("npm could not install the packages: {}", last_words(&said))))
        }
    }
}

fn tempfile_in(place: &Path) -> Result<(std::path::PathBuf, fs::File)> {
    let path = place.with_extension("npm");
    let file = fs::File::create(&path).map_err(|fault| broken(&fault))?;
    Ok((path, file))
}

/// The end of what npm said, which names the cause.
fn last_words(said: &str) -> String {
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    lines.iter().rev().take(6).rev().copied().collect::<Vec<_>>().join(" / ")
}
