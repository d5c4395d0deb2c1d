//! `fn`: cloud functions.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use serde_json::{Value, json};

use super::check_sure;
use super::env::{rows, tell};
use crate::cli::{Deploy, FunctionVerb};
use crate::client::{Target, part};
use crate::failure::{Failure, Result};
use crate::show::{self, Column, Reads};

/// What never belongs to a function's code.
const LEFT_OUT: &[&str] = &[".git", ".DS_Store"];
/// Folders inside of folders that are followed.
const DEPTH_MAX: usize = 64;

/// Does a function's verb.
///
/// # Errors
/// What the server answers; `CouldNot` for a folder that cannot be read.
pub fn run(target: &Target, verb: FunctionVerb, as_json: bool) -> Result<()> {
    match verb {
        FunctionVerb::Deploy(deploy) => self::deploy(target, &deploy, as_json)?,
        FunctionVerb::List { within } => {
            list(&target.get(&format!("/envs/{}/functions", part(&within.env)))?, as_json);
        }
        FunctionVerb::Call { within, name, event } => {
            let path = format!("/envs/{}/functions/{}/call", part(&within.env), part(&name));
            let answer = target.upload(&path, Cursor::new(event.into_bytes()))?;
            show_result(&answer, as_json);
        }
        FunctionVerb::Logs { within, name, request, limit } => {
            let asked = [("function", name), ("requestId", request), ("limit", Some(limit.to_string()))];
            let asked = asked.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", part(&value?))));
            let query = asked.collect::<Vec<_>>().join("&");
            logs(&target.get(&format!("/envs/{}/logs?{query}", part(&within.env)))?, as_json);
        }
        FunctionVerb::Delete { within, name, sure } => {
            check_sure(sure, "deleting a function")?;
            let answer = target.delete(&format!("/envs/{}/functions/{}", part(&within.env), part(&name)))?;
            tell(&answer, &format!("deleted the function {name}"), as_json);
        }
    }
    Ok(())
}

fn deploy(target: &Target, deploy: &Deploy, as_json: bool) -> Result<()> {
    let folder = deploy.folder.canonicalize();
    let folder = folder.map_err(|fault| Failure::CouldNot(format!("{}: {fault}", deploy.folder.display())))?;
    let named = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = deploy.name.clone().or(named).unwrap_or_default();
    let variables = deploy.variables.iter().map(|text| {
        let pair = text.split_once('=');
        pair.ok_or_else(|| Failure::refused("INVALID_PARAM", format!("--var {text}: expected NAME=VALUE")))
    });
    let settings = json!({
        "handler": deploy.handler, "timeout": deploy.timeout, "memorySize": deploy.memory,
        "concurrency": deploy.concurrency, "variables": variables.collect::<Result<Vec<_>>>()?,
    });
    let query = part(&settings.to_string());
    let path = format!("/envs/{}/functions/{}?settings={query}", part(&deploy.within.env), part(&name));
    let answer = target.upload(&path, Cursor::new(packed(&folder)?))?;
    tell(&answer, &format!("deployed the function {name}, version {}", answer["version"]), as_json);
    Ok(())
}

/// The folder as an archive.
fn packed(folder: &Path) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    archive.mode(tar::HeaderMode::Deterministic);
    add_folder(&mut archive, folder, Path::new(""), 0)?;
    archive.into_inner().map_err(Failure::from)
}

/// Links are left out: those of node_modules/.bin are for people, and others could lead anywhere.
fn add_folder(archive: &mut tar::Builder<Vec<u8>>, folder: &Path, inside: &Path, depth: usize) -> Result<()> {
    if depth > DEPTH_MAX {
        return Err(Failure::CouldNot(format!("{}: more than {DEPTH_MAX} folders deep", folder.display())));
    }
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<std::io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries.iter().filter(|entry| !LEFT_OUT.iter().any(|name| entry.file_name() == *name)) {
        let (kind, path) = (entry.file_type()?, inside.join(entry.file_name()));
        if kind.is_dir() {
            add_folder(archive, &entry.path(), &path, depth + 1)?;
        } else if kind.is_file() {
            archive.append_path_with_name(entry.path(), &path)?;
        }
    }
    Ok(())
}

fn show_result(answer: &Value, as_json: bool) {
    if as_json {
        return show::json(answer);
    }
    show::line(&serde_json::to_string_pretty(&answer["result"]).unwrap_or_default());
}

fn list(answer: &Value, as_json: bool) {
    if as_json {
        return show::json(answer);
    }
    let columns = [
        Column("name", "FUNCTION", Reads::Plain),
        Column("version", "VERSION", Reads::Plain),
        Column("bytes", "CODE", Reads::Bytes),
        Column("timeout", "SECONDS", Reads::Plain),
        Column("memorySize", "MIB", Reads::Plain),
        Column("concurrency", "AT ONCE", Reads::Plain),
        Column("deployedMs", "DEPLOYED", Reads::Instant),
    ];
    show::table(rows(answer, "functions"), &columns, "no functions");
}

fn logs(answer: &Value, as_json: bool) {
    if as_json {
        return show::json(answer);
    }
    let columns = [
        Column("atMs", "CALLED", Reads::Instant),
        Column("requestId", "REQUEST", Reads::Plain),
        Column("function", "FUNCTION", Reads::Plain),
        Column("text", "TEXT", Reads::Plain),
    ];
    show::table(rows(answer, "entries"), &columns, "nothing was called since the server started");
}
