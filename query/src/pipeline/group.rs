//! `$group`: one document for each different key. Groups that outgrow the memory go through temporary files, by key.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use storage::key::{self, Direction};
use storage::{Doc, DocBuilder, Path, RawDoc, Value, ValueRef, compare_with};

use super::Stage;
use super::needs::Needs;
use super::operator::{BATCH, Blocking, Item, Memory, Operator, Rows, each};
use super::spill::{Reader, Writer};
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::expr::accumulate::{self, Accumulator, Tally};
use crate::expr::{Computed, Expr, Reading, bounded, check_field_name, storable};

#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub key: Key,
    pub fields: Vec<(Box<str>, Accumulator)>,
}

/// What documents are grouped by.
#[derive(Clone, Debug)]
pub(crate) enum Key {
    /// A value; missing counts as null.
    Value(Expr),
    /// A document of values; a missing one counts as null where it is the only one, else it is left out.
    Document(Vec<(Box<str>, Expr)>),
    /// The lower border of the range that a value lies in.
    Range { value: Expr, borders: Vec<Value>, default: Option<Value> },
}

pub(super) fn read(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Vec<Stage>> {
    let doc = value.as_doc().ok_or_else(|| Error::mongo(15947, "$group takes a document of fields"))?;
    let (mut key, mut fields) = (None, Vec::new());
    for (name, value) in doc.iter() {
        match name {
            "_id" if key.is_some() => return Err(Error::mongo(15948, "$group has two fields _id")),
            "_id" => key = Some(read_key(value, reading)?),
            "$doingMerge" => return Err(Error::mongo(17030, "$doingMerge is not for callers")),
            name => fields.push((name.into(), read_field(name, value, reading)?)),
        }
    }
    let key = key.ok_or_else(|| Error::mongo(15955, "$group needs '_id': the expression to group by"))?;
    Ok(vec![Stage::Group(Group { key, fields })])
}

fn read_key(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Key> {
    let ValueRef::Document(doc) = value else { return Ok(Key::Value(reading.expr(value)?)) };
    match doc.iter().next() {
        None => return Ok(Key::Value(reading.expr(value)?)),
        Some((name, _)) if name.starts_with('$') => return Ok(Key::Value(reading.expr(value)?)),
        Some(_) => {}
    }
    let mut fields = Vec::new();
    for (name, value) in doc.iter() {
        if name.starts_with('$') || matches!(value, ValueRef::Bool(_)) || value.kind().is_number() {
            let message =
                format!("the field '{name}' of _id in $group must be an expression; use $literal for a number");
            return Err(Error::mongo(17390, message));
        }
        check_field_name(name)?;
        fields.push((name.into(), reading.expr(value)?));
    }
    Ok(Key::Document(fields))
}

/// Reads an accumulator that stands as a field.
pub(super) fn read_field(name: &str, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Accumulator> {
    if name.contains('.') {
        return Err(Error::mongo(40235, format!("the field '{name}' must not contain a dot")));
    }
    if name.starts_with('$') {
        return Err(Error::mongo(40236, format!("the field '{name}' must not start with '$'")));
    }
    let wrong = || Error::mongo(40234, format!("the field '{name}' must be an accumulator, such as {{$sum: 1}}"));
    let mut fields = value.as_doc().ok_or_else(wrong)?.iter();
    let (operator, argument) = fields.next().filter(|(operator, _)| operator.starts_with('$')).ok_or_else(wrong)?;
    if fields.next().is_some() {
        return Err(Error::mongo(40238, format!("the field '{name}' must be exactly one accumulator")));
    }
    let unknown = || Error::mongo(15952, format!("'{operator}' is not an accumulator"));
    Accumulator::read(accumulate::find(operator, reading.cx).ok_or_else(unknown)?, argument, reading)
}

/// A field that counts documents.
pub(super) fn counter(name: &str) -> (Box<str>, Accumulator) {
    let one = Expr::constant(Some(Value::Int32(1)));
    (name.into(), Accumulator::simple("$sum", accumulate::Kind::Sum, one))
}

impl Key {
    /// Is it the value of this very field?
    fn is_field(&self, path: Option<&Path>) -> bool {
        match (self, path) {
            (Key::Value(expr), Some(path)) => expr.as_field().is_some_and(|field| field.as_path() == path),
            _ => false,
        }
    }

    fn of<'a>(&'a self, doc: RawDoc<'a>, cx: &'a Cx<'a>) -> Result<Computed<'a>> {
        match self {
            Key::Value(expr) => expr.eval(doc, cx),
            Key::Document(fields) => {
                let mut builder = DocBuilder::new();
                for (name, expr) in fields {
                    match expr.eval(doc, cx)?.as_ref() {
                        Some(value) => builder.put(name, value),
                        None if fields.len() == 1 => builder.put(name, ValueRef::Null),
                        None => {}
                    }
                    bounded(builder.len())?;
                }
                Ok(builder.finish().into())
            }
            Key::Range { value, borders, default } => {
                let value = value.eval(doc, cx)?;
                range_of(&value, borders, cx).or(default.as_ref().map(Value::as_ref)).map(Computed::Ref).ok_or_else(
                    || {
                        Error::mongo(
                            40066,
                            "a value lies outside of all borders of $bucket; give a default for such values",
                        )
                    },
                )
            }
        }
    }
}

/// The lower border of the range that a value lies in.
fn range_of<'b>(value: &Computed<'_>, borders: &'b [Value], cx: &Cx<'_>) -> Option<ValueRef<'b>> {
    let value = value.as_ref()?;
    let above = borders.partition_point(|border| compare_with(border.as_ref(), value, cx.collation).is_le());
    if above == borders.len() {
        return None;
    }
    borders.get(above.checked_sub(1)?).map(Value::as_ref)
}

impl Group {
    pub fn build<'a>(&'a self, input: Box<dyn Operator + 'a>) -> Box<dyn Operator + 'a> {
        let mut input = input;
        if self.key.is_field(input.order()) {
            return Box::new(Streamed { group: self, rows: Rows::new(input), next: None });
        }
        Box::new(Blocking::new(move |cx: &Cx<'_>| {
            let mut table = Table::new(self, 0);
            each(&mut *input, cx, |item| table.add(&item.doc, &cx.with_found(item.found.as_deref())))?;
            Ok(Box::new(Groups { table, rest: Vec::new() }) as Box<dyn Operator + 'a>)
        }))
    }

    /// Calls `each` with every expression that is computed for each document.
    pub fn exprs(&self, each: &mut dyn FnMut(&Expr)) {
        match &self.key {
            Key::Value(expr) | Key::Range { value: expr, .. } => each(expr),
            Key::Document(fields) => fields.iter().for_each(|(_, expr)| each(expr)),
        }
        self.fields.iter().for_each(|(_, accumulator)| each(&accumulator.input));
    }

    /// Notes what it reads of its input.
    pub fn needs(&self, need: &mut Needs) {
        self.exprs(&mut |expr| need.expr(expr));
        need.accumulators(&self.fields);
    }

    fn start(&self, id: Option<ValueRef<'_>>, cx: &Cx<'_>) -> Result<Vec<Tally>> {
        let group = id.and_then(ValueRef::as_doc).unwrap_or(RawDoc::empty());
        self.fields.iter().map(|(_, accumulator)| accumulator.start(group, cx)).collect()
    }

    fn finish(&self, held: &Held) -> Result<Doc> {
        let mut builder = DocBuilder::new();
        builder.put("_id", held.id.as_ref());
        for ((name, _), tally) in self.fields.iter().zip(&held.tallies) {
            let value = tally.finish()?;
            storable(value.as_ref())?;
            builder.put(name, value.as_ref());
            bounded(builder.len())?;
        }
        Ok(builder.finish())
    }
}

/// Groups of an input in which the documents of a group stand together: one is held at a time.
struct Streamed<'g> {
    group: &'g Group,
    rows: Rows<'g>,
    /// The first document of the next group.
    next: Option<Item>,
}

impl Streamed<'_> {
    /// The next group; `None` behind the last.
    fn next_group(&mut self, cx: &Cx<'_>) -> Result<Option<Doc>> {
        let first = match self.next.take() {
            Some(item) => item,
            None => match self.rows.next(cx)? {
                Some(item) => item,
                None => return Ok(None),
            },
        };
        let id = self.group.key.of(first.doc.raw(), cx)?.into_value().unwrap_or(Value::Null);
        let mut held = Held { tallies: self.group.start(Some(id.as_ref()), cx)?, id };
        let mut memory = Memory::of("$group");
        let mut item = first;
        loop {
            let grown = held.add(self.group, &item.doc, &cx.with_found(item.found.as_deref()))?;
            memory.take(grown, cx)?;
            let Some(next) = self.rows.next(cx)? else { break };
            let value = self.group.key.of(next.doc.raw(), cx)?;
            let is_same = compare_with(value.or_null(), held.id.as_ref(), cx.collation).is_eq();
            drop(value);
            if !is_same {
                self.next = Some(next);
                break;
            }
            item = next;
        }
        self.group.finish(&held).map(Some)
    }
}

impl Operator for Streamed<'_> {
    fn next_batch(&mut self, cx: &Cx<'_>, out: &mut Vec<Item>) -> Result<bool> {
        for _ in 0..BATCH {
            match self.next_group(cx)? {
                Some(doc) => out.push(Item::plain(doc)),
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// One group.
struct Held {
    id: Value,
    tallies: Vec<Tally>,
}

impl Held {
    /// Takes a document in; says by how many bytes the group has grown.
    fn add(&mut self, group: &Group, doc: &Doc, cx: &Cx<'_>) -> Result<usize> {
        let mut grown = 0;
        for ((_, accumulator), tally) in group.fields.iter().zip(&mut self.tallies) {
            grown += tally.add(accumulator, doc.raw(), cx)?;
        }
        Ok(grown)
    }
}

/// The groups that are held, and files of documents whose groups are not.
struct Table<'g> {
    group: &'g Group,
    places: HashMap<Box<[u8]>, usize>,
    held: Vec<Held>,
    memory: Memory,
    spilled: Vec<Writer>,
    /// How often these documents have been through a file.
    level: u32,
    key: Vec<u8>,
    given: usize,
}

/// Files that one table spills to.
const PARTITIONS: u64 = 16;
/// Documents that go through files so often and still do not fit never will.
const LEVEL_MAX: u32 = 6;

impl<'g> Table<'g> {
    fn new(group: &'g Group, level: u32) -> Table<'g> {
        Table {
            group,
            places: HashMap::new(),
            held: Vec::new(),
            memory: Memory::of("$group"),
            spilled: Vec::new(),
            level,
            key: Vec::new(),
            given: 0,
        }
    }

    fn add(&mut self, doc: &Doc, cx: &Cx<'_>) -> Result<()> {
        let id = self.group.key.of(doc.raw(), cx)?;
        self.key.clear();
        key::encode(id.or_null(), Direction::Ascending, cx.collation, &mut self.key);
        let place = match self.places.get(&*self.key) {
            Some(place) => *place,
            None if !self.spilled.is_empty() => return self.put_aside(doc),
            None => self.insert(id.or_null(), cx)?,
        };
        let Some(held) = self.held.get_mut(place) else { return Ok(()) };
        let grown = held.add(self.group, doc, cx)?;
        if grown == 0 || self.memory.grow(grown, cx) {
            return Ok(());
        }
        // Growth inside of groups that are held cannot be put aside; new groups can.
        if self.spilled.is_empty() { self.open_files(cx) } else { Err(self.memory.full(cx)) }
    }

    fn insert(&mut self, id: ValueRef<'_>, cx: &Cx<'_>) -> Result<usize> {
        let tallies = self.group.start(Some(id), cx)?;
        let id = id.to_value();
        let bytes = 2 * self.key.len() + size_of::<Held>() + tallies.len() * size_of::<Tally>() + GROUP_BYTES;
        let place = self.held.len();
        self.places.insert(self.key.as_slice().into(), place);
        self.held.push(Held { id, tallies });
        if !self.memory.grow(bytes, cx) {
            self.open_files(cx)?;
        }
        Ok(place)
    }

    /// From now on documents of new groups go to files. What is held already stays, with as much room again to grow.
    fn open_files(&mut self, cx: &Cx<'_>) -> Result<()> {
        let spill = cx.spill.filter(|_| self.level < LEVEL_MAX).ok_or_else(|| self.memory.full(cx))?;
        self.spilled = (0..PARTITIONS).map(|_| Writer::new(spill)).collect::<Result<_>>()?;
        self.memory.clear();
        Ok(())
    }

    fn put_aside(&mut self, doc: &Doc) -> Result<()> {
        let mut hasher = DefaultHasher::new();
        (self.level, &self.key).hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % PARTITIONS).unwrap_or(0);
        match self.spilled.get_mut(place) {
            Some(file) => file.put(&[], doc),
            None => Ok(()),
        }
    }
}

/// What a held group costs beside its parts: its place in the map, which is half empty, and what allocation rounds up.
const GROUP_BYTES: usize = 160;

/// Gives the groups that are held, then those of the files one after another.
struct Groups<'g> {
    table: Table<'g>,
    rest: Vec<(Reader, u32)>,
}

impl Operator for Groups<'_> {
    fn next_batch(&mut self, cx: &Cx<'_>, out: &mut Vec<Item>) -> Result<bool> {
        let held = self.table.held.get(self.table.given..).unwrap_or_default();
        let count = held.len().min(BATCH);
        for held in held.iter().take(count) {
            cx.tick()?;
            out.push(Item::plain(self.table.group.finish(held)?));
        }
        self.table.given += count;
        if self.table.given < self.table.held.len() {
            return Ok(true);
        }
        let level = self.table.level + 1;
        for file in std::mem::take(&mut self.table.spilled) {
            self.rest.push((file.read()?, level));
        }
        let Some((mut file, level)) = self.rest.pop() else { return Ok(false) };
        self.table = Table::new(self.table.group, level); // what was given goes before more is held
        while let Some((_, doc)) = file.next_record()? {
            cx.tick()?;
            self.table.add(&doc, cx)?;
        }
        Ok(true)
    }
}
