//! Tables for people: what was measured, the ratios between servers, and the goals beside them.

use crate::data::Kind;
use crate::measure::Reading;
use std::fmt::Write as _;
use std::time::Duration;

/// How many times faster than PostgreSQL, MongoDB and PocketBase WaferDB means to be, by operation, at 16 clients.
const GOALS: &[(Kind, [Option<f64>; 3])] = &[
    (Kind::Get, [Some(1.8), Some(2.2), Some(10.0)]),
    (Kind::List, [Some(1.3), Some(1.4), Some(10.0)]),
    (Kind::Compound, [Some(2.0), Some(2.0), Some(5.0)]),
    (Kind::Tags, [Some(8.0), Some(1.2), Some(15.0)]),
    (Kind::Near, [Some(1.8), Some(4.0), Some(15.0)]),
    (Kind::Count, [Some(8.0), Some(1.2), Some(1.2)]),
    (Kind::Insert, [Some(2.0), Some(1.4), Some(6.0)]),
    (Kind::Update, [Some(1.6), Some(1.5), Some(8.0)]),
    (Kind::Aggregate, [Some(1.8), Some(1.6), None]),
    (Kind::Uncovered, [Some(1.0), Some(1.0), None]),
    (Kind::Slice, [Some(1.0), Some(1.0), None]),
    (Kind::Join, [Some(1.0), Some(1.0), None]),
    (Kind::Top, [Some(1.0), Some(1.0), None]),
    (Kind::Words, [Some(1.0), Some(1.0), None]),
    (Kind::Mixed, [Some(2.5), Some(1.2), Some(4.0)]),
];
const PEERS: [&str; 3] = ["postgres", "mongodb", "pocketbase"];

/// Clients at which the goals are stated.
pub const GOAL_CLIENTS: usize = 16;

/// One row of the main table.
pub struct Line {
    pub kind: Kind,
    pub clients: usize,
    pub server: &'static str,
    pub reading: Reading,
}

/// What each server took to load and keep the documents.
pub struct Footprint {
    pub server: &'static str,
    pub loaded_in: Duration,
    pub disk_bytes: u64,
    pub memory_bytes: u64,
}

/// The whole report in Markdown, which also reads well on a terminal.
pub fn markdown(lines: &[Line], footprints: &[Footprint], conditions: &str) -> String {
    let mut text = format!("{conditions}\n\n## Operations\n\n");
    text.push_str("| operation | clients | server | op/s | p50 | p99 | server CPU an op | rows | failed |\n");
    text.push_str("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for line in lines {
        let reading = &line.reading;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.0} | {} | {} | {} | {:.1} | {} |",
            line.kind.title(),
            line.clients,
            line.server,
            reading.rate,
            shown(reading.p50),
            shown(reading.p99),
            shown(reading.cpu),
            reading.rows,
            reading.failed,
        );
    }
    ratios(&mut text, lines);
    footprint_table(&mut text, footprints);
    text
}

/// WaferDB's rate over each peer's, with the goal: `2.6 (goal 1.8) ✓`; then the same of the CPU time of an operation, which
/// holds on a machine that does other things too.
fn ratios(text: &mut String, lines: &[Line]) {
    if !lines.iter().any(|line| line.server == "waferdb") {
        return;
    }
    ratio_table(text, lines, "WaferDB's rate over the others'", |line| line.reading.rate);
    let cpu = "The others' server CPU of an operation over WaferDB's";
    ratio_table(text, lines, cpu, |line| 1.0 / line.reading.cpu.as_secs_f64());
}

fn ratio_table(text: &mut String, lines: &[Line], title: &str, speed: impl Fn(&Line) -> f64) {
    let _ = write!(text, "\n## {title} ({GOAL_CLIENTS} clients)\n\n| operation |");
    let _ = writeln!(text, " {} |", PEERS.join(" | "));
    text.push_str("| --- | --- | --- | --- |\n");
    for (kind, goals) in GOALS {
        let find = |server| {
            lines.iter().find(|line| line.kind == *kind && line.clients == GOAL_CLIENTS && line.server == server)
        };
        let Some(ours) = find("waferdb") else { continue };
        let _ = write!(text, "| {} |", kind.title());
        for (peer, goal) in PEERS.into_iter().zip(goals) {
            let ratio = find(peer).map(|line| speed(ours) / speed(line)).filter(|ratio| ratio.is_finite());
            let _ = write!(text, " {} |", verdict(ratio, *goal));
        }
        text.push('\n');
    }
}

fn verdict(ratio: Option<f64>, goal: Option<f64>) -> String {
    match (ratio, goal) {
        (None, _) => "–".to_owned(),
        (Some(ratio), None) => format!("{ratio:.1}"),
        (Some(ratio), Some(goal)) => {
            format!("{ratio:.1} (goal {goal}) {}", if goal <= ratio { "✓" } else { "✗" })
        }
    }
}

fn footprint_table(text: &mut String, footprints: &[Footprint]) {
    text.push_str("\n## Loading, disk and memory\n\n| server | load | on disk after load | memory after the run |\n");
    text.push_str("| --- | ---: | ---: | ---: |\n");
    for footprint in footprints {
        let _ = writeln!(
            text,
            "| {} | {:.1} s | {} MB | {} MB |",
            footprint.server,
            footprint.loaded_in.as_secs_f64(),
            footprint.disk_bytes / 1_000_000,
            footprint.memory_bytes / 1_000_000,
        );
    }
}

fn shown(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    if micros < 1000.0 { format!("{micros:.0} µs") } else { format!("{:.1} ms", micros / 1000.0) }
}
