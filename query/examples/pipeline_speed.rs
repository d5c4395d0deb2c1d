//! How many documents a second the stages take, in memory and on one core.
//!
//! `cargo run --release -p query --example pipeline_speed [DOCUMENTS]`

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a program for people who measure")]

use std::time::Instant;

use query::pipeline::{Feed, Pipeline, VecSource, collect};
use query::{Cx, Deadline, Doc, DocBuilder, Limits, Random, ValueRef, Variables};

fn main() {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(200_000);
    let docs: Vec<Doc> = (0..count).map(order).collect();
    let bytes: usize = docs.iter().map(|doc| doc.as_bytes().len()).sum();
    println!("{count} documents of {} bytes", bytes / docs.len().max(1));
    for (name, stages) in PIPELINES {
        let stages: Vec<Doc> = stages.iter().map(|stage| stage()).collect();
        measure(name, &stages, &docs);
    }
}

type Stages = &'static [fn() -> Doc];

const PIPELINES: &[(&str, Stages)] = &[
    ("group by city, mean", &[group]),
    ("match a tenth", &[cheap]),
    ("match, group by city", &[cheap, group]),
    ("count", &[total]),
    ("sort by price, first 10", &[by_price, ten]),
    ("sort by price", &[by_price]),
    ("add a field", &[computed]),
    ("project two fields", &[two_fields]),
    ("unwind tags, group", &[tags, by_tag]),
];

/// An order of some shop, as documents in the wild look.
fn order(number: i32) -> Doc {
    let mut doc = DocBuilder::new();
    doc.put("_id", ValueRef::Int32(number));
    doc.put("customer", ValueRef::String("somebody with a name"));
    doc.put("city", ValueRef::String(&format!("city{}", number.wrapping_mul(7919) % 100)));
    doc.put("price", ValueRef::Double(f64::from(number.wrapping_mul(31) % 1000)));
    doc.put("count", ValueRef::Int32(number % 7));
    let tags = doc.open_array("tags");
    doc.put_at(0, ValueRef::String("new"));
    doc.put_at(1, ValueRef::String("red"));
    doc.close(tags);
    doc.put("note", ValueRef::String("a note of middling length that no stage looks at"));
    doc.finish()
}

fn stage(name: &str, fill: impl FnOnce(&mut DocBuilder)) -> Doc {
    let mut doc = DocBuilder::new();
    let open = doc.open_document(name);
    fill(&mut doc);
    doc.close(open);
    doc.finish()
}

fn nested(doc: &mut DocBuilder, name: &str, operator: &str, value: ValueRef<'_>) {
    let open = doc.open_document(name);
    doc.put(operator, value);
    doc.close(open);
}

fn group() -> Doc {
    stage("$group", |doc| {
        doc.put("_id", ValueRef::String("$city"));
        nested(doc, "mean", "$avg", ValueRef::String("$price"));
    })
}

fn by_tag() -> Doc {
    stage("$group", |doc| {
        doc.put("_id", ValueRef::String("$tags"));
        nested(doc, "count", "$sum", ValueRef::Int32(1));
    })
}

fn cheap() -> Doc {
    stage("$match", |doc| nested(doc, "price", "$lt", ValueRef::Int32(100)))
}

fn total() -> Doc {
    let mut doc = DocBuilder::new();
    doc.put("$count", ValueRef::String("n"));
    doc.finish()
}

fn by_price() -> Doc {
    stage("$sort", |doc| doc.put("price", ValueRef::Int32(1)))
}

fn ten() -> Doc {
    let mut doc = DocBuilder::new();
    doc.put("$limit", ValueRef::Int32(10));
    doc.finish()
}

fn computed() -> Doc {
    stage("$addFields", |doc| {
        let sum = doc.open_document("total");
        let list = doc.open_array("$multiply");
        doc.put_at(0, ValueRef::String("$price"));
        doc.put_at(1, ValueRef::String("$count"));
        doc.close(list);
        doc.close(sum);
    })
}

fn two_fields() -> Doc {
    stage("$project", |doc| {
        doc.put("city", ValueRef::Int32(1));
        doc.put("price", ValueRef::Int32(1));
    })
}

fn tags() -> Doc {
    let mut doc = DocBuilder::new();
    doc.put("$unwind", ValueRef::String("$tags"));
    doc.finish()
}

/// Runs the stages over documents at hand; nothing is taken off for an index.
fn measure(name: &str, stages: &[Doc], docs: &[Doc]) {
    let (limits, deadline, random) = (Limits::default(), Deadline::never(), Random::seeded(1));
    let cx = Cx {
        now: 0,
        collation: None,
        limits: &limits,
        deadline: &deadline,
        variables: Variables::none(),
        random: &random,
        found: None,
        spill: None,
    };
    let pipeline = Pipeline::parse(stages, &cx).expect("reads");
    let source = VecSource::default();
    let mut best = f64::INFINITY;
    let mut given = 0;
    for _ in 0..3 {
        let input = Box::new(Feed::of_docs(docs.to_vec()));
        let start = Instant::now();
        let mut rows = pipeline.build(input, &source, &cx).expect("builds");
        given = collect(&mut *rows, &cx).expect("runs").len();
        best = best.min(start.elapsed().as_secs_f64());
    }
    let rate = f64::from(u32::try_from(docs.len()).unwrap_or(u32::MAX)) / best / 1e6;
    println!("{name:26} {rate:6.2} million documents/s, {given} rows");
}
