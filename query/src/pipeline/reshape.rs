//! `$project`, `$unset`, `$addFields`, `$replaceRoot`: each document becomes another one.

use storage::{Doc, Path, RawDoc, Value, ValueRef};

use super::Stage;
use super::needs::Needs;
use super::operator::{Mapped, Operator};
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::expr::{Expr, Reading, storable};
use crate::project::Projection;
use crate::sort::Meta;

#[derive(Clone, Debug)]
pub(crate) enum Reshape {
    Project(Projection),
    Replace(Expr),
}

pub(super) fn read_project(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Vec<Stage>> {
    let doc = value.as_doc().ok_or_else(|| Error::mongo(15969, "$project takes a document of fields"))?;
    Ok(vec![Stage::Reshape(Reshape::Project(Projection::of_stage(doc, reading)?))])
}

pub(super) fn read_add(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Vec<Stage>> {
    let doc = value.as_doc().ok_or_else(|| {
        Error::mongo(40272, format!("$addFields takes a document of fields, but got {}", value.kind().name()))
    })?;
    Ok(vec![Stage::Reshape(Reshape::Project(Projection::adding(doc, reading)?))])
}

pub(super) fn read_unset(value: ValueRef<'_>, _: &Reading<'_>) -> Result<Vec<Stage>> {
    let projection = match value {
        ValueRef::String(path) => Projection::without([path])?,
        ValueRef::Array(list) if list.is_empty() => return Err(Error::mongo(31119, "$unset names at least one field")),
        ValueRef::Array(list) => {
            let wrong = || Error::mongo(31120, "$unset takes names of fields: strings");
            let paths = list.iter().map(|path| path.as_str().ok_or_else(wrong)).collect::<Result<Vec<_>>>()?;
            Projection::without(paths)?
        }
        _ => return Err(Error::mongo(31002, "$unset takes the name of a field or an array of names")),
    };
    Ok(vec![Stage::Reshape(Reshape::Project(projection))])
}

pub(super) fn read_replace_root(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Vec<Stage>> {
    let doc = value.as_doc().ok_or_else(|| {
        Error::mongo(40229, format!("$replaceRoot takes a document with newRoot, but got {}", value.kind().name()))
    })?;
    if let Some((name, _)) = doc.iter().find(|(name, _)| *name != "newRoot") {
        return Err(Error::mongo(40415, format!("$replaceRoot knows no argument '{name}'")));
    }
    let root = doc.get("newRoot").ok_or_else(|| Error::mongo(40414, "$replaceRoot needs 'newRoot'"))?;
    read_replace_with(root, reading)
}

pub(super) fn read_replace_with(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Vec<Stage>> {
    Ok(vec![Stage::Reshape(Reshape::Replace(reading.expr(value)?))])
}

impl Reshape {
    /// The document that one becomes.
    pub fn apply(&self, doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<Doc> {
        match self {
            Reshape::Project(projection) => projection.apply(doc, None, cx),
            Reshape::Replace(expr) => replaced(expr, doc, cx),
        }
    }

    pub fn build<'a>(&'a self, input: Box<dyn Operator + 'a>) -> Box<dyn Operator + 'a> {
        Box::new(Mapped::new(input, |item, cx, out| {
            let doc = self.apply(item.doc.raw(), &cx.with_found(item.found.as_deref()))?;
            out.push(item.with_doc(doc));
            Ok(())
        }))
    }

    /// Notes what it reads of its input; true where nothing else of it comes through.
    pub fn needs(&self, need: &mut Needs) -> bool {
        match self {
            Reshape::Replace(expr) => need.expr(expr),
            Reshape::Project(projection) if projection.selects() => match projection.needs() {
                Some(paths) => paths.iter().for_each(|path| need.path(&Path::new(path))),
                None => need.all(),
            },
            Reshape::Project(projection) => projection.exprs(&mut |expr| need.expr(expr)),
        }
        match self {
            Reshape::Replace(_) => true,
            Reshape::Project(projection) => projection.selects(),
        }
    }

    /// Does it leave this top field as it is?
    pub fn keeps(&self, name: &str) -> bool {
        match self {
            Reshape::Replace(_) => false,
            Reshape::Project(projection) => projection.keeps(name),
        }
    }

    /// Calls `used` with what must have been found out about each document.
    pub fn metas(&self, used: &mut dyn FnMut(Meta)) {
        match self {
            Reshape::Project(projection) => projection.metas(used),
            Reshape::Replace(expr) => expr.metas(used),
        }
    }
}

fn replaced(expr: &Expr, doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<Doc> {
    let computed = expr.eval(doc, cx)?;
    let kind = computed.type_name();
    computed.as_ref().map_or(Ok(()), storable)?;
    match computed.into_value() {
        Some(Value::Document(doc)) => Ok(doc),
        _ => Err(Error::mongo(
            40228,
            format!("the new root must be a document, but is {kind}; use $ifNull for a default"),
        )),
    }
}
