//! Operators: each pulls batches of documents from the one before it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use storage::{Doc, Path};

use crate::cx::Cx;
use crate::error::{Code, Error, Result, number};
use crate::found::Found;

/// Most documents in a batch.
pub const BATCH: usize = 64;

/// A document on its way, with what a search found out about it.
#[derive(Clone, Debug)]
pub struct Item {
    /// The document.
    pub doc: Doc,
    /// What a search found out; most documents have nothing.
    pub found: Option<Arc<Found>>,
}

impl Item {
    /// A document about which nothing is known.
    pub const fn plain(doc: Doc) -> Item {
        Item { doc, found: None }
    }

    /// The same item with another document.
    #[must_use]
    pub fn with_doc(self, doc: Doc) -> Item {
        Item { doc, ..self }
    }
}

/// Something that gives documents.
pub trait Operator {
    /// Appends up to [`BATCH`] documents; false once there are no more. A call may append none and still answer true.
    ///
    /// # Errors
    /// `Timeout`, `Cancelled`, faults of expressions, storage or limits. There is no going on after one.
    fn next_batch(&mut self, cx: &Cx<'_>, out: &mut Vec<Item>) -> Result<bool>;

    /// The path whose equal values come one behind the other, if there is one: missing counts as null, and no value is
    /// an array.
    fn order(&self) -> Option<&Path> {
        None
    }
}

/// Everything that an operator still gives.
///
/// # Errors
/// Those of the operator.
pub fn collect(operator: &mut dyn Operator, cx: &Cx<'_>) -> Result<Vec<Doc>> {
    let mut docs = Vec::new();
    each(operator, cx, |item| {
        docs.push(item.doc);
        Ok(())
    })?;
    Ok(docs)
}

/// Calls `take` with every document that an operator still gives.
pub(super) fn each(operator: &mut dyn Operator, cx: &Cx<'_>, mut take: impl FnMut(Item) -> Result<()>) -> Result<()> {
    let mut batch = Vec::with_capacity(BATCH);
    let mut more = true;
    while more {
        more = operator.next_batch(cx, &mut batch)?;
        for item in batch.drain(..) {
            cx.tick()?;
            take(item)?;
        }
    }
    Ok(())
}

/// Gives documents that are at hand.
pub struct Feed(std::vec::IntoIter<Item>);

impl Feed {
    /// Gives these documents in their order.
    pub fn new(items: Vec<Item>) -> Feed {
        Feed(items.into_iter())
    }

    /// Gives plain documents in their order.
    pub fn of_docs(docs: Vec<Doc>) -> Feed {
        Feed::new(docs.into_iter().map(Item::plain).collect())
    }
}

impl Operator for Feed {
    fn next_batch(&mut self, _: &Cx<'_>, out: &mut Vec<Item>) -> Result<bool> {
        out.extend(self.0.by_ref().take(BATCH));
        Ok(self.0.len() > 0)
    }
}

/// An operator that turns each document into any number of others.
pub(super) struct Mapped<'a, F> {
    input: Box<dyn Operator + 'a>,
    batch: Vec<Item>,
    turn: F,
}

impl<'a, F> Mapped<'a, F>
where
    F: FnMut(Item, &Cx<'_>, &mut Vec<Item>) -> Result<()>,
{
    pub fn new(input: Box<dyn Operator + 'a>, turn: F) -> Mapped<'a, F> {
        Mapped { input, batch: Vec::new(), turn }
    }
}

impl<F> Operator for Mapped<'_, F>
where
    F: FnMut(Item, &Cx<'_>, &mut Vec<Item>) -> Result<()>,
{
    fn next_batch(&mut self, cx: &Cx<'_>, out: &mut Vec<Item>) -> Result<bool> {
        let more = self.input.next_batch(cx, &mut self.batch)?;
        for item in self.batch.drain(..) {
            cx.tick()?;
            (self.turn)(item, cx, out)?;
        }
        Ok(more)
    }
}

/// An operator that must see all its input before it gives anything.
pub(super) struct Blocking<'a, F> {
    gather: Option<F>,
    given: Option<Box<dyn Operator + 'a>>,
}

impl<'a, F> Blocking<'a, F>
where
    F: FnOnce(&Cx<'_>) -> Result<Box<dyn Operator + 'a>>,
{
    pub fn new(gather: F) -> Blocking<'a, F> {
        Blocking { gather: Some(gather), given: None }
    }
}

impl<'a, F> Operator for Blocking<'a, F>
where
    F: FnOnce(&Cx<'_>) -> Result<Box<dyn Operator + 'a>>,
{
    fn next_batch(&mut self, cx: &Cx<'_>, out: &mut Vec<Item>) -> Result<bool> {
        if let Some(gather) = self.gather.take() {
            self.given = Some(gather(cx)?);
        }
        self.given.as_mut().map_or(Ok(false), |given| given.next_batch(cx, out))
    }
}

/// Counts what passes, for explain.
pub(super) struct Counted<'a> {
    input: Box<dyn Operator + 'a>,
    count: Rc<Cell<u64>>,
}

impl<'a> Counted<'a> {
    pub fn new(input: Box<dyn Operator + 'a>, count: Rc<Cell<u64>>) -> Counted<'a> {
        Counted { input, count }
    }
}

impl Operator for Counted<'_> {
    fn next_batch(&mut self, cx: &Cx<'_>, out: &mut Vec<Item>) -> Result<bool> {
        let before = out.len();
        let more = self.input.next_batch(cx, out)?;
        self.count.set(self.count.get() + (out.len() - before) as u64);
        Ok(more)
    }

    fn order(&self) -> Option<&Path> {
        self.input.order()
    }
}

/// What an operator gives, one document at a time.
pub(super) struct Rows<'a> {
    input: Box<dyn Operator + 'a>,
    batch: std::vec::IntoIter<Item>,
    more: bool,
}

impl<'a> Rows<'a> {
    pub fn new(input: Box<dyn Operator + 'a>) -> Rows<'a> {
        Rows { input, batch: Vec::new().into_iter(), more: true }
    }

    /// The next document; `None` behind the last.
    pub fn next(&mut self, cx: &Cx<'_>) -> Result<Option<Item>> {
        loop {
            cx.tick()?;
            if let Some(item) = self.batch.next() {
                return Ok(Some(item));
            }
            if !self.more {
                return Ok(None);
            }
            let mut batch = Vec::with_capacity(BATCH);
            self.more = self.input.next_batch(cx, &mut batch)?;
            self.batch = batch.into_iter();
        }
    }
}

/// Memory that a blocking stage holds, against what it may.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    stage: &'static str,
    bytes: usize,
}

impl Memory {
    pub const fn of(stage: &'static str) -> Memory {
        Memory { stage, bytes: 0 }
    }

    /// Notes memory; false where it is more than the stage may hold.
    pub fn grow(&mut self, bytes: usize, cx: &Cx<'_>) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        u64::try_from(self.bytes).unwrap_or(u64::MAX) <= cx.limits.stage_bytes_max
    }

    /// Notes memory, refused beyond what the stage may hold.
    pub fn take(&mut self, bytes: usize, cx: &Cx<'_>) -> Result<()> {
        if self.grow(bytes, cx) { Ok(()) } else { Err(self.full(cx)) }
    }

    /// Forgets all that was noted.
    pub const fn clear(&mut self) {
        self.bytes = 0;
    }

    /// What is raised where nothing more may be held.
    pub fn full(&self, cx: &Cx<'_>) -> Error {
        let Memory { stage, .. } = self;
        let message = format!(
            "{stage} needs more than {} bytes of memory; let fewer or smaller documents reach it",
            cx.limits.stage_bytes_max
        );
        Error::mongo(number::MEMORY_LIMIT, message).with_code(Code::MemoryLimit)
    }
}

/// What a held document costs beside its bytes.
pub(super) const ITEM_BYTES: usize = 96;
