//! `$fill`: null and missing fields get values: given ones, or ones that follow from the neighbours.

use storage::{DocBuilder, RawDoc, ValueRef};

use super::reshape::Reshape;
use super::{Stage, window};
use crate::error::number::{FAILED_TO_PARSE, TYPE_MISMATCH};
use crate::error::{Error, Result};
use crate::expr::{Expr, Reading};
use crate::project::Projection;

/// The stage becomes a `$setWindowFields` for its methods and an `$addFields` for its values.
pub(super) fn read(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Vec<Stage>> {
    let doc = value.as_doc().ok_or_else(|| Error::mongo(FAILED_TO_PARSE, "$fill takes a document"))?;
    let draft = Draft::read(doc)?;
    let partition = draft.partition(reading)?;
    let (mut methods, mut values) = (DocBuilder::new(), DocBuilder::new());
    for (name, value) in draft.output.iter() {
        read_output(name, value, &mut methods, &mut values)?;
    }
    let (methods, values) = (methods.finish(), values.finish());
    let mut stages = Vec::new();
    if !methods.raw().is_empty() {
        stages.push(window::filling(partition, draft.order, methods.raw(), reading)?);
    }
    if !values.raw().is_empty() {
        stages.push(Stage::Reshape(Reshape::Project(Projection::adding(values.raw(), reading)?)));
    }
    Ok(stages)
}

struct Draft<'v> {
    partition: Option<ValueRef<'v>>,
    fields: Option<ValueRef<'v>>,
    order: Option<RawDoc<'v>>,
    output: RawDoc<'v>,
}

impl<'v> Draft<'v> {
    fn read(doc: RawDoc<'v>) -> Result<Draft<'v>> {
        let (mut partition, mut fields, mut order, mut output) = (None, None, None, None);
        for (name, value) in doc.iter() {
            let wrong = |kind: &str| {
                let found = value.kind().name();
                Error::mongo(TYPE_MISMATCH, format!("'{name}' of $fill must be {kind}, but is {found}"))
            };
            match (name, value) {
                ("partitionBy", ValueRef::Document(_)) => partition = Some(value),
                ("partitionByFields", ValueRef::Array(_)) => fields = Some(value),
                ("partitionByFields", _) => return Err(wrong("an array")),
                ("sortBy", ValueRef::Document(doc)) => order = Some(doc),
                ("output", ValueRef::Document(doc)) => output = Some(doc),
                ("partitionBy" | "sortBy" | "output", _) => return Err(wrong("a document")),
                (other, _) => return Err(Error::mongo(40415, format!("$fill knows no argument '{other}'"))),
            }
        }
        let output = output.ok_or_else(|| Error::mongo(40414, "$fill needs 'output'"))?;
        match (output.is_empty(), partition.is_some() && fields.is_some()) {
            (true, _) => Err(Error::mongo(6_050_203, "'output' of $fill names at least one field")),
            (_, true) => Err(Error::mongo(6_050_204, "$fill takes 'partitionBy' or 'partitionByFields', not both")),
            _ => Ok(Draft { partition, fields, order, output }),
        }
    }

    fn partition(&self, reading: &Reading<'_>) -> Result<Option<Expr>> {
        let Some(ValueRef::Array(fields)) = self.fields else {
            return self.partition.map(|partition| reading.expr(partition)).transpose();
        };
        let mut parts = DocBuilder::new();
        for (place, field) in fields.iter().enumerate() {
            let wrong = || Error::mongo(TYPE_MISMATCH, "'partitionByFields' of $fill takes names of fields");
            let field = field.as_str().ok_or_else(wrong)?;
            if field.starts_with('$') {
                return Err(Error::mongo(168, format!("the field '{field}' must not start with '$'")));
            }
            parts.put(&format!("part{place}"), ValueRef::String(&format!("${field}")));
        }
        let parts = parts.finish();
        if parts.raw().is_empty() { Ok(None) } else { reading.expr(ValueRef::Document(parts.raw())).map(Some) }
    }
}

fn read_output(name: &str, value: ValueRef<'_>, methods: &mut DocBuilder, values: &mut DocBuilder) -> Result<()> {
    let one = || Error::mongo(6_050_200, format!("'{name}' in $fill must be a document with one field"));
    let doc = value.as_doc().ok_or_else(one)?;
    if let Some((other, _)) = doc.iter().find(|(key, _)| !matches!(*key, "method" | "value")) {
        return Err(Error::mongo(40415, format!("'{name}' in $fill knows no argument '{other}'")));
    }
    let path = format!("${name}");
    match (doc.get("method"), doc.get("value")) {
        (Some(_), Some(_)) => {
            return Err(Error::mongo(6_050_201, format!("'{name}' in $fill takes 'method' or 'value', not both")));
        }
        (None, None) => {}
        (Some(method), None) => {
            let wrong = || Error::mongo(TYPE_MISMATCH, format!("'method' of '{name}' in $fill must be a string"));
            let function = match method.as_str().ok_or_else(wrong)? {
                "locf" => "$locf",
                "linear" => "$linearFill",
                _ => return Err(Error::mongo(6_050_202, "the methods of $fill are 'locf' and 'linear'")),
            };
            let open = methods.open_document(name);
            methods.put(function, ValueRef::String(&path));
            methods.close(open);
        }
        (None, Some(value)) => {
            let open = values.open_document(name);
            let list = values.open_array("$ifNull");
            values.put_at(0, ValueRef::String(&path));
            values.put_at(1, value);
            values.close(list);
            values.close(open);
        }
    }
    Ok(())
}
