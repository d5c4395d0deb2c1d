//! A database as plain as can be: a list of documents for each collection, every command carried out the slow and
//! obvious way. It judges the real one, and answers the specification data by itself.

use std::cell::RefCell;

use query::filter::nearest;
use query::pipeline::{Feed, Pipeline, Source, VecSource, collect};
use query::sort::{Meta, Sort};
use query::update::Update;
use query::{
    Aggregate, Change, Code, Command, Cx, Deadline, Delete, Distinct, DistinctValues, Error, Filter, Find,
    FindAndModify, Insert, Limits, Projection, Random, Reply, Result, Updated, Variables, parse_collation,
};
use storage::geo::Metric;
use storage::text::{TextFields, TextSpec};
use storage::{Collation, Doc, RawDoc, Value, ValueRef};

/// Every collection with its documents in the order of their insertion.
#[derive(Debug)]
pub struct Model {
    collections: Vec<(String, Collected)>,
    surroundings: Surroundings,
    ids_made: u32,
}

#[derive(Debug, Default)]
struct Collected {
    docs: Vec<Doc>,
    indexes: Vec<Index>,
}

/// An index matters here only by what it forbids.
#[derive(Debug)]
struct Index {
    name: String,
    order: Option<Sort>,
    present: Filter,
    unique: bool,
    sparse: bool,
    partial: Option<Filter>,
    collation: Option<Collation>,
    /// Fields that are not ordered by value, with their kind: `2d`, `2dsphere`, `text` …
    special: Vec<(String, String)>,
    text: Option<TextFields>,
}

#[derive(Debug)]
struct Surroundings {
    limits: Limits,
    deadline: Deadline,
    random: Random,
    now: i64,
}

impl Surroundings {
    fn cx<'a>(&'a self, collation: Option<&'a Collation>, variables: &'a Variables) -> Cx<'a> {
        let Surroundings { limits, deadline, random, now } = self;
        Cx { now: *now, collation, limits, deadline, variables, random, found: None, spill: None }
    }
}

/// What a command brings along for evaluation.
struct Asked {
    collation: Option<Collation>,
    variables: Variables,
}

impl Asked {
    fn read(collation: Option<&Doc>, variables: Option<&Doc>, surroundings: &Surroundings) -> Result<Asked> {
        let collation = match collation {
            Some(doc) => parse_collation(doc.raw())?,
            None => None,
        };
        let variables = match variables {
            Some(doc) => Variables::parse(doc.raw(), &surroundings.cx(collation.as_ref(), Variables::none()))?,
            None => Variables::none().clone(),
        };
        Ok(Asked { collation, variables })
    }

    fn cx<'a>(&'a self, surroundings: &'a Surroundings) -> Cx<'a> {
        surroundings.cx(self.collation.as_ref(), &self.variables)
    }
}

impl Model {
    /// An empty database whose requests all happen at one instant.
    pub fn new(now: i64) -> Model {
        let surroundings = Surroundings {
            limits: Limits { language_release_max: 60, ..Limits::default() },
            deadline: Deadline::never(),
            random: Random::seeded(1),
            now,
        };
        Model { collections: Vec::new(), surroundings, ids_made: 0 }
    }

    /// Puts documents in, whatever the indexes say.
    pub fn fill(&mut self, collection: &str, docs: Vec<Doc>) -> Result<()> {
        for doc in docs {
            let doc = self.prepare(&doc)?;
            self.collected(collection).docs.push(doc);
        }
        Ok(())
    }

    /// The documents of a collection in the order of their insertion.
    pub fn docs(&self, collection: &str) -> &[Doc] {
        self.find_collected(collection).map_or(&[], |collected| &collected.docs)
    }

    /// Adds an index, written as for MongoDB's `createIndexes`.
    pub fn create_index(&mut self, collection: &str, index: RawDoc<'_>) -> Result<()> {
        let index = Index::read(index, &self.surroundings)?;
        self.collected(collection).indexes.push(index);
        Ok(())
    }

    /// Carries out a command.
    pub fn run(&mut self, command: &Command) -> Result<Reply> {
        match command {
            Command::Find(find) => self.find(find).map(Reply::Rows),
            Command::Count(find) => self.count(find).map(Reply::Total),
            Command::Distinct(distinct) => self.distinct(distinct).map(Reply::Values),
            Command::Aggregate(aggregate) => self.aggregate(aggregate).map(Reply::Rows),
            Command::Insert(insert) => self.insert(insert),
            Command::Update(update) => self.update(update).map(Reply::Updated),
            Command::FindAndModify(modify) => self.find_and_modify(modify),
            Command::Delete(delete) => self.delete(delete).map(Reply::Deleted),
            _ => Err(Error::new(Code::NotSupported, "the model knows no such command")),
        }
    }

    fn find_collected(&self, name: &str) -> Option<&Collected> {
        self.collections.iter().find(|(other, _)| other == name).map(|(_, collected)| collected)
    }

    fn collected(&mut self, name: &str) -> &mut Collected {
        let place = match self.collections.iter().position(|(other, _)| other == name) {
            Some(place) => place,
            None => {
                self.collections.push((name.to_owned(), Collected::default()));
                self.collections.len() - 1
            }
        };
        &mut self.collections[place].1
    }

    fn new_id(ids_made: &mut u32) -> Value {
        *ids_made += 1;
        let mut id = [0; 12];
        id[8..].copy_from_slice(&ids_made.to_be_bytes());
        Value::ObjectId(id)
    }

    fn find(&self, find: &Find) -> Result<Vec<Doc>> {
        let asked = Asked::read(find.collation.as_ref(), find.variables.as_ref(), &self.surroundings)?;
        let cx = asked.cx(&self.surroundings);
        let filter = Filter::parse(find.filter.raw(), &cx)?;
        let sort = find.sort.as_ref().map(|sort| Sort::parse(sort.raw())).transpose()?;
        let projection = projection(find.projection.as_ref(), &cx)?;
        self.check_special(&find.collection, &filter)?;
        let mut docs = matching(self.docs(&find.collection), &filter, &cx)?;
        match (sort, filter.near()) {
            (Some(sort), Some(_)) if sort.is_natural() => return Err(Error::mongo(2, "$near has an order of its own")),
            (Some(sort), _) => docs = sorted(docs, &sort, &filter, &cx)?,
            (None, Some((path, near))) => {
                let distance =
                    |doc: &Doc| nearest(path, near, doc.raw()).map_or(f64::INFINITY, |nearest| nearest.distance);
                docs.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
            }
            (None, None) => {}
        }
        let skip = usize::try_from(find.skip).unwrap_or(usize::MAX);
        let limit = find.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        docs.into_iter().skip(skip).take(limit).map(|doc| shown(&doc, projection.as_ref(), &filter, &cx)).collect()
    }

    /// Some conditions are only answered through an index of their own kind.
    fn check_special(&self, collection: &str, filter: &Filter) -> Result<()> {
        let indexes = self.find_collected(collection).map_or(&[][..], |collected| &collected.indexes);
        let has = |path: &str, kind: &str| {
            indexes
                .iter()
                .flat_map(|index| &index.special)
                .any(|(of, is)| (path.is_empty() || of == path) && is == kind)
        };
        if let Some(text) = filter.text() {
            let fields = indexes.iter().find_map(|index| index.text.as_ref());
            text.settle(fields.ok_or_else(|| Error::mongo(27, "$text needs a text index"))?);
        }
        let Some((path, near)) = filter.near() else { return Ok(()) };
        let served = match near.metric() {
            Metric::Plane => has(path.as_str(), "2d"),
            Metric::Meters => has(path.as_str(), "2dsphere"),
            Metric::Radians => has(path.as_str(), "2d") || has(path.as_str(), "2dsphere"),
        };
        if served { Ok(()) } else { Err(Error::mongo(291, "$near needs a geo index on its field")) }
    }

    fn count(&self, find: &Find) -> Result<u64> {
        let all = Find { sort: None, projection: None, ..find.clone() };
        Ok(u64::try_from(self.find(&all)?.len()).unwrap_or(u64::MAX))
    }

    fn distinct(&self, distinct: &Distinct) -> Result<Vec<Value>> {
        let find = &distinct.find;
        let mut values = DistinctValues::new(&distinct.key)?;
        let asked = Asked::read(find.collation.as_ref(), find.variables.as_ref(), &self.surroundings)?;
        let cx = asked.cx(&self.surroundings);
        for doc in self.find(find)? {
            values.add(doc.raw(), &cx)?;
        }
        Ok(values.into_values())
    }

    fn aggregate(&mut self, aggregate: &Aggregate) -> Result<Vec<Doc>> {
        let asked = Asked::read(aggregate.collation.as_ref(), aggregate.variables.as_ref(), &self.surroundings)?;
        let cx = asked.cx(&self.surroundings);
        let pipeline = Pipeline::parse(&aggregate.pipeline, &cx)?;
        let collections = self.collections.iter().map(|(name, collected)| (name.clone(), collected.docs.clone()));
        let mut source = VecSource { collections: RefCell::new(collections.collect()), ..VecSource::default() };
        for (name, collected) in &self.collections {
            for index in &collected.indexes {
                source.geo_indexes.extend(index.geo().map(|(path, flat)| (name.clone(), path, flat)));
                source.unique_indexes.extend(index.unique_fields().map(|fields| (name.clone(), fields)));
            }
        }
        let (lead, rest) = pipeline.split();
        let input = match &aggregate.collection {
            Some(name) if !rest.brings_documents() => source.open(name, &lead, &cx)?,
            _ => Box::new(Feed::of_docs(Vec::new())),
        };
        let rows = collect(&mut *rest.build(input, &source, &cx)?, &cx)?;
        for (name, docs) in source.collections.into_inner() {
            self.collected(&name).docs = docs;
        }
        Ok(rows)
    }

    fn insert(&mut self, insert: &Insert) -> Result<Reply> {
        let mut ids = Vec::new();
        let mut fault = None;
        for doc in &insert.docs {
            match self.insert_one(&insert.collection, doc) {
                Ok(id) => ids.push(id),
                Err(error) => {
                    fault.get_or_insert(error);
                    if insert.ordered {
                        break;
                    }
                }
            }
        }
        Ok(Reply::Inserted { ids, fault })
    }

    fn insert_one(&mut self, collection: &str, doc: &Doc) -> Result<Value> {
        let doc = self.prepare(doc)?;
        let id = doc.get("_id").map_or(Value::Null, ValueRef::to_value);
        self.put(collection, doc, None)?;
        Ok(id)
    }

    fn prepare(&mut self, doc: &Doc) -> Result<Doc> {
        let ids_made = &mut self.ids_made;
        let cx = self.surroundings.cx(None, Variables::none());
        query::insert::prepare(doc.raw(), || Model::new_id(ids_made), query::insert::Names::Any, &cx)
    }

    /// Stores a document at a place, or as the last one, unless an index forbids it.
    fn put(&mut self, collection: &str, doc: Doc, place: Option<usize>) -> Result<()> {
        if let Some(collected) = self.find_collected(collection) {
            collected.check(&doc, place, &self.surroundings)?;
        }
        let collected = self.collected(collection);
        match place.and_then(|place| collected.docs.get_mut(place)) {
            Some(old) => *old = doc,
            None => collected.docs.push(doc),
        }
        Ok(())
    }

    fn update(&mut self, update: &Update_) -> Result<Updated> {
        let asked = Asked::read(update.collation.as_ref(), update.variables.as_ref(), &self.surroundings)?;
        let places = {
            let cx = asked.cx(&self.surroundings);
            let parsed = Update::parse(&update.change, &update.array_filters, &cx)?;
            if update.multi && parsed.is_replacement() {
                return Err(Error::mongo(9, "a replacement can change only one document; leave out `multi`"));
            }
            let filter = Filter::parse(update.filter.raw(), &cx)?;
            let mut places = places(self.docs(&update.collection), &filter, &cx)?;
            places.truncate(if update.multi { usize::MAX } else { 1 });
            places
        };
        if places.is_empty() && update.upsert {
            let id = self.upsert(update, &asked)?;
            return Ok(Updated { matched: 0, modified: 0, upserted: Some(id) });
        }
        let mut updated = Updated { matched: 0, modified: 0, upserted: None };
        for place in places {
            updated.matched += 1;
            updated.modified += u64::from(self.change(update, &asked, place)?);
        }
        Ok(updated)
    }

    fn upsert(&mut self, update: &Update_, asked: &Asked) -> Result<Value> {
        let ids_made = &mut self.ids_made;
        let cx = asked.cx(&self.surroundings);
        let parsed = Update::parse(&update.change, &update.array_filters, &cx)?;
        let filter = Filter::parse(update.filter.raw(), &cx)?;
        let doc = parsed.upsert(&filter, || Model::new_id(ids_made), &cx)?;
        let id = doc.get("_id").map_or(Value::Null, ValueRef::to_value);
        self.put(&update.collection, doc, None)?;
        Ok(id)
    }

    /// Changes the document at a place; says whether it is different now.
    fn change(&mut self, update: &Update_, asked: &Asked, place: usize) -> Result<bool> {
        let cx = asked.cx(&self.surroundings);
        let parsed = Update::parse(&update.change, &update.array_filters, &cx)?;
        let filter = Filter::parse(update.filter.raw(), &cx)?;
        let Some(doc) = self.docs(&update.collection).get(place) else { return Ok(false) };
        let matched = filter.matched(doc.raw(), &cx)?.unwrap_or_default();
        let Some(changed) = parsed.apply(doc.raw(), matched, &cx)? else { return Ok(false) };
        self.put(&update.collection, changed.doc, Some(place))?;
        Ok(true)
    }

    fn find_and_modify(&mut self, modify: &FindAndModify) -> Result<Reply> {
        let update = &modify.update;
        let find = Find {
            sort: modify.sort.clone(),
            limit: Some(1),
            collation: update.collation.clone(),
            variables: update.variables.clone(),
            ..Find::new(&update.collection, update.filter.clone())
        };
        let asked = Asked::read(update.collation.as_ref(), update.variables.as_ref(), &self.surroundings)?;
        if !modify.remove {
            Update::parse(&update.change, &update.array_filters, &asked.cx(&self.surroundings))?;
        }
        let projection = projection(modify.projection.as_ref(), &asked.cx(&self.surroundings))?;
        let found = self.find(&find)?.into_iter().next();
        let same = |doc: &Doc| found.as_ref().is_some_and(|found| found.as_bytes().as_ptr() == doc.as_bytes().as_ptr());
        let place = self.docs(&update.collection).iter().position(same);
        let mut updated = Updated::default();
        let doc = match place {
            None if update.upsert => {
                updated.upserted = Some(self.upsert(update, &asked)?);
                self.docs(&update.collection).last().cloned().filter(|_| modify.return_new)
            }
            None => None,
            Some(place) if modify.remove => {
                updated.matched = 1;
                Some(self.collected(&update.collection).docs.remove(place))
            }
            Some(place) => {
                updated.matched = 1;
                updated.modified = u64::from(self.change(update, &asked, place)?);
                match modify.return_new {
                    true => self.docs(&update.collection).get(place).cloned(),
                    false => found,
                }
            }
        };
        let cx = asked.cx(&self.surroundings);
        let filter = Filter::parse(update.filter.raw(), &cx)?;
        let doc = doc.map(|doc| shown(&doc, projection.as_ref(), &filter, &cx)).transpose()?;
        Ok(Reply::Modified { doc, updated })
    }

    fn delete(&mut self, delete: &Delete) -> Result<u64> {
        let asked = Asked::read(delete.collation.as_ref(), delete.variables.as_ref(), &self.surroundings)?;
        let cx = asked.cx(&self.surroundings);
        let filter = Filter::parse(delete.filter.raw(), &cx)?;
        let mut places = places(self.docs(&delete.collection), &filter, &cx)?;
        places.truncate(if delete.multi { usize::MAX } else { 1 });
        let docs = &mut self.collected(&delete.collection).docs;
        for place in places.iter().rev() {
            docs.remove(*place);
        }
        Ok(u64::try_from(places.len()).unwrap_or(u64::MAX))
    }
}

type Update_ = query::Update;

fn projection(doc: Option<&Doc>, cx: &Cx<'_>) -> Result<Option<Projection>> {
    doc.filter(|doc| !doc.raw().is_empty()).map(|doc| Projection::parse(doc.raw(), cx)).transpose()
}

fn shown(doc: &Doc, projection: Option<&Projection>, filter: &Filter, cx: &Cx<'_>) -> Result<Doc> {
    let Some(projection) = projection else { return Ok(doc.clone()) };
    let position = filter.matched(doc.raw(), cx)?.unwrap_or_default().position;
    let mut metas = Vec::new();
    projection.metas(&mut |meta| metas.push(meta));
    let found = filter.found(doc.raw(), &metas, cx)?;
    projection.apply(doc.raw(), position, &cx.with_found(found.as_ref()))
}

fn places(docs: &[Doc], filter: &Filter, cx: &Cx<'_>) -> Result<Vec<usize>> {
    let mut places = Vec::new();
    for (place, doc) in docs.iter().enumerate() {
        if filter.matches(doc.raw(), cx)? {
            places.push(place);
        }
    }
    Ok(places)
}

fn matching(docs: &[Doc], filter: &Filter, cx: &Cx<'_>) -> Result<Vec<Doc>> {
    Ok(places(docs, filter, cx)?.into_iter().map(|place| docs[place].clone()).collect())
}

fn sorted(docs: Vec<Doc>, sort: &Sort, filter: &Filter, cx: &Cx<'_>) -> Result<Vec<Doc>> {
    let mut keyed = Vec::new();
    for doc in docs {
        let mut key = Vec::new();
        let found = filter.found(doc.raw(), &sort.metas(), cx)?.unwrap_or_default();
        let meta = |kind| found.get(kind).map_or(Value::Null, ValueRef::to_value);
        sort.key_with(doc.raw(), cx, meta, &mut key)?;
        keyed.push((key, doc));
    }
    keyed.sort_by(|a, b| a.0.cmp(&b.0));
    if sort.backwards {
        keyed.reverse();
    }
    Ok(keyed.into_iter().map(|(_, doc)| doc).collect())
}

impl Collected {
    /// Would the document, standing at `place`, break what an index demands?
    fn check(&self, doc: &Doc, place: Option<usize>, surroundings: &Surroundings) -> Result<()> {
        let others = || self.docs.iter().enumerate().filter(|(other, _)| Some(*other) != place).map(|(_, doc)| doc);
        if others().any(|other| doc.get("_id").zip(other.get("_id")).is_some_and(|(a, b)| a == b)) {
            return Err(duplicate("_id_"));
        }
        for index in &self.indexes {
            let keys = index.keys(doc, surroundings)?;
            for other in others().filter(|_| index.unique) {
                let taken = index.keys(other, surroundings)?;
                if keys.iter().any(|key| taken.contains(key)) {
                    return Err(duplicate(&index.name));
                }
            }
        }
        Ok(())
    }
}

impl Index {
    fn read(doc: RawDoc<'_>, surroundings: &Surroundings) -> Result<Index> {
        let key = doc.get("key").and_then(ValueRef::as_doc).unwrap_or(RawDoc::empty());
        let asked = Asked::read(
            doc.get("collation").and_then(ValueRef::as_doc).map(RawDoc::to_doc).as_ref(),
            None,
            surroundings,
        )?;
        let cx = asked.cx(surroundings);
        let plain = key.iter().all(|(path, direction)| direction.kind().is_number() && !path.contains("$**"));
        let truth = |name: &str| matches!(doc.get(name), Some(ValueRef::Bool(true)));
        let partial = doc.get("partialFilterExpression").and_then(ValueRef::as_doc);
        Ok(Index {
            name: doc.get("name").and_then(ValueRef::as_str).unwrap_or("index").to_owned(),
            order: plain.then(|| Sort::parse(key)).transpose()?,
            present: if plain { Filter::parse(any_present(key).raw(), &cx)? } else { Filter::all() },
            unique: truth("unique"),
            sparse: truth("sparse"),
            partial: partial.map(|partial| Filter::parse(partial, &cx)).transpose()?,
            collation: asked.collation,
            text: words(key),
            special: key.iter().filter_map(|(path, kind)| Some((path.to_owned(), kind.as_str()?.to_owned()))).collect(),
        })
    }

    /// Fields with places, and whether these lie in the plane.
    fn geo(&self) -> impl Iterator<Item = (storage::Path, bool)> {
        let geo = self.special.iter().filter(|(_, kind)| kind.starts_with("2d"));
        geo.map(|(path, kind)| (storage::Path::new(path), kind == "2d"))
    }

    fn unique_fields(&self) -> Option<Vec<String>> {
        let fields = &self.order.as_ref().filter(|_| self.unique)?.fields;
        let name = |field: &query::sort::SortField| match &field.by {
            query::sort::SortBy::Path(path) => path.as_str().to_owned(),
            query::sort::SortBy::Meta(_) => String::new(),
        };
        Some(fields.iter().map(name).collect())
    }

    fn keys(&self, doc: &Doc, surroundings: &Surroundings) -> Result<Vec<Vec<u8>>> {
        let cx = surroundings.cx(self.collation.as_ref(), Variables::none());
        let Some(order) = &self.order else { return Ok(Vec::new()) };
        let covered = match &self.partial {
            Some(partial) => partial.matches(doc.raw(), &cx)?,
            None => !self.sparse || self.present.matches(doc.raw(), &cx)?,
        };
        if !covered {
            return Ok(Vec::new());
        }
        let keys = order.keys(doc.raw(), &cx, |_: Meta| Value::Null);
        keys.map_err(|_| Error::mongo(171, "two fields of an index lead to different arrays of one document"))
    }
}

/// What a text index looks at, in English and without weights.
fn words(key: RawDoc<'_>) -> Option<TextFields> {
    let texts = key.iter().filter(|(_, kind)| kind.as_str() == Some("text"));
    let weights: Vec<(String, u32)> = texts.map(|(path, _)| (path.to_owned(), 1)).collect();
    let spec = TextSpec { weights, default_language: "english".into(), language_override: "language".into() };
    TextFields::new(spec).filter(|fields| !fields.spec().weights.is_empty())
}

/// A filter for documents that have any field of an index.
fn any_present(key: RawDoc<'_>) -> Doc {
    let mut builder = storage::DocBuilder::new();
    let list = builder.open_array("$or");
    for (place, (path, _)) in key.iter().enumerate() {
        let mut exists = storage::DocBuilder::new();
        let inner = exists.open_document(path);
        exists.put("$exists", ValueRef::Bool(true));
        exists.close(inner);
        builder.put_at(place, ValueRef::Document(exists.finish().raw()));
    }
    builder.close(list);
    builder.finish()
}

fn duplicate(index: &str) -> Error {
    Error::mongo(11000, format!("E11000 duplicate key in index {index}")).with_code(Code::DuplicateKey)
}

/// How a replacement, a set of operators and a pipeline are told apart, as MongoDB does.
pub fn change_of(value: &Value) -> Result<Change> {
    match value {
        Value::Array(stages) => {
            let docs = stages.raw().iter().map(|stage| stage.as_doc().map(RawDoc::to_doc)).collect::<Option<_>>();
            docs.map(Change::Pipeline).ok_or_else(|| Error::mongo(14, "the stages of an update must be documents"))
        }
        Value::Document(doc) => Ok(match doc.raw().iter().next().is_some_and(|(name, _)| name.starts_with('$')) {
            true => Change::Operators(doc.clone()),
            false => Change::Replacement(doc.clone()),
        }),
        _ => Err(Error::mongo(9, "an update must be a document or an array of stages")),
    }
}
