use super::Projection;
use crate::expr::testing::Surroundings;
use crate::expr::{Late, Reading};
use crate::notation::{doc, text};
use storage::ValueRef;

const DOC: &str = "{_id: 1, a: {b: 1, c: 2, d: {e: 5}}, x: 3, arr: [{b: 1, c: 2}, 7, [{b: 3, z: 1}], {c: 9}], y: null}";

#[derive(Clone, Copy)]
enum Dialect {
    Find(Option<u32>),
    Stage,
    Add,
}

fn outcome(dialect: Dialect, spec: &str) -> String {
    let surroundings = Surroundings::default();
    let cx = surroundings.cx();
    let late = Late::default();
    let spec = doc(spec);
    let (parsed, position) = match dialect {
        Dialect::Find(position) => (Projection::parse(spec.raw(), &cx), position),
        Dialect::Stage => (Projection::of_stage(spec.raw(), &Reading::new(&cx, &late)), None),
        Dialect::Add => (Projection::adding(spec.raw(), &Reading::new(&cx, &late)), None),
    };
    let shown = parsed.and_then(|projection| projection.apply(doc(DOC).raw(), position, &cx));
    shown.map_or_else(|fault| fault.number.to_string(), |shown| text(ValueRef::Document(shown.raw())))
}

fn check(dialect: Dialect, rows: &[(&str, &str)]) {
    for (spec, expect) in rows {
        assert_eq!(outcome(dialect, spec), *expect, "{spec}");
    }
}

#[test]
fn inclusion() {
    check(
        Dialect::Stage,
        &[
            ("{a: 1}", "{_id: 1, a: {b: 1, c: 2, d: {e: 5}}}"),
            ("{_id: 0, 'a.b': 1, 'a.d': true}", "{a: {b: 1, d: {e: 5}}}"),
            ("{a: {b: 1, c: 1}}", "{_id: 1, a: {b: 1, c: 2}}"),
            ("{'arr.b': 1}", "{_id: 1, arr: [{b: 1}, [{b: 3}], {}]}"),
            ("{'x.q': 1, y: 1}", "{_id: 1, y: null}"),
            ("{_id: 1}", "{_id: 1}"),
            ("{'_id.q': 1}", "{}"),
            ("{'arr.0': 1}", "{_id: 1, arr: [{}, [{}], {}]}"),
        ],
    );
}

#[test]
fn exclusion() {
    let rest = "x: 3, arr: [{b: 1, c: 2}, 7, [{b: 3, z: 1}], {c: 9}], y: null}";
    let head = "{_id: 1, a: {b: 1, c: 2, d: {e: 5}}, x: 3, ";
    check(
        Dialect::Stage,
        &[
            ("{a: 0}", &format!("{{_id: 1, {rest}")),
            ("{_id: 0}", &format!("{{a: {{b: 1, c: 2, d: {{e: 5}}}}, {rest}")),
            ("{'a.b': 0, 'a.d': false}", &format!("{{_id: 1, a: {{c: 2}}, {rest}")),
            ("{'arr.b': 0}", &format!("{head}arr: [{{c: 2}}, 7, [{{z: 1}}], {{c: 9}}], y: null}}")),
            ("{_id: 1, a: 0, arr: 0, y: 0}", "{_id: 1, x: 3}"),
        ],
    );
}

#[test]
fn computed_fields() {
    check(
        Dialect::Stage,
        &[
            ("{n: '$x', y: 1}", "{_id: 1, y: null, n: 3}"),
            ("{_id: '$x', x: 1}", "{x: 3, _id: 3}"),
            ("{a: {c: 1, b: {$add: [1, 2]}}}", "{_id: 1, a: {c: 2, b: 3}}"),
            ("{y: 1, 'x.q': '$x'}", "{_id: 1, x: {q: 3}, y: null}"),
            ("{'zz.q': '$none'}", "{_id: 1, zz: {}}"),
            ("{arr: {b: '$x', c: 1}}", "{_id: 1, arr: [{c: 2, b: 3}, {b: 3}, [{b: 3}], {c: 9, b: 3}]}"),
            ("{n: '$none', m: 'text', k: [1, '$x']}", "{_id: 1, m: 'text', k: [1, 3]}"),
        ],
    );
}

#[test]
fn what_does_not_go_together() {
    check(
        Dialect::Stage,
        &[
            ("{}", "51272"),
            ("{a: {}}", "51270"),
            ("{a: 1, x: 0}", "31254"),
            ("{a: 0, x: 1}", "31253"),
            ("{a: 0, n: {$add: [1]}}", "31252"),
            ("{a: 0, n: '$x'}", "31310"),
            ("{'a.b': 1, a: 1}", "31250"),
            ("{a: 1, 'a.b': 1}", "31249"),
            ("{'a.$': 1}", "31324"),
            ("{a: {$foo: 1}}", "31325"),
            ("{a: {$elemMatch: {b: 1}}}", "168"),
            ("{a: {$add: [1], b: 1}}", "16410"),
            ("{'': 1}", "40352"),
            ("{'a.': 1}", "40353"),
        ],
    );
}

#[test]
fn adding() {
    let arr = "arr: [{b: 1, c: 2}, 7, [{b: 3, z: 1}], {c: 9}]";
    check(
        Dialect::Add,
        &[
            (
                "{x: '$y', n: '$a.b'}",
                &format!("{{_id: 1, a: {{b: 1, c: 2, d: {{e: 5}}}}, x: null, {arr}, y: null, n: 1}}"),
            ),
            (
                "{'a.b': '$$REMOVE', 'a.n': 5}",
                &format!("{{_id: 1, a: {{c: 2, d: {{e: 5}}, n: 5}}, x: 3, {arr}, y: null}}"),
            ),
            (
                "{a: 1, arr: {b: 5}, 'y.k': 6}",
                "{_id: 1, a: 1, x: 3, arr: [{b: 5, c: 2}, {b: 5}, [{b: 5, z: 1}], {c: 9, b: 5}], y: {k: 6}}",
            ),
            ("{a: 1, arr: 1, x: '$$REMOVE', 'z.a.b': '$none'}", "{_id: 1, a: 1, arr: 1, y: null, z: {a: {}}}"),
            ("{a: {}}", "40180"),
            ("{a: {$add: 1, b: 1}}", "40181"),
            ("{a: {'b.c': 1}}", "40183"),
            ("{a: 1, 'a.b': 1}", "40176"),
            ("{a: {$foo: 1}}", "168"),
        ],
    );
}

#[test]
fn cuts_of_find() {
    check(
        Dialect::Find(Some(3)),
        &[
            ("{}", DOC),
            ("{a: 0, y: 0, arr: {$slice: -2}}", "{_id: 1, x: 3, arr: [[{b: 3, z: 1}], {c: 9}]}"),
            ("{x: 1, arr: {$slice: [1, 2]}}", "{_id: 1, x: 3, arr: [7, [{b: 3, z: 1}]]}"),
            ("{arr: {$slice: ['$arr', 1]}}", "{_id: 1, arr: [{b: 1, c: 2}]}"),
            ("{arr: {$slice: [1, 0]}}", "28724"),
            ("{arr: {$slice: 'a'}}", "28667"),
            ("{arr: {$elemMatch: {c: 9}}, x: 1}", "{_id: 1, x: 3, arr: [{c: 9}]}"),
            ("{arr: {$elemMatch: {$gt: 5}}}", "{_id: 1, arr: [7]}"),
            ("{arr: {$elemMatch: {c: 99}}}", "{_id: 1}"),
            ("{arr: {$elemMatch: 5}}", "31274"),
            ("{'a.b': {$elemMatch: {c: 1}}}", "31275"),
            ("{'arr.$': 1}", "{_id: 1, arr: [{c: 9}]}"),
            ("{'a.$': 1}", "{_id: 1, a: {b: 1, c: 2, d: {e: 5}}}"),
            ("{'arr.$': 0}", "31395"),
            ("{'arr.$': 'x'}", "31308"),
            ("{'arr.$': {a: 1}}", "31271"),
            ("{'arr.$': 1, 'a.$': 1}", "31276"),
            ("{'arr.$.b': 1}", "31394"),
            ("{s: {$meta: 'textScore'}, _id: 0, a: 0, arr: 0}", "{x: 3, y: null}"),
        ],
    );
    check(Dialect::Find(None), &[("{'arr.$': 1}", "51246")]);
}

#[test]
fn what_is_needed() {
    let surroundings = Surroundings::default();
    let needs = |spec: &str| Projection::parse(doc(spec).raw(), &surroundings.cx()).expect(spec).needs();
    assert_eq!(needs("{a: 1, 'b.c': 1, _id: 0}"), Some(vec!["a".to_owned(), "b.c".to_owned()]));
    assert_eq!(needs("{a: 0}"), None);
    assert_eq!(needs("{n: '$$ROOT'}"), None);
}
