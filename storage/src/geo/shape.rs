//! The shapes of `$geoWithin` and `$geoIntersects`, and whether a value fits them.

use super::bound::{Bound, Latitudes, Longitudes};
use super::cap::Cap;
use super::cover::{Stored, ranges_of, search_cells, search_region};
use super::fault::GeoFault;
use super::geometry::{Body, Geometry};
use super::grid::Grid;
use super::near::boxes_around;
use super::parse::{exact_flat, members, on_sphere};
use super::planar::{Flat, Rectangle, polygon_contains};
use crate::value::ValueRef;

/// A geo condition on one field: a shape, and whether values must lie in it or meet it.
#[derive(Clone, Debug)]
pub struct Shape {
    pub(super) area: Area,
    relation: Relation,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Relation {
    Within,
    Intersects,
}

#[derive(Clone, Debug)]
pub(super) enum Area {
    Rectangle(Rectangle),
    Circle { center: Flat, radius: f64 },
    Polygon(Vec<Flat>),
    Cap(Cap),
    Geometry(Geometry),
}

/// The shapes that a condition may name: name, and a line of help.
pub const SHAPES: &[(&str, &str)] = &[
    ("$geometry", "GeoJSON on the globe: {type, coordinates}"),
    ("$centerSphere", "circle on the globe: [[longitude, latitude], radius in radians]"),
    ("$box", "box in the plane: [[x, y], [x, y]], two opposite corners"),
    ("$center", "circle in the plane: [[x, y], radius]"),
    ("$polygon", "polygon in the plane: [[x, y], …], closed by itself"),
];

impl Shape {
    /// Reads the argument of `$geoWithin` (or of its old name `$within`): an object with one shape.
    pub fn within(argument: ValueRef<'_>) -> Result<Shape, GeoFault> {
        let area = read(argument, "$geoWithin")?;
        if matches!(&area, Area::Geometry(geometry) if !geometry.has_area()) {
            return Err(GeoFault::NotArea);
        }
        Ok(Shape { area, relation: Relation::Within })
    }

    /// Reads the argument of `$geoIntersects`: an object with `$geometry`.
    pub fn intersects(argument: ValueRef<'_>) -> Result<Shape, GeoFault> {
        let area = read(argument, "$geoIntersects")?;
        let planar_point = |geometry: &Geometry| matches!(geometry.0, Body::Place(place) if place.sphere.is_none());
        match &area {
            Area::Geometry(geometry) if planar_point(geometry) => Err(GeoFault::NotSpherical),
            Area::Geometry(_) | Area::Cap(_) => Ok(Shape { area, relation: Relation::Intersects }),
            _ => Err(GeoFault::NotSpherical),
        }
    }

    /// Does one value satisfy the condition? A value that is no geometry does not. Arrays of geometries are the
    /// caller's to walk through: the condition holds for a field when it holds for the value or for an element.
    pub fn matches(&self, value: ValueRef<'_>) -> Result<bool, GeoFault> {
        if !matches!(value, ValueRef::Document(_) | ValueRef::Array(_)) {
            return Ok(false);
        }
        match Geometry::stored(value) {
            Ok(geometry) => self.holds(&geometry),
            Err(GeoFault::TooComplex) => Err(GeoFault::TooComplex),
            Err(_) => Ok(false),
        }
    }

    /// Does a geometry satisfy the condition?
    pub fn holds(&self, geometry: &Geometry) -> Result<bool, GeoFault> {
        match (&self.area, &geometry.0) {
            (Area::Geometry(own), _) if self.relation == Relation::Intersects => own.intersects(geometry),
            (Area::Geometry(own), _) => own.contains(geometry),
            // Known of MongoDB: a $centerSphere never intersects anything.
            (Area::Cap(_), _) if self.relation == Relation::Intersects => Ok(false),
            (Area::Cap(cap), body) => Ok(cap.contains(body)),
            (_, Body::Place(place)) => Ok(self.contains_flat(place.flat)),
            _ => Ok(false),
        }
    }

    /// Ranges of cells to read in a 2dsphere index, both ends included, rising and apart: every value that matches
    /// has a cell in one of them.
    pub fn ranges(&self, stored: Stored) -> Vec<(u64, u64)> {
        let cells = match &self.area {
            Area::Geometry(geometry) => search_cells(geometry),
            Area::Cap(_) if self.relation == Relation::Intersects => Vec::new(),
            Area::Cap(cap) => search_region(&cap.widened()),
            flat => match degrees(&flat.bounds()) {
                Some(bound) => search_region(&bound),
                None => Vec::new(),
            },
        };
        ranges_of(&cells, stored)
    }

    /// The same for a 2d index.
    pub fn grid_ranges(&self, grid: &Grid) -> Vec<(u64, u64)> {
        match &self.area {
            Area::Cap(cap) => grid.ranges_in_all(&boxes_around(cap.center(), cap.radius())),
            Area::Geometry(_) => vec![(0, u64::MAX)],
            flat => grid.ranges_in(&flat.bounds()),
        }
    }

    fn contains_flat(&self, point: Flat) -> bool {
        match &self.area {
            Area::Rectangle(area) => area.contains(point),
            Area::Circle { center, radius } => center.is_within(point, *radius),
            Area::Polygon(corners) => polygon_contains(corners, point),
            Area::Cap(_) | Area::Geometry(_) => false,
        }
    }
}

impl Area {
    /// The box around a planar shape.
    fn bounds(&self) -> Rectangle {
        match self {
            Area::Rectangle(area) => *area,
            Area::Circle { center, radius } => Rectangle::around(*center, radius * (1.0 + 1e-12)),
            Area::Polygon(corners) => Rectangle::of(corners),
            Area::Cap(_) | Area::Geometry(_) => Rectangle::around(Flat { x: 0.0, y: 0.0 }, f64::INFINITY),
        }
    }
}

/// A box of the plane as longitudes and latitudes in radians; `None` where it holds neither.
fn degrees(area: &Rectangle) -> Option<Bound> {
    let (west, east) = (area.low.x.max(-180.0), area.high.x.min(180.0));
    let (south, north) = (area.low.y.max(-90.0), area.high.y.min(90.0));
    if west > east || south > north {
        return None;
    }
    let lat = Latitudes::new(south.to_radians(), north.to_radians());
    let lng = Longitudes::new(west.to_radians(), east.to_radians());
    // Both ends at the date line: a full circle, or that line alone, which is one and the same place.
    Some(Bound { lat, lng })
}

/// The last shape in the object counts; MongoDB lets earlier ones pass unused.
fn read(argument: ValueRef<'_>, operator: &'static str) -> Result<Area, GeoFault> {
    let object = argument.as_doc().ok_or(GeoFault::ShapeNotObject(operator))?;
    let mut area = None;
    for (name, value) in object.iter().filter(|(name, _)| *name != "$uniqueDocs") {
        area = Some(read_area(name, value)?);
    }
    area.ok_or(GeoFault::NoShape)
}

fn read_area(name: &str, value: ValueRef<'_>) -> Result<Area, GeoFault> {
    let unknown = || GeoFault::UnknownShape(name.to_owned());
    let mut members = members(value).ok_or_else(unknown)?;
    match name {
        "$geometry" => Geometry::parse(value).map(Area::Geometry),
        "$box" => {
            let mut corner = || exact_flat(members.next().unwrap_or(ValueRef::Null));
            Ok(Area::Rectangle(Rectangle::new(corner()?, corner()?)))
        }
        "$polygon" => {
            let corners = members.map(exact_flat).collect::<Result<Vec<Flat>, GeoFault>>()?;
            if corners.len() < 3 { Err(GeoFault::PolygonTooShort) } else { Ok(Area::Polygon(corners)) }
        }
        "$center" => circle(members).map(|(center, radius)| Area::Circle { center, radius }),
        "$centerSphere" => {
            let (center, radius) = circle(members)?;
            Ok(Area::Cap(Cap::new(on_sphere(center)?, radius)))
        }
        _ => Err(unknown()),
    }
}

fn circle<'a>(mut members: impl Iterator<Item = ValueRef<'a>>) -> Result<(Flat, f64), GeoFault> {
    let center = exact_flat(members.next().unwrap_or(ValueRef::Null))?;
    let radius = members.next().and_then(ValueRef::as_f64).filter(|radius| *radius >= 0.0).ok_or(GeoFault::Radius)?;
    if members.next().is_some() {
        return Err(GeoFault::CircleTooLong);
    }
    Ok((center, radius))
}
