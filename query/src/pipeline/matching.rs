//! `$match`: documents that meet a filter.

use storage::ValueRef;

use super::Stage;
use super::operator::{Mapped, Operator};
use crate::error::number::BAD_VALUE;
use crate::error::{Error, Result};
use crate::expr::Reading;
use crate::filter::Filter;

#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub filter: Filter,
}

pub(super) fn read(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Vec<Stage>> {
    let doc = value.as_doc().ok_or_else(|| Error::mongo(15959, "$match takes a filter: a document"))?;
    let filter = Filter::parse(doc, reading.cx)?;
    if filter.near().is_some() {
        return Err(Error::mongo(5_626_500, "$near and its like cannot stand in $match; use $geoNear or $geoWithin"));
    }
    if doc.get("$where").is_some() {
        return Err(Error::mongo(BAD_VALUE, "$where cannot stand in $match; use $expr"));
    }
    Ok(vec![Stage::Match(Match { filter })])
}

/// The conjunction of a filter and a stage's.
pub(super) fn joined(filter: Option<Filter>, stage: &Match) -> Filter {
    match filter {
        Some(filter) => filter.and(stage.filter.clone()),
        None => stage.filter.clone(),
    }
}

impl Match {
    /// Does it search for words?
    pub fn finds_text(&self) -> bool {
        self.filter.text().is_some()
    }

    pub fn build<'a>(&'a self, input: Box<dyn Operator + 'a>) -> Box<dyn Operator + 'a> {
        Box::new(Mapped::new(input, |item, cx, out| {
            if self.filter.matches(item.doc.raw(), &cx.with_found(item.found.as_deref()))? {
                out.push(item);
            }
            Ok(())
        }))
    }
}
