//! Large and malicious geometries: no panic, and an answer in bounded time.

use super::*;

fn ring(points: impl Iterator<Item = (f64, f64)>) -> Value {
    let mut ring = ArrayBuilder::new();
    let points: Vec<(f64, f64)> = points.collect();
    for (lng, lat) in points.iter().chain(points.first()) {
        let mut position = ArrayBuilder::new();
        position.push(ValueRef::Double(*lng));
        position.push(ValueRef::Double(*lat));
        ring.push(Value::Array(position.finish()).as_ref());
    }
    let mut rings = ArrayBuilder::new();
    rings.push(Value::Array(ring.finish()).as_ref());
    let mut polygon = DocBuilder::new();
    polygon.put("type", ValueRef::String("Polygon"));
    polygon.put("coordinates", Value::Array(rings.finish()).as_ref());
    Value::Document(polygon.finish())
}

fn circle(corners: u32, radius: f64) -> Value {
    ring((0..corners).map(|corner| {
        let angle = f64::from(corner) / f64::from(corners) * std::f64::consts::TAU;
        (radius * angle.cos(), radius * angle.sin())
    }))
}

#[test]
fn a_hundred_thousand_corners() {
    let (large, small) = (circle(100_000, 10.0), circle(50_000, 9.0));
    let geometry = Geometry::stored(large.as_ref()).unwrap();
    assert!(geometry.cover().len() <= 40);
    let mut argument = DocBuilder::new();
    argument.put("$geometry", large.as_ref());
    let argument = Value::Document(argument.finish());
    let shape = Shape::within(argument.as_ref()).unwrap();
    assert_eq!(shape.matches(small.as_ref()), Ok(true));
    assert_eq!(shape.matches(value("[9.5, 0]").as_ref()), Ok(true));
    assert_eq!(shape.matches(value("[10.1, 0]").as_ref()), Ok(false));
    let near = condition("{$near: {type: \"Point\", coordinates: [20, 0]}}").unwrap();
    let distance = near.nearest([large.as_ref()]).unwrap().distance;
    assert!((distance - 1_113_188.45).abs() < 1.0, "{distance}");
}

#[test]
fn teeth_that_all_overlap_are_refused_not_computed() {
    // Long, thin, slanted teeth: the boxes of nearly all pairs of edges overlap.
    let teeth = (0..40_001_u32).map(|corner| {
        let (across, along) = (f64::from(corner) * 1e-4, f64::from(corner % 2) * 40.0);
        (across + along, along - across)
    });
    let comb = ring(teeth.chain([(-6.0, -6.0)]));
    assert_eq!(Geometry::stored(comb.as_ref()).err(), Some(GeoFault::TooComplex));
}

#[test]
fn odd_values_are_faults() {
    let deep = (0..150).fold("[1, 2]".to_owned(), |inner, _| format!("[{inner}]"));
    let texts = [
        deep.as_str(),
        "{type: 1, coordinates: [0, 0]}",
        "{type: \"Polygon\", coordinates: {a: 1}}",
        "{type: \"Polygon\", coordinates: [[[0, 0], 1, 2, [0, 0]]]}",
        "{type: \"MultiPoint\", coordinates: [[]]}",
        "{type: \"GeometryCollection\", geometries: [null]}",
        "{type: \"Point\", coordinates: [1e308, 1e308]}",
        "{type: \"Point\", coordinates: [NaN, NaN]}",
        "true",
    ];
    for text in texts {
        assert!(Geometry::stored(value(text).as_ref()).is_err(), "{text}");
        assert!(Geometry::parse(value(text).as_ref()).is_err(), "{text}");
    }
}

#[test]
fn rings_end_even_with_odd_distances() {
    let texts = [
        "{$nearSphere: [0, 0], $minDistance: inf}",
        "{$nearSphere: [0, 0], $minDistance: 3, $maxDistance: 1}",
        "{$nearSphere: [0, 0], $maxDistance: 0}",
        "{$near: {$geometry: {type: \"Point\", coordinates: [0, 90]}, $minDistance: 1e300, $maxDistance: 1e308}}",
        "{$near: {$geometry: {type: \"Point\", coordinates: [0, 90]}, $maxDistance: 1e-300}}",
        "{$near: [1, 1], $maxDistance: 0}",
        "{$near: [1, 1], $maxDistance: 1e-300}",
        "{$near: [1, 1], $minDistance: 1e300}",
    ];
    for text in texts {
        let near = condition(text).unwrap();
        let all = [near.rings(Stored::Areas), near.grid_rings(&Grid::default()).unwrap()];
        for mut rings in all.into_iter().flatten() {
            let count = std::iter::from_fn(|| rings.next(0)).take(100).count();
            assert!(count < 40, "{text}: {count} rings");
        }
    }
}

#[test]
fn opposite_neighbours_make_no_line() {
    let place = super::super::vector::Vector::from_degrees(12.0, 34.0);
    assert_eq!(super::super::line::Line::new(vec![place, -place]).err(), Some(GeoFault::LineOpposite));
}
