//! What a value describes: a point, lines, polygons or a mixture, on the globe and (points) in the plane.
//!
//! Knows what a geometry is; how it is read from a value stands in `parse`, which shape it fits in `shape`.

use super::cells::{leaf, leaf_cell};
use super::chain::Effort;
use super::fault::GeoFault;
use super::line::Line;
use super::planar::Flat;
use super::polygon::Polygon;
use super::ring::Ring;
use super::vector::Vector;

/// MongoDB's radius of the earth, in metres.
pub const EARTH_RADIUS_METERS: f64 = 6_378_100.0;

/// A geometry: a GeoJSON object or a legacy coordinate pair, checked.
#[derive(Clone, Debug)]
pub struct Geometry(pub(super) Body);

#[derive(Clone, Debug)]
pub(super) enum Body {
    Place(Place),
    Parts(Parts),
    /// A polygon whose inside is to the left of its ring, however large: an argument only, never a stored value.
    Winding(Box<Winding>),
}

/// One point, which means something in the plane and (within bounds) on the globe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub flat: Flat,
    /// `None` where x and y are no longitude and latitude.
    pub sphere: Option<Vector>,
    /// Written as a coordinate pair rather than as GeoJSON?
    pub legacy: bool,
}

/// Everything other than one point, sorted by kind: a geometry is the sum of its parts.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    pub points: Vec<Vector>,
    pub lines: Vec<Line>,
    pub polygons: Vec<Polygon>,
}

/// A ring with strict winding, and the same as a normalized polygon: the inside or the outside of the ring.
#[derive(Clone, Debug)]
pub(super) struct Winding {
    ring: Ring,
    border: Polygon,
    line: Line,
    normalized: bool,
}

impl Geometry {
    /// Distance in metres from a point of the globe to the nearest point of the geometry, nought inside a polygon.
    /// `None` for a coordinate pair that is no longitude and latitude.
    pub(super) fn distance_on_sphere(&self, from: Vector) -> Option<f64> {
        let radians = match &self.0 {
            Body::Place(place) => from.angle(place.sphere?),
            Body::Parts(parts) => parts.distance(from)?,
            Body::Winding(_) => return None,
        };
        Some(radians * EARTH_RADIUS_METERS)
    }

    /// A fault for a coordinate pair that is no longitude and latitude.
    pub(super) fn in_bounds(&self) -> Result<(), GeoFault> {
        match &self.0 {
            Body::Place(Place { flat, sphere: None, .. }) => Err(GeoFault::OutOfBounds { lng: flat.x, lat: flat.y }),
            _ => Ok(()),
        }
    }

    /// Is there an area that could contain something?
    pub(super) fn has_area(&self) -> bool {
        match &self.0 {
            Body::Place(_) => false,
            Body::Parts(parts) => !parts.polygons.is_empty(),
            Body::Winding(_) => true,
        }
    }

    /// Does this geometry contain all of the other on the globe? Only areas contain anything.
    pub(super) fn contains(&self, other: &Geometry) -> Result<bool, GeoFault> {
        let effort = &mut Effort::new();
        match (&self.0, &other.0) {
            (Body::Parts(area), Body::Place(place)) => match place.sphere {
                Some(point) => area.covers_point(point, effort),
                None => Ok(false),
            },
            (Body::Parts(area), Body::Parts(parts)) => area.contains(parts, effort),
            (Body::Winding(area), Body::Place(place)) => match place.sphere {
                Some(point) => area.covers_point(point, effort),
                None => Ok(false),
            },
            (Body::Winding(area), Body::Parts(parts)) => area.contains(parts, effort),
            (Body::Place(_), _) | (_, Body::Winding(_)) => Ok(false),
        }
    }

    /// Do the geometries have a point in common on the globe?
    pub(super) fn intersects(&self, other: &Geometry) -> Result<bool, GeoFault> {
        let effort = &mut Effort::new();
        match (&self.0, &other.0) {
            (Body::Place(one), Body::Place(two)) => {
                Ok(matches!((one.sphere, two.sphere), (Some(one), Some(two)) if leaf(one) == leaf(two)))
            }
            (Body::Place(place), Body::Parts(parts)) | (Body::Parts(parts), Body::Place(place)) => match place.sphere {
                Some(point) => parts.meets_point(point, effort),
                None => Ok(false),
            },
            (Body::Parts(one), Body::Parts(two)) => one.intersects(two, effort),
            (Body::Winding(area), Body::Place(place)) => match place.sphere {
                Some(point) => area.ring.meets_cell(&leaf_cell(point), effort),
                None => Ok(false),
            },
            (Body::Winding(area), Body::Parts(parts)) => area.intersects(parts, effort),
            (_, Body::Winding(_)) => Ok(false),
        }
    }
}

impl Parts {
    fn distance(&self, from: Vector) -> Option<f64> {
        let points = self.points.iter().map(|point| from.angle(*point));
        let lines = self.lines.iter().map(|line| line.distance(from));
        let polygons = self.polygons.iter().map(|polygon| polygon.distance(from));
        points.chain(lines).chain(polygons).min_by(f64::total_cmp)
    }

    /// Is the point inside one of the polygons, or on an edge?
    fn covers_point(&self, point: Vector, effort: &mut Effort) -> Result<bool, GeoFault> {
        any(&self.polygons, |polygon| polygon.covers_point(point, effort))
    }

    fn contains(&self, other: &Parts, effort: &mut Effort) -> Result<bool, GeoFault> {
        Ok(all(&other.points, |point| self.covers_point(*point, effort))?
            && all(&other.lines, |line| any(&self.polygons, |own| own.contains_line(line, effort)))?
            && all(&other.polygons, |polygon| any(&self.polygons, |own| own.contains(polygon, effort)))?)
    }

    fn meets_point(&self, point: Vector, effort: &mut Effort) -> Result<bool, GeoFault> {
        let id = leaf(point);
        if self.points.iter().any(|own| leaf(*own) == id) {
            return Ok(true);
        }
        if self.lines.is_empty() && self.polygons.is_empty() {
            return Ok(false);
        }
        let cell = leaf_cell(point);
        Ok(any(&self.lines, |line| line.meets_cell(&cell, effort))?
            || any(&self.polygons, |polygon| polygon.meets_cell(&cell, effort))?)
    }

    fn intersects(&self, other: &Parts, effort: &mut Effort) -> Result<bool, GeoFault> {
        Ok(any(&self.points, |point| other.meets_point(*point, effort))?
            || any(&self.lines, |line| other.meets_line(line, effort))?
            || any(&self.polygons, |polygon| other.meets_polygon(polygon, effort))?)
    }

    fn meets_line(&self, line: &Line, effort: &mut Effort) -> Result<bool, GeoFault> {
        Ok(any(&self.points, |point| line.meets_cell(&leaf_cell(*point), effort))?
            || any(&self.lines, |own| own.meets(line, effort))?
            || any(&self.polygons, |own| own.meets_line(line, effort))?)
    }

    fn meets_polygon(&self, polygon: &Polygon, effort: &mut Effort) -> Result<bool, GeoFault> {
        Ok(any(&self.points, |point| polygon.meets_cell(&leaf_cell(*point), effort))?
            || any(&self.lines, |own| polygon.meets_line(own, effort))?
            || any(&self.polygons, |own| own.intersects(polygon, effort))?)
    }
}

impl Winding {
    pub fn new(ring: Ring) -> Winding {
        let (line, normalized) = (Line::of_ring(&ring), ring.is_normalized());
        let border = Polygon::of_ring(ring.clone().normalized());
        Winding { ring, border, line, normalized }
    }

    /// The ring's inside as a polygon, or its outside: whichever is smaller.
    pub const fn border(&self) -> &Polygon {
        &self.border
    }

    pub fn contains_point(&self, point: Vector) -> bool {
        self.ring.contains_point(point)
    }

    fn covers_point(&self, point: Vector, effort: &mut Effort) -> Result<bool, GeoFault> {
        Ok(self.ring.contains_point(point) || self.ring.meets_cell(&leaf_cell(point), effort)?)
    }

    fn contains(&self, parts: &Parts, effort: &mut Effort) -> Result<bool, GeoFault> {
        Ok(all(&parts.points, |point| self.covers_point(*point, effort))?
            && all(&parts.lines, |line| self.contains_line(line, effort))?
            && all(&parts.polygons, |polygon| self.contains_polygon(polygon, effort))?)
    }

    fn contains_line(&self, line: &Line, effort: &mut Effort) -> Result<bool, GeoFault> {
        let leaves = if self.normalized {
            self.border.leaves_line(line, effort)?
        } else {
            self.border.meets_line(line, effort)?
        };
        Ok(!leaves)
    }

    fn contains_polygon(&self, polygon: &Polygon, effort: &mut Effort) -> Result<bool, GeoFault> {
        if self.normalized {
            self.border.contains(polygon, effort)
        } else {
            Ok(!self.border.intersects(polygon, effort)?)
        }
    }

    fn intersects(&self, parts: &Parts, effort: &mut Effort) -> Result<bool, GeoFault> {
        Ok(any(&parts.points, |point| self.ring.meets_cell(&leaf_cell(*point), effort))?
            || any(&parts.lines, |line| {
                Ok(self.line.meets(line, effort)? || self.ring.contains_point(line.chain().vertex(0)))
            })?
            || any(&parts.polygons, |polygon| self.meets_polygon(polygon, effort))?)
    }

    fn meets_polygon(&self, polygon: &Polygon, effort: &mut Effort) -> Result<bool, GeoFault> {
        if self.normalized {
            return self.border.intersects(polygon, effort);
        }
        // Larger than a hemisphere: meeting a polygon, holes or not, means meeting its shell.
        polygon.rings().next().map_or(Ok(false), |shell| self.ring.intersects(shell, effort))
    }
}

fn any<T>(items: &[T], mut test: impl FnMut(&T) -> Result<bool, GeoFault>) -> Result<bool, GeoFault> {
    for item in items {
        if test(item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn all<T>(items: &[T], mut test: impl FnMut(&T) -> Result<bool, GeoFault>) -> Result<bool, GeoFault> {
    Ok(!any(items, |item| Ok(!test(item)?))?)
}
