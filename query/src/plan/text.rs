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

#[cfg(test)]
mod tests {
    use bson::doc;

    use crate::tests::{database, from_doc, to_doc};
    use crate::{Command, Db, Find, Reply, Session};

    fn given() -> Vec<bson::Document> {
        vec![
            doc! {"_id": 1, "t": "coffee and cake", "n": 1},
            doc! {"_id": 2, "t": "Coffee shop", "n": 2},
            doc! {"_id": 3, "t": ["tea house", "coffee coffee"], "n": 1},
            doc! {"_id": 4, "t": "北京大学的咖啡店", "n": 2},
            doc! {"_id": 5, "u": "coffee"},
        ]
    }

    fn run(db: &Db, session: &Session, find: Find) -> Result<Vec<bson::Document>, i32> {
        match db.run(session, &Command::Find(find)).and_then(crate::Started::wait) {
            Ok(Reply::Rows(rows)) => Ok(rows.iter().map(from_doc).collect()),
            Ok(other) => panic!("rows were asked for: {other:?}"),
            Err(error) => Err(error.number),
        }
    }

    fn find(filter: bson::Document) -> Find {
        Find::new("c", to_doc(&filter))
    }

    fn ids(outcome: Result<Vec<bson::Document>, i32>) -> String {
        match outcome {
            Ok(rows) => {
                rows.iter().map(|row| row.get_i32("_id").expect("an id").to_string()).collect::<Vec<_>>().join(" ")
            }
            Err(number) => format!("fault {number}"),
        }
    }

    #[test]
    fn words_are_found_through_the_index() {
        let (db, session) = database(&given(), &[doc! {"key": {"t": "text"}}]);
        let cases = [
            (doc! {"$text": {"$search": "coffee"}}, "1 2 3"),
            (doc! {"$text": {"$search": "coffee -shop"}}, "1 3"),
            (doc! {"$text": {"$search": "\"coffee shop\""}}, "2"),
            (doc! {"$text": {"$search": "coffee"}, "n": 1}, "1 3"),
            (doc! {"$text": {"$search": "Coffee", "$caseSensitive": true}}, "2"),
            (doc! {"$text": {"$search": "and"}}, ""),
            (doc! {"$text": {"$search": "大学"}}, "4"),
            (doc! {"$text": {"$search": "coff*", "$extended": true}}, "1 2 3"),
            (doc! {"$text": {"$search": "cofee~1", "$extended": true}}, "1 2 3"),
            (doc! {"$text": {"$search": "coff*"}}, ""),
            (doc! {"$or": [{"$text": {"$search": "shop"}}, {"_id": 5}]}, "2 5"),
            (doc! {"$nor": [{"$text": {"$search": "shop"}}]}, "fault 2"),
            (doc! {"$and": [{"$text": {"$search": "shop"}}, {"$text": {"$search": "tea"}}]}, "fault 2"),
            (doc! {"$text": {"$search": "a", "$language": "xx"}}, "fault 2"),
            (doc! {"$text": {}}, "fault 4"),
        ];
        for (filter, expect) in cases {
            assert_eq!(ids(run(&db, &session, find(filter.clone()))), expect, "{filter}");
        }
    }

    #[test]
    fn the_best_come_first_with_their_score() {
        let (db, session) = database(&given(), &[doc! {"key": {"t": "text"}}]);
        let meta = doc! {"s": {"$meta": "textScore"}};
        let best = |filter: bson::Document| Find {
            sort: Some(to_doc(&meta)),
            projection: Some(to_doc(&meta)),
            ..find(filter)
        };
        let rows = run(&db, &session, best(doc! {"$text": {"$search": "coffee shop"}})).expect("answers");
        let scores: Vec<(i32, f64)> =
            rows.iter().map(|row| (row.get_i32("_id").expect("an id"), row.get_f64("s").expect("a score"))).collect();
        assert_eq!(scores, [(2, 1.5), (3, 1.5), (1, 0.75)]);
        let two = Find { limit: Some(1), ..best(doc! {"$text": {"$search": "coffee shop"}}) };
        assert_eq!(ids(run(&db, &session, two)), "2");
        assert_eq!(ids(run(&db, &session, best(doc! {"n": 1}))), "fault 40218");
    }

    #[test]
    fn hits_are_shown_in_their_text() {
        let (db, session) = database(&given(), &[doc! {"key": {"t": "text"}}]);
        let asked = Find {
            projection: Some(to_doc(&doc! {"_id": 1, "h": {"$meta": "searchHighlights"}})),
            ..find(doc! {"$text": {"$search": "咖啡 shop"}})
        };
        let rows = run(&db, &session, asked).expect("answers");
        let texts = |parts: &[(&str, &str)]| -> Vec<bson::Bson> {
            parts.iter().map(|(value, kind)| bson::bson!({"value": *value, "type": *kind})).collect()
        };
        let shop = texts(&[("Coffee ", "text"), ("shop", "hit")]);
        let coffee = texts(&[("北京大学的", "text"), ("咖啡", "hit"), ("店", "text")]);
        assert_eq!(rows[0], doc! {"_id": 2, "h": [{"path": "t", "texts": shop}]});
        assert_eq!(rows[1], doc! {"_id": 4, "h": [{"path": "t", "texts": coffee}]});
    }

    #[test]
    fn without_a_fitting_index_there_is_no_search() {
        let (db, session) = database(&given(), &[]);
        assert_eq!(ids(run(&db, &session, find(doc! {"$text": {"$search": "coffee"}}))), "fault 27");
        let (db, session) = database(&given(), &[doc! {"key": {"n": 1, "t": "text"}}]);
        assert_eq!(ids(run(&db, &session, find(doc! {"$text": {"$search": "coffee"}}))), "fault 291");
        assert_eq!(ids(run(&db, &session, find(doc! {"$text": {"$search": "coffee"}, "n": 2}))), "2");
    }
}
