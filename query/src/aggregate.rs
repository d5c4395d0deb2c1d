//! Pipelines over the store: what the planner serves of them, and the collections that their stages reach.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use storage::{
    ArrayBuilder, Collection, Doc, DocBuilder, FieldOrder, IndexField, IndexState, Path, RawDoc, Ticket, Value,
    ValueRef, View,
};

use crate::asked::{Asked, SYSTEM, Wanting, collection, fetched, order, permitted};
use crate::command::{Aggregate, Change as Edit, Insert, Reply, Update};
use crate::cx::Cx;
use crate::db::{Attempt, Db, Durable, Place, Started, done, written};
use crate::error::{Code, Error, Result};
use crate::exec::{Examined, Fetch, Row, index_key, sorted};
use crate::filter::{Filter, Pred};
use crate::found::Found;
use crate::insert::Names;
use crate::live::Ground;
use crate::pipeline::{BATCH, Change, Feed, Item, Lead, Nearness, Operator, Pipeline, Source, StageCount};
use crate::plan::{Access, Plan, Rank, RowsWanted, Wanted, choose, explain};
use crate::rules::{Action, Permit, grant_with};
use crate::session::{Caller, Session};
use crate::sort::{Meta, Sort};

/// OperationNotSupportedInTransaction.
const NOT_IN_TRANSACTION: i32 = 263;
/// How often the indexes of a new collection are looked at until they are built.
const BUILD_LOOKS_MAX: u32 = 10_000;

impl Db {
    pub(crate) fn aggregate(&self, ground: &Ground<'_>, session: &Session, ask: &Aggregate, place: Place) -> Attempt {
        if place == Place::Inline {
            return Ok(None); // how long a pipeline takes is known at its end only
        }
        let asked = Asked::read(session, &Doc::empty(), None, ask.collation.as_ref(), ask.variables.as_ref())?;
        let cx = Cx { spill: self.spill.as_deref(), ..asked.cx(session) };
        let pipeline = Pipeline::parse(&ask.pipeline, &cx)?;
        if session.caller != Caller::Admin && !pipeline.collections().is_empty() {
            return Err(for_servers_only());
        }
        if pipeline.writes() && session.transaction.is_some() {
            let message =
                "$out and $merge cannot be used in a transaction; read first, then write with insert or update";
            return Err(Error::mongo(NOT_IN_TRANSACTION, message));
        }
        let mut reach = Reach::new(self, ground, session, ask.collection.as_deref());
        reach.shows_index_keys = pipeline.shows_index_keys();
        let Some(name) = ask.collection.as_deref().filter(|_| !pipeline.brings_documents()) else {
            let rows = reach.flow(&pipeline, Box::new(Feed::of_docs(Vec::new())), &cx)?;
            return reach.answer(rows);
        };
        collection(&reach.view, session, name)?;
        let (lead, rest) = pipeline.clone().split();
        let road = reach.road(name, &lead, &cx)?;
        // A whole sort belongs to the pipeline, which can spill it to disk.
        let spills = !road.is_ordered(&lead) && lead.limit.is_none();
        let (lead, rest, road) = match spills {
            false => (lead, rest, road),
            true => {
                let (lead, rest) = pipeline.split_filter();
                let road = reach.road(name, &lead, &cx)?;
                (lead, rest, road)
            }
        };
        if ask.explain {
            return reach.explain(road, &lead, &rest, &cx);
        }
        let input = road.open(&lead, &reach, &cx)?;
        let rows = reach.flow(&rest, input, &cx)?;
        reach.answer(rows)
    }
}

fn for_servers_only() -> Error {
    let message = "Permission denied: clients cannot use stages that read other collections, that write, or that tell \
                   of collections and indexes; ask a cloud function to";
    Error::new(Code::PermissionDenied, message)
}

/// The collections that one pipeline can reach.
struct Reach<'r> {
    db: &'r Db,
    ground: &'r Ground<'r>,
    session: &'r Session,
    view: View,
    /// The collection that is read first.
    name: Option<&'r str>,
    /// Does somebody ask by which key of an index a document was found?
    shows_index_keys: bool,
    durable: RefCell<Durable>,
}

impl<'r> Reach<'r> {
    fn new(db: &'r Db, ground: &'r Ground<'r>, session: &'r Session, name: Option<&'r str>) -> Reach<'r> {
        Reach { db, ground, session, view: ground.view(), name, shows_index_keys: false, durable: RefCell::default() }
    }

    /// Everything that flows out at the end, within what an answer may hold.
    fn flow<'a>(&'a self, pipeline: &'a Pipeline, input: Box<dyn Operator + 'a>, cx: &Cx<'_>) -> Result<Vec<Doc>> {
        self.drained(pipeline.build(input, self, cx)?, cx)
    }

    fn drained(&self, rows: Box<dyn Operator + '_>, cx: &Cx<'_>) -> Result<Vec<Doc>> {
        let mut rows = rows;
        let (mut docs, mut batch, mut bytes) = (Vec::new(), Vec::with_capacity(BATCH), 0u64);
        let bytes_max = self.session.limits.reply_bytes_max_admin;
        let mut more = true;
        while more {
            more = rows.next_batch(cx, &mut batch)?;
            for item in batch.drain(..) {
                bytes += item.doc.as_bytes().len() as u64;
                docs.push(item.doc);
            }
            if bytes > bytes_max {
                let message = format!(
                    "the result of the pipeline is larger than {bytes_max} bytes; add $limit or $project, or write it \
                     into a collection with $out"
                );
                return Err(Error::new(Code::TooLarge, message));
            }
        }
        Ok(docs)
    }

    fn answer(self, rows: Vec<Doc>) -> Attempt {
        written(Reply::Rows(rows), self.durable.into_inner())
    }

    /// The road to what a lead describes.
    fn road(&self, name: &str, lead: &Lead, cx: &Cx<'_>) -> Result<Road> {
        self.road_at(&self.view, name, lead, cx)
    }

    fn road_at(&self, view: &View, name: &str, lead: &Lead, cx: &Cx<'_>) -> Result<Road> {
        let coll = collection(view, self.session, name)?;
        let mut filter = lead.filter.clone().unwrap_or_else(Filter::all);
        let near = match &lead.near {
            None => None,
            Some(near) => Some((near.path_among(geo_fields(&coll))?, near.clone())),
        };
        if let Some((path, near)) = &near {
            filter = Filter::Field(path.clone(), Pred::Near(Box::new(near.near.clone()))).and(filter);
        }
        let permit = permitted(view, self.session, &coll, (&filter, false), Wanting::reading())?;
        if let Some(permit) = &permit {
            filter = permit.narrowed(filter);
        }
        let is_checked = permit.as_ref().is_some_and(Permit::checks);
        let by = lead.sort.as_ref().map(order).unwrap_or_default();
        let wanted = Wanted {
            filter: &filter,
            order: &by,
            rank: match &lead.sort {
                None => Rank::Natural,
                Some(sort) if sort.is_best_first() => Rank::BestFirst,
                Some(_) => Rank::Sorted,
            },
            collation: cx.collation,
            need: lead.limit.map(|limit| limit.saturating_add(lead.skip)),
            hint: None,
            avoid_scan: self.db.avoid_scans || self.shows_index_keys,
            // A rule about documents needs them whole.
            rows: match lead.values.as_deref().filter(|_| !is_checked) {
                Some(paths) => RowsWanted::Values(paths),
                None => RowsWanted::Documents,
            },
        };
        let plan = choose(view, &coll, &grant_with(self.session, Action::Read, permit.as_ref(), wanted)?.ask())?;
        Ok(Road { view: view.clone(), coll, plan, filter, near, permit })
    }

    fn explain(&self, road: Road, lead: &Lead, rest: &Pipeline, cx: &Cx<'_>) -> Attempt {
        let plan = road.plan.clone();
        let sorts = lead.sort.is_some();
        let input = road.open(lead, self, cx)?;
        let examined = input.examined.clone();
        let (rows, counts) = rest.build_counted(input, self, cx)?;
        let rows = self.drained(rows, cx)?;
        let examined = Examined { returned: rows.len() as u64, ..examined.get() };
        let mut out = DocBuilder::new();
        explain(&plan, sorts, &examined).raw().elements().for_each(|element| out.put_element(element));
        let mut stages = ArrayBuilder::new();
        for StageCount { stage, given } in counts {
            let mut shown = DocBuilder::new();
            shown.put("stage", ValueRef::String(stage));
            shown.put("nReturned", ValueRef::Int64(i64::try_from(given.get()).unwrap_or(i64::MAX)));
            stages.push(ValueRef::Document(shown.finish().raw()));
        }
        out.put("stages", ValueRef::Array(stages.finish().raw()));
        done(Reply::Rows(vec![out.finish()]))
    }

    fn run(&self, attempt: Attempt) -> Result<Reply> {
        let Some(Started { reply, durable }) = attempt? else {
            return Err(Error::new(Code::Internal, "work was handed back where it may take long"));
        };
        self.durable.borrow_mut().join(durable);
        Ok(reply)
    }

    fn wait(&self, ticket: Ticket) -> Result<()> {
        ticket.wait().map(drop).map_err(Error::from)
    }

    fn insert(&self, name: &str, docs: Vec<Doc>) -> Result<()> {
        let insert = Insert { collection: name.to_owned(), docs, ordered: true, names: Names::Any };
        let mut ground = self.ground_now();
        match self.run(self.db.insert(&mut ground, self.session, &insert, Place::Anywhere))? {
            Reply::Inserted { fault: Some(fault), .. } => Err(fault),
            _ => Ok(()),
        }
    }

    fn ground_now(&self) -> Ground<'_> {
        Ground::Plain { store: &self.db.store, view: self.db.store.view() }
    }

    fn make_collection(&self, name: &str) -> Result<()> {
        match self.db.store.create_collection(self.session.env, name) {
            Ok(ticket) => self.wait(ticket),
            Err(storage::Error::Exists(_)) => self.db.store.settle().map_err(Error::from),
            Err(error) => Err(error.into()),
        }
    }

    /// A new collection with the indexes of another, all built.
    fn make_twin(&self, name: &str, of: Option<&Collection>) -> Result<()> {
        self.make_collection(name)?;
        for index in of.iter().flat_map(|coll| coll.indexes.iter().skip(1)) {
            let (_, ticket) = self.db.store.create_index(self.session.env, name, &index.spec()).map_err(Error::from)?;
            self.wait(ticket)?;
        }
        for _ in 0..BUILD_LOOKS_MAX {
            let view = self.db.store.view();
            let built = |coll: &Arc<Collection>| coll.indexes.iter().all(|index| index.state != IndexState::Building);
            if view.collection(self.session.env, name).is_none_or(built) {
                return Ok(());
            }
            self.session.deadline.tick()?;
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        Err(Error::new(Code::Timeout, "the indexes of the new collection were not built in time"))
    }
}

impl Source for Reach<'_> {
    fn open<'a>(&'a self, name: &str, lead: &Lead, cx: &Cx<'_>) -> Result<Box<dyn Operator + 'a>> {
        match self.road(name, lead, cx) {
            Ok(road) => Ok(road.open(lead, self, cx)?),
            Err(error) if error.code == Code::CollectionMissing => Ok(Box::new(Feed::of_docs(Vec::new()))),
            Err(error) => Err(error),
        }
    }

    fn has_index(&self, name: &str, path: &str) -> bool {
        let coll = self.view.collection(self.session.env, name);
        coll.is_some_and(|coll| {
            let whole = coll.ready_indexes().filter(|index| index.partial.is_none() && index.collation.is_none());
            let mut first = whole.filter(|index| !index.sparse).filter_map(|index| index.fields.first());
            let ordered = |field: &IndexField| matches!(field.order, FieldOrder::Ascending | FieldOrder::Descending);
            first.any(|field| field.path.as_str() == path && ordered(field))
        })
    }

    fn is_unique(&self, name: &str, paths: &[&str]) -> bool {
        let same = |index: &storage::Index| {
            index.fields.len() == paths.len() && index.fields.iter().all(|field| paths.contains(&field.path.as_str()))
        };
        let coll = self.view.collection(self.session.env, name);
        paths == ["_id"]
            || coll.is_some_and(|coll| {
                coll.ready_indexes().any(|index| index.unique && index.partial.is_none() && same(index))
            })
    }

    fn current(&self, name: &str, filter: Filter, cx: &Cx<'_>) -> Result<Option<Doc>> {
        let lead = Lead { filter: Some(filter), limit: Some(1), ..Lead::default() };
        // What this pipeline wrote becomes visible with its commit.
        self.db.store.settle().map_err(Error::from)?;
        let road = match self.road_at(&self.db.store.view(), name, &lead, cx) {
            Err(error) if error.code == Code::CollectionMissing => return Ok(None),
            road => road?,
        };
        let mut rows = Vec::new();
        let mut walk = road.open(&lead, self, cx)?;
        while rows.is_empty() && walk.next_batch(cx, &mut rows)? {}
        Ok(rows.pop().map(|item| item.doc))
    }

    fn replace_all(&self, name: &str, rows: &mut dyn Operator, cx: &Cx<'_>) -> Result<()> {
        let env = self.session.env;
        let target = self.view.collection(env, name).filter(|_| !name.starts_with(SYSTEM)).cloned();
        crate::admin::check_name(name)?;
        let beside = format!("{SYSTEM}out.{:016x}", self.session.random.next_bits());
        self.make_twin(&beside, target.as_deref())?;
        let filled = self.fill(&beside, rows, cx);
        if let Err(error) = filled {
            drop(self.db.store.drop_collection(env, &beside).map_err(Error::from)?);
            return Err(error);
        }
        self.wait(self.db.store.move_collection_over(env, &beside, name).map_err(Error::from)?)
    }

    fn write(&self, name: &str, changes: Vec<Change>, _: &Cx<'_>) -> Result<()> {
        if self.db.store.view().collection(self.session.env, name).is_none() {
            crate::admin::check_name(name)?;
            self.make_collection(name)?;
        }
        for change in changes {
            match change {
                Change::Insert(doc) => self.insert(name, vec![doc])?,
                Change::Replace { id, doc } => {
                    let mut filter = DocBuilder::new();
                    filter.put("_id", id.as_ref());
                    let update = Update {
                        collection: name.to_owned(),
                        filter: filter.finish(),
                        change: Edit::Replacement(doc),
                        multi: false,
                        upsert: false,
                        array_filters: Vec::new(),
                        collation: None,
                        variables: None,
                    };
                    let mut ground = self.ground_now();
                    self.run(self.db.update(&mut ground, self.session, &update, Place::Anywhere))?;
                }
            }
        }
        Ok(())
    }

    fn stats(&self, stage: &str, argument: &Doc) -> Result<Vec<Doc>> {
        if self.session.caller != Caller::Admin {
            return Err(for_servers_only());
        }
        let name = self.name.unwrap_or_default();
        let coll = collection(&self.view, self.session, name)?;
        match stage {
            "$indexStats" => {
                Ok(coll.indexes.iter().map(|index| crate::indexes::show(index, coll.stats.docs())).collect())
            }
            _ => self.collection_stats(&coll, argument).map(|doc| vec![doc]),
        }
    }
}

impl Reach<'_> {
    /// Documents of a collection that no request can name yet.
    fn fill(&self, name: &str, rows: &mut dyn Operator, cx: &Cx<'_>) -> Result<()> {
        let view = self.db.store.view();
        let coll = view.collection(self.session.env, name).cloned().ok_or_else(|| crate::asked::missing(name))?;
        let (mut last, mut batch, mut more) = (None, Vec::with_capacity(BATCH), true);
        while more {
            more = rows.next_batch(cx, &mut batch)?;
            for item in batch.drain(..) {
                cx.tick()?;
                let new_id = || self.db.ids.make(self.session.now, &self.session.random);
                let doc = crate::insert::prepare(item.doc.raw(), new_id, Names::Any, cx)?;
                last = Some(self.db.store.insert(&coll, &doc).map_err(Error::from)?.1);
            }
        }
        last.map_or(Ok(()), |ticket| self.wait(ticket))
    }

    fn collection_stats(&self, coll: &Collection, argument: &Doc) -> Result<Doc> {
        let number = |count: u64| ValueRef::Int64(i64::try_from(count).unwrap_or(i64::MAX));
        let mut out = DocBuilder::new();
        out.put("ns", ValueRef::String(&coll.name));
        out.put("localTime", ValueRef::DateTime(self.session.now));
        for (name, _) in argument.raw().iter() {
            match name {
                "count" => out.put("count", number(coll.stats.docs())),
                "storageStats" => {
                    let (disk, indexes) = self.view.disk_bytes(coll);
                    let stats = out.open_document("storageStats");
                    out.put("size", number(coll.stats.bytes()));
                    out.put("count", number(coll.stats.docs()));
                    out.put("avgObjSize", number(coll.stats.bytes() / coll.stats.docs().max(1)));
                    out.put("storageSize", number(disk));
                    out.put("nindexes", number(coll.indexes.len() as u64));
                    let sizes = out.open_document("indexSizes");
                    indexes.iter().for_each(|(name, bytes)| out.put(name, number(*bytes)));
                    out.close(sizes);
                    out.close(stats);
                }
                other => {
                    return Err(Error::new(Code::NotSupported, format!("'{other}' of $collStats is not kept here")));
                }
            }
        }
        Ok(out.finish())
    }
}

/// The fields with a geo index, and whether they are indexed in the plane.
fn geo_fields(coll: &Collection) -> impl Iterator<Item = (&Path, bool)> {
    let fields = coll.ready_indexes().flat_map(|index| &index.fields);
    fields.filter_map(|field| match field.order {
        FieldOrder::Plane => Some((&field.path, true)),
        FieldOrder::Sphere => Some((&field.path, false)),
        _ => None,
    })
}

/// A road, and what it needs to be walked.
struct Road {
    view: View,
    coll: Arc<Collection>,
    plan: Plan,
    filter: Filter,
    /// What is measured on each document, and where in it.
    near: Option<(Path, Nearness)>,
    /// What a client's policy allows here.
    permit: Option<Permit>,
}

self_cell::self_cell!(
    /// A walk along a road that it owns.
    struct Walk {
        owner: Road,
        #[not_covariant]
        dependent: Fetch,
    }
);

impl Road {
    /// Do the rows come in the order that the lead asks for?
    fn is_ordered(&self, lead: &Lead) -> bool {
        lead.sort.is_none() || self.plan.ordered
    }

    fn open<'r>(self, lead: &Lead, reach: &'r Reach<'_>, cx: &Cx<'_>) -> Result<Box<Walked<'r>>> {
        let staged = reach.ground.staged(&self.coll);
        let in_order = self.is_ordered(lead) && staged.is_empty();
        let near = self.near.clone();
        let mut walk =
            Walk::new(self, |road| Fetch::new(&road.view, &road.coll, &road.plan).with_staged(staged, &road.filter));
        let ahead = match &lead.sort {
            Some(sort) if !in_order => Some(walk.sorted(sort, lead, cx)?.into_iter()),
            _ => None,
        };
        let (skip, left, examined) = (lead.skip, lead.limit, Rc::default());
        let (session, shows_index_keys, collated) = (reach.session, reach.shows_index_keys, cx.collation.is_some());
        Ok(Box::new(Walked { session, walk, ahead, near, skip, left, shows_index_keys, collated, examined }))
    }
}

impl Walk {
    fn sorted(&mut self, sort: &Sort, lead: &Lead, cx: &Cx<'_>) -> Result<Vec<Row>> {
        let keep = lead.limit.map(|limit| limit.saturating_add(lead.skip));
        self.with_dependent_mut(|road, fetch| sorted(fetch, sort, &road.filter, keep, cx))
    }
}

/// The rows of a road, paged, as the input of a pipeline.
struct Walked<'s> {
    session: &'s Session,
    walk: Walk,
    /// Rows that had to be sorted first.
    ahead: Option<std::vec::IntoIter<Row>>,
    near: Option<(Path, Nearness)>,
    skip: u64,
    left: Option<u64>,
    shows_index_keys: bool,
    /// Do texts compare by a language, which may make different ones equal?
    collated: bool,
    examined: Rc<Cell<Examined>>,
}

impl Walked<'_> {
    /// A row with what was found out about it: its distance, or how well its words fit.
    fn item(&self, doc: Doc, cx: &Cx<'_>) -> Result<Item> {
        let filter = &self.walk.borrow_owner().filter;
        let found = match &self.near {
            Some((path, near)) => near.found(path, doc.raw()),
            None if filter.text().is_some() => filter.found(doc.raw(), &[Meta::TextScore], cx)?,
            None => self.index_key(doc.raw(), cx)?.map(|key| Found { index_key: Some(key), ..Found::default() }),
        };
        Ok(Item { doc, found: found.map(Arc::new) })
    }

    /// The key by which the document was found, where somebody asks and there is one.
    fn index_key(&self, doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<Option<Value>> {
        let road = self.walk.borrow_owner();
        match &road.plan.access {
            Access::Entries(entries) if self.shows_index_keys => {
                Ok(Some(Value::Document(index_key(&entries.index, &road.filter, doc, cx)?)))
            }
            _ => Ok(None),
        }
    }

    fn next_row(&mut self, cx: &Cx<'_>) -> Result<Option<Row>> {
        match &mut self.ahead {
            Some(rows) => Ok(rows.next()),
            None => self.walk.with_dependent_mut(|_, fetch| fetch.next_row(cx)),
        }
    }
}

impl Operator for Walked<'_> {
    fn next_batch(&mut self, cx: &Cx<'_>, out: &mut Vec<Item>) -> Result<bool> {
        let full = out.len() + BATCH;
        while out.len() < full && self.left != Some(0) {
            let Some(row) = self.next_row(cx)? else {
                self.left = Some(0);
                break;
            };
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            self.left = self.left.map(|left| left - 1);
            let Road { view, permit, .. } = self.walk.borrow_owner();
            if let Some(permit) = permit {
                permit.verify(&row.doc, &|name, id| fetched(view, self.session, name, id))?;
            }
            out.push(self.item(row.doc, cx)?);
        }
        self.examined.set(self.walk.with_dependent(|_, fetch| fetch.examined));
        Ok(self.left != Some(0))
    }

    /// The first field of the index that is walked, where entries are whole values and none came in between.
    fn order(&self) -> Option<&Path> {
        let road = self.walk.borrow_owner();
        let Access::Entries(entries) = &road.plan.access else { return None };
        let whole = entries.index.multikey == 0 && entries.index.collation.is_none() && !self.collated;
        let alone = self.ahead.is_none() && self.walk.with_dependent(|_, fetch| !fetch.is_mixed());
        let first = entries.index.fields.first().filter(|_| whole && alone)?;
        matches!(first.order, FieldOrder::Ascending | FieldOrder::Descending).then_some(&first.path)
    }
}

#[cfg(test)]
mod tests {
    use bson::{Document, doc};

    use crate::tests::{database, from_doc, to_doc};
    use crate::{Aggregate, Command, Db, Reply, Session};

    fn given() -> Vec<Document> {
        let one = |id: i32| {
            let group = if id % 7 == 0 { bson::Bson::Null } else { bson::Bson::Int32(id % 5) };
            doc! {"_id": id, "g": group, "v": id * 31 % 17, "t": [id % 3, id % 4], "w": format!("words {}", id % 6)}
        };
        (0..200).map(one).collect()
    }

    fn run(db: &Db, session: &Session, stages: &[Document], explain: bool) -> Vec<Document> {
        let command = Command::Aggregate(Aggregate {
            collection: Some("c".into()),
            pipeline: stages.iter().map(to_doc).collect(),
            collation: None,
            variables: None,
            explain,
        });
        match db.run(session, &command).map(|started| started.reply) {
            Ok(Reply::Rows(rows)) => rows.iter().map(from_doc).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn groups_along_an_index_are_those_of_a_scan() {
        let (scanned, session) = database(&given(), &[]);
        let (indexed, other) = database(&given(), &[doc! {"key": {"g": 1, "v": -1}}, doc! {"key": {"t": 1}}]);
        let sort = doc! {"$sort": {"_id": 1}};
        let pipelines = [
            vec![doc! {"$group": {"_id": "$g", "n": {"$sum": 1}, "m": {"$avg": "$v"}}}, sort.clone()],
            vec![doc! {"$sort": {"g": -1}}, doc! {"$group": {"_id": "$g", "m": {"$max": "$v"}}}, sort.clone()],
            vec![
                doc! {"$match": {"g": {"$gte": 1}}},
                doc! {"$group": {"_id": "$g", "s": {"$sum": "$_id"}}},
                sort.clone(),
            ],
            vec![doc! {"$match": {"t": 2}}, doc! {"$group": {"_id": "$t", "s": {"$sum": "$_id"}}}, sort.clone()],
            vec![
                doc! {"$sort": {"g": 1, "v": -1}},
                doc! {"$limit": 50},
                doc! {"$group": {"_id": "$g", "n": {"$sum": 1}}},
                sort,
            ],
        ];
        for stages in &pipelines {
            assert_eq!(run(&indexed, &other, stages, false), run(&scanned, &session, stages, false), "{stages:?}");
        }
    }

    #[test]
    fn plans_count_what_each_stage_gives() {
        let (db, session) = database(&given(), &[doc! {"key": {"g": 1, "v": 1}}]);
        let stages = [doc! {"$match": {"g": 3}}, doc! {"$unwind": "$t"}, doc! {"$group": {"_id": "$t"}}];
        let plan = run(&db, &session, &stages, true).pop().expect("a plan");
        let given: Vec<(&str, i64)> = plan
            .get_array("stages")
            .expect("stages")
            .iter()
            .filter_map(bson::Bson::as_document)
            .map(|stage| (stage.get_str("stage").expect("a name"), stage.get_i64("nReturned").expect("a count")))
            .collect();
        let matching = run(&db, &session, &stages[..1], false).len() as i64;
        assert_eq!(given, [("$unwind", matching * 2), ("$group", 4)]);
        let stats = plan.get_document("executionStats").expect("what it took");
        assert_eq!(stats.get_i64("totalDocsExamined").expect("a count"), matching);
        let covered = [doc! {"$group": {"_id": "$g", "m": {"$avg": "$v"}}}];
        let plan = run(&db, &session, &covered, true).pop().expect("a plan");
        assert_eq!(plan.get_document("executionStats").expect("it").get_i64("totalDocsExamined").expect("it"), 0);
    }

    #[test]
    fn keys_of_indexes_are_shown() {
        let docs = [doc! {"_id": 1, "a": 10, "b": [3, 1, 2]}, doc! {"_id": 2, "a": 20, "b": 5}, doc! {"_id": 3}];
        let shown = |index: Document, filter: Document| {
            let (db, session) = database(&docs, &[doc! {"key": index}]);
            let stages = [doc! {"$match": filter}, doc! {"$project": {"k": {"$meta": "indexKey"}}}];
            let rows = run(&db, &session, &stages, false);
            rows.iter().map(|row| row.get("k").map_or("none".into(), ToString::to_string)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown(doc! {"a": 1}, doc! {"a": {"$gt": 0}}), r#"{ "a": 10 } { "a": 20 }"#);
        assert_eq!(shown(doc! {"a": -1, "b": 1}, doc! {"a": 10}), r#"{ "a": 10, "b": 1 }"#);
        assert_eq!(shown(doc! {"b": 1}, doc! {"b": {"$gte": 2}}), r#"{ "b": 2 } { "b": 5 }"#);
        assert_eq!(shown(doc! {"a": "hashed"}, doc! {"a": 10}), r#"{ "a": 7766103514953448109 }"#);
        assert_eq!(shown(doc! {"a": 1}, doc! {"_id": 1}), "none");
    }
}
