//! The real database behind the specification cases: each case in an environment of its own, indexes built, planner
//! used.

use std::sync::Arc;
use std::time::Duration;

use query::insert::Names;
use query::{Admin, Caller, Command, Db, Deadline, IdStyle, Insert, Limits, Random, Reply, Result, Session, Started};
use storage::{Doc, DocBuilder, Durability, EnvId, IndexState, Options, RawDoc, Scan, Store, ValueRef};

/// A database that answers cases one after another.
pub struct Engine {
    db: Db,
    session: Session,
    indexing: Indexing,
    in_transactions: bool,
    cases: u32,
    _folder: Option<tempfile::TempDir>,
}

/// Which indexes a case gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexing {
    /// None but those that forbid something: every query scans.
    None,
    /// Those that the case names.
    Given,
    /// Those and one on every field that the query speaks of; scans are avoided.
    Fitting,
}

impl Engine {
    /// A database on disk, or in memory.
    pub fn new(on_disk: bool, indexing: Indexing, now: i64) -> Engine {
        // What is asked here is meaning, not survival.
        let durability = Durability::Buffered;
        let options = Options { compile_partial: query::compile_partial, durability, ..Options::default() };
        let folder = on_disk.then(|| tempfile::tempdir().expect("a folder"));
        let store = match &folder {
            Some(folder) => Store::open(folder.path(), options),
            None => Store::in_memory(options),
        };
        let mut db = Db::new(store.expect("opens"), IdStyle::ObjectId);
        if indexing == Indexing::Fitting {
            db = db.avoiding_scans();
        }
        // What the cases expect was measured on release 6.0.
        let limits = Limits {
            rows_max_admin: u64::MAX,
            rows_default_admin: u64::MAX,
            language_release_max: 60,
            ..Limits::default()
        };
        let session = Session {
            env: EnvId(0),
            caller: Caller::Admin,
            key: None,
            transaction: None,
            limits: Arc::new(limits),
            now,
            deadline: Deadline::never(),
            random: Random::seeded(1),
        };
        Engine { db, session, indexing, in_transactions: false, cases: 0, _folder: folder }
    }

    /// The same, with each command on documents in a transaction of its own.
    #[must_use]
    pub fn in_transactions(self) -> Engine {
        Engine { in_transactions: true, ..self }
    }

    /// Starts a case: a new, empty environment.
    pub fn start(&mut self) {
        if self.cases > 0 {
            drop(self.db.store().drop_env(self.session.env));
        }
        self.cases += 1;
        let (env, ticket) = self.db.store().create_env(&format!("case{}", self.cases)).expect("makes");
        ticket.wait().expect("durable");
        self.session.env = env;
    }

    /// Puts documents in.
    pub fn fill(&mut self, collection: &str, docs: Vec<Doc>) -> Result<()> {
        self.create_collection(collection)?;
        let insert = Insert { collection: collection.to_owned(), docs, ordered: true, names: Names::Any };
        match self.run_alone(&Command::Insert(insert))? {
            Reply::Inserted { fault: Some(fault), .. } => Err(fault),
            _ => Ok(()),
        }
    }

    /// Adds an index and waits until it is built. Kinds of index that this database lacks change no answer.
    pub fn create_index(&mut self, collection: &str, index: RawDoc<'_>) -> Result<()> {
        let unique = matches!(index.get("unique"), Some(ValueRef::Bool(true)));
        let key = index.get("key").and_then(ValueRef::as_doc).unwrap_or(RawDoc::empty());
        let needed = key.iter().any(|(_, kind)| matches!(kind.as_str(), Some("text" | "2d" | "2dsphere"))); // no search without it
        if self.indexing == Indexing::None && !unique && !needed {
            return Ok(());
        }
        let create = Admin::CreateIndex { collection: collection.to_owned(), index: index.to_doc() };
        match self.run(&Command::Admin(create)) {
            Err(error) if error.number != 67 => return Err(error),
            _ => self.wait_built(collection),
        }
        Ok(())
    }

    /// Adds an index on every field that a filter or a sort names; what cannot be indexed is left out.
    pub fn index_fields(&mut self, collection: &str, asks: &[RawDoc<'_>]) {
        if self.indexing != Indexing::Fitting {
            return;
        }
        let mut paths = Vec::new();
        asks.iter().for_each(|ask| collect_paths(*ask, "", &mut paths));
        for path in paths {
            let mut key = DocBuilder::new();
            let open = key.open_document("key");
            key.put(&path, ValueRef::Int32(1));
            key.close(open);
            drop(self.create_index(collection, key.finish().raw()));
        }
        self.drop_failed(collection);
    }

    /// Carries out a command and waits until it is durable.
    pub fn run(&mut self, command: &Command) -> Result<Reply> {
        match self.in_transactions && !matches!(command, Command::Admin(_)) {
            true => self.run_inside(command),
            false => self.run_alone(command),
        }
    }

    fn run_inside(&mut self, command: &Command) -> Result<Reply> {
        let Reply::Begun(id) = self.run_alone(&Command::Begin)? else { panic!("no transaction was opened") };
        self.session.transaction = Some(id);
        let outcome = self.run_alone(command);
        self.session.transaction = None;
        let end = if outcome.is_ok() { Command::Commit(id) } else { Command::Abort(id) };
        self.run_alone(&end)?;
        outcome
    }

    fn run_alone(&mut self, command: &Command) -> Result<Reply> {
        let outcome = self.db.run(&self.session, command).and_then(Started::wait);
        // A refused write may leave earlier ones of the same command on their way.
        drop(self.db.store().settle());
        outcome
    }

    /// The documents of a collection in the order of their insertion.
    pub fn docs(&self, collection: &str) -> Vec<Doc> {
        let view = self.db.store().view();
        let Some(coll) = view.collection(self.session.env, collection).cloned() else { return Vec::new() };
        let mut docs = view.scan(&coll, None, Scan::Forward);
        let mut all = Vec::new();
        while let Some((_, doc)) = docs.next_doc().expect("reads") {
            all.push(doc.to_doc());
        }
        all
    }

    /// Do index and documents agree?
    pub fn assert_sound(&self) {
        let checked = storage::doctor::check(&self.db.store().view(), &mut |_| ());
        assert!(checked.findings.is_empty(), "{:?}", checked.findings);
    }

    /// Makes a collection unless it is there.
    pub fn create_collection(&mut self, name: &str) -> Result<()> {
        match self.run(&Command::Admin(Admin::CreateCollection { name: name.to_owned() })) {
            Err(error) if error.number != 48 => Err(error),
            _ => Ok(()),
        }
    }

    fn wait_built(&self, collection: &str) {
        for _ in 0..5000 {
            let view = self.db.store().view();
            let coll = view.collection(self.session.env, collection).expect("there");
            if coll.indexes.iter().all(|index| index.state != IndexState::Building) {
                return;
            }
            std::thread::sleep(Duration::from_micros(300));
        }
        panic!("the indexes are not built in time");
    }

    fn drop_failed(&mut self, collection: &str) {
        let view = self.db.store().view();
        let coll = view.collection(self.session.env, collection).expect("there").clone();
        let failed = coll.indexes.iter().filter(|index| matches!(index.state, IndexState::Failed { .. }));
        for index in failed {
            let name = index.name.clone();
            drop(self.run(&Command::Admin(Admin::DropIndex { collection: collection.to_owned(), name })));
        }
    }
}

/// The paths that a filter speaks of, through its logic and its element conditions.
fn collect_paths(ask: RawDoc<'_>, prefix: &str, paths: &mut Vec<String>) {
    for (name, value) in ask.iter() {
        if name.starts_with('$') {
            let parts = value.as_array().into_iter().flat_map(storage::RawArray::iter).filter_map(ValueRef::as_doc);
            parts.for_each(|part| collect_paths(part, prefix, paths));
            continue;
        }
        let path = format!("{prefix}{name}");
        let elements = value.as_doc().and_then(|doc| doc.get("$elemMatch")).and_then(ValueRef::as_doc);
        if let Some(elements) = elements {
            collect_paths(elements, &format!("{path}."), paths);
        }
        if path != "_id" && !paths.contains(&path) && paths.len() < 6 {
            paths.push(path);
        }
    }
}
