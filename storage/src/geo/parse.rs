//! Reading geometries from values: GeoJSON and legacy coordinate pairs, with the checks MongoDB makes.
//!
//! Stored values and arguments of queries differ in two points only: an argument pair has exactly two numbers, and an
//! argument polygon may ask for strict winding.

use super::chain::Effort;
use super::fault::GeoFault;
use super::geometry::{Body, Geometry, Parts, Place, Winding};
use super::line::Line;
use super::planar::Flat;
use super::polygon::Polygon;
use super::ring::Ring;
use super::vector::Vector;
use crate::doc::RawDoc;
use crate::value::ValueRef;

/// The coordinate systems that `crs` may name; both mean longitude and latitude.
const CRS_PLAIN: [&str; 2] = ["urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326"];
/// The one by which a polygon is the left side of its ring instead of the smaller one.
const CRS_WINDING: &str = "urn:x-mongodb:crs:strictwinding:EPSG:4326";

impl Geometry {
    /// Reads the argument of `$geometry`: GeoJSON or a pair of exactly two numbers.
    pub fn parse(value: ValueRef<'_>) -> Result<Geometry, GeoFault> {
        read(value, Source::Query)
    }

    /// Reads a stored value as `$geoWithin`, `$geoIntersects`, `$near` and indexes do: GeoJSON, or an array or object
    /// that begins with two numbers. A fault means: this value is no geometry.
    pub fn stored(value: ValueRef<'_>) -> Result<Geometry, GeoFault> {
        read(value, Source::Stored)
    }

    /// Reads a value that an index has taken in, without checking again that rings do not cross.
    pub(super) fn indexed(value: ValueRef<'_>) -> Result<Geometry, GeoFault> {
        read(value, Source::Indexed)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Source {
    Query,
    Stored,
    Indexed,
}

/// What `crs` says.
#[derive(Clone, Copy, PartialEq)]
enum Crs {
    Plain,
    Winding,
}

/// Reads one value; all its parts share the effort that checks may take.
struct Reader {
    source: Source,
    effort: Effort,
}

fn read(value: ValueRef<'_>, source: Source) -> Result<Geometry, GeoFault> {
    if is_pair(value) {
        return Ok(Geometry(Body::Place(pair(value, source)?)));
    }
    match value {
        ValueRef::Document(object) => Reader { source, effort: Effort::new() }.geometry(object).map(Geometry),
        other => Err(GeoFault::NotGeometry(other.kind().name())),
    }
}

/// A legacy pair is an array, or an object whose first field is a number.
fn is_pair(value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::Array(_) => true,
        ValueRef::Document(object) => object.iter().next().is_some_and(|(_, first)| first.kind().is_number()),
        _ => false,
    }
}

fn pair(value: ValueRef<'_>, source: Source) -> Result<Place, GeoFault> {
    let flat = if source == Source::Query { exact_flat(value)? } else { flat(value)? };
    Ok(Place { flat, sphere: on_sphere(flat).ok(), legacy: true })
}

/// The members of an array or object; none for other kinds.
pub(super) fn members(value: ValueRef<'_>) -> Option<impl Iterator<Item = ValueRef<'_>>> {
    let elements = match value {
        ValueRef::Array(array) => array.elements(),
        ValueRef::Document(object) => object.elements(),
        _ => return None,
    };
    Some(elements.map(|element| element.value()))
}

/// Two finite numbers at the beginning of an array or object; what follows is ignored (an altitude, say).
pub(super) fn flat(value: ValueRef<'_>) -> Result<Flat, GeoFault> {
    Ok(flat_and_rest(value)?.0)
}

/// Exactly two finite numbers.
pub(super) fn exact_flat(value: ValueRef<'_>) -> Result<Flat, GeoFault> {
    match flat_and_rest(value)? {
        (flat, false) => Ok(flat),
        (_, true) => Err(GeoFault::PointTooLong),
    }
}

fn flat_and_rest(value: ValueRef<'_>) -> Result<(Flat, bool), GeoFault> {
    let mut members = members(value).ok_or(GeoFault::PointNotObject)?;
    let mut next = || members.next().and_then(ValueRef::as_f64).ok_or(GeoFault::PointNotNumeric);
    let (x, y) = (next()?, next()?);
    if !x.is_finite() || !y.is_finite() {
        return Err(GeoFault::PointNotFinite);
    }
    Ok((Flat { x, y }, members.next().is_some()))
}

/// The point of the globe with these coordinates.
pub(super) fn on_sphere(flat: Flat) -> Result<Vector, GeoFault> {
    if flat.x.abs() <= 180.0 && flat.y.abs() <= 90.0 {
        Ok(Vector::from_degrees(flat.x, flat.y))
    } else {
        Err(GeoFault::OutOfBounds { lng: flat.x, lat: flat.y })
    }
}

/// Reads the argument of `$near`: a GeoJSON point (whatever its `type` says, as MongoDB does) or a pair.
pub(super) fn near_point(value: ValueRef<'_>) -> Result<Place, GeoFault> {
    match value {
        _ if is_pair(value) => pair(value, Source::Query),
        ValueRef::Document(object) => point(object),
        _ => Err(GeoFault::PointNotObject),
    }
}

fn type_name(object: RawDoc<'_>) -> Result<&str, GeoFault> {
    let name = object.get("type").and_then(ValueRef::as_str);
    name.ok_or_else(|| GeoFault::UnknownType("(missing)".to_owned()))
}

impl Reader {
    fn geometry(&mut self, object: RawDoc<'_>) -> Result<Body, GeoFault> {
        let name = type_name(object)?;
        Ok(match name {
            "Point" => Body::Place(point(object)?),
            "GeometryCollection" => Body::Parts(self.collection(object)?),
            "Polygon" if crs(object, true)? == Crs::Winding => match self.source {
                Source::Query => Body::Winding(Box::new(self.winding(object)?)),
                Source::Stored | Source::Indexed => return Err(GeoFault::WindingStored),
            },
            _ => {
                let mut parts = Parts::default();
                self.add(object, name, &mut parts)?;
                Body::Parts(parts)
            }
        })
    }

    /// Adds the parts of any geometry but a collection.
    fn add(&mut self, object: RawDoc<'_>, name: &str, parts: &mut Parts) -> Result<(), GeoFault> {
        let coordinates = object.get("coordinates");
        match name {
            "Point" => parts.points.extend(point(object)?.sphere),
            "LineString" => {
                plain(object)?;
                parts.lines.push(line(coordinates)?);
            }
            "Polygon" => {
                if crs(object, true)? == Crs::Winding {
                    return Err(GeoFault::WindingStored);
                }
                parts.polygons.push(self.polygon(coordinates)?);
            }
            "MultiPoint" => {
                plain(object)?;
                parts.points.extend(non_empty(positions(coordinates, "MultiPoint")?, "MultiPoint")?);
            }
            "MultiLineString" => {
                plain(object)?;
                parts.lines.extend(each(coordinates, "MultiLineString", |value| line(Some(value)))?);
            }
            "MultiPolygon" => {
                plain(object)?;
                parts.polygons.extend(each(coordinates, "MultiPolygon", |value| self.polygon(Some(value)))?);
            }
            _ => return Err(GeoFault::UnknownType(name.to_owned())),
        }
        Ok(())
    }

    fn collection(&mut self, object: RawDoc<'_>) -> Result<Parts, GeoFault> {
        let geometries = object.get("geometries").and_then(ValueRef::as_array).ok_or(GeoFault::GeometriesNotArray)?;
        if geometries.is_empty() {
            return Err(GeoFault::GeometriesEmpty);
        }
        let mut parts = Parts::default();
        for (place, member) in geometries.iter().enumerate() {
            let member = member.as_doc().ok_or(GeoFault::GeometriesElement(place))?;
            let name = type_name(member)?;
            if name == "GeometryCollection" {
                return Err(GeoFault::GeometriesNested);
            }
            self.add(member, name, &mut parts)?;
        }
        Ok(parts)
    }

    fn polygon(&mut self, value: Option<ValueRef<'_>>) -> Result<Polygon, GeoFault> {
        let array = value.and_then(ValueRef::as_array).ok_or(GeoFault::CoordinatesNotArray("Polygon"))?;
        let mut rings = array.iter();
        let shell = self.ring(rings.next().ok_or(GeoFault::PolygonEmpty)?)?.normalized();
        let mut holes = Vec::new();
        for value in rings {
            let hole = self.ring(value)?.normalized();
            if self.checks() && !shell.contains(&hole, &mut self.effort)? {
                return Err(GeoFault::HoleOutside);
            }
            holes.push(hole);
        }
        let polygon = Polygon::new(shell, holes);
        if self.checks() {
            polygon.check(&mut self.effort)?;
        }
        Ok(polygon)
    }

    fn winding(&mut self, object: RawDoc<'_>) -> Result<Winding, GeoFault> {
        let array = object.get("coordinates").and_then(ValueRef::as_array);
        let mut rings = array.ok_or(GeoFault::CoordinatesNotArray("Polygon"))?.iter();
        match (rings.next(), rings.next()) {
            (Some(only), None) => Ok(Winding::new(self.ring(only)?)),
            _ => Err(GeoFault::WindingOneRing),
        }
    }

    /// The ring through the positions of an array, which must return to where they began.
    fn ring(&mut self, value: ValueRef<'_>) -> Result<Ring, GeoFault> {
        let ring = closed_ring(value)?;
        if self.checks() {
            ring.check(&mut self.effort)?;
        }
        Ok(ring)
    }

    /// Must crossings be looked for? What an index has taken in has been looked at.
    fn checks(&self) -> bool {
        self.source != Source::Indexed
    }
}

fn point(object: RawDoc<'_>) -> Result<Place, GeoFault> {
    plain(object)?;
    let flat = flat(object.get("coordinates").unwrap_or(ValueRef::Null))?;
    Ok(Place { flat, sphere: Some(on_sphere(flat)?), legacy: false })
}

/// One position of GeoJSON coordinates.
fn position(value: ValueRef<'_>) -> Result<Vector, GeoFault> {
    if value.as_array().is_none() {
        return Err(GeoFault::PositionNotArray);
    }
    on_sphere(flat(value)?)
}

fn positions(value: Option<ValueRef<'_>>, what: &'static str) -> Result<Vec<Vector>, GeoFault> {
    let array = value.and_then(ValueRef::as_array).ok_or(GeoFault::CoordinatesNotArray(what))?;
    array.iter().map(position).collect()
}

fn each<T>(
    value: Option<ValueRef<'_>>,
    what: &'static str,
    read: impl FnMut(ValueRef<'_>) -> Result<T, GeoFault>,
) -> Result<Vec<T>, GeoFault> {
    let array = value.and_then(ValueRef::as_array).ok_or(GeoFault::CoordinatesNotArray(what))?;
    non_empty(array.iter().map(read).collect::<Result<Vec<T>, GeoFault>>()?, what)
}

fn non_empty<T>(items: Vec<T>, what: &'static str) -> Result<Vec<T>, GeoFault> {
    if items.is_empty() { Err(GeoFault::CoordinatesEmpty(what)) } else { Ok(items) }
}

fn line(value: Option<ValueRef<'_>>) -> Result<Line, GeoFault> {
    let mut vertices = positions(value, "LineString")?;
    vertices.dedup();
    Line::new(vertices)
}

fn closed_ring(value: ValueRef<'_>) -> Result<Ring, GeoFault> {
    let mut vertices = positions(Some(value), "Polygon")?;
    match (vertices.first(), vertices.last()) {
        (Some(first), Some(last)) if first == last => {}
        (Some(_), _) => return Err(GeoFault::RingOpen),
        (None, _) => return Err(GeoFault::RingEmpty),
    }
    vertices.dedup();
    vertices.pop();
    if vertices.len() < 3 {
        return Err(GeoFault::RingTooShort);
    }
    Ok(Ring::new(vertices))
}

/// Refuses a `crs` that is unknown or asks for strict winding.
fn plain(object: RawDoc<'_>) -> Result<(), GeoFault> {
    crs(object, false).map(|_| ())
}

fn crs(object: RawDoc<'_>, winding: bool) -> Result<Crs, GeoFault> {
    let Some(crs) = object.get("crs") else { return Ok(Crs::Plain) };
    let crs = crs.as_doc().ok_or(GeoFault::CrsNotObject)?;
    if crs.get("type").and_then(ValueRef::as_str) != Some("name") {
        return Err(GeoFault::CrsNotNamed);
    }
    let properties = crs.get("properties").and_then(ValueRef::as_doc).ok_or(GeoFault::CrsNoName)?;
    match properties.get("name").and_then(ValueRef::as_str).ok_or(GeoFault::CrsNoName)? {
        name if CRS_PLAIN.contains(&name) => Ok(Crs::Plain),
        CRS_WINDING if winding => Ok(Crs::Winding),
        CRS_WINDING => Err(GeoFault::CrsWinding),
        other => Err(GeoFault::CrsUnknown(other.to_owned())),
    }
}
