use super::*;
use crate::expr::testing::Surroundings;
use crate::notation::{doc, docs, text};
use storage::ValueRef;

/// The document after the update, `same` where nothing changed, or the number of the fault.
fn outcome(given: &str, update: &str, filter: &str, array_filters: &str) -> String {
    let surroundings = Surroundings::default();
    let cx = surroundings.cx();
    let given = doc(given);
    let filter = Filter::parse(doc(filter).raw(), &cx).expect("a filter");
    let change = change(update);
    let result = Update::parse(&change, &docs(array_filters), &cx).and_then(|update| {
        let matched = filter.matched(given.raw(), &cx)?.expect("the filter matches");
        update.apply(given.raw(), matched, &cx)
    });
    match result {
        Ok(Some(changed)) => text(ValueRef::Document(changed.doc.raw())),
        Ok(None) => "same".to_owned(),
        Err(error) => error.number.to_string(),
    }
}

fn change(update: &str) -> Change {
    match update {
        _ if update.starts_with('[') => Change::Pipeline(docs(update)),
        _ if update.starts_with("{$") => Change::Operators(doc(update)),
        _ => Change::Replacement(doc(update)),
    }
}

fn check(rows: &[(&str, &str, &str)]) {
    for (given, update, expect) in rows {
        assert_eq!(outcome(given, update, "{}", "[]"), *expect, "{update} on {given}");
    }
}

#[test]
fn fields() {
    check(&[
        ("{a: 1}", "{$set: {a: 1}}", "same"),
        ("{a: 1}", "{$set: {a: 1.0}}", "{a: 1.0}"),
        ("{z: 1}", "{$set: {b: 1, '10': 1, '9': 1, a.y: 1, a.x: 2}}", "{z: 1, 9: 1, 10: 1, a: {x: 2, y: 1}, b: 1}"),
        ("{a: null}", "{$set: {a.b: 1}}", "28"),
        ("{a: 5}", "{$unset: {a.b: 1, c: 1}}", "same"),
        ("{a: 1, b: 2}", "{$unset: {a: 1}}", "{b: 2}"),
        ("{}", "{$set: {a.0: 1}}", "{a: {0: 1}}"),
        ("{_id: 1}", "{$set: {_id: 1.0}}", "66"),
        ("{a: 1}", "{$setOnInsert: {a: 2, b.c: 1}}", "same"),
        ("{a: 1}", "{$set: {$b: 1}}", "52"),
        ("{a: 1}", "{$set: {a..b: 1}}", "56"),
        ("{a: 1}", "{$set: {a: 1}, $inc: {a.b: 1}}", "40"),
        ("{a: 1}", "{$frob: {a: 1}}", "9"),
        ("{a: 1}", "{$set: 5}", "9"),
    ]);
}

#[test]
fn pipelines() {
    check(&[
        ("{_id: 1, a: 1}", "[{$set: {b: '$a'}}, {$unset: 'a'}]", "{_id: 1, b: 1}"),
        ("{_id: 1, a: 1}", "[]", "same"),
        ("{_id: 1, a: 1}", "[{$set: {a: 1}}]", "same"),
        ("{_id: 1, a: 1}", "[{$set: {a: 1.0}}]", "{_id: 1, a: 1.0}"),
        ("{_id: 1, a: 1}", "[{$unset: '_id'}]", "{_id: 1, a: 1}"),
        ("{_id: 1, a: 1}", "[{$replaceWith: {x: '$a'}}]", "{_id: 1, x: 1}"),
        ("{_id: 1, a: 1}", "[{$replaceWith: {x: 1, _id: 1.0}}]", "{_id: 1.0, x: 1}"),
        ("{_id: 1, a: 1}", "[{$replaceWith: {$literal: {$x: 1}}}]", "{_id: 1, $x: 1}"),
        ("{_id: 1, a: 1}", "[{$replaceWith: '$a'}]", "40228"),
        ("{_id: 1}", "[{$set: {_id: 2}}]", "66"),
        ("{_id: 1}", "[{$set: {_id: [1]}}]", "53"),
        ("{_id: 1}", "[{$match: {}}]", "72"),
        ("{_id: 1}", "[{$set: {$b: 1}}]", "16410"),
    ]);
    assert_eq!(outcome("{_id: 1}", "[{$set: {a: 1}}]", "{}", "[{x: 1}]"), "9");
}

#[test]
fn numbers() {
    check(&[
        ("{a: 2147483647}", "{$inc: {a: 1}}", "{a: 2147483648L}"),
        ("{a: 9223372036854775807L}", "{$inc: {a: 1}}", "2"),
        ("{}", "{$inc: {a: 5L}}", "{a: 5L}"),
        ("{}", "{$mul: {a: -1.5}}", "{a: -0.0}"),
        ("{a: 1}", "{$inc: {a: 1.10m}}", "{a: 2.10m}"),
        ("{a: NaN}", "{$inc: {a: 1}}", "{a: NaN}"),
        ("{a: null}", "{$inc: {a: 1}}", "14"),
        ("{a: 5}", "{$inc: {a: 0}}", "same"),
        ("{a: 5}", "{$min: {a: null}}", "{a: null}"),
        ("{a: 5}", "{$max: {a: 5.0}}", "same"),
        ("{a: 5}", "{$bit: {a: {and: 4, or: 2}}}", "{a: 6}"),
        ("{a: 5}", "{$bit: {a: {or: 2L}}}", "{a: 7L}"),
        ("{a: 1.5}", "{$bit: {a: {or: 2}}}", "2"),
    ]);
}

#[test]
fn arrays() {
    check(&[
        ("{a: [1]}", "{$set: {a.3: 9}}", "{a: [1, null, null, 9]}"),
        ("{a: [1]}", "{$set: {a.1500002: 9}}", "34"),
        ("{a: [1]}", "{$set: {a.x: 9}}", "28"),
        ("{a: [1, 2]}", "{$set: {a.01: 9}}", "{a: [1, 9]}"),
        ("{a: [1, 2, 3]}", "{$unset: {a.1: 1}}", "{a: [1, null, 3]}"),
        ("{a: [5, 3]}", "{$push: {a: {$slice: 3, $sort: 1, $each: [4, 1]}}}", "{a: [1, 3, 4]}"),
        ("{a: [1, 2]}", "{$push: {a: {$each: [9], $position: -1}}}", "{a: [1, 9, 2]}"),
        ("{a: [1, 2]}", "{$push: {a: {$each: [], $slice: -1}}}", "{a: [2]}"),
        ("{a: [{x: 2}, {x: 1}]}", "{$push: {a: {$each: [], $sort: {x: 1}}}}", "{a: [{x: 1}, {x: 2}]}"),
        ("{a: [1]}", "{$push: {a: {$slice: 1}}}", "{a: [1, {$slice: 1}]}"),
        ("{a: 5}", "{$push: {a: 1}}", "2"),
        ("{a: [1]}", "{$addToSet: {a: {$each: [1.0, 2, 2, [1]]}}}", "{a: [1, 2, [1]]}"),
        ("{a: [1]}", "{$addToSet: {a: {each: [2, 3]}}}", "{a: [1, 2, 3]}"),
        ("{a: [1, 2]}", "{$pop: {a: -1}}", "{a: [2]}"),
        ("{a: [1, 2]}", "{$pop: {a: 2}}", "9"),
        ("{a: [{x: 1, y: 2}, {x: 2}, 5]}", "{$pull: {a: {x: 1}}}", "{a: [{x: 2}, 5]}"),
        ("{a: [1, 5, 9]}", "{$pull: {a: {$gte: 5}}}", "{a: [1]}"),
        ("{a: [[1, 2], 3]}", "{$pull: {a: {$in: [2]}}}", "{a: [3]}"),
        ("{a: 5}", "{$pull: {a: 5}}", "2"),
        ("{a: [1, 2, 1]}", "{$pullAll: {a: [1]}}", "{a: [2]}"),
    ]);
}

#[test]
fn moving_fields() {
    check(&[
        ("{a: 1, b: 2, c: 3}", "{$rename: {a: 'c'}}", "{b: 2, c: 1}"),
        ("{a: {b: 1}}", "{$rename: {a.b: 'c.d'}}", "{a: {}, c: {d: 1}}"),
        ("{a: 1}", "{$rename: {q: 'a'}}", "same"),
        ("{a: 1}", "{$rename: {a: 'a'}}", "2"),
        ("{a: [1]}", "{$rename: {a.0: 'b'}}", "2"),
        ("{a: [1]}", "{$rename: {a.x: 'b'}}", "28"),
        ("{a: 1, b: [1]}", "{$rename: {a: 'b.0'}}", "2"),
        ("{a: 1, b: 1}", "{$rename: {a: 'b.c'}}", "28"),
        ("{_id: 1, a: 1}", "{$rename: {a: '_id'}}", "66"),
        ("{a: 1}", "{$rename: {a: 'b', b: 'c'}}", "40"),
    ]);
}

#[test]
fn positions() {
    let rows = [
        ("{a: [1, 2, 3]}", "{$set: {a.$: 9}}", "{a: {$gt: 1}}", "[]", "{a: [1, 9, 3]}"),
        ("{a: [1]}", "{$set: {a.$: 9}}", "{}", "[]", "2"),
        ("{a: 5}", "{$set: {a.$: 9}}", "{a: 5}", "[]", "2"),
        ("{a: [{x: 1}]}", "{$set: {a.0.x: 1, a.$.y: 2}}", "{a.x: 1}", "[]", "{a: [{x: 1, y: 2}]}"),
        ("{a: [{x: 1}]}", "{$set: {a.0.x: 1, a.$.x: 2}}", "{a.x: 1}", "[]", "40"),
        ("{a: [1, 2]}", "{$inc: {'a.$[]': 1}}", "{}", "[]", "{a: [2, 3]}"),
        ("{a: 5}", "{$inc: {'a.$[]': 1}}", "{}", "[]", "2"),
        ("{}", "{$unset: {'a.b.$[].c': 1}}", "{}", "[]", "2"),
        ("{a: [1, 5, 9]}", "{$set: {'a.$[big]': 0}}", "{}", "[{big: {$gt: 4}}]", "{a: [1, 0, 0]}"),
        (
            "{a: [{p: 1}, {p: 2}]}",
            "{$set: {'a.$[].q': 9, 'a.$[y].r': 8}}",
            "{}",
            "[{y.p: 2}]",
            "{a: [{p: 1, q: 9}, {p: 2, q: 9, r: 8}]}",
        ),
        ("{a: [1, 2]}", "{$set: {'a.$[x]': 1, 'a.$[y]': 2}}", "{}", "[{x: 1}, {y: 1}]", "40"),
        ("{a: [1]}", "{$set: {'a.$[x]': 1}}", "{}", "[]", "2"),
        ("{a: [1]}", "{$set: {'a.$[x]': 1}}", "{}", "[{x: 1}, {y: 1}]", "9"),
        ("{a: [1]}", "{$set: {'a.$[x]': 1}}", "{}", "[{x: 1}, {x: 2}]", "9"),
        ("{a: [1]}", "{$set: {'a.$[x]': 1}}", "{}", "[{X: 1}]", "2"),
        ("{a: [1]}", "{$set: {'a.$[x]': 1}}", "{}", "[{}]", "9"),
    ];
    for (given, update, filter, filters, expect) in rows {
        assert_eq!(outcome(given, update, filter, filters), expect, "{update} on {given}");
    }
}

#[test]
fn replacements_keep_the_id() {
    check(&[
        ("{_id: 1, a: 1}", "{b: 2}", "{_id: 1, b: 2}"),
        ("{_id: 1, a: 1}", "{a: 1}", "same"),
        ("{_id: 1}", "{b: 2, _id: 1.0}", "{_id: 1.0, b: 2}"),
        ("{_id: 1}", "{_id: 2}", "66"),
        ("{_id: 1}", "{a: 1, $b: 1}", "52"),
        ("{_id: {a: 1}}", "{_id: {$a: 1}}", "52"),
    ]);
}

#[test]
fn upserts_take_the_equalities_of_the_filter() {
    let rows = [
        ("{b: 1, a: {$eq: 2}}", "{$set: {z: 1}}", "{_id: 'new', a: 2, b: 1, z: 1}"),
        ("{a.b: 1, a.c: 2}", "{$inc: {a.b: 2}}", "{_id: 'new', a: {b: 3, c: 2}}"),
        ("{a: {$in: [1]}, b: {$in: [1, 2]}, c: {$gt: 1}}", "{$set: {z: 1}}", "{_id: 'new', a: 1, z: 1}"),
        ("{$or: [{a: 1}]}", "{$setOnInsert: {z: 1}}", "{_id: 'new', a: 1, z: 1}"),
        ("{$or: [{a: 1}, {b: 1}]}", "{$set: {z: 1}}", "{_id: 'new', z: 1}"),
        ("{$and: [{a: 1}, {a: 1}]}", "{$set: {z: 1}}", "54"),
        ("{a: 1, a.b: 1}", "{$set: {z: 1}}", "54"),
        ("{$expr: true}", "{$set: {z: 1}}", "224"),
        ("{_id: 1}", "{$set: {_id: 2}}", "66"),
        ("{_id: [1]}", "{$set: {z: 1}}", "53"),
        ("{_id: 5, a: 1}", "{b: 1}", "{_id: 5, b: 1}"),
        ("{_id: 5}", "{b: 1, _id: 6}", "66"),
        ("{_id.x: 5}", "{b: 1}", "111"),
        ("{}", "{$set: {$secret: 1}}", "{_id: 'new', $secret: 1}"),
    ];
    let surroundings = Surroundings::default();
    let cx = surroundings.cx();
    for (filter, update, expect) in rows {
        let parsed = Filter::parse(doc(filter).raw(), &cx).expect("a filter");
        let result = Update::parse(&change(update), &[], &cx)
            .and_then(|update| update.upsert(&parsed, || Value::from("new"), &cx))
            .map_or_else(|error| error.number.to_string(), |doc| text(ValueRef::Document(doc.raw())));
        assert_eq!(result, expect, "{filter} {update}");
    }
}

#[test]
fn changed_paths_are_told() {
    let surroundings = Surroundings::default();
    let cx = surroundings.cx();
    let update = Update::parse(&change("{$set: {a.b: 1, c.1: 2}, $unset: {d: 1}, $rename: {e: 'f'}}"), &[], &cx);
    let given = doc("{a: {b: 0}, c: [1, 1], d: 1, e: 1}");
    let changed =
        update.expect("an update").apply(given.raw(), Matched::default(), &cx).expect("applies").expect("changes");
    let paths: Vec<_> = changed.paths.iter().map(|path| (path.path.as_str(), path.removed)).collect();
    assert_eq!(paths, [("a.b", false), ("c.1", false), ("d", true), ("e", true), ("f", false)]);
}

#[test]
fn growth_is_bounded() {
    let surroundings = Surroundings::default();
    let cx = surroundings.cx();
    let deep = format!("{{$set: {{{}: 1}}}}", vec!["a"; 181].join("."));
    let update = Update::parse(&change(&deep), &[], &cx).expect("an update");
    let result = update.apply(doc("{}").raw(), Matched::default(), &cx).map(|_| ()).map_err(|error| error.number);
    assert_eq!(result, Err(15));
}
