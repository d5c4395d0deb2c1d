//! `$sample`: so many documents by chance, each equally likely.

use storage::ValueRef;

use super::Stage;
use super::operator::{Blocking, Feed, ITEM_BYTES, Item, Memory, Operator, each};
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::expr::Reading;

pub(super) fn read(value: ValueRef<'_>, _: &Reading<'_>) -> Result<Vec<Stage>> {
    let doc = value.as_doc().ok_or_else(|| Error::mongo(28745, "$sample takes a document with size"))?;
    let mut size = None;
    for (name, value) in doc.iter() {
        match name {
            "size" if value.kind().is_number() => size = Some(value.as_f64().unwrap_or(0.0)),
            "size" => return Err(Error::mongo(28746, "'size' of $sample must be a number")),
            other => return Err(Error::mongo(28748, format!("$sample knows no argument '{other}'"))),
        }
    }
    let size = size.ok_or_else(|| Error::mongo(28749, "$sample needs 'size'"))?;
    if size < 0.0 {
        return Err(Error::mongo(28747, "'size' of $sample must not be below 0"));
    }
    let size = ValueRef::Double(size.trunc()).as_i64().unwrap_or(i64::MAX);
    Ok(vec![Stage::Sample(u64::try_from(size).unwrap_or(0))])
}

pub(super) fn build<'a>(input: Box<dyn Operator + 'a>, size: u64) -> Box<dyn Operator + 'a> {
    let mut input = input;
    Box::new(Blocking::new(move |cx: &Cx<'_>| {
        let chosen = reservoir(&mut *input, size, cx)?;
        Ok(Box::new(Feed::new(chosen)) as Box<dyn Operator + 'a>)
    }))
}

/// Keeps each document with the same chance, whatever their number (Vitter's algorithm R), then shuffles.
fn reservoir(input: &mut dyn Operator, size: u64, cx: &Cx<'_>) -> Result<Vec<Item>> {
    let mut kept: Vec<Item> = Vec::new();
    let mut memory = Memory::of("$sample");
    let mut met = 0u64;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    each(input, cx, |item| {
        met += 1;
        if kept.len() < size {
            memory.take(ITEM_BYTES + item.doc.as_bytes().len(), cx)?;
            kept.push(item);
            return Ok(());
        }
        let place = usize::try_from(cx.random.next_below(met)).unwrap_or(usize::MAX);
        if let Some(old) = kept.get_mut(place) {
            *old = item;
        }
        Ok(())
    })?;
    for place in (1..kept.len()).rev() {
        let other = cx.random.next_below(u64::try_from(place + 1).unwrap_or(1));
        kept.swap(place, usize::try_from(other).unwrap_or(0));
    }
    Ok(kept)
}
