//! House rules that neither the compiler nor clippy can state, checked over the text of the repository.
//!
//! Each rule is one function from a file to its faults; each fault names file, line and remedy. This test links none of
//! our crates: it reads files only, and the last test proves that every rule can fail.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of code before the tests of a file.
const FILE_LINES_MAX: usize = 600;
/// Files that may be longer, how long, and why. Tables are exempt by nature; anything else needs a good reason.
const LONG_FILES: &[(&str, usize, &str)] =
    &[("storage/src/key.rs", 800, "keys are built in this file and nowhere else")];

/// Words that promise instead of do, and what to do instead.
const BANNED_WORDS: &[(&str, &str)] = &[
    ("todo!(", "finish it, or answer with a coded error"),
    ("unimplemented!(", "finish it, or answer with a coded error"),
    ("dbg!(", "use tracing"),
    ("TODO", "finish it now, or describe the limit in the docs"),
    ("FIXME", "fix it now"),
    ("#[ignore", "a test that never runs is a defect; make it quick or give it a step of its own"),
];
/// Places and machines that mean nothing to a reader elsewhere. Written in halves, so that this table is no fault.
const FOREIGN: &[(&str, &str)] = &[
    (concat!("/wo", "rk/"), "a path of somebody's machine"),
    (concat!("/ro", "ot/"), "a path of somebody's machine"),
    (concat!("registry.npm", "js.org"), "a registry's host; the clients know where they fetch from"),
    (concat!("registry.npm", "mirror"), "a registry's host; the clients know where they fetch from"),
    (concat!("files.python", "hosted"), "a registry's host; the clients know where they fetch from"),
    (concat!("static.crates", ".io"), "a registry's host; the clients know where they fetch from"),
    (concat!("index.crates", ".io"), "a registry's host; the clients know where they fetch from"),
    (concat!("<<<", "<<<<"), "an unresolved merge"),
];
/// Names that say nothing about their contents.
const EMPTY_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc", "shared", "stuff"];

/// Inside a crate: place, what it may not name, and why. Cargo forbids the wrong edges between crates already.
const WALLS: &[(&str, &[&str], &str)] = &[
    (
        "storage/src/engine",
        &["crate::store", "crate::txn", "crate::catalog", "crate::doc"],
        "an engine keeps ordered bytes and knows nothing of documents",
    ),
    ("storage/src", &["query::", "server::", "tokio", "axum", "serde_json"], "storage knows bytes, not requests"),
    ("query/src", &["server::", "tokio", "axum"], "meaning is independent of how a request arrived"),
    ("query/src/filter", MEANING_WALL, MEANING_REASON),
    ("query/src/expr", MEANING_WALL, MEANING_REASON),
    ("query/src/update", MEANING_WALL, MEANING_REASON),
    ("query/src/project", MEANING_WALL, MEANING_REASON),
    ("query/src/sort", MEANING_WALL, MEANING_REASON),
    ("query/src/rules", &["crate::plan", "crate::exec"], "permission is decided before planning"),
    ("query/src/exec", &["crate::rules", "crate::command"], "operators see plans, not requests"),
    ("server/src/wire", &["axum", "tokio", "std::time::Instant"], "codecs are pure"),
    (
        "server/src/realtime/talk",
        &["axum", "tokio", "std::time"],
        "the socket dialect is a state machine without clock",
    ),
    ("server/src/face", &["storage::"], "faces see commands and replies only"),
    ("server/src/files", &["crate::functions"], "files and functions never call each other"),
    ("server/src/functions", &["crate::files"], "files and functions never call each other"),
];
const MEANING_WALL: &[&str] = &["crate::plan", "crate::exec", "crate::rules", "crate::db", "storage::Store"];
const MEANING_REASON: &str = "the language knows no plan, store or rule";

/// Libraries that one file (or folder) wraps, so that each can be replaced there.
const WRAPPED: &[(&str, &[&str])] = &[
    ("rocksdb::", &["storage/src/engine/rocks", "storage/src/engine/rocks.rs"]),
    ("postcard::", &["storage/src/catalog", "server/src/tenants/codec"]),
    ("tantivy::", &["storage/src/text/shadow"]),
];
/// Spellings of one protocol that may stand only in the server crate.
const PROTOCOL_SPELLINGS: &[&str] = &["DATABASE_COLLECTION", "DATABASE_REQUEST", "INVALIID_ENV", "X-TCB", "wxCloudApi"];

struct Source {
    /// Path from the repository's root, with forward slashes.
    path: String,
    text: String,
}

impl Source {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Numbered lines that are code: comments left out, counted from 1.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().zip(1..).map(|(line, number)| (number, line)).filter(|(_, line)| !is_comment(line))
    }

    fn fault(&self, line: usize, what: impl AsRef<str>) -> String {
        format!("{}:{line}: {}", self.path, what.as_ref())
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

const RULES: &[fn(&Source) -> Vec<String>] = &[
    has_a_head,
    is_not_too_long,
    has_no_banned_word,
    names_no_foreign_place,
    has_a_telling_name,
    respects_walls,
    wraps_libraries,
    keeps_protocol_spellings_at_the_edge,
    gives_reasons_for_dependencies,
    keeps_the_lints_on,
];

#[test]
fn tidy() {
    let sources = sources(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(30 < sources.len(), "only {} files found: the search is broken", sources.len());
    let faults: Vec<String> =
        sources.iter().flat_map(|source| RULES.iter().flat_map(move |rule| rule(source))).collect();
    assert!(faults.is_empty(), "\n{}\n{} faults", faults.join("\n"), faults.len());
}

fn has_a_head(source: &Source) -> Vec<String> {
    let begins = |marks: &[&str]| marks.iter().any(|mark| source.text.starts_with(mark));
    let told = match source.path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("rs") => begins(&["//!"]) || source.path.ends_with("/tests.rs"), // the head is the parent's
        Some("mjs" | "cjs" | "js") => begins(&["//", "#!"]),
        Some("c") => begins(&["/*"]),
        Some("sh") => begins(&["#"]),
        Some("py") => begins(&["#!", "\"\"\""]) && source.text.contains("\"\"\""),
        _ => true,
    };
    if told { Vec::new() } else { vec![source.fault(1, "no head: say what this file knows and must not know")] }
}

fn is_not_too_long(source: &Source) -> Vec<String> {
    if !source.is_rust() || source.path.ends_with("tests.rs") {
        return Vec::new();
    }
    let exempt = LONG_FILES.iter().find(|(path, ..)| *path == source.path);
    let max = exempt.map_or(FILE_LINES_MAX, |(_, max, _)| *max);
    let lines = source.text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
    let is_table = source.path.ends_with("/table.rs") || source.path.ends_with("/tables.rs");
    if lines <= max || is_table {
        return Vec::new();
    }
    vec![source.fault(max, format!("{lines} lines before the tests, at most {max}; split it by noun, not by size"))]
}

fn has_no_banned_word(source: &Source) -> Vec<String> {
    if source.path == "tests/tidy.rs" || source.path.ends_with(".md") {
        return Vec::new();
    }
    let found = |line: &str| BANNED_WORDS.iter().find(|(word, _)| line.contains(word));
    let lines = source.text.lines().zip(1..);
    lines
        .filter_map(|(line, number)| {
            found(line).map(|(word, remedy)| source.fault(number, format!("{word} – {remedy}")))
        })
        .collect()
}

fn names_no_foreign_place(source: &Source) -> Vec<String> {
    let found = |line: &str| FOREIGN.iter().find(|(word, _)| line.contains(word));
    let lines = source.text.lines().zip(1..);
    lines
        .filter_map(|(line, number)| found(line).map(|(word, why)| source.fault(number, format!("{word}: {why}"))))
        .collect()
}

fn has_a_telling_name(source: &Source) -> Vec<String> {
    let path = Path::new(&source.path);
    let empty = path.iter().filter_map(|part| Path::new(part).file_stem()).filter_map(|stem| stem.to_str());
    let fault = |name| source.fault(1, format!("'{name}' says nothing about what is inside"));
    empty.filter(|name| EMPTY_NAMES.contains(name)).map(fault).collect()
}

fn respects_walls(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    for (place, banned, why) in WALLS.iter().filter(|(place, ..)| lies_in(&source.path, place)) {
        for (line, path) in named_paths(source) {
            if let Some(word) = banned.iter().find(|word| begins_with_path(&path, word)) {
                faults.push(source.fault(line, format!("{place} may not name {word}: {why}")));
            }
        }
    }
    faults
}

fn wraps_libraries(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    for (library, homes) in WRAPPED {
        if !lies_in_a_crate(&source.path) || homes.iter().any(|home| source.path.starts_with(home)) {
            continue;
        }
        let names = source.code().filter(|(_, line)| line.contains(library));
        faults.extend(names.map(|(line, _)| source.fault(line, format!("{library} is named only in {}", homes[0]))));
    }
    faults
}

fn keeps_protocol_spellings_at_the_edge(source: &Source) -> Vec<String> {
    if !source.path.starts_with("storage/src") && !source.path.starts_with("query/src") {
        return Vec::new();
    }
    let spelled = |line: &str| PROTOCOL_SPELLINGS.iter().find(|word| line.contains(**word));
    let faults = source.code().filter_map(|(number, line)| spelled(line).map(|word| (number, word)));
    faults
        .map(|(line, word)| {
            source.fault(line, format!("{word} is a protocol's spelling; it belongs in server/src/wire"))
        })
        .collect()
}

fn gives_reasons_for_dependencies(source: &Source) -> Vec<String> {
    if source.path != "Cargo.toml" {
        return Vec::new();
    }
    let numbered = source.text.lines().zip(1..).skip_while(|(line, _)| *line != "[workspace.dependencies]").skip(1);
    let listed = numbered.take_while(|(line, _)| !line.starts_with('['));
    let bare = listed.filter(|(line, _)| line.contains(" = ") && !line.contains("path = ") && !line.contains(" # "));
    bare.map(|(_, number)| source.fault(number, "a dependency without its reason at the end of the line")).collect()
}

fn keeps_the_lints_on(source: &Source) -> Vec<String> {
    let wanted: &[&str] = match source.path.as_str() {
        "Cargo.toml" => &["unsafe_code = ", "unwrap_used = ", "missing_docs = "],
        "storage/Cargo.toml" | "query/Cargo.toml" | "server/Cargo.toml" => &["[lints]\nworkspace = true"],
        _ => &[],
    };
    let absent = wanted.iter().filter(|line| !source.text.contains(**line));
    absent.map(|line| source.fault(1, format!("the lint setting '{}' is gone", line.trim()))).collect()
}

fn lies_in_a_crate(path: &str) -> bool {
    ["storage/src/", "query/src/", "server/src/", "src/"].iter().any(|root| path.starts_with(root))
}

/// `query/src/rules` covers `query/src/rules.rs` and everything under `query/src/rules/`.
fn lies_in(path: &str, place: &str) -> bool {
    path.ends_with(".rs") && path.strip_prefix(place).is_some_and(|rest| rest.starts_with(['/', '.']))
}

fn begins_with_path(path: &str, wanted: &str) -> bool {
    let wanted = wanted.trim_end_matches("::");
    path.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Paths that the code of a file names, with grouped imports taken apart one level: `crate::{a, b::c}` is two paths.
fn named_paths(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut group: Option<String> = None; // the prefix of a group that goes on over several lines
    for (number, line) in source.code() {
        let text = line.trim();
        if let Some(prefix) = &group {
            found.extend(members(text).map(|name| (number, format!("{prefix}::{name}"))));
            if text.contains("};") {
                group = None;
            }
            continue;
        }
        if let Some((prefix, rest)) = text.split_once("use ").and_then(|(_, path)| path.split_once("::{")) {
            found.extend(members(rest).map(|name| (number, format!("{prefix}::{name}"))));
            group = (!rest.contains("};")).then(|| prefix.to_owned());
            continue;
        }
        let words = text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == ':'));
        found.extend(words.filter(|word| word.contains("::")).map(|word| (number, word.to_owned())));
    }
    found
}

fn members(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', '{', '}', ';']).map(str::trim).filter(|name| !name.is_empty())
}

/// Text files that belong to the repository, by walking: what git ignores is left out by name.
fn sources(root: &Path) -> Vec<Source> {
    const SKIPPED: &[&str] = &[".git", "target", "node_modules", "wafer-data", "__pycache__", "LICENSE"];
    let mut found = Vec::new();
    let mut waiting = vec![root.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).expect("a readable folder").flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if SKIPPED.iter().any(|skipped| name == *skipped) || path.is_symlink() {
                continue;
            }
            if path.is_dir() { waiting.push(path) } else { found.extend(read(root, path)) }
        }
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    found
}

fn read(root: &Path, path: PathBuf) -> Option<Source> {
    let text = fs::read_to_string(&path).ok()?;
    let path = path.strip_prefix(root).ok()?.to_str()?.replace('\\', "/");
    Some(Source { path, text })
}

#[test]
fn every_rule_can_fail() {
    let long = format!("//! Head.\n{}", "// line\n".repeat(FILE_LINES_MAX + 1));
    type Rule = fn(&Source) -> Vec<String>;
    let twins: &[(Rule, &str, &str, &str)] = &[
        (has_a_head, "src/main.rs", "fn main() {}", "//! Head.\nfn main() {}"),
        (is_not_too_long, "src/main.rs", &long, "//! Head.\n"),
        (has_no_banned_word, "src/main.rs", "//! H.\nfn a() { todo!() }", "//! H.\nfn a() {}"),
        (names_no_foreign_place, "a.md", concat!("see /ro", "ot/x"), "see ./x"),
        (has_a_telling_name, "src/utils.rs", "//! H.", ""),
        (respects_walls, "query/src/exec/scan.rs", "use crate::rules::Grant;", "use crate::plan::Plan;"),
        (
            respects_walls,
            "query/src/exec.rs",
            "use crate::{\n    cx::Cx,\n    rules,\n};",
            "use crate::{\n    cx::Cx,\n};",
        ),
        (respects_walls, "server/src/wire/ejson.rs", "let x = tokio::spawn(y);", "let x = spawn(y);"),
        (wraps_libraries, "storage/src/store.rs", "use rocksdb::DB;", "use crate::engine::Engine;"),
        (keeps_protocol_spellings_at_the_edge, "query/src/error.rs", "\"DATABASE_REQUEST_FAILED\"", "\"failed\""),
        (
            gives_reasons_for_dependencies,
            "Cargo.toml",
            "[workspace.dependencies]\na = \"1\"\n",
            "[workspace.dependencies]\na = \"1\" # why\n",
        ),
        (keeps_the_lints_on, "query/Cargo.toml", "[lints]\n", "[lints]\nworkspace = true\n"),
    ];
    for (rule, path, bad, good) in twins {
        let faults = |path: &str, text: &str| rule(&Source { path: path.to_owned(), text: text.to_owned() });
        assert!(!faults(path, bad).is_empty(), "the rule lets this pass in {path}: {bad}");
        let good_path = if good.is_empty() { "src/main.rs" } else { path };
        assert!(faults(good_path, good).is_empty(), "the rule refuses this in {path}: {good}");
    }
}
