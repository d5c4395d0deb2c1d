//! A plan, printed: the answer to `explain`, in the shape that MongoDB's tools and the SDK's developer tools read.

use storage::{ArrayBuilder, Doc, DocBuilder, FieldOrder, Scan, ValueRef};

use super::{Access, Bounds, Entries, Plan};
use crate::exec::Examined;

/// The plan and what carrying it out took.
pub fn explain(plan: &Plan, sorted: bool, examined: &Examined) -> Doc {
    let mut out = DocBuilder::new();
    let planner = out.open_document("queryPlanner");
    put_winner(&mut out, plan, sorted);
    let rejected: storage::Array = rejected(plan);
    out.put("rejectedPlans", ValueRef::Array(rejected.raw()));
    out.close(planner);
    let stats = out.open_document("executionStats");
    out.put("executionSuccess", ValueRef::Bool(true));
    out.put("nReturned", number(examined.returned));
    out.put("totalKeysExamined", number(examined.keys));
    out.put("totalDocsExamined", number(examined.docs));
    out.put("estimatedCost", number(plan.weight));
    out.close(stats);
    out.finish()
}

fn put_winner(out: &mut DocBuilder, plan: &Plan, sorted: bool) {
    let winner = out.open_document("winningPlan");
    let inner = match sorted && !plan.ordered {
        true => {
            out.put("stage", ValueRef::String("SORT"));
            Some(out.open_document("inputStage"))
        }
        false => None,
    };
    match (&plan.access, &plan.cover) {
        (Access::Entries(entries), Some(_)) => put_covered(out, entries),
        (access, _) => put_access(out, access, !plan.residual.is_all()),
    }
    if let Some(inner) = inner {
        out.close(inner);
    }
    out.close(winner);
}

/// Entries that are all that is needed of the documents.
fn put_covered(out: &mut DocBuilder, entries: &Entries) {
    out.put("stage", ValueRef::String("PROJECTION_COVERED"));
    let input = out.open_document("inputStage");
    put_entries(out, entries);
    out.close(input);
}

fn put_access(out: &mut DocBuilder, access: &Access, filtered: bool) {
    match access {
        Access::Empty => out.put("stage", ValueRef::String("EOF")),
        Access::Ids(ids) => {
            out.put("stage", ValueRef::String("IDHACK"));
            out.put("ids", number(ids.len() as u64));
        }
        Access::Scan(scan) => {
            out.put("stage", ValueRef::String("COLLSCAN"));
            out.put("direction", direction(*scan));
            out.put("filtered", ValueRef::Bool(filtered));
        }
        Access::Entries(entries) => {
            out.put("stage", ValueRef::String("FETCH"));
            out.put("filtered", ValueRef::Bool(filtered));
            let input = out.open_document("inputStage");
            put_entries(out, entries);
            out.close(input);
        }
        Access::Near(near) => {
            out.put("stage", ValueRef::String("GEO_NEAR"));
            let input = out.open_document("inputStage");
            put_entries(out, &near.entries);
            out.close(input);
        }
        Access::Text(text) => {
            out.put("stage", ValueRef::String("TEXT_MATCH"));
            out.put("indexName", ValueRef::String(&text.index.name));
            let query = out.open_document("parsedTextQuery");
            let parts = text.search.parts();
            for (name, words) in parts {
                let mut list = ArrayBuilder::new();
                words.iter().for_each(|word| list.push(ValueRef::String(word)));
                out.put(name, ValueRef::Array(list.finish().raw()));
            }
            out.close(query);
        }
        Access::Union(roads) => {
            out.put("stage", ValueRef::String("OR"));
            let inputs: storage::Array = documents(roads.iter().map(alone));
            out.put("inputStages", ValueRef::Array(inputs.raw()));
        }
    }
}

fn put_entries(out: &mut DocBuilder, entries: &Entries) {
    out.put("stage", ValueRef::String("IXSCAN"));
    out.put("indexName", ValueRef::String(&entries.index.name));
    let pattern = out.open_document("keyPattern");
    for field in &entries.index.fields {
        let direction = if field.order == FieldOrder::Descending { -1 } else { 1 };
        out.put(field.path.as_str(), ValueRef::Int32(direction));
    }
    out.close(pattern);
    out.put("isMultiKey", ValueRef::Bool(entries.index.multikey != 0));
    out.put("direction", direction(entries.scan));
    let bounds = out.open_document("indexBounds");
    for (field, of_field) in entries.index.fields.iter().zip(&entries.bounds) {
        out.put(field.path.as_str(), ValueRef::String(&summary(of_field)));
    }
    out.close(bounds);
}

fn summary(bounds: &Bounds) -> String {
    match bounds {
        _ if bounds.is_full() => "[MinKey, MaxKey]".to_owned(),
        _ if bounds.intervals.is_empty() => "nothing".to_owned(),
        _ if bounds.is_points() => format!("{} value(s)", bounds.intervals.len()),
        _ => format!("{} range(s)", bounds.intervals.len()),
    }
}

fn rejected(plan: &Plan) -> storage::Array {
    documents(plan.rejected.iter().map(alone))
}

fn alone(access: &Access) -> Doc {
    let mut out = DocBuilder::new();
    put_access(&mut out, access, true);
    out.finish()
}

fn documents(docs: impl Iterator<Item = Doc>) -> storage::Array {
    let mut array = ArrayBuilder::new();
    docs.for_each(|doc| array.push(ValueRef::Document(doc.raw())));
    array.finish()
}

fn direction(scan: Scan) -> ValueRef<'static> {
    ValueRef::String(if scan == Scan::Forward { "forward" } else { "backward" })
}

fn number(count: u64) -> ValueRef<'static> {
    ValueRef::Int64(i64::try_from(count).unwrap_or(i64::MAX))
}
