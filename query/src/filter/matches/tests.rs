use super::*;
use crate::expr::testing::Surroundings;
use crate::notation::{doc, docs};

/// Which of the documents match, by their places; or the number of the fault.
fn outcome(filter: &str, given: &str) -> String {
    let surroundings = Surroundings::default();
    let cx = surroundings.cx();
    let filter = match Filter::parse(doc(filter).raw(), &cx) {
        Ok(filter) => filter,
        Err(error) => return format!("fault {}", error.number),
    };
    let given = docs(given);
    let places = given.iter().enumerate().filter(|(_, doc)| filter.matches(doc.raw(), &cx).expect("evaluates"));
    places.map(|(place, _)| place.to_string()).collect::<Vec<_>>().join(" ")
}

fn check(given: &str, rows: &[(&str, &str)]) {
    for (filter, expect) in rows {
        assert_eq!(outcome(filter, given), *expect, "{filter} over {given}");
    }
}

#[test]
fn null_and_missing() {
    check(
        "[{}, {a: null}, {a: 1}, {a: [null]}, {a: []}, {a: {}}, {a: undefined}]",
        &[
            ("{a: null}", "0 1 3 6"),
            ("{a: {$ne: null}}", "2 4 5"),
            ("{a: {$exists: true}}", "1 2 3 4 5 6"),
            ("{a: {$exists: false}}", "0"),
            ("{a: {$in: [null]}}", "0 1 3 6"),
            ("{a: {$gte: null}}", "0 1 3 6"),
            ("{a: {$gt: null}}", ""),
            ("{a.b: null}", "0 1 2 5 6"),
        ],
    );
}

#[test]
fn comparison_stays_within_a_class() {
    check(
        "[{a: 5}, {a: 'x'}, {a: [1, 9]}, {a: NaN}, {a: inf}, {a: true}, {a: min}, {}]",
        &[
            ("{a: {$gt: 4}}", "0 2 4"),
            ("{a: {$lte: NaN}}", "3"),
            ("{a: {$lt: NaN}}", ""),
            ("{a: {$lte: inf}}", "0 2 4"),
            ("{a: {$gt: 2, $lt: 8}}", "0 2"),
            ("{a: {$elemMatch: {$gt: 2, $lt: 8}}}", ""),
            ("{a: {$gt: min}}", "0 1 2 3 4 5 7"),
            ("{a: {$gte: min}}", "0 1 2 3 4 5 6 7"),
            ("{a: {$gt: 'a'}}", "1"),
        ],
    );
}

#[test]
fn arrays() {
    check(
        "[{a: [[1, 2], 3]}, {a: [1]}, {a: {'0': 1}}, {a: [{'0': 1}]}, {a: [5, {'0': 1}]}]",
        &[("{a.0: 1}", "1 2 3 4"), ("{a: [1]}", "1"), ("{a: [1, 2]}", "0"), ("{a: {$size: 2}}", "0 4")],
    );
    check(
        "[{a: [[{b: 1}]]}, {a: [{b: [1]}]}, {a: [{b: 2}, {b: 1, c: 3}]}]",
        &[
            ("{a.b: 1}", "1 2"),
            ("{a.0.b: 1}", "0 1"),
            ("{a: {$elemMatch: {b: 1, c: 3}}}", "2"),
            ("{a: {$elemMatch: {}}}", "0 1 2"),
            ("{a: {$all: [{$elemMatch: {b: 1}}, {$elemMatch: {b: 2}}]}}", "2"),
            ("{a: {$not: {$elemMatch: {b: 1}}}}", "0"),
            ("{a: {$all: []}}", ""),
        ],
    );
}

#[test]
fn other_operators() {
    check(
        "[{a: 4.5}, {a: -5}, {a: 'x'}, {a: [4, 'ab']}, {a: /ab/}]",
        &[
            ("{a: {$mod: [4, 0]}}", "0 3"),
            ("{a: {$mod: [4, -1]}}", "1"),
            ("{a: /^a/}", "3"),
            ("{a: /ab/}", "3 4"),
            ("{a: {$regex: 'AB', $options: 'i'}}", "3"),
            ("{a: {$type: 'number'}}", "0 1 3"),
            ("{a: {$type: ['array', 11]}}", "3 4"),
            ("{a: {$in: ['x', /^ab/]}}", "2 3"),
            ("{$nor: [{a: 'x'}, {a: 4.5}]}", "1 3 4"),
            ("{$jsonSchema: {properties: {a: {type: 'string'}}}}", "2"),
            ("{$alwaysFalse: 1}", ""),
        ],
    );
}

#[test]
fn faults_carry_the_numbers_of_mongodb() {
    check(
        "[]",
        &[
            ("{a: {$foo: 1}}", "fault 2"),
            ("{$foo: 1}", "fault 2"),
            ("{a: {$type: []}}", "fault 9"),
            ("{a: {$type: true}}", "fault 14"),
            ("{a: {$bitsAllSet: -1}}", "fault 9"),
            ("{a: {$bitsAllSet: [-1]}}", "fault 2"),
            ("{a: {$regex: '('}}", "fault 51091"),
            ("{a: {$regex: 'a', $options: 'g'}}", "fault 51108"),
            ("{a: {$regex: /a/i, $options: 'm'}}", "fault 51075"),
            ("{a: {$options: 'm', $regex: /a/i}}", "fault 51074"),
            ("{a: {$elemMatch: {$text: {$search: 'x'}}}}", "fault 2"),
            ("{$text: {}}", "fault 4"),
            ("{$jsonSchema: 5}", "fault 14"),
        ],
    );
}

#[test]
fn commands_that_sdks_leak_are_understood() {
    let command =
        |operator: &str, operands: &str| format!("{{operator: '{operator}', operands: {operands}, fieldName: {{}}}}");
    let range = command("and", &format!("[{}, {}]", command("gt", "[1]"), command("lt", "[5]")));
    let either = command("or", &format!("[{}, {}]", command("eq", "[1]"), command("eq", "[9]")));
    let given = "[{a: [{x: 1}]}, {a: [{x: 3}]}, {a: [3]}, {a: [9, 0]}]";
    check(
        given,
        &[
            (&format!("{{a: {{$elemMatch: {{x: {range}}}}}}}"), "1"),
            (&format!("{{a: {{$elemMatch: {range}}}}}"), "2"),
            (&format!("{{a: {{$elemMatch: {either}}}}}"), "3"),
            (&format!("{{a: {{$all: [{}]}}}}", command("elemMatch", &format!("[{{x: {either}}}]"))), "0"),
        ],
    );
}

#[test]
fn the_condition_evaluated_last_gives_the_position() {
    let position = |filter: &str, given: &str| {
        let surroundings = Surroundings::default();
        let cx = surroundings.cx();
        let filter = Filter::parse(doc(filter).raw(), &cx).expect("a filter");
        filter.matched(doc(given).raw(), &cx).expect("evaluates").expect("matches").position
    };
    let given = "{g: [1, 2, 3], h: [1, 2, 3], n: [{k: [0]}, {k: [5, 7]}]}";
    assert_eq!(position("{h: 2, g: 3}", given), Some(1));
    assert_eq!(position("{g: {$mod: [3, 0]}, h: {$gt: 1}}", given), Some(2));
    assert_eq!(position("{$or: [{g: 3}, {h: 1}]}", given), None);
    assert_eq!(position("{$or: [{g: 3}, {g: 2}]}", given), Some(1));
    assert_eq!(position("{n.k: 7}", given), Some(1));
    assert_eq!(position("{n.1.k: 7}", given), Some(1));
    assert_eq!(position("{g.1: 2}", given), None);
    assert_eq!(position("{g: {$ne: 7}}", given), None);
    assert_eq!(position("{n: {$elemMatch: {k: 7}}}", given), Some(1));
}

#[test]
fn hostile_filters_end_with_a_code() {
    let surroundings = Surroundings::default();
    let cx = surroundings.cx();
    let nested = |open: &str, close: &str, depth: usize| format!("{}a: 1{}", open.repeat(depth), close.repeat(depth));
    let deep = format!("{{{}}}", nested("$and: [{", "}]", 85));
    assert!(Filter::parse(doc(&deep).raw(), &cx).is_ok());
    let deeper = format!("{{{}}}", nested("a: {$not: {$elemMatch: {", "}}}", 55));
    assert_eq!(Filter::parse(doc(&deeper).raw(), &cx).map(drop).map_err(|error| error.number), Err(15));
    let wide = format!("{{a: {{$in: [{}]}}}}", (0..100_001).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
    let fault = Filter::parse(doc(&wide).raw(), &cx).map(drop).map_err(|error| error.code);
    assert_eq!(fault, Err(crate::Code::TooLarge));
}
