//! Values in, verdicts out: tables measured on MongoDB 6.0.5, and properties over random geometries.

use super::*;
use crate::doc::{ArrayBuilder, DocBuilder};
use crate::value::Value;
use proptest::prelude::*;
use std::iter::Peekable;
use std::str::Chars;

/// Reads a value from JSON with bare names: `{type: "Point", coordinates: [1, 2]}`.
fn value(text: &str) -> Value {
    let mut chars = text.chars().peekable();
    let value = read(&mut chars);
    assert_eq!(chars.next(), None, "rest of {text}");
    value
}

fn read(chars: &mut Peekable<Chars<'_>>) -> Value {
    while chars.next_if(|next| next.is_whitespace()).is_some() {}
    let value = match chars.next().unwrap() {
        '[' => {
            let mut array = ArrayBuilder::new();
            while chars.next_if_eq(&']').is_none() {
                array.push(read(chars).as_ref());
                chars.next_if_eq(&',');
            }
            Value::Array(array.finish())
        }
        '{' => {
            let mut object = DocBuilder::new();
            while chars.next_if_eq(&'}').is_none() {
                let name: String = std::iter::from_fn(|| chars.next_if(|next| *next != ':')).collect();
                chars.next();
                object.put(name.trim(), read(chars).as_ref());
                chars.next_if_eq(&',');
            }
            Value::Document(object.finish())
        }
        '"' => {
            let text = std::iter::from_fn(|| chars.next_if(|next| *next != '"')).collect();
            chars.next();
            Value::String(text)
        }
        first => {
            let rest = std::iter::from_fn(|| chars.next_if(|next| next.is_alphanumeric() || "+-.".contains(*next)));
            let word: String = std::iter::once(first).chain(rest).collect();
            match word.as_str() {
                "null" => Value::Null,
                "true" => Value::Bool(true),
                word => word.parse().map_or_else(|_| Value::Double(word.parse().unwrap()), Value::Int32),
            }
        }
    };
    while chars.next_if(|next| next.is_whitespace()).is_some() {}
    value
}

fn condition(text: &str) -> Result<Near, GeoFault> {
    let value = value(text);
    Near::parse(value.as_ref().as_doc().unwrap())
}

fn shape(operator: &str, argument: &str) -> Result<Shape, GeoFault> {
    let argument = value(argument);
    match operator {
        "within" => Shape::within(argument.as_ref()),
        "intersects" => Shape::intersects(argument.as_ref()),
        other => panic!("{other}"),
    }
}

fn code<T>(result: Result<T, GeoFault>) -> i32 {
    result.map_or_else(|fault| fault.code(), |_| 0)
}

fn reaches(cells: &[u64], ranges: &[(u64, u64)]) -> bool {
    cells.iter().any(|cell| ranges.iter().any(|(low, high)| (low..=high).contains(&cell)))
}

const STRICT_WINDING: &str = r#"{type: "name", properties: {name: "urn:x-mongodb:crs:strictwinding:EPSG:4326"}}"#;

#[test]
fn values_are_stored_or_refused() {
    let strict = format!(r#"{{type: "Polygon", coordinates: [[[0,0],[1,0],[1,1],[0,0]]], crs: {STRICT_WINDING}}}"#);
    // (value, number for a 2dsphere index, number for a 2d index)
    let cases = [
        ("[1, 2]", 0, 0),
        ("[1, 2, \"x\"]", 0, 0),
        ("{lng: 1, lat: 2}", 0, 0),
        ("{lng: 1, lat: 2, z: \"x\"}", 0, 0),
        ("[[1, 2], [3, 4]]", 16755, 0),
        ("{a: [1, 2], b: [3, 4]}", 16755, 0),
        ("[200, 3]", 16755, 13027),
        ("[180, 90]", 0, 0),
        ("[180.0000001, 1]", 16755, 13027),
        ("[NaN, 1]", 16755, 13027),
        ("[inf, 1]", 16755, 13027),
        ("[1]", 16755, 13068),
        ("{x: 1}", 16755, 13068),
        ("[1, \"a\"]", 16755, 13026),
        ("[\"a\"]", 16755, 16804),
        ("[[1, 2], \"x\"]", 16755, 16804),
        ("[[1, 2], []]", 16755, 0),
        ("\"x\"", 16755, 0),
        (r#"{type: "Point", coordinates: [1, 2]}"#, 0, 16804),
        (r#"{type: "Point", coordinates: {a: 1, b: 2}}"#, 0, 16804),
        (r#"{type: "Pint", coordinates: [1, 2]}"#, 16755, 16804),
        (r#"[{type: "Point", coordinates: [1, 2]}]"#, 16755, 13026),
        (r#"{type: "GeometryCollection", geometries: [{type: "GeometryCollection", geometries: []}]}"#, 16755, 16804),
        (&strict, 16755, 16804),
    ];
    for (text, sphere, grid) in cases {
        let value = value(text);
        assert_eq!(code(sphere_cells(value.as_ref())), sphere, "2dsphere {text}");
        assert_eq!(code(Grid::default().cells(value.as_ref())), grid, "2d {text}");
    }
    for text in ["null", "[]", "{}"] {
        assert!(is_absent(value(text).as_ref()), "{text}");
        assert_eq!(Grid::default().cells(value(text).as_ref()), Ok(vec![]), "{text}");
    }
    assert!(!is_absent(value("[1]").as_ref()));
}

#[test]
fn polygons_are_checked() {
    let faults = [
        ("[]", GeoFault::PolygonEmpty),
        ("[[]]", GeoFault::RingEmpty),
        ("[1]", GeoFault::CoordinatesNotArray("Polygon")),
        ("[[[0,0],[1,0],[1,1]]]", GeoFault::RingOpen),
        ("[[[0,0],[1,0],[1,0],[0,0]]]", GeoFault::RingTooShort),
        ("[[[0,0],[4,0],[2,2],[2,1],[2,2],[0,4],[0,0]]]", GeoFault::RingTouchesItself),
        ("[[[0,0],[4,4],[4,0],[0,4],[0,0]]]", GeoFault::RingCrossesItself),
        ("[[[0,0],[4,0],[4,4],[0,4],[0,0]],[[5,5],[6,5],[6,6],[5,5]]]", GeoFault::HoleOutside),
        ("[[[0,0],[4,0],[4,4],[0,4],[0,0]],[[0,0],[4,0],[4,4],[0,4],[0,0]]]", GeoFault::RingsShareEdge),
        (
            "[[[0,0],[9,0],[9,9],[0,9],[0,0]],[[1,1],[5,1],[5,5],[1,5],[1,1]],[[3,3],[8,3],[8,8],[3,8],[3,3]]]",
            GeoFault::RingsCross,
        ),
        (
            "[[[0,0],[9,0],[9,9],[0,9],[0,0]],[[1,1],[5,1],[5,5],[1,5],[1,1]],[[2,2],[3,2],[3,3],[2,3],[2,2]]]",
            GeoFault::HolesNested,
        ),
        ("[[[0,0],[9,0],[9,9],[0,9],[0,0]],[[0,0],[5,3],[9,9],[3,5],[0,0]]]", GeoFault::HoleSharesVertices),
        ("[[[0,0],[1,0],[1,91],[0,0]]]", GeoFault::OutOfBounds { lng: 1.0, lat: 91.0 }),
    ];
    for (rings, fault) in faults {
        let text = format!("{{type: \"Polygon\", coordinates: {rings}}}");
        assert_eq!(Geometry::parse(value(&text).as_ref()).err(), Some(fault), "{rings}");
    }
    let hole_at_corner = "[[[0,0],[9,0],[9,9],[0,9],[0,0]],[[0,0],[5,3],[3,5],[0,0]]]";
    let good = ["[[[0,0],[1,0],[1,1],[0,0]]]", "[[[0,0],[0,0],[1,1],[1,0],[0,0]]]", hole_at_corner];
    for rings in good {
        let text = format!("{{type: \"Polygon\", coordinates: {rings}}}");
        assert_eq!(code(Geometry::parse(value(&text).as_ref())), 0, "{rings}");
    }
}

#[test]
fn arguments_of_shapes() {
    let cases = [
        ("within", "{$box: [[0, 0], [1, 1], [2, 2]]}", 0),
        ("within", "{$box: {a: [0, 0], b: [1, 1]}}", 0),
        ("within", "{$box: [[0, 0], [1, 1, 1]]}", 2),
        ("within", "{$box: [[0, 0]]}", 2),
        ("within", "{$center: [[0, 0], inf]}", 0),
        ("within", "{$center: [[0, 0], NaN]}", 2),
        ("within", "{$centerSphere: [[181, 0], 0.1]}", 2),
        ("within", "{$centerSphere: [[0, 0], -1]}", 2),
        ("within", "{$centerSphere: [[0, 0], 1, 2]}", 2),
        ("within", "{$centerSphere: [[0, 0]]}", 2),
        ("within", "{$polygon: [[0, 0], [1, 1]]}", 2),
        ("within", "{$polygon: {a: [0, 0], b: [1, 1], c: [0, 1]}}", 0),
        ("within", "{$geometry: {type: \"Point\", coordinates: [0, 0]}}", 2),
        ("within", "{$geometry: 1}", 2),
        ("within", "{$circle: [[0, 0], 1]}", 2),
        ("within", "{$centerSphere: [[0, 0], 1], $box: [[0, 0], [1, 1]]}", 0),
        ("within", "{$uniqueDocs: 1}", 2),
        ("within", "{}", 2),
        ("within", "[]", 2),
        ("intersects", "{$box: [[0, 0], [1, 1]]}", 2),
        ("intersects", "{$centerSphere: [[0, 0], 0.1]}", 0),
        ("intersects", "{$geometry: [0, 0]}", 0),
        ("intersects", "{$geometry: [0, 0, 0]}", 2),
        ("intersects", "{$geometry: [200, 0]}", 2),
        ("intersects", "{$geometry: {type: \"Point\", coordinates: [0, 0, 7]}}", 0),
        ("intersects", "{$geometry: {type: \"Point\", coordinates: [0, -inf]}}", 2),
    ];
    for (operator, argument, number) in cases {
        assert_eq!(code(shape(operator, argument)), number, "{operator} {argument}");
    }
}

#[test]
fn arguments_of_near() {
    const POINT: &str = "{type: \"Point\", coordinates: [0, 0]}";
    let geometry = |rest: &str| format!("{{$near: {{$geometry: {POINT}{rest}}}}}");
    let beside = |rest: &str| format!("{{$nearSphere: [0, 0]{rest}}}");
    let cases = [
        (geometry(""), Ok(Metric::Meters)),
        (geometry(", $minDistance: 0, $maxDistance: 10"), Ok(Metric::Meters)),
        (geometry(", $minDistance: -1"), Err(2)),
        (geometry(", $maxDistance: NaN"), Err(2)),
        (geometry(", $maxDistance: inf"), Err(2)),
        (geometry(", $maxDistance: true"), Err(2)),
        (geometry(", x: 1"), Err(2)),
        (format!("{{$near: {{$geometry: {POINT}}}, $maxDistance: 10}}"), Err(2)),
        (format!("{{$near: {POINT}, $maxDistance: 10}}"), Ok(Metric::Meters)),
        (format!("{{$nearSphere: {POINT}}}"), Ok(Metric::Meters)),
        ("{$near: {type: \"Pint\", coordinates: [0, 0]}}".to_owned(), Ok(Metric::Meters)),
        ("{$near: {$geometry: [0, 0]}}".to_owned(), Err(2)),
        ("{$near: {$geometry: 1}}".to_owned(), Err(2)),
        ("{$near: {}}".to_owned(), Err(2)),
        ("{$near: [0]}".to_owned(), Err(2)),
        ("{$near: [0, 0]}".to_owned(), Ok(Metric::Plane)),
        ("{$near: {x: 0, y: 0}}".to_owned(), Ok(Metric::Plane)),
        ("{$near: [0, 0, 10]}".to_owned(), Ok(Metric::Plane)),
        ("{$near: [0, 0, -1]}".to_owned(), Err(18522)),
        ("{$near: [0, 0, \"x\"]}".to_owned(), Err(2)),
        ("{$near: [200, 0]}".to_owned(), Ok(Metric::Plane)),
        ("{$nearSphere: [200, 0]}".to_owned(), Err(2)),
        ("{$nearSphere: {$maxDistance: 1}}".to_owned(), Err(2)),
        ("{$near: 1}".to_owned(), Err(2)),
        (beside(""), Ok(Metric::Radians)),
        (beside(", $maxDistance: inf"), Ok(Metric::Radians)),
        (beside(", $minDistance: \"a\""), Err(16893)),
        (beside(", $minDistance: -inf"), Err(16894)),
        (beside(", $maxDistance: \"a\""), Err(16895)),
        (beside(", $maxDistance: NaN"), Err(16896)),
        (beside(", $gt: 1"), Err(34413)),
    ];
    for (text, expect) in cases {
        let result = condition(&text).map(|near| near.metric()).map_err(|fault| fault.code());
        assert_eq!(result, expect, "{text}");
    }
}

/// A shape and values, those it matches marked with `true`.
fn check(operator: &str, argument: &str, values: &[(&str, bool)]) {
    let shape = shape(operator, argument).unwrap();
    for (text, expect) in values {
        let value = value(text);
        assert_eq!(shape.matches(value.as_ref()), Ok(*expect), "{operator} {argument} {text}");
    }
}

#[test]
fn shapes_in_the_plane() {
    check(
        "within",
        "{$box: [[10, 0], [0, 10]]}",
        &[
            ("[5, 5]", true),
            ("[0, 10]", true),
            ("[10.0000001, 5]", false),
            (r#"{type: "Point", coordinates: [5, 5]}"#, true),
            (r#"{type: "MultiPoint", coordinates: [[5, 5]]}"#, false),
            ("\"x\"", false),
            ("[5]", false),
        ],
    );
    check(
        "within",
        "{$center: [[0, 0], 5]}",
        &[("[4.9999999999, 0]", true), ("[5, 0]", true), ("[5.0000000001, 0]", false), ("[3, 4]", true)],
    );
    check("within", "{$center: [[52, 0], 0.0001]}", &[("[51.9999, 0]", true)]);
    check(
        "within",
        "{$polygon: [[0, 0], [0, 0], [5, 5], [10, 0]]}",
        &[("[4, 2]", true), ("[5, 0]", true), ("[20, 20]", false), ("[5, 5]", true)],
    );
    check("within", "{$polygon: [[0, 0], [4, 0], [4, 4], [2, 1], [0, 4]]}", &[("[2, 3]", false), ("[1, 1]", true)]);
}

#[test]
fn shapes_on_the_globe() {
    const FAR: &str = r#"{type: "Point", coordinates: [50, 50]}"#;
    let square = "{$geometry: {type: \"Polygon\", coordinates: [[[0,0],[10,0],[10,10],[0,10],[0,0]]]}}";
    check(
        "within",
        square,
        &[
            ("[5, 5]", true),
            ("[10, 5]", true),    // on the edge
            ("[0, 0]", true),     // on a corner
            ("[5, 10]", true),    // the edge bulges north of the parallel
            ("[5, 10.03]", true), // … to 10.037°
            ("[5, 10.05]", false),
            ("[200, 5]", false),
            (r#"{type: "LineString", coordinates: [[1, 1], [2, 2]]}"#, true),
            (r#"{type: "LineString", coordinates: [[1, 1], [20, 2]]}"#, false),
            (r#"{type: "LineString", coordinates: [[1, 1], [20, 2], [1, 1]]}"#, false), // out and back
            (r#"{type: "MultiPoint", coordinates: [[1, 1], [2, 2]]}"#, true),
            (r#"{type: "MultiPoint", coordinates: [[1, 1], [20, 2]]}"#, false),
            (r#"{type: "Polygon", coordinates: [[[0,0],[10,0],[10,10],[0,10],[0,0]]]}"#, true),
            (r#"{type: "Polygon", coordinates: [[[1,1],[11,1],[5,5],[1,1]]]}"#, false),
        ],
    );
    check(
        "intersects",
        square,
        &[
            ("[10, 5]", true),
            (r#"{type: "LineString", coordinates: [[-5, 5], [15, 5]]}"#, true),
            (r#"{type: "Polygon", coordinates: [[[-1,-1],[20,-1],[20,20],[-1,20],[-1,-1]]]}"#, true),
            (r#"{type: "Polygon", coordinates: [[[20,20],[30,20],[30,30],[20,20]]]}"#, false),
            (
                &format!(
                    r#"{{type: "GeometryCollection", geometries: [{FAR}, {{type: "Point", coordinates: [5, 5]}}]}}"#
                ),
                true,
            ),
            (&format!(r#"{{type: "GeometryCollection", geometries: [{FAR}]}}"#), false),
        ],
    );
    let rings = "[[0,0],[10,0],[10,10],[0,10],[0,0]],[[4,4],[6,4],[6,6],[4,6],[4,4]]";
    let with_hole = format!(r#"{{$geometry: {{type: "Polygon", coordinates: [{rings}]}}}}"#);
    check(
        "within",
        &with_hole,
        &[
            ("[5, 5]", false),
            ("[2, 5]", true),
            ("[4, 4]", true),
            (r#"{type: "LineString", coordinates: [[2, 5], [8, 5]]}"#, false),
            (r#"{type: "Polygon", coordinates: [[[1,1],[9,1],[9,9],[1,9],[1,1]]]}"#, false),
            (r#"{type: "Polygon", coordinates: [[[1,1],[3,1],[3,3],[1,1]]]}"#, true),
        ],
    );
    // A line through 90° east ends beside its own leaf there, in MongoDB as here.
    check(
        "intersects",
        "{$geometry: {type: \"Point\", coordinates: [90, 0]}}",
        &[(r#"{type: "LineString", coordinates: [[89, 0], [90, 0]]}"#, false), ("[90, 0]", true)],
    );
}

#[test]
fn circles_on_the_globe() {
    check(
        "within",
        "{$centerSphere: [[0, 60], 0.07848061528802386]}",
        &[("[0, 60]", true), ("[8, 60]", true), ("[0, 55]", false)],
    );
    check("within", "{$centerSphere: [[0, 0], 0]}", &[("[0, 0]", true), ("[0.001, 0]", false)]);
    check(
        "within",
        "{$centerSphere: [[0, 0], inf]}",
        &[("[180, 0]", true), (r#"{type: "LineString", coordinates: [[0,0],[5,5]]}"#, true)],
    );
    check(
        "within",
        "{$centerSphere: [[0, 0], 1.8231602045492863]}",
        &[
            (r#"{type: "LineString", coordinates: [[0,0],[100,5]]}"#, true),
            (r#"{type: "LineString", coordinates: [[0,0],[105,5]]}"#, false),
            // All corners are inside, edges and middle are not.
            (r#"{type: "Polygon", coordinates: [[[130,-73],[117,-73],[117,70],[130,70],[130,-73]]]}"#, false),
        ],
    );
    check("intersects", "{$centerSphere: [[0, 0], 1]}", &[("[0, 0]", false)]);
}

#[test]
fn strict_winding_takes_the_left_side() {
    let polygon =
        |ring: &str| format!(r#"{{$geometry: {{type: "Polygon", coordinates: [{ring}], crs: {STRICT_WINDING}}}}}"#);
    check("within", &polygon("[[0,0],[1,0],[1,1],[0,1],[0,0]]"), &[("[0.5, 0.5]", true), ("[50, 50]", false)]);
    let rest = polygon("[[0,0],[0,1],[1,1],[1,0],[0,0]]");
    check(
        "within",
        &rest,
        &[
            ("[0.5, 0.5]", false),
            ("[50, 50]", true),
            (r#"{type: "LineString", coordinates: [[50, 50], [60, 60]]}"#, true),
            (r#"{type: "LineString", coordinates: [[50, 50], [0.5, 0.5]]}"#, false),
            (r#"{type: "Polygon", coordinates: [[[50,50],[60,50],[60,60],[50,50]]]}"#, true),
        ],
    );
    check(
        "intersects",
        &rest,
        &[("[50, 50]", true), (r#"{type: "LineString", coordinates: [[0.4, 0.4], [0.6, 0.6]]}"#, false)],
    );
}

#[test]
fn distances_are_those_of_mongodb() {
    // (condition, value, distance measured by $geoNear)
    let cases = [
        ("{$near: {type: \"Point\", coordinates: [0, 0]}}", "[1, 0]", Some(111_318.845_021_450_34)),
        ("{$near: {type: \"Point\", coordinates: [-180, -90]}}", "[0, 0]", Some(10_018_696.051_930_532)),
        ("{$nearSphere: [0, 0]}", "[3, 0]", Some(0.052_359_877_559_829_9)),
        ("{$near: [0, 0]}", "[3, 4]", Some(5.0)),
        ("{$near: [0, 0], $maxDistance: 5}", "[3, 4]", Some(5.0)),
        ("{$near: [0, 0], $maxDistance: 4.9}", "[3, 4]", None),
        ("{$near: [0, 0], $minDistance: 2.5}", "[[10, 0], [1, 0], [3, 0]]", None),
        ("{$near: [0, 0]}", "[[10, 0], [1, 0], [3, 0]]", Some(1.0)),
        ("{$near: [0, 0]}", r#"{type: "LineString", coordinates: [[0, 0], [1, 1]]}"#, None),
        ("{$near: {type: \"Point\", coordinates: [2, 2]}}", "[1, 1]", Some(157_400.647_948_835_8)),
        ("{$near: {type: \"Point\", coordinates: [0, 0]}}", "[200, 0]", None),
        (
            "{$near: {type: \"Point\", coordinates: [0.5, 0.1]}}",
            r#"{type: "Polygon", coordinates: [[[0,0],[1,0],[1,1],[0,0]]]}"#,
            Some(0.0),
        ),
    ];
    for (text, location, expect) in cases {
        let (near, location) = (condition(text).unwrap(), value(location));
        let found = near.nearest([location.as_ref()]).map(|nearest| nearest.distance);
        let close = match (found, expect) {
            (Some(found), Some(expect)) => (found - expect).abs() <= expect * 1e-14,
            (found, expect) => found == expect,
        };
        assert!(close, "{text}: {found:?}, not {expect:?}");
    }
}

#[test]
fn grids_are_checked() {
    assert_eq!(code(Grid::new(0.0, -180.0, 180.0)), 72);
    assert_eq!(code(Grid::new(33.0, -180.0, 180.0)), 72);
    assert_eq!(code(Grid::new(f64::NAN, -180.0, 180.0)), 72);
    assert_eq!(code(Grid::new(26.0, 10.0, 0.0)), 72);
    assert_eq!(code(Grid::new(26.0, f64::NAN, 180.0)), 72);
    assert_eq!(code(Grid::new(26.0, -1e308, 1e308)), 72);
    assert_eq!(code(Grid::new(2.7, -1000.0, 1000.0)), 0);
    let far = condition("{$near: [200, 0]}").unwrap();
    assert_eq!(code(far.grid_rings(&Grid::default())), 16433);
}

mod hostile;
mod random;
