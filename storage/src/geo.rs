//! Geometry: what stored values and arguments mean on the globe and in the plane, and how geo indexes file them.
//!
//! A `Geometry` is read from a value and checked; a `Shape` is the argument of `$geoWithin` or `$geoIntersects` and
//! tells which values fit; a `Near` measures distances and searches nearest first. Meaning and error numbers are those
//! of MongoDB 6.0 (2dsphere version 3 and 2d indexes); edges on the globe are geodesics, as in the S2 library.
//!
//! Index entries are cell numbers in their order. A 2dsphere index files a value under [`sphere_cells`] and is read by
//! [`Shape::ranges`] or [`Near::rings`]; a 2d index files it under [`Grid::cells`] and is read by
//! [`Shape::grid_ranges`] or [`Near::grid_rings`]. What is read is a superset: ask [`Shape::matches`] or
//! [`Near::nearest`] about each document. Nothing here does input or output, or knows of documents and paths.
//!
//! ```
//! use storage::{DocBuilder, ValueRef, geo};
//! let mut builder = DocBuilder::new();
//! let pair = builder.open_array("loc");
//! builder.put_at(0, ValueRef::Double(116.4));
//! builder.put_at(1, ValueRef::Double(39.9));
//! builder.close(pair);
//! let doc = builder.finish();
//! let cells = doc.get("loc").map(geo::sphere_cells);
//! assert_eq!(cells.and_then(Result::ok).map(|cells| cells.len()), Some(1));
//! ```

mod bound;
mod cap;
mod cells;
mod chain;
mod cover;
mod crossing;
mod fault;
mod geometry;
mod grid;
mod line;
mod near;
mod parse;
mod planar;
mod polygon;
mod ring;
mod shape;
mod vector;

#[cfg(test)]
mod tests;

pub(crate) use cells::is_leaf;
pub use cover::Stored;
pub use fault::GeoFault;
pub use geometry::{EARTH_RADIUS_METERS, Geometry};
pub use grid::Grid;
pub use near::{Metric, NEAR_OPERATORS, Near, Nearest, Ring, Rings};
pub use shape::{SHAPES, Shape};

use crate::value::ValueRef;

/// The cell number for a document that has no geometry in an indexed field: no cell has it.
pub const NO_CELL: u64 = 0;

impl Geometry {
    /// The cells that a 2dsphere index files this geometry under, rising; none for a coordinate pair that is no
    /// longitude and latitude.
    pub fn cover(&self) -> Vec<u64> {
        cover::cover(self)
    }
}

/// The cells that a 2dsphere index files one value under. The index leaves out a document whose only value at the
/// path [`is_absent`]; a fault (number 16755) refuses the document.
pub fn sphere_cells(value: ValueRef<'_>) -> Result<Vec<u64>, GeoFault> {
    let unindexable = |fault| GeoFault::Unindexable(Box::new(fault));
    let geometry = Geometry::stored(value).map_err(unindexable)?;
    geometry.in_bounds().map_err(unindexable)?;
    Ok(geometry.cover())
}

/// Does a 2dsphere index take this value as missing, if it is the only one at the path? Null, and empty arrays and
/// objects.
pub fn is_absent(value: ValueRef<'_>) -> bool {
    value.is_nullish() || parse::members(value).is_some_and(|mut members| members.next().is_none())
}
