//! Pages under `docs/` that follow from tables in the code: they must be what the code says today.
//!
//! `make docs` writes them anew.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use query::reference::MADE_FROM_CODE;

use super::support::server::binary;

#[test]
fn operators() {
    fresh("operators.md", &query::reference::operators_page());
}

#[test]
fn actions() {
    fresh("actions.md", &server::reference::actions_page());
}

#[test]
fn errors() {
    fresh("errors.md", &server::reference::errors_page());
}

#[test]
fn limits() {
    fresh("limits.md", &server::reference::limits_page());
}

#[test]
fn command_line() {
    let mut page = format!("# Command line\n\n{MADE_FROM_CODE}\n\nWhat `waferdb --help` and its verbs tell.\n");
    verb(&mut page, &[]);
    fresh("cli.md", &page);
}

/// Compares a page with its file; writes the file where that is asked for.
fn fresh(name: &str, page: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, page).expect("the page is written");
    }
    let known = fs::read_to_string(&file).unwrap_or_default();
    let differs = known.lines().zip(page.lines()).find(|(known, made)| known != made);
    assert!(known == page, "docs/{name} is stale, `make docs` renews it; first difference: {differs:#?}");
}

/// Adds the help of a verb and of those below it.
fn verb(page: &mut String, words: &[&str]) {
    let help = help(words);
    let title = ["waferdb"].iter().chain(words).copied().collect::<Vec<_>>().join(" ");
    let help_text: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(page, "\n## {title}\n\n```text\n{}\n```\n", help_text.join("\n").trim_end());
    let verbs = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // A verb's line begins with two blanks; more of them continue the help of the verb above.
    let verbs = verbs.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    for inner in verbs.filter(|verb| *verb != "help") {
        verb(page, &[words, &[inner]].concat());
    }
}

fn help(words: &[&str]) -> String {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("WAFERDB_")) {
        command.env_remove(name);
    }
    let output = command.args(words).arg("--help").env("COLUMNS", "110").output().expect("the binary runs");
    assert!(output.status.success(), "{words:?} --help: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}
