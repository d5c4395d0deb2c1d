//! Nearest first: the argument of `$near`, `$nearSphere` and `$geoNear`, distances, and rings of cells to read.

use super::cells::{LEAF_REACH, is_leaf};
use super::cover::{Meeting, Quad, Region, Stored, merged, ranges_of, ring_cells, without};
use super::fault::GeoFault;
use super::geometry::{Body, EARTH_RADIUS_METERS, Geometry, Place};
use super::grid::Grid;
use super::parse::{members, near_point};
use super::planar::{Flat, Rectangle};
use super::vector::Vector;
use crate::doc::{RawArray, RawDoc};
use crate::value::ValueRef;
use s2::cellid::CellID;
use std::f64::consts::PI;

/// The operators that search nearest first: name, and a line of help.
pub const NEAR_OPERATORS: &[(&str, &str)] = &[
    (
        "$near",
        "nearest first, from {$geometry: point, $minDistance, $maxDistance} in metres, or from a pair in the plane",
    ),
    ("$nearSphere", "nearest first on the globe, from {$geometry: …} in metres, or from a pair in radians"),
    ("$geoNear", "an old name of $near"),
];

/// Where to search from, in which measure, and how far.
#[derive(Clone, Debug)]
pub struct Near {
    place: Place,
    metric: Metric,
    /// In the units of the metric.
    distance_min: f64,
    distance_max: f64,
}

/// How distances are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// In the plane, in the units of the coordinates: a pair with `$near`. Answered by a 2d index only.
    Plane,
    /// On the globe, in metres: a GeoJSON point. Answered by a 2dsphere index only.
    Meters,
    /// On the globe, in radians: a pair with `$nearSphere`. Answered by either kind of index.
    Radians,
}

/// The geometry of a document that is nearest, and how far it is.
#[derive(Clone, Copy, Debug)]
pub struct Nearest<'a> {
    /// In the units of the search's [`Metric`].
    pub distance: f64,
    /// The value that holds the geometry: an element where the field is an array of geometries.
    pub location: ValueRef<'a>,
}

impl Near {
    /// Reads a condition that begins with one of [`NEAR_OPERATORS`], with the distances beside or inside it.
    pub fn parse(condition: RawDoc<'_>) -> Result<Near, GeoFault> {
        let mut near = None;
        let (mut distance_min, mut distance_max) = (0.0, f64::MAX);
        for (name, value) in condition.iter() {
            match name {
                "$near" | "$nearSphere" | "$geoNear" => {
                    let spherical = name == "$nearSphere";
                    if let Some((place, limit)) = legacy_argument(value)? {
                        distance_max = limit.unwrap_or(distance_max);
                        near = Some((place, spherical));
                    }
                }
                "$minDistance" => distance_min = legacy_distance("$minDistance", value)?,
                "$maxDistance" => distance_max = legacy_distance("$maxDistance", value)?,
                "$uniqueDocs" => {}
                other => return Err(GeoFault::NearSibling(other.to_owned())),
            }
        }
        match near {
            Some((place, spherical)) => Near::new(place, spherical, distance_min, distance_max),
            None => geo_json_argument(condition),
        }
    }

    fn new(place: Place, spherical: bool, distance_min: f64, distance_max: f64) -> Result<Near, GeoFault> {
        let metric = match (place.legacy, spherical) {
            (false, _) => Metric::Meters,
            (true, true) if place.sphere.is_none() => return Err(GeoFault::NearOutOfBounds),
            (true, true) => Metric::Radians,
            (true, false) => Metric::Plane,
        };
        Ok(Near { place, metric, distance_min, distance_max })
    }

    /// How this search measures distances; tells which kind of index can answer it.
    pub const fn metric(&self) -> Metric {
        self.metric
    }

    /// The nearest geometry among the values of a field, if it lies within the distances asked for. Give all values
    /// found at the path; an array of geometries counts element by element. `None` where there is no geometry. Values
    /// are taken to come from an index, which has checked them.
    pub fn nearest<'a>(&self, values: impl IntoIterator<Item = ValueRef<'a>>) -> Option<Nearest<'a>> {
        let mut best: Option<(f64, ValueRef<'a>)> = None;
        for value in values {
            let whole = Geometry::indexed(value).ok();
            let elements = value.as_array().filter(|_| whole.is_none());
            let elements = elements.into_iter().flat_map(RawArray::iter);
            let parts = elements.filter_map(|element| Some((Geometry::indexed(element).ok()?, element)));
            for (geometry, location) in whole.into_iter().map(|whole| (whole, value)).chain(parts) {
                let closer = |distance: &f64| best.is_none_or(|(least, _)| *distance < least);
                best = self.measure(&geometry).filter(closer).map(|distance| (distance, location)).or(best);
            }
        }
        let (distance, location) = best?;
        self.accepts(distance, location).then(|| Nearest { distance: self.in_units(distance), location })
    }

    /// Distance in metres on the globe, in coordinate units in the plane.
    fn measure(&self, geometry: &Geometry) -> Option<f64> {
        match (self.metric, &geometry.0) {
            (Metric::Plane, Body::Place(place)) => Some(self.place.flat.distance(place.flat)),
            (Metric::Plane, _) => None,
            _ => geometry.distance_on_sphere(self.place.sphere?),
        }
    }

    /// Is the nearest geometry, at this distance, within the distances asked for?
    fn accepts(&self, distance: f64, location: ValueRef<'_>) -> bool {
        let (low, high) = self.limits();
        match (self.metric, Geometry::indexed(location)) {
            (Metric::Plane, Ok(Geometry(Body::Place(place)))) => {
                let excess = |radius| self.place.flat.excess(place.flat, radius);
                excess(low) >= 0.0 && excess(high) <= 0.0
            }
            _ => distance >= low && distance <= high,
        }
    }

    /// Least and greatest distance, in metres or coordinate units.
    fn limits(&self) -> (f64, f64) {
        let longest = PI * EARTH_RADIUS_METERS;
        match self.metric {
            Metric::Plane => (self.distance_min, self.distance_max),
            Metric::Meters => (self.distance_min.min(longest), self.distance_max.min(longest)),
            Metric::Radians => {
                let meters = |radians: f64| (radians * EARTH_RADIUS_METERS).min(longest);
                (meters(self.distance_min), meters(self.distance_max))
            }
        }
    }

    fn in_units(&self, distance: f64) -> f64 {
        if self.metric == Metric::Radians { distance / EARTH_RADIUS_METERS } else { distance }
    }

    /// Rings of cells of a 2dsphere index, nearest first. `None` for a search in the plane.
    pub fn rings(&self, stored: Stored) -> Option<Rings> {
        let center = self.place.sphere.filter(|_| self.metric != Metric::Plane)?;
        Some(Rings::new(self, Search::Globe(center, stored), FIRST_RADIUS_METERS))
    }

    /// No geometry filed under this cell of a 2dsphere index is nearer than this, in the units of the metric. Tells of
    /// single points only; 0 for anything larger.
    pub fn least_distance(&self, cell: u64) -> f64 {
        match self.place.sphere {
            Some(center) if is_leaf(cell) => {
                let point = Vector::of_s2(CellID(cell).into());
                self.in_units((center.angle(point) - LEAF_REACH).max(0.0) * EARTH_RADIUS_METERS)
            }
            _ => 0.0,
        }
    }

    /// Rings of cells of a 2d index, nearest first. `None` for a search from a GeoJSON point; a fault where the point
    /// lies outside the bounds of the index.
    pub fn grid_rings(&self, grid: &Grid) -> Result<Option<Rings>, GeoFault> {
        if self.metric != Metric::Meters {
            grid.check_center(self.place.flat)?;
        }
        Ok(match (self.metric, self.place.sphere) {
            (Metric::Plane, _) => Some(Rings::new(self, Search::Plane(self.place.flat, *grid), grid.size() / 4096.0)),
            (Metric::Radians, Some(center)) => {
                Some(Rings::new(self, Search::GlobeOnGrid(center, *grid), FIRST_RADIUS_METERS))
            }
            _ => None,
        })
    }
}

/// The argument of `$near` as a point by itself, perhaps with a distance as a third number; `None` if it is something
/// else.
fn legacy_argument(value: ValueRef<'_>) -> Result<Option<(Place, Option<f64>)>, GeoFault> {
    if members(value).is_none() {
        return Err(GeoFault::NearNotObject);
    }
    if let Ok(place) = near_point(value) {
        return Ok(Some((place, None)));
    }
    let numbers: Option<Vec<f64>> = members(value).and_then(|all| all.map(ValueRef::as_f64).take(4).collect());
    let Some(&[x, y, limit]) = numbers.as_deref() else { return Ok(None) };
    if limit.is_nan() || limit < 0.0 {
        return Err(GeoFault::ArrayDistanceNegative);
    }
    let flat = Flat { x, y };
    let sphere = super::parse::on_sphere(flat).ok();
    Ok(Some((Place { flat, sphere, legacy: true }, Some(limit))))
}

fn legacy_distance(name: &'static str, value: ValueRef<'_>) -> Result<f64, GeoFault> {
    let distance = value.as_f64().ok_or(GeoFault::LegacyDistanceNotNumber(name))?;
    if distance >= 0.0 { Ok(distance) } else { Err(GeoFault::LegacyDistanceNegative(name)) }
}

/// `{$near: {$geometry: point, $minDistance: metres, $maxDistance: metres}}`.
fn geo_json_argument(condition: RawDoc<'_>) -> Result<Near, GeoFault> {
    let mut fields = condition.iter();
    let (_, argument) = fields.next().ok_or(GeoFault::NearNoPoint)?;
    if let Some((name, _)) = fields.next() {
        return Err(GeoFault::NearTwoObjects(name.to_owned()));
    }
    let elements = match argument {
        ValueRef::Document(object) => object.elements(),
        ValueRef::Array(array) => array.elements(),
        _ => return Err(GeoFault::NearNotObject),
    };
    let mut place = None;
    let (mut distance_min, mut distance_max) = (0.0, f64::MAX);
    for element in elements {
        let value = element.value();
        match element.name() {
            "$geometry" if members(value).is_some() => place = Some(geo_json_point(value)?),
            "$geometry" => {}
            "$minDistance" => distance_min = metres("$minDistance", value)?,
            "$maxDistance" => distance_max = metres("$maxDistance", value)?,
            other => return Err(GeoFault::NearField(other.to_owned())),
        }
    }
    Near::new(place.ok_or(GeoFault::NearNoPoint)?, false, distance_min, distance_max)
}

fn geo_json_point(value: ValueRef<'_>) -> Result<Place, GeoFault> {
    let place = near_point(value).map_err(|fault| GeoFault::NearPoint(Box::new(fault)))?;
    if place.legacy { Err(GeoFault::NearNotGeoJson) } else { Ok(place) }
}

fn metres(name: &'static str, value: ValueRef<'_>) -> Result<f64, GeoFault> {
    let distance = value.as_f64().ok_or(GeoFault::DistanceNotNumber(name))?;
    if distance >= 0.0 && distance.is_finite() { Ok(distance) } else { Err(GeoFault::DistanceNegative(name)) }
}

/// Radius of the first ring on the globe, beyond the least distance asked for.
const FIRST_RADIUS_METERS: f64 = 500.0;
/// A ring that found nothing is followed by one so much wider; one that found few by one half that, otherwise twice
/// as wide.
const GROWTH_MAX: f64 = 8.0;
/// From this many on, a ring did not find few.
const FOUND_ENOUGH: usize = 16;

/// Ever wider rings around a point, each as ranges of cells that no earlier ring has read.
#[derive(Clone, Debug)]
pub struct Rings {
    search: Search,
    /// In metres or coordinate units: what is searched so far, where to end, and the width of the next ring.
    reached: f64,
    end: f64,
    width: f64,
    to_units: f64,
    read: Vec<(u64, u64)>,
    finished: bool,
}

#[derive(Clone, Copy, Debug)]
enum Search {
    Globe(Vector, Stored),
    Plane(Flat, Grid),
    GlobeOnGrid(Vector, Grid),
}

/// One step of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Ring {
    /// Ranges of cell numbers to read, both ends included, rising and apart.
    pub ranges: Vec<(u64, u64)>,
    /// Once they are read, every geometry up to this distance has been seen; in the units of the search's [`Metric`].
    pub complete_to: f64,
}

impl Rings {
    fn new(near: &Near, search: Search, width: f64) -> Rings {
        let (start, end) = near.limits();
        let end = match search {
            Search::Plane(center, grid) => end.min(grid.reach(center)),
            _ => end,
        };
        let to_units = if near.metric == Metric::Radians { EARTH_RADIUS_METERS.recip() } else { 1.0 };
        let width = width.min(end - start).max(end * f64::EPSILON);
        Rings { search, reached: start, end, width, to_units, read: Vec::new(), finished: start > end }
    }

    /// The next ring, `None` when everything within the distances asked for has been read. `found` is how many
    /// documents the ring before gave (0 before the first): sparse surroundings are left behind faster.
    pub fn next(&mut self, found: usize) -> Option<Ring> {
        if self.finished {
            return None;
        }
        if !self.read.is_empty() {
            self.width *= match found {
                0 => GROWTH_MAX,
                1..FOUND_ENOUGH => GROWTH_MAX / 2.0,
                _ => 2.0,
            };
        }
        let (inner, outer) = (self.reached, (self.reached + self.width).min(self.end));
        self.finished = outer >= self.end;
        self.reached = outer;
        let wanted = self.search.ranges(inner, outer);
        let ranges = without(&wanted, &self.read);
        self.read = merged(std::mem::take(&mut self.read).into_iter().chain(wanted).collect());
        let complete_to = if self.finished { f64::INFINITY } else { outer * self.to_units };
        Some(Ring { ranges, complete_to })
    }
}

impl Search {
    /// Ranges that hold everything whose distance is from `inner` to `outer`.
    fn ranges(&self, inner: f64, outer: f64) -> Vec<(u64, u64)> {
        let (least, most) = (inner / EARTH_RADIUS_METERS, outer / EARTH_RADIUS_METERS);
        match *self {
            Search::Globe(center, stored) => ranges_of(&ring_cells(&Annulus { center, least, most }), stored),
            Search::Plane(center, grid) => grid.ranges_around(center, outer),
            Search::GlobeOnGrid(center, grid) => grid.ranges_in_all(&boxes_around(center, most)),
        }
    }
}

/// What lies between two circles around one centre, in radians.
struct Annulus {
    center: Vector,
    least: f64,
    most: f64,
}

impl Region for Annulus {
    fn meeting(&self, cell: &Quad) -> Meeting {
        // Whatever is nearer than `least` is of no interest, so cells all within are left out; with some slack, for
        // distances are rounded.
        if cell.meeting_disc(self.center, self.least - 1e-8) == Meeting::Inside {
            return Meeting::Apart;
        }
        match cell.meeting_disc(self.center, self.most + 1e-8) {
            Meeting::Inside if self.least > 0.0 => Meeting::Partly,
            meeting => meeting,
        }
    }

    fn disc(&self) -> Option<(Vector, f64)> {
        Some((self.center, self.most + 1e-8))
    }
}

/// Boxes of longitudes and latitudes, in degrees, around a disc on the globe: two where it crosses the date line.
pub(super) fn boxes_around(center: Vector, radius: f64) -> Vec<Rectangle> {
    let slack = 1e-7;
    let (lat, lng) = (center.latitude(), center.longitude());
    let (south, north) = (lat - radius - slack, lat + radius + slack);
    let boxed = |west: f64, east: f64| {
        let corner = |x: f64, y: f64| Flat { x: x.to_degrees(), y: y.to_degrees() };
        Rectangle::new(corner(west, south.max(-PI)), corner(east, north.min(PI)))
    };
    let full = boxed(-PI - slack, PI + slack);
    if south <= -PI / 2.0 || north >= PI / 2.0 {
        return vec![full];
    }
    let half = (radius.sin() / lat.cos()).min(1.0).asin() + slack;
    let (west, east) = (lng - half, lng + half);
    if half >= PI / 2.0 {
        return vec![full];
    }
    let mut boxes = vec![boxed(west, east)];
    if west < -PI {
        boxes.push(boxed(west + 2.0 * PI, PI + slack));
    }
    if east > PI {
        boxes.push(boxed(-PI - slack, east - 2.0 * PI));
    }
    boxes
}
