use super::*;
use crate::expr::testing::Surroundings;
use storage::Doc;

fn doc(json: bson::Document) -> Doc {
    Doc::from_bytes(json.to_vec().expect("BSON")).expect("valid")
}

fn keeps(schema: bson::Document, value: bson::Document) -> bool {
    let surroundings = Surroundings::default();
    let cx = surroundings.cx();
    let schema = doc(schema);
    Schema::parse(ValueRef::Document(schema.raw()), &cx).expect("a schema").holds(doc(value).raw(), &cx).expect("holds")
}

#[test]
fn rules_speak_of_their_own_kind_only() {
    use bson::doc;
    let cases = [
        (doc! {"properties": {"a": {"maxLength": 2}}}, doc! {"a": "中文"}, true),
        (doc! {"properties": {"a": {"maxLength": 2}}}, doc! {"a": "abc"}, false),
        (doc! {"properties": {"a": {"maxLength": 2}}}, doc! {"a": 12345}, true),
        (doc! {"properties": {"a": {"minimum": 5, "exclusiveMinimum": true}}}, doc! {"a": 5}, false),
        (doc! {"properties": {"a": {"multipleOf": 0.1}}}, doc! {"a": 0.3}, true),
        (doc! {"properties": {"a": {"multipleOf": 0.1}}}, doc! {"a": 0.35}, false),
        (doc! {"properties": {"a": {"multipleOf": 100}}}, doc! {"a": 1e300}, true),
        (doc! {"required": ["a", "b"]}, doc! {"a": 1}, false),
        (
            doc! {"properties": {"a": {"items": [{"type": "string"}], "additionalItems": false}}},
            doc! {"a": ["x", 1]},
            false,
        ),
        (doc! {"properties": {"a": {"items": {"type": "number"}}}}, doc! {"a": [1, 2.5]}, true),
        (doc! {"properties": {"a": {"uniqueItems": true}}}, doc! {"a": [{"x": 1, "y": 2}, {"y": 2, "x": 1}]}, false),
        (doc! {"properties": {"a": {"enum": [{"x": 1, "y": 2}]}}}, doc! {"a": {"y": 2, "x": 1}}, true),
        (doc! {"properties": {"a": {}}, "additionalProperties": false}, doc! {"a": 1, "b": 1}, false),
        (doc! {"patternProperties": {"^s": {"type": "string"}}}, doc! {"sa": 1}, false),
        (doc! {"dependencies": {"a": ["b"]}}, doc! {"a": 1}, false),
        (doc! {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, doc! {"a": 1, "b": 1}, false),
        (doc! {"not": {"required": ["a"]}}, doc! {"b": 1}, true),
        (doc! {"type": "string"}, doc! {}, false),
    ];
    for (schema, value, expect) in cases {
        assert_eq!(keeps(schema.clone(), value.clone()), expect, "{schema} on {value}");
    }
}
