//! `$lookup`: to each document the matching documents of another collection.
//!
//! Equality is decided in batches. Where the other collection has an index on the field, the values of a batch are
//! looked up together; else its documents are put into a table once. Where that outgrows the memory, it is read through for
//! many documents at a time.

use std::collections::{HashMap, HashSet};

use storage::key::{self, Direction};
use storage::{Doc, DocBuilder, Path, RawDoc, Value, ValueRef};

use super::needs::Needs;
use super::operator::{Feed, ITEM_BYTES, Item, Memory, Operator, each};
use super::source::{Lead, Source};
use super::union::check_collection;
use super::unwind::set;
use super::{Pipeline, Stage};
use crate::cx::Cx;
use crate::error::number::FAILED_TO_PARSE;
use crate::error::{Code, Error, Result};
use crate::expr::{Expr, FieldPath, Reading};
use crate::filter::{CmpOp, Filter, Members, Pred};
use crate::sort::{Sort, SortBy, SortField};
use crate::variables::{Binding, Variables, check_name};

#[derive(Clone, Debug)]
pub(crate) struct Lookup {
    /// `None` where the inner pipeline brings its own documents.
    from: Option<String>,
    into: FieldPath,
    equality: Option<Equality>,
    inner: Option<Inner>,
}

/// Which fields must be equal.
#[derive(Clone, Debug)]
struct Equality {
    local: FieldPath,
    foreign: Path,
}

/// The pipeline that runs over the other documents, with variables of each input document.
#[derive(Clone, Debug)]
struct Inner {
    variables: Vec<(Box<str>, Expr)>,
    /// Position of the first of them among all variables.
    first: usize,
    lead: Lead,
    pipeline: Pipeline,
}

pub(super) fn read(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Vec<Stage>> {
    let fault = |message: String| Error::mongo(FAILED_TO_PARSE, message);
    let doc =
        value.as_doc().ok_or_else(|| fault(format!("$lookup takes a document, but got {}", value.kind().name())))?;
    let mut draft = Draft::default();
    for (name, value) in doc.iter() {
        draft.argument(name, value)?;
    }
    let Draft { from, into, local, foreign, variables, pipeline } = draft;
    if from.is_none() && pipeline.is_none() {
        return Err(fault("$lookup needs 'from', or a pipeline that starts with $documents".to_owned()));
    }
    let into = into.filter(|into| !into.is_empty()).ok_or_else(|| fault("$lookup needs 'as'".to_owned()))?;
    let equality = match (local.filter(|path| !path.is_empty()), foreign.filter(|path| !path.is_empty())) {
        (Some(local), Some(foreign)) => {
            FieldPath::parse(foreign)?;
            Some(Equality { local: FieldPath::parse(local)?, foreign: Path::new(foreign) })
        }
        (None, None) if pipeline.is_some() => None,
        _ => return Err(fault("$lookup needs 'localField' and 'foreignField', or 'pipeline'".to_owned())),
    };
    if variables.is_some() && pipeline.is_none() {
        return Err(fault("'let' of $lookup is for its 'pipeline'".to_owned()));
    }
    let into = FieldPath::parse(into)?;
    let inner = pipeline.map(|pipeline| read_inner(variables, pipeline, reading)).transpose()?;
    if from.is_none() && inner.as_ref().is_none_or(|inner| !inner.pipeline.brings_documents()) {
        return Err(fault("$lookup needs 'from', or a pipeline that starts with $documents".to_owned()));
    }
    if let Some(from) = from {
        check_collection(from)?;
    }
    let from = from.map(str::to_owned);
    Ok(vec![Stage::Lookup(Box::new(Lookup { from, into, equality, inner }))])
}

#[derive(Default)]
struct Draft<'v> {
    from: Option<&'v str>,
    into: Option<&'v str>,
    local: Option<&'v str>,
    foreign: Option<&'v str>,
    variables: Option<RawDoc<'v>>,
    pipeline: Option<ValueRef<'v>>,
}

impl<'v> Draft<'v> {
    fn argument(&mut self, name: &str, value: ValueRef<'v>) -> Result<()> {
        let kind = value.kind().name();
        let fault = |message: String| Error::mongo(FAILED_TO_PARSE, message);
        let text =
            || value.as_str().ok_or_else(|| fault(format!("'{name}' of $lookup must be a string, but is {kind}")));
        match name {
            "pipeline" => self.pipeline = Some(value),
            "let" => {
                let wrong = || fault(format!("'let' of $lookup must be a document, but is {kind}"));
                self.variables = Some(value.as_doc().ok_or_else(wrong)?);
            }
            "from" if matches!(value, ValueRef::Document(_)) => {
                return Err(fault("$lookup reads only collections of the same environment".to_owned()));
            }
            "from" => self.from = Some(text()?),
            "as" => self.into = Some(text()?),
            "localField" => self.local = Some(text()?),
            "foreignField" => self.foreign = Some(text()?),
            _ => {
                text()?;
                return Err(fault(format!("$lookup knows no argument '{name}'")));
            }
        }
        Ok(())
    }
}

fn read_inner(variables: Option<RawDoc<'_>>, pipeline: ValueRef<'_>, reading: &Reading<'_>) -> Result<Inner> {
    let mut bound = reading.cx.variables.clone();
    let (first, mut exprs) = (bound.len(), Vec::new());
    for (name, value) in variables.into_iter().flat_map(RawDoc::iter) {
        check_name(name)?;
        exprs.push((Box::from(name), reading.expr(value)?));
    }
    exprs.iter().for_each(|(name, _)| bound.bind(name, Binding::Later));
    let cx = reading.cx.with_variables(&bound);
    let (lead, pipeline) = Pipeline::inner(pipeline, &reading.with_cx(&cx))?.split();
    Ok(Inner { variables: exprs, first, lead, pipeline })
}

impl Inner {
    /// The variables of the inner pipeline for one input document.
    fn bound(&self, doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<Variables> {
        let mut bound = cx.variables.clone();
        bound.truncate(self.first);
        for (name, expr) in &self.variables {
            let value = expr.eval(doc, cx)?.into_value();
            bound.bind(name, value.map_or(Binding::Missing, Binding::Value));
        }
        Ok(bound)
    }
}

impl Lookup {
    pub fn build<'a>(&'a self, input: Box<dyn Operator + 'a>, source: &'a dyn Source) -> Box<dyn Operator + 'a> {
        Box::new(Joined { lookup: self, source, input, batch: Vec::new(), table: None, is_large: false, cached: None })
    }

    /// The field that it sets.
    pub fn sets(&self) -> &str {
        self.into.head()
    }

    /// Notes what it reads of its input.
    pub fn needs(&self, need: &mut Needs) {
        self.equality.iter().for_each(|equality| need.path(equality.local.as_path()));
        self.inner.iter().flat_map(|inner| &inner.variables).for_each(|(_, expr)| need.expr(expr));
    }

    pub fn collections<'a>(&'a self, names: &mut Vec<&'a str>) {
        names.extend(self.from.as_deref());
        if let Some(inner) = &self.inner {
            names.extend(inner.pipeline.collections());
        }
    }

    fn with_found(&self, item: Item, found: &[Doc]) -> Result<Item> {
        let mut list = DocBuilder::new();
        for (place, doc) in found.iter().enumerate() {
            list.put_at(place, ValueRef::Document(doc.raw()));
            if list.len() > storage::limits::DOC_BYTES_MAX {
                let message = format!(
                    "the documents that $lookup found for one document take more than {} bytes",
                    storage::limits::DOC_BYTES_MAX
                );
                return Err(Error::mongo(4568, message).with_code(Code::TooLarge));
            }
        }
        let list = list.finish();
        let names: Vec<&str> = self.into.names().collect();
        let value = ValueRef::Array(list.as_array());
        let mut builder = DocBuilder::with_capacity(item.doc.as_bytes().len() + list.as_bytes().len());
        set(item.doc.raw(), &names, Some(value), &mut builder);
        crate::expr::bounded(builder.len())?;
        Ok(item.with_doc(builder.finish()))
    }
}

/// Documents that are looked up together where each look reads the whole other collection.
const LARGE_BATCH: usize = 4096;

/// Adds found documents to the input, batch by batch.
struct Joined<'a> {
    lookup: &'a Lookup,
    source: &'a dyn Source,
    input: Box<dyn Operator + 'a>,
    batch: Vec<Item>,
    /// The other collection, where it has no index on the field.
    table: Option<Table>,
    /// Is the other collection too large to be held? Then it is read through for each batch, and batches are large.
    is_large: bool,
    /// What an inner pipeline gives that depends on no input document.
    cached: Option<Vec<Doc>>,
}

impl Operator for Joined<'_> {
    fn next_batch(&mut self, cx: &Cx<'_>, out: &mut Vec<Item>) -> Result<bool> {
        let mut more = self.input.next_batch(cx, &mut self.batch)?;
        if self.is_large {
            more = more && self.fill_large_batch(cx)?;
        }
        let batch = std::mem::take(&mut self.batch);
        match &self.lookup.equality {
            Some(equality) => self.by_equality(equality, batch, cx, out)?,
            None => {
                for item in batch {
                    cx.tick()?;
                    let found = self.by_pipeline(&item, cx)?;
                    out.push(self.lookup.with_found(item, &found)?);
                }
            }
        }
        Ok(more)
    }
}

impl Joined<'_> {
    /// Takes in as many documents as are looked up together; false once there are no more.
    fn fill_large_batch(&mut self, cx: &Cx<'_>) -> Result<bool> {
        let mut memory = Memory::of("$lookup");
        let mut counted = 0;
        while self.batch.len() < LARGE_BATCH {
            cx.tick()?;
            let more = self.input.next_batch(cx, &mut self.batch)?;
            let fresh = self.batch.get(counted..).unwrap_or_default();
            let bytes = fresh.iter().map(|item| ITEM_BYTES + item.doc.as_bytes().len()).sum();
            counted = self.batch.len();
            if !more || !memory.grow(bytes, cx) {
                return Ok(more);
            }
        }
        Ok(true)
    }

    /// Joins a batch. Where what it finds outgrows the memory, its halves are joined one after the other.
    fn by_equality(&mut self, equality: &Equality, batch: Vec<Item>, cx: &Cx<'_>, out: &mut Vec<Item>) -> Result<()> {
        let mut batch = batch;
        if batch.is_empty() {
            return Ok(());
        }
        let from = self.lookup.from.as_deref().unwrap_or_default();
        let locals: Vec<Vec<Value>> = batch.iter().map(|item| local_values(item.doc.raw(), &equality.local)).collect();
        let indexed = self.source.has_index(from, equality.foreign.as_str());
        if self.table.is_none() && !indexed && !self.is_large {
            match Table::open(self.source, from, equality, None, cx) {
                Err(fault) if fault.code == Code::MemoryLimit => self.is_large = true,
                table => self.table = Some(table?),
            }
        }
        let mut fresh = None;
        let table = match &mut self.table {
            Some(table) => table,
            None => {
                let values = locals.iter().flatten().cloned().collect();
                match Table::open(self.source, from, equality, Some(values), cx) {
                    Err(fault) if fault.code == Code::MemoryLimit && batch.len() > 1 => {
                        let rest = batch.split_off(batch.len() / 2);
                        self.by_equality(equality, batch, cx, out)?;
                        return self.by_equality(equality, rest, cx, out);
                    }
                    table => fresh.insert(table?),
                }
            }
        };
        for (item, values) in batch.into_iter().zip(locals) {
            cx.tick()?;
            let mut found = table.matches(&values, cx)?;
            if let Some(inner) = &self.lookup.inner {
                let variables = inner.bound(item.doc.raw(), &cx.with_found(item.found.as_deref()))?;
                found = inner_rows(inner, found, self.source, &cx.with_variables(&variables))?;
            }
            out.push(self.lookup.with_found(item, &found)?);
        }
        Ok(())
    }

    fn by_pipeline(&mut self, item: &Item, cx: &Cx<'_>) -> Result<Vec<Doc>> {
        let Some(inner) = &self.lookup.inner else { return Ok(Vec::new()) };
        if let Some(cached) = &self.cached {
            return Ok(cached.clone());
        }
        let variables = inner.bound(item.doc.raw(), &cx.with_found(item.found.as_deref()))?;
        let cx = cx.with_variables(&variables);
        let input: Box<dyn Operator + '_> = match &self.lookup.from {
            Some(from) if !inner.pipeline.brings_documents() => self.source.open(from, &inner.lead, &cx)?,
            _ => Box::new(Feed::of_docs(Vec::new())),
        };
        let mut rows = inner.pipeline.build(input, self.source, &cx)?;
        let found = gathered(&mut *rows, &cx)?;
        if inner.variables.is_empty() {
            self.cached = Some(found.clone());
        }
        Ok(found)
    }
}

/// Documents held for one input document or one table.
fn gathered(rows: &mut dyn Operator, cx: &Cx<'_>) -> Result<Vec<Doc>> {
    let mut docs = Vec::new();
    let mut memory = Memory::of("$lookup");
    each(rows, cx, |item| {
        memory.take(ITEM_BYTES + item.doc.as_bytes().len(), cx)?;
        docs.push(item.doc);
        Ok(())
    })?;
    Ok(docs)
}

/// Runs the whole inner pipeline over documents that were found by equality.
fn inner_rows(inner: &Inner, found: Vec<Doc>, source: &dyn Source, cx: &Cx<'_>) -> Result<Vec<Doc>> {
    let led = inner.lead.over(found, cx)?;
    let mut rows = inner.pipeline.build(Box::new(Feed::of_docs(led)), source, cx)?;
    gathered(&mut *rows, cx)
}

/// What the local field stands for: the values that the path leads to, elements of arrays one by one, and null for none.
pub(super) fn local_values(doc: RawDoc<'_>, path: &FieldPath) -> Vec<Value> {
    let mut values = Vec::new();
    reach(ValueRef::Document(doc), path.as_path().parts(), &mut values);
    if values.is_empty() {
        values.push(Value::Null);
    }
    values
}

fn reach(value: ValueRef<'_>, parts: &[storage::Part], values: &mut Vec<Value>) {
    let Some((part, rest)) = parts.split_first() else {
        match value {
            ValueRef::Array(array) => values.extend(array.iter().map(ValueRef::to_value)),
            value => values.push(value.to_value()),
        }
        return;
    };
    match value {
        ValueRef::Document(doc) => {
            if let Some(value) = doc.get(part.name()) {
                reach(value, rest, values);
            }
        }
        ValueRef::Array(array) => {
            if let Some(value) = part.index().and_then(|index| array.get(usize::try_from(index).ok()?)) {
                reach(value, rest, values);
            }
            for value in array.iter().filter(|value| matches!(value, ValueRef::Document(_))) {
                reach(value, parts, values);
            }
        }
        _ => {}
    }
}

/// Documents of the other collection by the values of their field.
struct Table {
    docs: Vec<Doc>,
    path: Path,
    places: HashMap<Vec<u8>, Vec<usize>>,
    /// Matches of values that are no plain keys: null and arrays.
    special: HashMap<Vec<u8>, Vec<usize>>,
    /// The paths of some documents are ambiguous, so every value is matched by the filter.
    ambiguous: bool,
}

impl Table {
    fn open(
        source: &dyn Source,
        from: &str,
        equality: &Equality,
        values: Option<Vec<Value>>,
        cx: &Cx<'_>,
    ) -> Result<Table> {
        let path = equality.foreign.clone();
        let filter = values.map(|values| {
            let members = Members::new(values, Vec::new(), cx.collation);
            Filter::Field(path.clone(), Pred::In(members))
        });
        let mut rows = source.open(from, &Lead { filter, ..Lead::default() }, cx)?;
        let docs = gathered(&mut *rows, cx)?;
        let mut table = Table { docs, path, places: HashMap::new(), special: HashMap::new(), ambiguous: false };
        table.fill(cx)?;
        Ok(table)
    }

    fn fill(&mut self, cx: &Cx<'_>) -> Result<()> {
        let field = SortField { by: SortBy::Path(self.path.clone()), direction: Direction::Ascending };
        let order = Sort { fields: vec![field], backwards: false };
        for (place, doc) in self.docs.iter().enumerate() {
            cx.tick()?;
            match order.keys(doc.raw(), cx, |_| Value::Null) {
                Ok(keys) => keys.into_iter().for_each(|key| self.places.entry(key).or_default().push(place)),
                Err(_) => self.ambiguous = true,
            }
        }
        Ok(())
    }

    /// The documents that any of the values matches, in the order of the collection.
    fn matches(&mut self, values: &[Value], cx: &Cx<'_>) -> Result<Vec<Doc>> {
        let mut places: Vec<usize> = Vec::new();
        for value in values {
            let mut bytes = Vec::new();
            key::encode(value.as_ref(), Direction::Ascending, cx.collation, &mut bytes);
            let plain = !self.ambiguous && !matches!(value, Value::Null | Value::Undefined | Value::Array(_));
            if plain {
                places.extend(self.places.get(&bytes).into_iter().flatten());
                continue;
            }
            if !self.special.contains_key(&bytes) {
                let found = self.scan(value, cx)?;
                self.special.insert(bytes.clone(), found);
            }
            places.extend(self.special.get(&bytes).into_iter().flatten());
        }
        let mut met = HashSet::new();
        places.retain(|place| met.insert(*place));
        places.sort_unstable();
        Ok(places.iter().filter_map(|place| self.docs.get(*place).cloned()).collect())
    }

    fn scan(&self, value: &Value, cx: &Cx<'_>) -> Result<Vec<usize>> {
        let value = if matches!(value, Value::Undefined) { Value::Null } else { value.clone() };
        let filter = Filter::Field(self.path.clone(), Pred::Cmp(CmpOp::Eq, value));
        let mut places = Vec::new();
        for (place, doc) in self.docs.iter().enumerate() {
            cx.tick()?;
            if filter.matches(doc.raw(), cx)? {
                places.push(place);
            }
        }
        Ok(places)
    }
}
