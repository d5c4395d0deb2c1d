//! One window of one server: many clients, one request in flight each, every latency kept.

use crate::data::{Kind, Op, operation};
use crate::server::Server;
use crate::target::{Client, Outcome, Result};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

/// Settings of a run.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub kind: Kind,
    pub clients: usize,
    pub lasting: Duration,
    pub documents: u64,
    /// Shifts the operations, so that no two windows repeat each other.
    pub seed: u64,
}

/// What a window showed.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    pub rate: f64,
    pub p50: Duration,
    pub p99: Duration,
    /// CPU time of the server for one operation.
    pub cpu: Duration,
    pub failed: u64,
    /// Rows of an average answer, to see that all servers do the same work.
    pub rows: f64,
    /// The first thing that went wrong.
    pub fault: Option<String>,
}

/// More operations than any server here answers in a second.
const RATE_MAX: f64 = 60_000.0;

#[derive(Default)]
struct Tally {
    latencies: Vec<Duration>,
    rows: u64,
    failed: u64,
    fault: Option<String>,
}

/// Runs a window. The clock starts when every client is connected and has had one answer.
pub async fn run(server: &Server, window: Window) -> Result<Reading> {
    let clients = connect(server, window).await?;
    let next = Rc::new(Cell::new(window.seed << 24));
    let ahead = Rc::new(RefCell::new(ahead(&clients, window, &next)));
    let tally = Rc::new(RefCell::new(Tally::default()));
    let tasks = LocalSet::new();
    let before = server.process.cpu();
    let began = Instant::now();
    for mut client in clients {
        let (next, fresh, tally, ahead) = (next.clone(), server.fresh.clone(), tally.clone(), ahead.clone());
        tasks.spawn_local(async move {
            while began.elapsed() < window.lasting {
                let ready = ahead.borrow_mut().pop();
                if let Some((op, request)) = ready {
                    let outcome = client.send(&op, &request).await;
                    record(&mut tally.borrow_mut(), outcome);
                    continue;
                }
                let op = operation(window.kind, step(&next), window.documents, fresh.get());
                if matches!(op, Op::Insert { .. }) {
                    step(&fresh);
                }
                let outcome = client.run(&op).await;
                record(&mut tally.borrow_mut(), outcome);
            }
        });
    }
    tasks.await;
    let took = began.elapsed();
    let cpu = server.process.cpu().saturating_sub(before);
    Ok(reading(tally.take(), took, cpu))
}

/// Signed requests for the quick operations, made before the clock starts: a driver that signs while it measures
/// would measure itself. The other servers' requests need no such preparation.
fn ahead(clients: &[Client], window: Window, next: &Cell<u64>) -> Vec<(Op, Vec<u8>)> {
    let Some(client) = clients.first().filter(|_| window.kind.only_reads_or_updates()) else { return Vec::new() };
    let count = (window.lasting.as_secs_f64() * RATE_MAX) as usize;
    let make = |_| {
        let op = operation(window.kind, step(next), window.documents, 0);
        client.request(&op).map(|request| (op, request))
    };
    (0..count).map_while(make).collect()
}

/// Gives a number out and moves on.
fn step(counter: &Cell<u64>) -> u64 {
    counter.replace(counter.get() + 1)
}

async fn connect(server: &Server, window: Window) -> Result<Vec<Client>> {
    let mut clients = Vec::new();
    for _ in 0..window.clients {
        let mut client = server.target.connect().await?;
        client.run(&operation(Kind::Get, 0, window.documents, 0)).await?;
        clients.push(client);
    }
    Ok(clients)
}

fn record(tally: &mut Tally, outcome: Result<Outcome>) {
    match outcome {
        Ok(outcome) => {
            tally.latencies.push(outcome.took);
            tally.rows += outcome.rows;
        }
        Err(error) => {
            tally.failed += 1;
            tally.fault.get_or_insert_with(|| error.to_string());
        }
    }
}

fn reading(mut tally: Tally, took: Duration, cpu: Duration) -> Reading {
    tally.latencies.sort_unstable();
    let done = tally.latencies.len();
    let at = |share: f64| {
        let rank = (done.saturating_sub(1) as f64 * share) as usize;
        tally.latencies.get(rank).copied().unwrap_or_default()
    };
    Reading {
        rate: done as f64 / took.as_secs_f64(),
        p50: at(0.5),
        p99: at(0.99),
        cpu: cpu / done.max(1) as u32,
        failed: tally.failed,
        rows: tally.rows as f64 / done.max(1) as f64,
        fault: tally.fault,
    }
}

/// The middle one of several readings by rate: what a disturbed machine spoils least.
pub fn median(mut readings: Vec<Reading>) -> Option<Reading> {
    readings.sort_by(|left, right| left.rate.total_cmp(&right.rate));
    let failed = readings.iter().map(|reading| reading.failed).sum();
    let fault = readings.iter().find_map(|reading| reading.fault.clone());
    let least_cpu = readings.iter().map(|reading| reading.cpu).filter(|cpu| !cpu.is_zero()).min();
    let middle = readings.len() / 2;
    let reading = readings.into_iter().nth(middle)?;
    Some(Reading { failed, fault, cpu: least_cpu.unwrap_or(reading.cpu), ..reading })
}
