//! What an upsert takes from its filter: the equalities that a new document must meet anyway.

use std::collections::BTreeMap;

use storage::{Doc, DocBuilder, Value, ValueRef};

use crate::error::{Error, Result};
use crate::filter::{CmpOp, Filter, Pred};

/// MongoDB's number for two values of one path.
const NOT_SINGLE_VALUE_FIELD: i32 = 54;
/// MongoDB's number for an expression in the filter of an upsert.
const NOT_ALLOWED: i32 = 224;
/// MongoDB's number for the empty field name as a seed.
const ILLEGAL_OPERATION: i32 = 20;

/// The document that the filter's equalities describe, fields in order of their paths.
///
/// # Errors
/// 54 where two equalities meet on one path or its continuation; 224 for `$expr`.
pub(super) fn seed(filter: &Filter) -> Result<Doc> {
    check_allowed(filter)?;
    let mut equalities = BTreeMap::new();
    collect(filter, &mut equalities)?;
    check_apart(&equalities)?;
    let mut tree = Tree::default();
    for (path, value) in equalities {
        if path.is_empty() {
            return Err(Error::mongo(
                ILLEGAL_OPERATION,
                "an upsert cannot take a field without a name from its filter",
            ));
        }
        tree.put(path.split('.'), value);
    }
    let mut builder = DocBuilder::new();
    tree.write(&mut builder);
    Ok(builder.finish())
}

/// As [`seed`], but of `_id` alone: a replacement brings everything else itself.
pub(super) fn seed_of_id(filter: &Filter) -> Result<Doc> {
    let whole = seed(filter)?;
    let mut builder = DocBuilder::new();
    if let Some(id) = whole.get("_id") {
        builder.put("_id", id);
    }
    Ok(builder.finish())
}

/// Does the filter give the id by its fields rather than as a whole?
pub(super) fn id_by_parts(filter: &Filter) -> bool {
    let mut equalities = BTreeMap::new();
    collect(filter, &mut equalities).is_ok() && equalities.keys().any(|path| path.starts_with("_id."))
}

fn check_allowed(filter: &Filter) -> Result<()> {
    match filter {
        Filter::And(members) | Filter::Or(members) | Filter::Nor(members) => members.iter().try_for_each(check_allowed),
        Filter::Expr(_) => Err(Error::mongo(NOT_ALLOWED, "$expr cannot stand in the filter of an upsert")),
        _ => Ok(()),
    }
}

fn collect<'f>(filter: &'f Filter, into: &mut BTreeMap<&'f str, &'f Value>) -> Result<()> {
    let (path, value) = match filter {
        Filter::And(members) => return members.iter().try_for_each(|member| collect(member, into)),
        Filter::Field(path, Pred::Cmp(CmpOp::Eq, value)) => (path, value),
        Filter::Field(path, Pred::In(members)) => match (members.values(), members.patterns()) {
            ([only], []) => (path, only),
            _ => return Ok(()),
        },
        _ => return Ok(()),
    };
    match into.insert(path.as_str(), value) {
        None => Ok(()),
        Some(_) => Err(twice(path.as_str())),
    }
}

/// No path may lead through another one.
fn check_apart(equalities: &BTreeMap<&str, &Value>) -> Result<()> {
    for path in equalities.keys() {
        let mut ways = path.char_indices().filter(|(_, letter)| *letter == '.').map(|(at, _)| path.split_at(at).0);
        if ways.any(|way| equalities.contains_key(way)) {
            return Err(twice(path));
        }
    }
    Ok(())
}

fn twice(path: &str) -> Error {
    Error::mongo(
        NOT_SINGLE_VALUE_FIELD,
        format!("the filter gives more than one value for {path:?}, so no document can be made of it"),
    )
}

/// Fields in the order of their first appearance.
#[derive(Default)]
struct Tree<'f>(Vec<(&'f str, Node<'f>)>);

enum Node<'f> {
    Value(ValueRef<'f>),
    Fields(Tree<'f>),
}

impl<'f> Tree<'f> {
    fn put(&mut self, mut parts: std::str::Split<'f, char>, value: &'f Value) {
        let Some(name) = parts.next() else { return };
        let last = parts.clone().next().is_none();
        let place = match self.0.iter().position(|(other, _)| *other == name) {
            Some(place) => place,
            None => {
                self.0.push((name, if last { Node::Value(value.as_ref()) } else { Node::Fields(Tree::default()) }));
                self.0.len() - 1
            }
        };
        if let Some((_, Node::Fields(fields))) = self.0.get_mut(place) {
            fields.put(parts, value);
        }
    }

    fn write(&self, builder: &mut DocBuilder) {
        for (name, node) in &self.0 {
            match node {
                Node::Value(value) => builder.put(name, *value),
                Node::Fields(fields) => {
                    let open = builder.open_document(name);
                    fields.write(builder);
                    builder.close(open);
                }
            }
        }
    }
}
