//! Single cells of the globe: the leaf that a point counts as, and whether a cell holds a point.

use super::vector::Vector;
use s2::cell::Cell;
use s2::cellid::CellID;

/// More than any point of a leaf cell is away from a point that counts as that leaf, in radians.
pub(super) const LEAF_REACH: f64 = 1e-8;

/// The leaf cell that a point lies in, about a centimetre wide: points count as this cell where edges are concerned.
pub(super) fn leaf(point: Vector) -> CellID {
    CellID::from(&point.to_s2())
}

/// Is this the number of a leaf?
pub(crate) const fn is_leaf(cell: u64) -> bool {
    cell & 1 == 1
}

/// [`leaf`] with its corners.
pub(super) fn leaf_cell(point: Vector) -> Cell {
    Cell::from(leaf(point))
}

/// Is the point in the cell or on its edge? Exactly, without the slack that `Cell::contains_point` allows: a point that
/// rounding put beside its own leaf is not in it. MongoDB misses such points, too (a line that ends at `[90, 0]` does
/// not meet the point `[90, 0]`).
pub(super) fn cell_holds(cell: &Cell, point: Vector) -> bool {
    let Vector { x, y, z } = point;
    let (in_front, u, v) = match cell.face() {
        0 => (x > 0.0, y / x, z / x),
        1 => (y > 0.0, -x / y, z / y),
        2 => (z > 0.0, -x / z, -y / z),
        3 => (x < 0.0, z / x, y / x),
        4 => (y < 0.0, z / y, -x / y),
        _ => (z < 0.0, -y / z, -x / z),
    };
    let area = cell.bound_uv();
    in_front && (area.x.lo..=area.x.hi).contains(&u) && (area.y.lo..=area.y.hi).contains(&v)
}
