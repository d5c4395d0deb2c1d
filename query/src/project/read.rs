//! Reading projections: the dialects of `find`, `$project` and `$addFields`.

use storage::{RawDoc, ValueRef};

use super::{After, Branch, Leaf, Mode, Projection};
use crate::error::{Error, Result};
use crate::expr::{Expr, FieldPath, Reading, is_operator, truth};
use crate::filter::{Filter, OperatorHelp};

/// What a projection is read for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Find,
    Stage,
}

/// What a projection may say of a field, beside 1, 0 and an expression.
pub const PROJECTION_OPERATORS: &[OperatorHelp] = &[
    OperatorHelp { name: "$", help: "behind a path: only the element that the filter matched" },
    OperatorHelp { name: "$elemMatch", help: "only the first element that meets the condition" },
    OperatorHelp { name: "$slice", help: "only the first n elements, the last -n, or [skip, n]" },
    OperatorHelp { name: "$meta", help: "what is known beside the document, such as `geoNearDistance`" },
];

/// A projection while it is read.
struct Draft<'r, 'a> {
    dialect: Dialect,
    reading: &'r Reading<'a>,
    mode: Option<Mode>,
    /// What was said about `_id` itself.
    id: Option<bool>,
    root: Branch,
    after: Vec<After>,
}

pub(super) fn find(doc: RawDoc<'_>, reading: &Reading<'_>) -> Result<Projection> {
    if doc.is_empty() {
        return Ok(Projection { mode: Mode::Exclude, root: Branch::default(), after: Vec::new() });
    }
    draft(Dialect::Find, doc, reading)
}

pub(super) fn stage(doc: RawDoc<'_>, reading: &Reading<'_>) -> Result<Projection> {
    if doc.is_empty() {
        return Err(Error::mongo(51272, "a projection names at least one field"));
    }
    draft(Dialect::Stage, doc, reading)
}

fn draft(dialect: Dialect, doc: RawDoc<'_>, reading: &Reading<'_>) -> Result<Projection> {
    let mut draft = Draft { dialect, reading, mode: None, id: None, root: Branch::default(), after: Vec::new() };
    for (name, value) in doc.iter() {
        if name.is_empty() {
            return Err(Error::mongo(40352, "a projection names no field with the empty name"));
        }
        draft.field(name, name, value)?;
    }
    draft.finish()
}

impl Draft<'_, '_> {
    /// Reads what stands at a path. `name` is its last part as it was written, which may be dotted itself.
    fn field(&mut self, path: &str, name: &str, value: ValueRef<'_>) -> Result<()> {
        if let Some(positional) = self.positional(path, value)? {
            return self.position(&positional);
        }
        let parsed = FieldPath::parse(path)?;
        match value {
            ValueRef::Bool(_) => self.choose(&parsed, truth(value)),
            number if number.kind().is_number() => self.choose(&parsed, truth(number)),
            ValueRef::Document(doc) => self.document(path, &parsed, doc),
            literal => self.compute(name, &parsed, literal, "a value"),
        }
    }

    /// The path before `.$`, where the field is positional.
    fn positional(&self, path: &str, value: ValueRef<'_>) -> Result<Option<String>> {
        let Some(before) = path.strip_suffix(".$") else {
            if self.dialect == Dialect::Find && path.contains(".$.") {
                return Err(Error::mongo(31394, "the positional $ stands only at the end of a path"));
            }
            return Ok(None);
        };
        if self.dialect == Dialect::Stage {
            return Err(Error::mongo(31324, "the positional $ belongs to a find; use $filter in a pipeline"));
        }
        match value {
            ValueRef::Bool(_) if truth(value) => Ok(Some(before.to_owned())),
            number if number.kind().is_number() && truth(number) => Ok(Some(before.to_owned())),
            ValueRef::Bool(_) => Err(Error::mongo(31395, "the positional $ cannot be excluded")),
            number if number.kind().is_number() => Err(Error::mongo(31395, "the positional $ cannot be excluded")),
            ValueRef::Document(_) => Err(Error::mongo(31271, "the positional $ takes 1, not a document")),
            _ => Err(Error::mongo(31308, "the positional $ takes 1, not a value")),
        }
    }

    fn position(&mut self, path: &str) -> Result<()> {
        if self.root.fields.iter().any(|(_, leaf)| matches!(leaf, Leaf::ElemMatch(_))) {
            return Err(Error::mongo(31256, "a positional $ and $elemMatch cannot stand in one projection"));
        }
        if self.after.iter().any(|after| matches!(after, After::Position { .. })) {
            return Err(Error::mongo(31276, "a projection has at most one positional $"));
        }
        let path = FieldPath::parse(path)?;
        self.choose(&path, true)?;
        self.after.push(After::Position { path });
        Ok(())
    }

    fn choose(&mut self, path: &FieldPath, include: bool) -> Result<()> {
        if path.as_str() == "_id" {
            self.root.insert(path, if include { Leaf::Keep } else { Leaf::Drop })?;
            self.id = Some(include);
            return Ok(());
        }
        match (self.mode, include) {
            (Some(Mode::Exclude), true) => {
                return Err(Error::mongo(
                    31253,
                    format!("'{path}' cannot be included beside fields that are excluded"),
                ));
            }
            (Some(Mode::Include), false) => {
                return Err(Error::mongo(
                    31254,
                    format!("'{path}' cannot be excluded beside fields that are included"),
                ));
            }
            (_, include) => self.mode = Some(if include { Mode::Include } else { Mode::Exclude }),
        }
        self.root.insert(path, if include { Leaf::Keep } else { Leaf::Drop })
    }

    fn compute(&mut self, name: &str, path: &FieldPath, value: ValueRef<'_>, what: &str) -> Result<()> {
        let expr = self.reading.expr(value)?;
        if self.mode == Some(Mode::Exclude) {
            let number = if what == "a value" { 31310 } else { 31252 };
            return Err(Error::mongo(number, format!("'{name}' cannot be computed beside fields that are excluded")));
        }
        self.mode = Some(Mode::Include);
        if path.as_str() == "_id" {
            self.id = Some(true);
        }
        self.root.insert(path, Leaf::Compute(expr))
    }

    fn document(&mut self, path: &str, parsed: &FieldPath, doc: RawDoc<'_>) -> Result<()> {
        let mut fields = doc.iter();
        match (fields.next(), fields.next()) {
            (None, _) => {
                Err(Error::mongo(51270, format!("'{path}' is projected to an empty document; use $literal for one")))
            }
            (Some((operator, argument)), None) if operator.starts_with('$') => {
                self.operator(parsed, operator, argument, doc)
            }
            _ => {
                for (name, value) in doc.iter() {
                    if name.is_empty() {
                        return Err(Error::mongo(40352, "a projection names no field with the empty name"));
                    }
                    self.field(&format!("{path}.{name}"), name, value)?;
                }
                Ok(())
            }
        }
    }

    fn operator(&mut self, path: &FieldPath, operator: &str, argument: ValueRef<'_>, doc: RawDoc<'_>) -> Result<()> {
        match (self.dialect, operator) {
            (Dialect::Find, "$slice") if is_find_slice(argument) => self.slice(path, argument),
            (Dialect::Find, "$elemMatch") => self.elem_match(path, argument),
            (Dialect::Stage, "$elemMatch") => {
                Err(Error::mongo(168, "$elemMatch belongs to a find; use $filter in a pipeline"))
            }
            (_, "$meta") => {
                // It says nothing about the fields that are not named.
                let expr = self.reading.expr(ValueRef::Document(doc))?;
                self.root.insert(path, Leaf::Compute(expr))
            }
            (_, name) if !is_operator(name, self.reading.cx) => {
                Err(Error::mongo(31325, format!("'{name}' is not an expression operator")))
            }
            _ => self.compute(path.as_str(), path, ValueRef::Document(doc), "an expression"),
        }
    }

    fn slice(&mut self, path: &FieldPath, argument: ValueRef<'_>) -> Result<()> {
        let whole = |value: ValueRef<'_>| value.as_f64().and_then(|number| ValueRef::Double(number.trunc()).as_i64());
        let (skip, limit) = match argument {
            ValueRef::Array(pair) => (pair.get(0).and_then(whole), pair.get(1).and_then(whole)),
            number => (None, whole(number)),
        };
        self.root.insert(path, Leaf::Keep)?;
        self.after.push(After::Slice { path: path.clone(), skip, limit: limit.unwrap_or(i64::MAX) });
        Ok(())
    }

    fn elem_match(&mut self, path: &FieldPath, argument: ValueRef<'_>) -> Result<()> {
        if self.after.iter().any(|after| matches!(after, After::Position { .. })) {
            return Err(Error::mongo(31255, "a positional $ and $elemMatch cannot stand in one projection"));
        }
        if !matches!(argument, ValueRef::Document(_)) {
            return Err(Error::mongo(
                31274,
                format!("$elemMatch takes a document, but got {}", argument.kind().name()),
            ));
        }
        if path.names().len() > 1 {
            return Err(Error::mongo(31275, "$elemMatch projects only fields at the top of a document"));
        }
        // The condition on an element is that of a filter on a field that holds it.
        let mut condition = storage::DocBuilder::new();
        let inner = condition.open_document(path.as_str());
        condition.put("$elemMatch", argument);
        condition.close(inner);
        let filter = Filter::parse(condition.finish().raw(), self.reading.cx)?;
        self.root.insert(path, Leaf::ElemMatch(filter))
    }

    fn finish(mut self) -> Result<Projection> {
        let only_meta_or_cuts = self.mode.is_none() && self.id.is_none_or(|include| !include);
        let lone_matches = self.root.fields.iter().any(|(_, leaf)| matches!(leaf, Leaf::ElemMatch(_)));
        let mode = match self.mode {
            Some(mode) => mode,
            None if lone_matches => Mode::Include,
            None if only_meta_or_cuts => Mode::Exclude,
            None => Mode::Include,
        };
        if mode == Mode::Include && self.id.is_none() && self.root.get(b"_id").is_none() {
            self.root.fields.push(("_id".into(), Leaf::Keep));
        }
        self.root.mark();
        Ok(Projection { mode, root: self.root, after: self.after })
    }
}

/// Is this `$slice` the projection's, not the expression's?
fn is_find_slice(argument: ValueRef<'_>) -> bool {
    match argument {
        ValueRef::Array(pair) => {
            let limit = pair.get(1).and_then(ValueRef::as_f64);
            pair.len() == 2
                && pair.iter().all(|value| value.kind().is_number())
                && limit.is_some_and(|limit| limit >= 1.0)
        }
        number => number.kind().is_number(),
    }
}

impl Branch {
    fn insert(&mut self, path: &FieldPath, leaf: Leaf) -> Result<()> {
        let names: Vec<&str> = path.names().collect();
        self.insert_at(&names, path.as_str(), leaf)
    }

    fn insert_at(&mut self, names: &[&str], path: &str, leaf: Leaf) -> Result<()> {
        let Some((name, rest)) = names.split_first() else { return Ok(()) };
        let known = self.fields.iter_mut().find(|(known, _)| **known == **name).map(|(_, leaf)| leaf);
        match (known, rest.is_empty()) {
            (None, true) => self.fields.push(((*name).into(), leaf)),
            (Some(_), true) => return Err(Error::mongo(31250, format!("the path '{path}' collides with another one"))),
            (Some(Leaf::Branch(branch)), false) => return branch.insert_at(rest, path, leaf),
            (Some(_), false) => {
                return Err(Error::mongo(
                    31249,
                    format!("the path '{path}' leads through a field that is projected itself"),
                ));
            }
            (None, false) => {
                let mut branch = Branch::default();
                branch.insert_at(rest, path, leaf)?;
                self.fields.push(((*name).into(), Leaf::Branch(branch)));
            }
        }
        Ok(())
    }

    /// Notes where something is computed.
    fn mark(&mut self) {
        for (_, leaf) in &mut self.fields {
            self.computes |= match leaf {
                Leaf::Branch(branch) => {
                    branch.mark();
                    branch.computes
                }
                Leaf::Compute(_) => true,
                Leaf::Keep | Leaf::Drop | Leaf::ElemMatch(_) => false,
            };
        }
    }
}

pub(super) fn adding(doc: RawDoc<'_>, reading: &Reading<'_>) -> Result<Projection> {
    let mut root = Branch::default();
    for (name, value) in doc.iter() {
        add(&mut root, name, value, reading)?;
    }
    root.mark();
    Ok(Projection { mode: Mode::Add, root, after: Vec::new() })
}

fn add(root: &mut Branch, path: &str, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<()> {
    let parsed = FieldPath::parse(path)?;
    let ValueRef::Document(doc) = value else { return insert_computed(root, &parsed, value, reading) };
    let count = doc.iter().count();
    if count == 0 {
        return Err(Error::mongo(40180, format!("'{path}' is set to an empty document; use $literal for one")));
    }
    if doc.iter().any(|(name, _)| name.starts_with('$')) {
        if count > 1 {
            return Err(Error::mongo(40181, format!("'{path}' has an operator beside other fields")));
        }
        return insert_computed(root, &parsed, value, reading);
    }
    for (name, value) in doc.iter() {
        if name.contains('.') {
            return Err(Error::mongo(
                40183,
                format!("'{name}' is dotted inside a document; write the whole path at the top"),
            ));
        }
        add(root, &format!("{path}.{name}"), value, reading)?;
    }
    Ok(())
}

fn insert_computed(root: &mut Branch, path: &FieldPath, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<()> {
    let expr: Expr = reading.expr(value)?;
    let collide = |fault: Error| Error { number: 40176, ..fault };
    root.insert(path, Leaf::Compute(expr)).map_err(collide)
}

pub(super) fn without<'p>(paths: impl IntoIterator<Item = &'p str>) -> Result<Projection> {
    let mut root = Branch::default();
    for path in paths {
        if path.ends_with(".$") {
            return Err(Error::mongo(31324, "the positional $ belongs to a find"));
        }
        root.insert(&FieldPath::parse(path)?, Leaf::Drop)?;
    }
    Ok(Projection { mode: Mode::Exclude, root, after: Vec::new() })
}
