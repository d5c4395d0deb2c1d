//! The legacy 2d index: points of the plane on a square grid.
//!
//! Both coordinates become 32-bit steps between the bounds of the index; a cell number interleaves their bits, so that
//! each square of the quartering is one range. Every stored location is one cell, there are no ancestors.

use super::cover::merged;
use super::fault::GeoFault;
use super::parse::members;
use super::planar::{Flat, Rectangle};
use crate::value::ValueRef;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Bounds of a 2d index. Its `bits` are checked and otherwise not needed: cells are always as fine as numbers allow.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Grid {
    min: f64,
    max: f64,
}

impl Default for Grid {
    /// Bounds of ±180.
    fn default() -> Grid {
        Grid { min: -180.0, max: 180.0 }
    }
}

/// Most ranges that a search is cut into.
const RANGES_MAX: usize = 32;

impl Grid {
    /// A grid between `min` and `max` in both directions; `bits` per direction must be 1 to 32 (26 if not given).
    pub fn new(bits: f64, min: f64, max: f64) -> Result<Grid, GeoFault> {
        if !(1.0..33.0).contains(&bits) {
            return Err(GeoFault::GridBits(bits));
        }
        if !min.is_finite() || !max.is_finite() || !(max - min).is_finite() || min >= max {
            return Err(GeoFault::GridBounds { min, max });
        }
        Ok(Grid { min, max })
    }

    /// The cells of the locations in one value at the indexed path: a pair, or an array or object of pairs. None for
    /// other kinds of values and empty ones, which a 2d index leaves out.
    pub fn cells(&self, value: ValueRef<'_>) -> Result<Vec<u64>, GeoFault> {
        let Some(mut all) = members(value) else { return Ok(Vec::new()) };
        match all.next() {
            None => Ok(Vec::new()),
            Some(first) if first.kind().is_number() => Ok(vec![self.cell_of_pair(value)?]),
            Some(first) => {
                let mut cells = Vec::new();
                for location in std::iter::once(first).chain(all) {
                    if members(location).ok_or(GeoFault::GridNotPairs)?.next().is_some() {
                        cells.push(self.cell_of_pair(location)?);
                    }
                }
                cells.sort_unstable();
                cells.dedup();
                Ok(cells)
            }
        }
    }

    fn cell_of_pair(&self, value: ValueRef<'_>) -> Result<u64, GeoFault> {
        let mut all = members(value).ok_or(GeoFault::GridNotPairs)?;
        let x = all.next().ok_or(GeoFault::GridOneElement)?;
        let y = all.next().ok_or(GeoFault::GridOneElement)?;
        let (Some(x), Some(y)) = (x.as_f64(), y.as_f64()) else { return Err(GeoFault::GridNotNumeric) };
        let point = Flat { x, y };
        if !self.holds(point) {
            return Err(GeoFault::GridOutOfBounds { min: self.min, max: self.max });
        }
        Ok(interleave(self.step(x), self.step(y)))
    }

    fn holds(&self, point: Flat) -> bool {
        let bounds = self.min..=self.max;
        bounds.contains(&point.x) && bounds.contains(&point.y)
    }

    pub(super) fn check_center(&self, center: Flat) -> Result<(), GeoFault> {
        if self.holds(center) {
            return Ok(());
        }
        Err(GeoFault::GridCenterOutOfBounds { min: self.min, max: self.max })
    }

    /// Length of the grid's side.
    pub(super) fn size(&self) -> f64 {
        self.max - self.min
    }

    /// The greatest distance from a point to any point of the grid, rounded up.
    pub(super) fn reach(&self, center: Flat) -> f64 {
        let corner = |at: f64| Flat { x: at, y: at };
        let farthest = Rectangle::new(corner(self.min), corner(self.max)).farthest(center);
        center.distance(farthest) * (1.0 + 4.0 * f64::EPSILON)
    }

    /// The step that a coordinate falls on; coordinates beyond the bounds fall on the first or last.
    fn step(&self, at: f64) -> u32 {
        let share = (at - self.min) / (self.max - self.min) * 4_294_967_296.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, as wanted")]
        let step = share as u32;
        step
    }

    pub(super) fn ranges_around(&self, center: Flat, radius: f64) -> Vec<(u64, u64)> {
        self.ranges_in(&Rectangle::around(center, radius * (1.0 + 1e-12) + f64::MIN_POSITIVE))
    }

    /// [`Grid::ranges_in`] for several boxes.
    pub(super) fn ranges_in_all(&self, areas: &[Rectangle]) -> Vec<(u64, u64)> {
        merged(areas.iter().flat_map(|area| self.ranges_in(area)).collect())
    }

    /// Ranges of cells, both ends included, rising and apart, that hold every point of the box.
    pub(super) fn ranges_in(&self, area: &Rectangle) -> Vec<(u64, u64)> {
        // One step of slack on each side takes up the rounding of both ends.
        let low = (self.step(area.low.x).saturating_sub(1), self.step(area.low.y).saturating_sub(1));
        let high = (self.step(area.high.x).saturating_add(1), self.step(area.high.y).saturating_add(1));
        let mut done = Vec::new();
        let mut open = BinaryHeap::from([Reverse((0_u32, 0_u64))]);
        while let Some(Reverse((level, prefix))) = open.pop() {
            if level == 32 {
                done.push((prefix, prefix));
                continue;
            }
            let rest = 64 - 2 * (level + 1);
            let quarters = (0..4_u64).map(|quarter| prefix | quarter << rest);
            let held = done.len() + open.len();
            let met: Vec<(u64, bool)> =
                quarters.filter_map(|id| square(id, rest, low, high).map(|all| (id, all))).collect();
            if met.len() > 1 && held + met.len() > RANGES_MAX {
                done.push((prefix, prefix | ones(rest + 2)));
                continue;
            }
            for (id, all) in met {
                if all {
                    done.push((id, id | ones(rest)));
                } else {
                    open.push(Reverse((level + 1, id)));
                }
            }
        }
        merged(done)
    }
}

/// Whether the square of cells that begins at `id` and leaves `rest` bits free lies all inside the box of steps;
/// `None` where it lies outside.
fn square(id: u64, rest: u32, low: (u32, u32), high: (u32, u32)) -> Option<bool> {
    let (left, bottom) = (gather(id >> 1), gather(id));
    let last = id | ones(rest);
    let (right, top) = (gather(last >> 1), gather(last));
    if right < low.0 || left > high.0 || top < low.1 || bottom > high.1 {
        return None;
    }
    Some(left >= low.0 && right <= high.0 && bottom >= low.1 && top <= high.1)
}

const fn ones(bits: u32) -> u64 {
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

/// The bits of `x` and `y` in turn, those of `x` first.
fn interleave(x: u32, y: u32) -> u64 {
    spread(x) << 1 | spread(y)
}

/// A zero before each bit.
fn spread(bits: u32) -> u64 {
    const MASKS: [(u32, u64); 5] = [
        (16, 0x0000_FFFF_0000_FFFF),
        (8, 0x00FF_00FF_00FF_00FF),
        (4, 0x0F0F_0F0F_0F0F_0F0F),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ];
    MASKS.iter().fold(u64::from(bits), |bits, (shift, mask)| (bits | bits << shift) & mask)
}

/// Every second bit, the reverse of [`spread`].
fn gather(bits: u64) -> u32 {
    const MASKS: [(u32, u64); 5] = [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0F0F_0F0F_0F0F_0F0F),
        (4, 0x00FF_00FF_00FF_00FF),
        (8, 0x0000_FFFF_0000_FFFF),
        (16, 0x0000_0000_FFFF_FFFF),
    ];
    let bits = MASKS.iter().fold(bits & 0x5555_5555_5555_5555, |bits, (shift, mask)| (bits | bits >> shift) & mask);
    #[expect(clippy::cast_possible_truncation, reason = "the last mask leaves 32 bits")]
    let gathered = bits as u32;
    gathered
}
