//! `$facet`: the same documents through several pipelines, each giving an array.

use storage::{DocBuilder, ValueRef};

use super::needs::Needs;
use super::operator::{Blocking, Feed, ITEM_BYTES, Item, Memory, Operator, each};
use super::source::Source;
use super::{Pipeline, Stage};
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::expr::{Reading, bounded};

#[derive(Clone, Debug)]
pub(crate) struct Facet {
    pipelines: Vec<(Box<str>, Pipeline)>,
}

pub(super) fn read(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Vec<Stage>> {
    let doc = value.as_doc().filter(|doc| !doc.is_empty());
    let doc = doc.ok_or_else(|| Error::mongo(40169, "$facet takes a document that names at least one pipeline"))?;
    let mut pipelines = Vec::new();
    for (name, value) in doc.iter() {
        check_name(name)?;
        pipelines.push((name.into(), read_one(name, value, reading)?));
    }
    Ok(vec![Stage::Facet(Facet { pipelines })])
}

fn check_name(name: &str) -> Result<()> {
    let fault = |number, what: &str| Err(Error::mongo(number, format!("the name '{name}' in $facet {what}")));
    match name {
        "" => fault(15998, "is empty"),
        name if name.starts_with('$') => fault(16410, "must not start with '$'"),
        name if name.contains('.') => fault(16412, "must not contain a dot"),
        _ => Ok(()),
    }
}

fn read_one(name: &str, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Pipeline> {
    /// Stages that need the collection itself, or an end of their own.
    const REFUSED: [&str; 8] =
        ["$facet", "$out", "$merge", "$geoNear", "$collStats", "$indexStats", "$documents", "$changeStream"];
    let list = value.as_array().ok_or_else(|| {
        Error::mongo(40170, format!("'{name}' of $facet must be an array of stages, but is {}", value.kind().name()))
    })?;
    for stage in list.iter() {
        let stage = stage.as_doc().filter(|stage| !stage.is_empty());
        let stage =
            stage.ok_or_else(|| Error::mongo(40171, format!("each stage of '{name}' in $facet must be a document")))?;
        if let Some((stage, _)) = stage.iter().next()
            && REFUSED.contains(&stage)
        {
            return Err(Error::mongo(40600, format!("{stage} cannot stand inside of $facet")));
        }
    }
    Pipeline::inner(value, reading)
}

impl Facet {
    pub fn build<'a>(&'a self, input: Box<dyn Operator + 'a>, source: &'a dyn Source) -> Box<dyn Operator + 'a> {
        let mut input = input;
        Box::new(Blocking::new(move |cx: &Cx<'_>| {
            let items = gathered(&mut *input, cx)?;
            let doc = self.result(&items, source, cx)?;
            Ok(Box::new(Feed::of_docs(vec![doc])) as Box<dyn Operator + 'a>)
        }))
    }

    fn result(&self, items: &[Item], source: &dyn Source, cx: &Cx<'_>) -> Result<storage::Doc> {
        let mut result = DocBuilder::new();
        for (name, pipeline) in &self.pipelines {
            let mut rows = pipeline.build(Box::new(Feed::new(items.to_vec())), source, cx)?;
            let open = result.open_array(name);
            let mut place = 0;
            each(&mut *rows, cx, |item| {
                result.put_at(place, ValueRef::Document(item.doc.raw()));
                place += 1;
                bounded(result.len())
            })?;
            result.close(open);
        }
        Ok(result.finish())
    }

    /// Notes what its pipelines read of the input.
    pub fn needs(&self, need: &mut Needs) {
        self.pipelines.iter().for_each(|(_, pipeline)| need.stages(&pipeline.stages));
    }

    pub fn collections<'a>(&'a self, names: &mut Vec<&'a str>) {
        self.pipelines.iter().for_each(|(_, pipeline)| names.extend(pipeline.collections()));
    }
}

/// The input, held once for all pipelines.
fn gathered(input: &mut dyn Operator, cx: &Cx<'_>) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    let mut memory = Memory::of("$facet");
    each(input, cx, |item| {
        memory.take(ITEM_BYTES + item.doc.as_bytes().len(), cx)?;
        items.push(item);
        Ok(())
    })?;
    Ok(items)
}
