//! `$geoNear`: documents by their distance from a point. The source finds and measures them; this stage names the
//! distance and the place.

use storage::geo::{Metric, Near};
use storage::{DocBuilder, Path, RawDoc, Value, ValueRef};

use super::Stage;
use super::operator::{Item, Mapped, Operator};
use super::unwind::set;
use crate::error::number::{BAD_VALUE, TYPE_MISMATCH};
use crate::error::{Error, Result};
use crate::expr::{FieldPath, Reading, bounded, truth};
use crate::filter::{Filter, nearest};
use crate::found::Found;

#[derive(Clone, Debug)]
pub(crate) struct GeoNear {
    pub near: Nearness,
    /// What documents must meet beside.
    pub filter: Option<Filter>,
    distance_field: FieldPath,
    location_field: Option<FieldPath>,
    multiplier: f64,
}

/// A search for what is near a place.
#[derive(Clone, Debug)]
pub struct Nearness {
    /// The field to look in; `None` means the one with the collection's geo index.
    pub path: Option<Path>,
    /// Near what, within which distances, and how these are measured.
    pub near: Near,
}

impl Nearness {
    /// The field to look in, among the fields with a geo index; these come with whether they are indexed in the plane
    /// (`2d`) rather than on the globe (`2dsphere`).
    ///
    /// # Errors
    /// 27 where no field is named and there is no index or more than one; 291 where the index is missing or of the
    /// other kind.
    pub fn path_among<'p>(&self, indexes: impl Iterator<Item = (&'p Path, bool)>) -> Result<Path> {
        let indexes: Vec<(&Path, bool)> = indexes.collect();
        let path = match &self.path {
            Some(path) => path,
            None => only_one(&indexes)?,
        };
        let serves = |flat: bool| match self.near.metric() {
            Metric::Plane => flat,
            Metric::Meters => !flat,
            Metric::Radians => true,
        };
        match indexes.iter().any(|(indexed, flat)| *indexed == path && serves(*flat)) {
            true => Ok(path.clone()),
            false => {
                let message = format!("$geoNear finds no fitting geo index on '{}'; create one on it", path.as_str());
                Err(Error::mongo(NO_QUERY_PLAN, message))
            }
        }
    }

    /// What is found out about a document; `None` where it is not within the distances.
    pub fn found(&self, path: &Path, doc: RawDoc<'_>) -> Option<Found> {
        let nearest = nearest(path, &self.near, doc)?;
        let point = Some(nearest.location.to_value());
        Some(Found { distance: Some(nearest.distance), point, ..Found::default() })
    }
}

/// NoQueryExecutionPlans.
const NO_QUERY_PLAN: i32 = 291;
/// IndexNotFound.
const NO_INDEX: i32 = 27;

/// The field to look in where none is named: indexes in the plane come first.
fn only_one<'p>(indexes: &[(&'p Path, bool)]) -> Result<&'p Path> {
    for kind in [true, false] {
        let mut of_kind = indexes.iter().filter(|(_, flat)| *flat == kind);
        match (of_kind.next(), of_kind.next()) {
            (Some((path, _)), None) => return Ok(path),
            (Some(_), Some(_)) => {
                return Err(Error::mongo(
                    NO_INDEX,
                    "the collection has several geo indexes; name one in 'key' of $geoNear",
                ));
            }
            (None, _) => {}
        }
    }
    Err(Error::mongo(NO_INDEX, "$geoNear needs a geo index; create one on the field with the places"))
}

pub(super) fn read(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Vec<Stage>> {
    let doc: RawDoc<'_> = value.as_doc().ok_or_else(|| Error::mongo(10065, "$geoNear takes a document"))?;
    for (name, number) in [("limit", 50858), ("num", 50857), ("start", 50856)] {
        if doc.get(name).is_some() {
            return Err(Error::mongo(number, format!("$geoNear takes no '{name}'; use a $limit stage instead")));
        }
    }
    let place = doc.get("near").ok_or_else(|| Error::mongo(5_860_400, "$geoNear needs 'near': a point"))?;
    let text = |name: &str, number: i32| match doc.get(name) {
        None => Ok(None),
        Some(ValueRef::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::mongo(number, format!("'{name}' of $geoNear must be a string"))),
    };
    let distance_field = text("distanceField", 16606)?
        .ok_or_else(|| Error::mongo(16606, "$geoNear needs 'distanceField': where the distance goes"))?;
    let path = match text("key", TYPE_MISMATCH)? {
        Some("") => return Err(Error::mongo(BAD_VALUE, "'key' of $geoNear must not be empty")),
        path => path.map(Path::new),
    };
    let filter = match doc.get("query") {
        None => None,
        Some(query) => Some(read_query(query, reading)?),
    };
    let near = read_near(place, doc, reading)?;
    Ok(vec![Stage::GeoNear(Box::new(GeoNear {
        distance_field: FieldPath::parse(distance_field)?,
        location_field: text("includeLocs", 16607)?.map(FieldPath::parse).transpose()?,
        multiplier: read_number(doc, "distanceMultiplier")?.unwrap_or(1.0),
        near: Nearness { path, near },
        filter,
    }))])
}

fn read_query(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Filter> {
    let doc = value
        .as_doc()
        .ok_or_else(|| Error::mongo(TYPE_MISMATCH, "'query' of $geoNear must be a filter: a document"))?;
    let filter = Filter::parse(doc, reading.cx)?;
    match filter.near() {
        Some(_) => Err(Error::mongo(BAD_VALUE, "'query' of $geoNear cannot hold $near or $nearSphere")),
        None => Ok(filter),
    }
}

fn read_number(doc: RawDoc<'_>, name: &str) -> Result<Option<f64>> {
    let Some(value) = doc.get(name) else { return Ok(None) };
    let number = value.as_f64();
    let number = number.ok_or_else(|| Error::mongo(TYPE_MISMATCH, format!("'{name}' of $geoNear must be a number")))?;
    match number < 0.0 {
        true => Err(Error::mongo(BAD_VALUE, format!("'{name}' of $geoNear must not be below 0"))),
        false => Ok(Some(number)),
    }
}

/// Turns the arguments into the condition of a filter.
fn read_near(place: ValueRef<'_>, doc: RawDoc<'_>, reading: &Reading<'_>) -> Result<Near> {
    let place = reading.expr(place)?;
    let constant = || Error::mongo(5_860_402, "'near' of $geoNear must be known without a document");
    let place = place.as_constant().ok_or_else(constant)?.as_ref();
    let place = place.map(Value::as_ref).filter(|place| matches!(place, ValueRef::Document(_) | ValueRef::Array(_)));
    let place = place.ok_or_else(|| {
        Error::mongo(5_860_401, "'near' of $geoNear must be a GeoJSON point or a pair of coordinates")
    })?;
    let mut condition = DocBuilder::new();
    condition.put(if doc.get("spherical").is_some_and(truth) { "$nearSphere" } else { "$near" }, place);
    for (name, operator) in [("minDistance", "$minDistance"), ("maxDistance", "$maxDistance")] {
        if let Some(distance) = read_number(doc, name)? {
            condition.put(operator, ValueRef::Double(distance));
        }
    }
    Ok(Near::parse(condition.finish().raw())?)
}

impl GeoNear {
    pub fn build<'a>(&'a self, input: Box<dyn Operator + 'a>) -> Box<dyn Operator + 'a> {
        Box::new(Mapped::new(input, |item, _, out| {
            out.push(self.named(item)?);
            Ok(())
        }))
    }

    fn named(&self, item: Item) -> Result<Item> {
        let Some(found) = item.found.clone() else { return Ok(item) };
        let distance = ValueRef::Double(found.distance.unwrap_or(f64::NAN) * self.multiplier);
        let mut doc = with(item.doc.raw(), &self.distance_field, distance);
        if let (Some(field), Some(point)) = (&self.location_field, &found.point) {
            doc = with(doc.raw(), field, point.as_ref());
        }
        bounded(doc.as_bytes().len())?;
        Ok(item.with_doc(doc))
    }
}

fn with(doc: RawDoc<'_>, field: &FieldPath, value: ValueRef<'_>) -> storage::Doc {
    let names: Vec<&str> = field.names().collect();
    let mut builder = DocBuilder::with_capacity(doc.as_bytes().len() + 64);
    set(doc, &names, Some(value), &mut builder);
    builder.finish()
}
