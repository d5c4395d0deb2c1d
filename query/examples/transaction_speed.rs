//! What transactions cost, on disk and without a network: a transaction over three documents beside three single updates
//! that are synced together, and plain writes before and after there were transactions.
//!
//! `cargo run --release -p query --example transaction_speed [SECONDS] [THREADS]`

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a program for people who measure")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use query::{
    Admin, Caller, Change, Command, Db, Deadline, Doc, DocBuilder, EnvId, IdStyle, Insert, Limits, Random, Reply,
    Session, Update, ValueRef,
};
use storage::{Options, Store};

/// Documents that each thread changes: its own, so that nobody conflicts.
const EACH: i32 = 300;
const ROUNDS: usize = 5;

fn main() {
    let mut words = std::env::args().skip(1);
    let seconds = words.next().and_then(|word| word.parse().ok()).unwrap_or(1.0);
    let threads = words.next().and_then(|word| word.parse().ok()).unwrap_or(16);
    let lasting = Duration::from_secs_f64(seconds);
    let (fresh, used) = (Place::new("fresh", threads), Place::new("used", threads));
    let _ = used.measure(threads, lasting, transaction); // from now on it has seen transactions
    let (mut ratios, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (whole, singles) = (used.measure(threads, lasting, transaction), used.measure(threads, lasting, three));
        println!("{whole:>8.0} transactions of three documents a second, {singles:>8.0} times three updates");
        ratios.push(whole / singles);
    }
    for _ in 0..ROUNDS {
        // Turn about, so that a disturbance of the machine hits both.
        let rates = [&fresh, &used, &used, &fresh].map(|place| place.measure(threads, lasting / 2, one));
        let [first, second, third, last] = rates;
        println!(
            "{:>8.0} plain writes a second, {:>8.0} after transactions",
            (first + last) / 2.0,
            (second + third) / 2.0
        );
        plain.push((second + third) / (first + last));
    }
    println!("a transaction has {:.2} times the throughput of three updates (goal 0.8)", median(ratios));
    println!("plain writes have {:.3} times their throughput after transactions (goal 0.98)", median(plain));
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

/// A database in a folder of its own, which goes with it.
struct Place {
    db: Db,
    env: EnvId,
    folder: PathBuf,
}

impl Place {
    fn new(name: &str, threads: i32) -> Place {
        let folder = std::env::temp_dir().join(format!("waferdb-speed-{}-{name}", std::process::id()));
        let options = Options { compile_partial: query::compile_partial, ..Options::default() };
        let store = Store::open(&folder, options).expect("a store");
        let (env, ticket) = store.create_env("speed").expect("an environment");
        ticket.wait().expect("durable");
        let place = Place { db: Db::new(store, IdStyle::Hex), env, folder };
        let session = place.session(0);
        let run = |command| place.db.run(&session, &command).and_then(query::Started::wait).expect("done");
        run(Command::Admin(Admin::CreateCollection { name: "c".into() }));
        let docs = (0..threads * EACH).map(|id| doc(&[("_id", id), ("n", 0)])).collect();
        run(Command::Insert(Insert { collection: "c".into(), docs, ordered: true, names: query::insert::Names::Any }));
        place
    }

    fn session(&self, seed: u64) -> Session {
        Session {
            env: self.env,
            caller: Caller::Admin,
            key: None,
            transaction: None,
            limits: Arc::new(Limits::default()),
            now: 1_700_000_000_000,
            deadline: Deadline::never(),
            random: Random::seeded(seed),
        }
    }

    /// How often a second all threads together do it.
    fn measure(&self, threads: i32, lasting: Duration, work: fn(&Db, &Session, [i32; 3])) -> f64 {
        let began = Instant::now();
        let count: u64 = std::thread::scope(|scope| {
            let workers: Vec<_> =
                (0..threads).map(|thread| scope.spawn(move || self.repeat(thread, began, lasting, work))).collect();
            workers.into_iter().map(|worker| worker.join().expect("a worker")).sum()
        });
        count as f64 / began.elapsed().as_secs_f64()
    }

    fn repeat(&self, thread: i32, began: Instant, lasting: Duration, work: fn(&Db, &Session, [i32; 3])) -> u64 {
        let mut count = 0;
        while began.elapsed() < lasting {
            let session = self.session((u64::from(thread.unsigned_abs()) << 40) + count);
            let first = thread * EACH;
            let turn = i32::try_from(count % 100).unwrap_or_default() * 3;
            work(&self.db, &session, [first + turn, first + turn + 1, first + turn + 2]);
            count += 1;
        }
        count
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What is left over is in a folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn transaction(db: &Db, session: &Session, ids: [i32; 3]) {
    let begun = db.run(session, &Command::Begin).expect("begun").reply;
    let Reply::Begun(id) = begun else { return };
    let inside = Session { transaction: Some(id), ..session.clone() };
    ids.into_iter().for_each(|id| drop(db.run(&inside, &update(id)).expect("staged")));
    db.run(&inside, &Command::Commit(id)).and_then(query::Started::wait).expect("committed");
}

/// Three single updates, waited for together.
fn three(db: &Db, session: &Session, ids: [i32; 3]) {
    let started = ids.map(|id| db.run(session, &update(id)).expect("started"));
    started.into_iter().for_each(|started| drop(started.wait().expect("durable")));
}

fn one(db: &Db, session: &Session, [id, ..]: [i32; 3]) {
    db.run(session, &update(id)).and_then(query::Started::wait).expect("durable");
}

fn update(id: i32) -> Command {
    let mut change = DocBuilder::new();
    let open = change.open_document("$inc");
    change.put("n", ValueRef::Int32(1));
    change.close(open);
    Command::Update(Update {
        collection: "c".into(),
        filter: doc(&[("_id", id)]),
        change: Change::Operators(change.finish()),
        multi: false,
        upsert: false,
        array_filters: vec![],
        collation: None,
        variables: None,
    })
}

fn doc(fields: &[(&str, i32)]) -> Doc {
    let mut doc = DocBuilder::new();
    fields.iter().for_each(|(name, value)| doc.put(name, ValueRef::Int32(*value)));
    doc.finish()
}
