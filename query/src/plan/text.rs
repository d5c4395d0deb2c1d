//! Words: the text index that answers a `$text`.

use std::sync::Arc;

use storage::text::Search;
use storage::{Collection, FieldOrder, Index};

use super::candidate::conjuncts;
use super::implied::implies;
use super::{Access, Plan, Rank, Wanted};
use crate::error::{Error, Result};
use crate::filter::{CmpOp, Filter, Pred, Text, no_text_index};

/// NoQueryExecutionPlans: a condition that only an index can answer has none that may answer it.
const NO_INDEX: i32 = 291;
/// What looking words up costs at least, in steps over an entry: too much for a thread that others wait for.
const LOOKUP_COST: u64 = 8192;
/// What fetching a document costs.
const FETCH_COST: u64 = 8;

/// A search for words through the collection's text index.
#[derive(Clone, Debug)]
pub struct TextEntries {
    /// The index.
    pub index: Arc<Index>,
    /// What is looked for.
    pub search: Arc<Search>,
    /// Do the documents that fit best come first?
    pub best_first: bool,
}

/// The road for a filter with `$text`.
///
/// # Errors
/// 27 where the collection has no text index; 291 where the index holds only documents that the filter does not ask
/// for by name (a partial index, or fields before the texts).
pub(super) fn choose(coll: &Collection, wanted: &Wanted<'_>, text: &Text) -> Result<Plan> {
    let indexed = coll.indexes.iter().find_map(|index| Some((index, index.text.as_deref()?)));
    let (index, fields) = indexed.ok_or_else(no_text_index)?;
    let search = text.settle(fields);
    let members = conjuncts(wanted.filter);
    check_usable(index, &members)?;
    let docs = coll.stats.docs();
    let Some(place) = members.iter().position(|member| matches!(member, Filter::Text(_))) else {
        let access = Access::Scan(storage::Scan::Forward); // one of several alternatives
        return Ok(plan(access, wanted.filter.clone(), wanted.rank == Rank::Natural, docs.saturating_mul(FETCH_COST)));
    };
    let others = members.iter().enumerate().filter(|(other, _)| *other != place);
    let residual = others.map(|(_, member)| (*member).clone()).fold(Filter::all(), Filter::and);
    let best_first = wanted.rank == Rank::BestFirst;
    let ordered = best_first || wanted.rank == Rank::Natural;
    if search.is_empty() {
        return Ok(plan(Access::Empty, residual, true, 0));
    }
    let entries = TextEntries { index: index.clone(), search: search.clone(), best_first };
    let rows = wanted.need.filter(|_| ordered).unwrap_or(docs).min(docs);
    Ok(plan(Access::Text(Box::new(entries)), residual, ordered, LOOKUP_COST + rows.saturating_mul(FETCH_COST)))
}

fn plan(access: Access, residual: Filter, ordered: bool, weight: u64) -> Plan {
    Plan { access, residual, cover: None, ordered, weight, rejected: Vec::new() }
}

/// As MongoDB demands: the filter implies a partial index's, and names a value for each field before the texts.
fn check_usable(index: &Index, members: &[&Filter]) -> Result<()> {
    if index.partial.as_ref().is_some_and(|partial| !implies(members, partial)) {
        let message = format!("the text index '{}' is partial: add its filter to the query", index.name);
        return Err(Error::mongo(NO_INDEX, message));
    }
    for field in index.fields.iter().take_while(|field| field.order != FieldOrder::Text) {
        let equal =
            |member: &&Filter| matches!(member, Filter::Field(path, Pred::Cmp(CmpOp::Eq, _)) if *path == field.path);
        if !members.iter().any(equal) {
            let (name, path) = (&index.name, &field.path);
            let message = format!("the text index '{name}' begins with '{path}': the query must give its value");
            return Err(Error::mongo(NO_INDEX, message));
        }
    }
    Ok(())
}
