//! Watching, measured: how soon a change is with one watcher and with a thousand, how many events a second arrive, what a
//! crowd that watches something else costs a write, and what watchers cost in memory. One server after the other, the same
//! documents and the same watchers for each.

use crate::Options;
use crate::data::Op;
use crate::http::Connection;
use crate::process::Process;
use crate::server::{self, fresh_folder};
use crate::target::{self, Client, Result, Target, message};
use crate::watching::{Opener, Watcher, document};
use bson::doc;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_local};

/// Clients that write at once where rates are measured.
const WRITERS: usize = 16;
/// Watchers of the measurement of events a second.
const BURST_WATCHERS: usize = 100;
/// The others hold a thread or a goroutine for each watcher and look at each of them at each change.
const PEERS_CROWD: usize = 1000;
const PATIENCE: Duration = Duration::from_secs(60);

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Watchers of one query.
    pub watchers: usize,
    /// Changes that are sent to them.
    pub changes: usize,
    /// Watchers of other queries.
    pub crowd: usize,
}

impl Default for Sizes {
    fn default() -> Sizes {
        Sizes { watchers: 1000, changes: 200, crowd: 10_000 }
    }
}

/// What was measured of one server.
#[derive(Debug, Default)]
struct Figures {
    alone: Times,
    everybody: Times,
    each: Times,
    cpu: Duration,
    events: f64,
    writes: f64,
    crowd: usize,
    ratio: f64,
    bytes_each: u64,
    memory: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Times {
    p50: Duration,
    p99: Duration,
}

impl Times {
    fn of(mut all: Vec<Duration>) -> Times {
        all.sort_unstable();
        let at = |share: usize| all.get(all.len().saturating_sub(1) * share / 100).copied().unwrap_or_default();
        Times { p50: at(50), p99: at(99) }
    }
}

/// What watchers heard: for each change when it was sent, by how many it was heard, and how long each took.
#[derive(Default)]
struct Heard {
    sent: RefCell<Vec<Instant>>,
    times: RefCell<Vec<Duration>>,
    count: Cell<usize>,
    fault: RefCell<Option<String>>,
    news: Notify,
}

impl Heard {
    /// Waits until so many events were heard since the last clearing.
    async fn reach(&self, count: usize) -> Result<()> {
        let reached = async {
            while self.count.get() < count && self.fault.borrow().is_none() {
                self.news.notified().await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, reached).await;
        match (self.fault.borrow().clone(), in_time) {
            (Some(fault), _) => Err(fault.into()),
            (None, Err(_)) => Err(format!("only {} of {count} events came", self.count.get()).into()),
            (None, Ok(())) => Ok(()),
        }
    }

    fn note(&self, number: usize) {
        self.count.set(self.count.get() + 1);
        if let Some(sent) = self.sent.borrow().get(number) {
            self.times.borrow_mut().push(sent.elapsed());
        }
    }

    fn send(&self) -> usize {
        let mut sent = self.sent.borrow_mut();
        sent.push(Instant::now());
        sent.len() - 1
    }
}

/// Watchers at work; they end when this goes.
struct Audience(Vec<JoinHandle<()>>);

impl Drop for Audience {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl Audience {
    async fn gather(target: &Target, categories: impl Iterator<Item = String>, heard: &Rc<Heard>) -> Result<Audience> {
        let mut opener = Opener::new(target);
        let mut audience = Audience(Vec::new());
        for category in categories {
            let watcher = opener.open(&category).await?;
            audience.0.push(spawn_local(listen(watcher, heard.clone())));
        }
        Ok(audience)
    }
}

async fn listen(mut watcher: Watcher, heard: Rc<Heard>) {
    loop {
        let outcome = watcher.next(|number| heard.note(number)).await;
        let over = outcome.is_err();
        if let Err(error) = outcome {
            heard.fault.borrow_mut().get_or_insert(error.to_string());
        }
        heard.news.notify_one();
        if over {
            return;
        }
    }
}

/// A server that is measured.
struct Stage {
    process: Process,
    target: Target,
    fresh: Cell<u64>,
}

/// Measures every server that is there and prints the table.
pub async fn run(options: &Options) -> Result<()> {
    std::fs::create_dir_all(&options.folder)?;
    let programs = &options.programs;
    let mut all = Vec::new();
    if let Some(program) = &programs.waferdb {
        let (process, target) = server::start_waferdb(program, &fresh_folder(&options.folder, "waferdb")?).await?;
        server::make_waferdb_indexes(program, &target).await?;
        all.push(("waferdb", measure(Stage::new(process, target), options, options.watching.crowd).await?));
    }
    if let Some(program) = &programs.mongod {
        let folder = fresh_folder(&options.folder, "mongodb")?;
        let (process, target) = server::start_mongod(program, &folder, &["--replSet", "r"]).await?;
        begin_replication(&target).await?;
        target::prepare(&target).await?;
        let crowd = options.watching.crowd.min(PEERS_CROWD);
        all.push(("mongodb", measure(Stage::new(process, target), options, crowd).await?));
    }
    if let Some(program) = &programs.pocketbase {
        let folder = fresh_folder(&options.folder, "pocketbase")?;
        let (process, target) = server::start_pocketbase(program, &folder).await?;
        let crowd = options.watching.crowd.min(PEERS_CROWD);
        all.push(("pocketbase", measure(Stage::new(process, target), options, crowd).await?));
    }
    println!("\n{}", markdown(&all, options.watching));
    Ok(())
}

/// Change streams need a replica set; one member is one.
async fn begin_replication(target: &Target) -> Result<()> {
    let Target::Mongo { address } = target else { return Ok(()) };
    let members = vec![doc! { "_id": 0, "host": address }];
    let mut initiate = doc! { "replSetInitiate": { "_id": "r", "members": members } };
    initiate.insert("$db", "admin");
    let mut connection = Connection::open(address).await?;
    connection.send(&message(initiate)?).await?;
    connection.fill(4).await?;
    tokio::time::sleep(Duration::from_secs(3)).await; // until it has elected itself
    Ok(())
}

async fn measure(stage: Stage, options: &Options, crowd: usize) -> Result<Figures> {
    let sizes = options.watching;
    let mut figures = Figures { crowd, ..Figures::default() };
    stage.write("warm", None).await?;
    figures.alone = stage.changes("alone", 1, sizes.changes).await?.0;
    let before = stage.process.cpu();
    (figures.everybody, figures.each) = stage.changes("lobby", sizes.watchers, sizes.changes).await?;
    figures.cpu = stage.process.cpu().saturating_sub(before) / sizes.changes.max(1) as u32;
    (figures.writes, figures.events) = stage.burst(options.lasting * 2).await?;
    (figures.ratio, figures.bytes_each) = stage.crowd(crowd, options).await?;
    figures.memory = stage.process.memory_bytes();
    stage.process.stop()?;
    Ok(figures)
}

impl Stage {
    fn new(process: Process, target: Target) -> Stage {
        Stage { process, target, fresh: Cell::new(0) }
    }

    fn op(&self, category: &str, heard: Option<&Heard>) -> Op {
        let number = heard.map_or(99_999_999, Heard::send);
        Op::Insert { document: document(self.fresh.replace(self.fresh.get() + 1), category, number) }
    }

    async fn write(&self, category: &str, heard: Option<&Heard>) -> Result<()> {
        let mut client = self.target.connect().await?;
        client.run(&self.op(category, heard)).await.map(drop)
    }

    /// How long changes take, from being sent: to the last of all watchers, and to each of them.
    async fn changes(&self, category: &str, watchers: usize, changes: usize) -> Result<(Times, Times)> {
        let heard = Rc::new(Heard::default());
        let audience = Audience::gather(&self.target, (0..watchers).map(|_| category.to_owned()), &heard).await?;
        let mut writer = self.target.connect().await?;
        let mut whole = Vec::new();
        for change in 1..=changes {
            let op = self.op(category, Some(&heard));
            let began = Instant::now();
            writer.run(&op).await?;
            heard.reach(change * watchers).await?;
            whole.push(began.elapsed());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        drop(audience);
        Ok((Times::of(whole), Times::of(heard.times.take())))
    }

    /// Writes and events a second while many write to what many watch, until everything was heard.
    async fn burst(&self, lasting: Duration) -> Result<(f64, f64)> {
        let heard = Rc::new(Heard::default());
        let audience = Audience::gather(&self.target, (0..BURST_WATCHERS).map(|_| "burst".to_owned()), &heard).await?;
        let began = Instant::now();
        let writes = self.writes("burst", lasting, Some(&heard)).await?;
        let written = writes as f64 / began.elapsed().as_secs_f64();
        heard.reach(writes * BURST_WATCHERS).await?;
        let events = (writes * BURST_WATCHERS) as f64 / began.elapsed().as_secs_f64();
        drop(audience);
        Ok((written, events))
    }

    /// How many writes are done in so long a time.
    async fn writes(&self, category: &str, lasting: Duration, heard: Option<&Heard>) -> Result<usize> {
        let mut clients: Vec<Client> = Vec::new();
        for _ in 0..WRITERS {
            clients.push(self.target.connect().await?);
        }
        let began = Instant::now();
        let work = clients.iter_mut().map(|client| async {
            let mut count = 0;
            while began.elapsed() < lasting {
                client.run(&self.op(category, heard)).await?;
                count += 1;
            }
            Result::Ok(count)
        });
        let mut all = 0;
        for count in futures_util::future::join_all(work).await {
            all += count?;
        }
        Ok(all)
    }

    /// What writes cost with a crowd that watches other things, against the cost without; and the crowd's memory.
    async fn crowd(&self, crowd: usize, options: &Options) -> Result<(f64, u64)> {
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            without.push(self.writes("elsewhere", options.lasting, None).await?);
        }
        let heard = Rc::new(Heard::default());
        let before = self.process.memory_bytes();
        let rooms = (0..crowd).map(|number| format!("room{number}"));
        let audience = Audience::gather(&self.target, rooms, &heard).await?;
        let each = self.process.memory_bytes().saturating_sub(before) / crowd.max(1) as u64;
        for _ in 0..options.rounds {
            with.push(self.writes("elsewhere", options.lasting, None).await?);
        }
        // All of them are there and hear what is theirs.
        let before = heard.count.get();
        self.write(&format!("room{}", crowd - 1), Some(&heard)).await?;
        heard.reach(before + 1).await?;
        drop(audience);
        without.sort_unstable();
        with.sort_unstable();
        let median = |counts: &[usize]| counts.get(counts.len() / 2).copied().unwrap_or_default() as f64;
        Ok((median(&without) / median(&with), each))
    }
}

fn markdown(all: &[(&'static str, Figures)], sizes: Sizes) -> String {
    let Sizes { watchers, .. } = sizes;
    type Row = (String, fn(&Figures) -> String);
    let rows: [Row; 9] = [
        ("a change is with one watcher, p50 / p99".into(), |f| times(f.alone)),
        (format!("a change is with each of {watchers} watchers, p50 / p99"), |f| times(f.each)),
        (format!("a change is with all of {watchers} watchers, p50 / p99"), |f| times(f.everybody)),
        (format!("server CPU for a change to {watchers} watchers"), |f| shown(f.cpu)),
        (format!("{WRITERS} writers, {BURST_WATCHERS} watchers: writes a second"), |f| format!("{:.0}", f.writes)),
        (format!("{WRITERS} writers, {BURST_WATCHERS} watchers: events a second"), |f| format!("{:.0}", f.events)),
        ("a write costs with a crowd that watches other keys".into(), |f| format!("{:.2} x ({})", f.ratio, f.crowd)),
        ("memory for each of the crowd".into(), |f| format!("{:.1} kB", f.bytes_each as f64 / 1000.0)),
        ("memory with the crowd".into(), |f| format!("{} MB", f.memory / 1_000_000)),
    ];
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let mut text = format!("| | {} |\n| --- |{}\n", names.join(" | "), " ---: |".repeat(names.len()));
    for (title, show) in rows {
        let cells: Vec<String> = all.iter().map(|(_, figures)| show(figures)).collect();
        text.push_str(&format!("| {title} | {} |\n", cells.join(" | ")));
    }
    text
}

fn times(times: Times) -> String {
    format!("{} / {}", shown(times.p50), shown(times.p99))
}

fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
