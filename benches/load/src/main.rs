//! Measures WaferDB beside PostgreSQL, MongoDB and PocketBase with one workload, turn about in one run.
//!
//! Every server runs pinned to one core and is paused while another one is measured; the driver runs on another core.
//! Beside the rate, the server's CPU time for one operation is read: that number survives a noisy machine.

mod data;
#[path = "../../../tests/it/support/gateway.rs"]
mod gateway;
mod http;
mod measure;
mod memory;
mod process;
mod realtime;
mod report;
mod reports;
mod server;
mod startup;
mod target;
mod watching;

use crate::data::Kind;
use crate::measure::{Window, median};
use crate::report::{Footprint, Line};
use crate::server::{Programs, SERVER_CORE, Server};
use crate::target::Result;
use std::path::PathBuf;
use std::time::Duration;

const USAGE: &str =
    "usage: load compare [--waferdb PROGRAM] [--mongod PROGRAM] [--postgres BIN-FOLDER] [--pocketbase PROGRAM]
                    [--ops get,list,…] [--clients 1,16] [--rounds 3] [--seconds 1] [--documents 100000]
                    [--folder WHERE] [--write FILE.md]
       load realtime [--waferdb PROGRAM] [--mongod PROGRAM] [--pocketbase PROGRAM] [--rounds 3] [--seconds 1]
                    [--watchers 1000] [--changes 200] [--crowd 10000] [--folder WHERE]
       load startup --waferdb PROGRAM [--documents N] [--folder WHERE]
       load memory --waferdb PROGRAM [--documents N] [--folder WHERE]      (peaks of memory, pipeline by pipeline)
       load documents --documents N      (prints them, one a line)";

#[derive(Debug)]
struct Options {
    programs: Programs,
    kinds: Vec<Kind>,
    clients: Vec<usize>,
    rounds: usize,
    lasting: Duration,
    documents: u64,
    watching: realtime::Sizes,
    folder: PathBuf,
    write: Option<PathBuf>,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = Options::parse(words.get(1..).unwrap_or_default()).and_then(|options| {
        pin_to_the_other_core();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let verb = words.first().map(String::as_str);
        tokio::task::LocalSet::new().block_on(&runtime, async {
            match verb {
                Some("compare") => compare(&options).await,
                Some("realtime") => realtime::run(&options).await,
                Some("startup") => startup::run(&options.programs, &options.folder, options.documents).await,
                Some("memory") => memory::run(&options.programs, &options.folder, options.documents).await,
                Some("documents") => {
                    (0..options.documents).for_each(|index| println!("{}", data::document(index)));
                    Ok(())
                }
                _ => Err(USAGE.into()),
            }
        })
    });
    if let Err(error) = outcome {
        eprintln!("{error}");
        std::process::exit(2);
    }
}

impl Options {
    fn parse(words: &[String]) -> Result<Options> {
        let mut options = Options {
            programs: Programs::default(),
            kinds: Kind::ALL.to_vec(),
            clients: vec![1, report::GOAL_CLIENTS],
            rounds: 3,
            lasting: Duration::from_secs(1),
            documents: data::DOCUMENTS,
            watching: realtime::Sizes::default(),
            folder: PathBuf::from("/var/tmp/waferdb-bench"),
            write: None,
        };
        for pair in words.chunks(2) {
            let [flag, value] = pair else { return Err(USAGE.into()) };
            match flag.as_str() {
                "--waferdb" => options.programs.waferdb = Some(value.into()),
                "--mongod" => options.programs.mongod = Some(value.into()),
                "--postgres" => options.programs.postgres = Some(value.into()),
                "--pocketbase" => options.programs.pocketbase = Some(value.into()),
                "--ops" => options.kinds = kinds(value)?,
                "--clients" => {
                    options.clients = value.split(',').map(str::parse).collect::<std::result::Result<_, _>>()?
                }
                "--rounds" => options.rounds = value.parse()?,
                "--seconds" => options.lasting = Duration::from_secs_f64(value.parse()?),
                "--watchers" => options.watching.watchers = value.parse()?,
                "--changes" => options.watching.changes = value.parse()?,
                "--crowd" => options.watching.crowd = value.parse()?,
                "--documents" => options.documents = value.parse()?,
                "--folder" => options.folder = value.into(),
                "--write" => options.write = Some(value.into()),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(options)
    }
}

fn kinds(list: &str) -> Result<Vec<Kind>> {
    let find = |name: &str| {
        Kind::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| format!("unknown operation '{name}'").into())
    };
    list.split(',').map(find).collect()
}

/// Leaves the servers' core to them; on a machine with one core nothing can be done.
fn pin_to_the_other_core() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut set = rustix::thread::CpuSet::new();
    (0..cores).filter(|core| *core != SERVER_CORE).for_each(|core| set.set(core));
    if 1 < cores {
        let _ = rustix::thread::sched_setaffinity(None, &set);
    }
}

async fn compare(options: &Options) -> Result<()> {
    std::fs::create_dir_all(&options.folder)?;
    let servers = server::start_all(&options.programs, &options.folder, options.documents).await?;
    tokio::time::sleep(Duration::from_secs(2)).await; // let them settle what loading left behind
    let mut footprints: Vec<Footprint> = servers.iter().map(footprint).collect();
    server::fill_others(&servers, &options.kinds, options.documents).await?;
    servers.iter().for_each(|server| server.process.pause());
    let mut lines = Vec::new();
    for &kind in &options.kinds {
        for &clients in &options.clients {
            lines.extend(turn_about(&servers, options, kind, clients).await?);
        }
    }
    for (server, footprint) in servers.iter().zip(&mut footprints) {
        server.process.resume();
        footprint.memory_bytes = server.process.memory_bytes();
    }
    let text = report::markdown(&lines, &footprints, &conditions(options));
    println!("\n{text}");
    if let Some(path) = &options.write {
        std::fs::write(path, format!("# Benchmarks\n\n{text}"))?;
    }
    for server in servers {
        server.process.stop()?;
    }
    Ok(())
}

/// All servers in turn, `rounds` times, so that a disturbance of the machine hits each alike.
async fn turn_about(servers: &[Server], options: &Options, kind: Kind, clients: usize) -> Result<Vec<Line>> {
    let mut readings: Vec<Vec<measure::Reading>> = servers.iter().map(|_| Vec::new()).collect();
    for round in 0..options.rounds {
        for (server, readings) in servers.iter().zip(&mut readings) {
            if kind.is_report() && server.name == "pocketbase" {
                continue;
            }
            let seed = (round * 100 + clients) as u64 + 1;
            let window = Window { kind, clients, lasting: options.lasting, documents: options.documents, seed };
            server.process.resume();
            readings.push(measure::run(server, window).await.map_err(|error| format!("{}: {error}", server.name))?);
            server.process.pause();
        }
    }
    let mut lines = Vec::new();
    for (server, readings) in servers.iter().zip(readings) {
        let Some(reading) = median(readings) else { continue };
        if let Some(fault) = &reading.fault {
            eprintln!("{} {}: {} failed, the first: {fault}", server.name, kind.name(), reading.failed);
        }
        eprintln!(
            "{:<10} c={clients:<3} {:<11} {:>8.0} op/s  cpu {:?}",
            kind.name(),
            server.name,
            reading.rate,
            reading.cpu
        );
        lines.push(Line { kind, clients, server: server.name, reading });
    }
    Ok(lines)
}

fn footprint(server: &Server) -> Footprint {
    Footprint {
        server: server.name,
        loaded_in: server.loaded_in,
        disk_bytes: server.process.disk_bytes(),
        memory_bytes: 0,
    }
}

/// Under which conditions the figures hold.
fn conditions(options: &Options) -> String {
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(" : unknown");
    let cores = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default().matches("processor\t:").count();
    format!(
        "{} documents; {} rounds of {:?} a window, the median of the rates and the least CPU time are shown. {}, {cores} cores: \
         servers on one, the driver on another, all but the measured server paused. WaferDB answers HTTP requests of the server \
         SDKs' gateway, each signed and checked, and keeps its change log; the others speak their native protocols (PocketBase: \
         HTTP with a user's token). Writes are on disk before the answer, except PocketBase's.",
        options.documents,
        options.rounds,
        options.lasting,
        model.trim_start_matches([' ', '\t', ':']),
    )
}
