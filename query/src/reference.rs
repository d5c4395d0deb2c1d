//! The pages of the manual that follow from tables in the code: nothing in them is written twice.
//!
//! A test compares them with the files under `docs/`; `make docs` renews those.

use std::fmt::Write;

use crate::expr::{accumulators, operators as expression_operators};
use crate::filter::{FIELD_OPERATORS, SCHEMA_KEYWORDS, TOP_OPERATORS};
use crate::pipeline::STAGES;
use crate::project::PROJECTION_OPERATORS;
use crate::update::UPDATE_OPERATORS;

/// What stands at the head of every such page.
pub const MADE_FROM_CODE: &str = "<!-- Made from the tables in the code by `make docs`; changes here are lost. -->";

/// `docs/operators.md`: every operator of the language.
pub fn operators_page() -> String {
    let mut page = format!(
        "# Operators\n\n{MADE_FROM_CODE}\n\nWaferDB speaks MongoDB's query language with MongoDB's meaning. The column \
         *since* names the MongoDB release that brought an operator; an \
         environment whose limit `language_release_max` is lower refuses it as MongoDB of that release does.\n"
    );
    let helped = |name: &str, help: &str| vec![code(name), help.to_owned()];
    section(&mut page, "In a filter, in place of a field", &["operator", "meaning"], {
        TOP_OPERATORS.iter().map(|row| helped(row.name, row.help))
    });
    section(&mut page, "In a filter, under a field", &["operator", "meaning"], {
        FIELD_OPERATORS.iter().map(|row| helped(row.name, row.help))
    });
    section(&mut page, "In `$jsonSchema`", &["keyword", "meaning"], {
        SCHEMA_KEYWORDS.iter().map(|row| helped(row.name, row.help))
    });
    section(&mut page, "In an update", &["operator", "meaning"], {
        UPDATE_OPERATORS.iter().map(|row| helped(row.name, row.help))
    });
    section(&mut page, "In a projection", &["operator", "meaning"], {
        PROJECTION_OPERATORS.iter().map(|row| helped(row.name, row.help))
    });
    let dated = |name: &str, since: u32, help: &str| vec![code(name), release(since), help.to_owned()];
    let mut expressions: Vec<_> = expression_operators().collect();
    expressions.sort_by_key(|row| row.name);
    section(&mut page, "In an expression", &["operator", "since", "value"], {
        expressions.iter().map(|row| dated(row.name, row.since, row.help))
    });
    section(&mut page, "Stages of a pipeline", &["stage", "since", "meaning"], {
        STAGES.iter().map(|row| dated(row.name, row.since, row.help))
    });
    section(&mut page, "Accumulators of `$group` and its like", &["operator", "since", "value"], {
        accumulators().map(|row| dated(row.name, row.since, row.help))
    });
    section(&mut page, "Where it differs from MongoDB 6.0", &["where", "how"], {
        DEVIATIONS.iter().map(|(place, how)| vec![(*place).to_owned(), (*how).to_owned()])
    });
    page
}

/// What differs from MongoDB on purpose, or because MongoDB itself leaves it open.
const DEVIATIONS: &[(&str, &str)] = &[
    ("`$where`, `$function`, `$accumulator`", "refused: they would run JavaScript"),
    ("`$lookup`, `$unionWith`, `$out`, `$merge`", "reach collections of the same environment only"),
    ("`$collStats`", "`latencyStats` and `queryExecStats` are not kept"),
    ("`$changeStream`", "no stage; changes are watched, or read as a stream of the server"),
    ("`$meta`", "`sortKey`, `recordId` and those of Atlas Search are missing; `searchHighlights` is an addition"),
    ("`$match` behind `$unionWith`", "goes into both sides, so that indexes serve both"),
    ("a field that is removed, then set again by a later stage", "comes last; MongoDB keeps its old place"),
    ("fields of `$setWindowFields`", "in the order in which they are written; MongoDB's order is by chance"),
    (
        "MinKey and MaxKey behind `$group`, `$sortByCount` and `$lookup`",
        "stay what they are; MongoDB 6.0 gives a malformed document in some results",
    ),
    (
        "several faults in one request",
        "the number raised is that of the first one met, which depends on the order in which stages and operands run",
    ),
    (
        "faults of expressions inside of a leading `$group`",
        "have the same numbers as everywhere; MongoDB's second engine has others (4848401 for 2, 5073201 for 28651, …)",
    ),
    ("sets and groups", "come in the order in which they were met first; MongoDB's order is by chance"),
    (
        "`backwards` of a collation",
        "works for languages in Unicode's own order (English, French, German, Italian and their like), else it is ignored",
    ),
    ("hashed indexes", "serve ranges too, as they keep the values"),
];

/// Adds a heading and a table below it.
pub fn section(page: &mut String, title: &str, heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    // Writing into a text cannot fail.
    let _ = write!(page, "\n## {title}\n\n| {} |\n|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| cell.trim().replace('|', "\\|").replace('\n', " ")).collect();
        let _ = writeln!(page, "| {} |", cells.join(" | "));
    }
}

/// A name as the manual shows it.
pub fn code(name: &str) -> String {
    format!("`{name}`")
}

fn release(since: u32) -> String {
    if since <= 30 { String::new() } else { format!("{}.{}", since / 10, since % 10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_in_a_cell_ends_no_column() {
        let mut page = String::new();
        section(&mut page, "T", &["a", "b"], [vec![code("x|y"), " two\nlines ".to_owned()]]);
        assert_eq!(page, "\n## T\n\n| a | b |\n|---|---|\n| `x\\|y` | two lines |\n");
    }

    #[test]
    fn every_operator_is_on_the_page() {
        let page = operators_page();
        for name in ["$and", "$geoIntersects", "bsonType", "$currentDate", "$elemMatch", "$dateTrunc", "$stdDevSamp"] {
            assert!(page.contains(&format!("| `{name}` |")), "{name}");
        }
    }
}
