//! `$setWindowFields`: fields computed over neighbouring documents, partition by partition.
//!
//! The input is sorted by partition and order; then one partition at a time is held, and each document is finished when
//! it is given, so results that repeat a whole window take no room together.

mod bounds;
mod function;
mod line;
mod read;

use std::ops::Range;

use storage::key::{self, Direction};
use storage::{Value, ValueRef};

use super::needs::Needs;
use super::operator::{BATCH, Blocking, ITEM_BYTES, Item, Memory, Operator, Rows, each};
use super::sort::{Sorter, Sorting};
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::project::Projection;
use crate::variables::Binding;
use bounds::Bounds;
use function::{Function, State};

pub(super) use read::{filling, read};

#[derive(Clone, Debug)]
pub(crate) struct Window {
    partition: Option<Expr>,
    order: Option<Sorting>,
    /// The value that documents are ordered by, where it is one field.
    by: Option<Expr>,
    descending: bool,
    outputs: Vec<Output>,
    /// Sets the output fields from variables.
    shape: Projection,
    /// Position of the first of these variables.
    first: usize,
}

/// One field that is computed.
#[derive(Clone, Debug)]
struct Output {
    function: Function,
    bounds: Bounds,
}

/// The documents of one partition, in order.
struct Partition {
    items: Vec<Item>,
    /// What they are ordered by, where a function looks at it.
    order: Vec<Value>,
}

/// A partition that has outgrown what the stage may hold has a number of its own.
const TOO_LARGE: i32 = 5_414_201;

impl Window {
    pub fn build<'a>(&'a self, input: Box<dyn Operator + 'a>) -> Box<dyn Operator + 'a> {
        let rows = match (&self.partition, &self.order) {
            (None, None) => input,
            _ => self.sorted(input),
        };
        let states = Vec::new();
        let current = Partition { items: Vec::new(), order: Vec::new() };
        Box::new(Windowed { window: self, rows: Rows::new(rows), next: None, current, given: 0, states })
    }

    /// Notes what it reads of its input.
    pub fn needs(&self, need: &mut Needs) {
        self.partition.iter().for_each(|expr| need.expr(expr));
        self.order.iter().for_each(|sorting| need.order(&sorting.order));
        self.outputs.iter().for_each(|output| output.function.needs(need));
    }

    fn sorted<'a>(&'a self, input: Box<dyn Operator + 'a>) -> Box<dyn Operator + 'a> {
        let mut input = input;
        Box::new(Blocking::new(move |cx: &Cx<'_>| {
            let mut sorter = Sorter::new("$setWindowFields");
            each(&mut *input, cx, |item| {
                let mut bytes = self.partition_of(&item, cx)?;
                if let Some(sorting) = &self.order {
                    sorting.append_key(&item, cx, &mut bytes)?;
                }
                sorter.push(bytes, item, cx)
            })?;
            sorter.finish()
        }))
    }

    /// Refuses a document whose partition is an array; only when it is its turn, so that earlier faults come first.
    fn check_partition(&self, item: &Item, cx: &Cx<'_>) -> Result<()> {
        let Some(partition) = &self.partition else { return Ok(()) };
        check_partition(partition.eval(item.doc.raw(), cx)?.as_ref())
    }

    /// The bytes of the value that a document is partitioned by.
    fn partition_of(&self, item: &Item, cx: &Cx<'_>) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if let Some(partition) = &self.partition {
            let value = partition.eval(item.doc.raw(), cx)?;
            key::encode(value.or_null(), Direction::Ascending, cx.collation, &mut bytes);
        }
        Ok(bytes)
    }
}

fn check_partition(value: Option<ValueRef<'_>>) -> Result<()> {
    match value {
        Some(ValueRef::Array(_)) => {
            Err(Error::mongo(crate::error::number::TYPE_MISMATCH, "'partitionBy' must not give an array"))
        }
        _ => Ok(()),
    }
}

/// Gives the documents of one partition after another.
struct Windowed<'a> {
    window: &'a Window,
    rows: Rows<'a>,
    /// The first document of the next partition, with that partition's key.
    next: Option<(Vec<u8>, Item)>,
    current: Partition,
    given: usize,
    states: Vec<State>,
}

impl Windowed<'_> {
    /// Gathers the next partition; false behind the last.
    fn advance(&mut self, cx: &Cx<'_>) -> Result<bool> {
        let first = match self.next.take() {
            Some(first) => Some(first),
            None => self.keyed(cx)?,
        };
        let Some((key, item)) = first else { return Ok(false) };
        self.window.check_partition(&item, cx)?;
        let mut memory = Memory::of("$setWindowFields");
        let mut items = Vec::new();
        let mut item = Some(item);
        while let Some(taken) = item.take() {
            let held = memory.take(ITEM_BYTES + taken.doc.as_bytes().len(), cx);
            held.map_err(|fault| Error { number: TOO_LARGE, ..fault })?;
            items.push(taken);
            match self.keyed(cx)? {
                Some((other, next)) if other == key => item = Some(next),
                other => self.next = other,
            }
        }
        let order = self.order_of(&items, cx)?;
        self.current = Partition { items, order };
        self.given = 0;
        let states = self.window.outputs.iter().map(|output| output.function.start(&output.bounds, &self.current, cx));
        self.states = states.collect::<Result<_>>()?;
        Ok(true)
    }

    fn keyed(&mut self, cx: &Cx<'_>) -> Result<Option<(Vec<u8>, Item)>> {
        let Some(item) = self.rows.next(cx)? else { return Ok(None) };
        let key = self.window.partition_of(&item, cx)?;
        Ok(Some((key, item)))
    }

    /// What the documents are ordered by, if any function looks at it.
    fn order_of(&self, items: &[Item], cx: &Cx<'_>) -> Result<Vec<Value>> {
        let Window { outputs, by, descending, .. } = self.window;
        if *descending && outputs.iter().any(|output| output.bounds.is_range()) {
            return Err(Error::mongo(5_429_404, "windows by range need an ascending sortBy"));
        }
        let used = outputs.iter().any(|output| output.bounds.is_range() || output.function.reads_order());
        let Some(by) = by.as_ref().filter(|_| used) else { return Ok(Vec::new()) };
        let mut order = Vec::with_capacity(items.len());
        for item in items {
            cx.tick()?;
            order.push(by.eval(item.doc.raw(), cx)?.into_value().unwrap_or(Value::Null));
        }
        Ok(order)
    }

    fn finish(&mut self, place: usize, cx: &Cx<'_>) -> Result<Item> {
        let Window { outputs, first, shape, .. } = self.window;
        let mut variables = cx.variables.clone();
        variables.truncate(*first);
        for (output, state) in outputs.iter().zip(&mut self.states) {
            let range: Range<usize> = output.bounds.range(place, &self.current, cx)?;
            let value = output.function.value(state, place, range, &self.current, cx)?;
            variables.bind("", value.map_or(Binding::Missing, Binding::Value));
        }
        let Some(item) = self.current.items.get(place).cloned() else { return Ok(Item::plain(storage::Doc::empty())) };
        let doc = shape.apply(item.doc.raw(), None, &cx.with_variables(&variables))?;
        Ok(item.with_doc(doc))
    }
}

impl Operator for Windowed<'_> {
    fn next_batch(&mut self, cx: &Cx<'_>, out: &mut Vec<Item>) -> Result<bool> {
        for _ in 0..BATCH {
            cx.tick()?;
            if self.given == self.current.items.len() && !self.advance(cx)? {
                self.current.items = Vec::new();
                return Ok(false);
            }
            out.push(self.finish(self.given, cx)?);
            self.given += 1;
        }
        Ok(true)
    }
}
