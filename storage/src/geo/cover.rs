//! Cells of the globe: what stored geometries are filed under, and which ranges of cells a search reads.
//!
//! The globe is the surface of a cube, each face halved again and again in both directions: 30 levels down to cells of
//! a centimetre, numbered along a curve so that a cell's number lies between those of its descendants. A point is filed
//! under its leaf; anything else under a few cells that together hold it. A search reads the ranges below the cells
//! that hold the shape, and the single numbers of their ancestors, under which larger geometries may be filed.
//!
//! Cells are taken generously, by some leaf widths, because a point on an edge matches when its leaf touches the edge.

use super::bound::{Bound, Space};
use super::cap::Cap;
use super::cells::leaf;
use super::chain::Chain;
use super::geometry::{Body, Geometry, Parts, Winding};
use super::polygon::Polygon;
use super::vector::Vector;
use s2::cell::Cell;
use s2::cellid::{CellID, NUM_FACES};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::f64::consts::{FRAC_PI_2, PI};

/// The smallest cell that a line or polygon is filed under (half a metre).
const STORED_LEVEL_MAX: u64 = 24;
/// Most cells that one geometry is filed under. Twelve cells cover less than twice the area of a round polygon; eight
/// save writes and cover a fifth more, twenty a seventh less.
const STORED_CELLS_MAX: usize = 12;
/// Most cells that a search is cut into, their ancestors not counted.
const SEARCH_CELLS_MAX: usize = 24;
/// The same for one ring of a search that goes nearest first: there are several rings.
const RING_CELLS_MAX: usize = 12;
/// The smallest cell that a search is cut into.
const SEARCH_LEVEL_MAX: u64 = 28;
/// A multi-point of at most this many points is filed under their leaves.
const LEAVES_MAX: usize = STORED_CELLS_MAX;
/// By how much more than its own area a cell is taken to reach, in radians.
const MARGIN: f64 = 1e-8;

/// What an index holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Single points, each filed under its leaf.
    Points,
    /// Areas and lines as well, filed under larger cells.
    Areas,
}

/// How a region relates to a cell. `Partly` may be said of a region that only comes near the cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meeting {
    Apart,
    Partly,
    Inside,
}

/// Something that cells can cover.
pub(super) trait Region {
    fn meeting(&self, cell: &Quad) -> Meeting;

    /// A disc that holds the region: centre and radius in radians.
    fn disc(&self) -> Option<(Vector, f64)>;
}

/// A cell with what comparisons need.
pub(super) struct Quad {
    cell: Cell,
    corners: [Vector; 4],
    inward: [Vector; 4],
    center: Vector,
    /// Distance in space from the centre to the farthest corner, with the margin.
    reach: f64,
}

impl Quad {
    fn new(cell: Cell) -> Quad {
        let corners = cell.vertices().map(Vector::of_s2);
        let inward = [0, 1, 2, 3].map(|side| Vector::of_s2(cell.edge(side)));
        let center = corners.iter().fold(Vector::new(0.0, 0.0, 0.0), |sum, corner| sum + *corner).normalize();
        let reach2 = corners.iter().map(|corner| (center - *corner).norm2()).fold(0.0, f64::max);
        Quad { cell, corners, inward, center, reach: reach2.sqrt() + MARGIN }
    }

    /// The cell's longitudes and latitudes.
    pub fn bound(&self) -> Bound {
        let rect = self.cell.rect_bound();
        Bound { lat: rect.lat.expanded(MARGIN), lng: rect.lng.expanded(MARGIN) }
    }

    /// Can the arc come within the margin of the cell? Answers no only where a great circle separates the two.
    fn may_meet_arc(&self, a: Vector, b: Vector) -> bool {
        if self.inward.iter().any(|side| side.dot(a) < -MARGIN && side.dot(b) < -MARGIN) {
            return false;
        }
        let normal = a.stable_cross(b);
        let (heights, margin) = (self.corners.map(|corner| corner.dot(normal)), MARGIN * normal.norm());
        !heights.iter().all(|height| *height > margin) && !heights.iter().all(|height| *height < -margin)
    }

    fn may_meet_chain(&self, chain: &Chain) -> bool {
        let mut found = Vec::new();
        chain.near(&Space::around(self.center, self.reach), &mut found);
        found.into_iter().any(|index| {
            let (a, b) = chain.arc(index);
            self.may_meet_arc(a, b)
        })
    }

    /// How a disc relates to the cell.
    pub fn meeting_disc(&self, center: Vector, radius: f64) -> Meeting {
        let (distance, own) = (center.angle(self.center), angle_of_chord(self.reach));
        if radius >= PI || distance + own <= radius {
            return Meeting::Inside;
        }
        let depth = (radius + MARGIN).min(FRAC_PI_2).sin();
        let beyond_side = radius < FRAC_PI_2 && self.inward.iter().any(|side| -side.dot(center) > depth);
        if distance > radius + own || beyond_side { Meeting::Apart } else { Meeting::Partly }
    }

    /// Does the disc lie in the cell, clear of its edges?
    fn holds_disc(&self, center: Vector, radius: f64) -> bool {
        let depth = (radius + MARGIN).sin();
        self.inward.iter().all(|side| side.dot(center) > depth)
    }
}

fn angle_of_chord(chord: f64) -> f64 {
    2.0 * (0.5 * chord).min(1.0).asin()
}

/// A disc around some points, and around everything between them if it is smaller than a hemisphere.
fn disc_around(points: impl Iterator<Item = Vector>) -> Option<(Vector, f64)> {
    let points: Vec<Vector> = points.collect();
    let center = points.iter().fold(Vector::new(0.0, 0.0, 0.0), |sum, point| sum + *point).normalize();
    let chord2 = points.iter().map(|point| (center - *point).norm2()).fold(0.0, f64::max);
    (chord2 < 1.0).then(|| (center, angle_of_chord(chord2.sqrt())))
}

impl Region for Polygon {
    fn meeting(&self, cell: &Quad) -> Meeting {
        if self.chains().any(|chain| cell.may_meet_chain(chain)) {
            Meeting::Partly
        } else if self.contains_point(cell.center) {
            Meeting::Inside
        } else {
            Meeting::Apart
        }
    }

    fn disc(&self) -> Option<(Vector, f64)> {
        disc_around(self.chains().flat_map(Chain::vertices).copied())
    }
}

impl Region for Winding {
    fn meeting(&self, cell: &Quad) -> Meeting {
        if self.border().chains().any(|chain| cell.may_meet_chain(chain)) {
            Meeting::Partly
        } else if self.contains_point(cell.center) {
            Meeting::Inside
        } else {
            Meeting::Apart
        }
    }

    fn disc(&self) -> Option<(Vector, f64)> {
        None
    }
}

impl Region for Cap {
    fn meeting(&self, cell: &Quad) -> Meeting {
        cell.meeting_disc(self.center(), self.radius())
    }

    fn disc(&self) -> Option<(Vector, f64)> {
        Some((self.center(), self.radius()))
    }
}

impl Region for Bound {
    fn meeting(&self, cell: &Quad) -> Meeting {
        let bound = cell.bound();
        if self.contains(&bound) {
            Meeting::Inside
        } else if self.intersects(&bound) {
            Meeting::Partly
        } else {
            Meeting::Apart
        }
    }

    fn disc(&self) -> Option<(Vector, f64)> {
        None
    }
}

/// The parts of a geometry, with the leaves of its points in order.
struct Whole<'a> {
    parts: &'a Parts,
    leaves: Vec<u64>,
}

impl Region for Whole<'_> {
    fn meeting(&self, cell: &Quad) -> Meeting {
        let mut meeting = Meeting::Apart;
        for polygon in &self.parts.polygons {
            match polygon.meeting(cell) {
                Meeting::Inside => return Meeting::Inside,
                Meeting::Partly => meeting = Meeting::Partly,
                Meeting::Apart => {}
            }
        }
        if meeting == Meeting::Partly {
            return meeting;
        }
        let low = self.leaves.partition_point(|id| *id < cell.cell.id.range_min().0);
        let has_leaf = self.leaves.get(low).is_some_and(|id| *id <= cell.cell.id.range_max().0);
        let meets = has_leaf || self.parts.lines.iter().any(|line| cell.may_meet_chain(line.chain()));
        if meets { Meeting::Partly } else { Meeting::Apart }
    }

    fn disc(&self) -> Option<(Vector, f64)> {
        let lines = self.parts.lines.iter().map(|line| line.chain());
        let polygons = self.parts.polygons.iter().flat_map(Polygon::chains);
        let vertices = lines.chain(polygons).flat_map(Chain::vertices);
        disc_around(self.parts.points.iter().chain(vertices).copied())
    }
}

/// The cells that an index files a geometry under. Empty for a coordinate pair that is no longitude and latitude.
pub(super) fn cover(geometry: &Geometry) -> Vec<u64> {
    match &geometry.0 {
        Body::Place(place) => place.sphere.map(|point| leaf(point).0).into_iter().collect(),
        Body::Parts(parts) => {
            let whole = Whole { parts, leaves: leaves(parts) };
            if parts.lines.is_empty() && parts.polygons.is_empty() && whole.leaves.len() <= LEAVES_MAX {
                return whole.leaves;
            }
            let limits = Limits { cells: STORED_CELLS_MAX, level: STORED_LEVEL_MAX };
            cells(&whole, &limits).into_iter().map(|id| id.0).collect()
        }
        Body::Winding(_) => Vec::new(),
    }
}

/// The cells that hold an argument geometry.
pub(super) fn search_cells(geometry: &Geometry) -> Vec<CellID> {
    match &geometry.0 {
        Body::Place(place) => place.sphere.map(leaf).into_iter().collect(),
        Body::Parts(parts) => search_region(&Whole { parts, leaves: leaves(parts) }),
        Body::Winding(winding) => search_region(&**winding),
    }
}

/// The cells that hold a region to search.
pub(super) fn search_region(region: &impl Region) -> Vec<CellID> {
    cells(region, &Limits { cells: SEARCH_CELLS_MAX, level: SEARCH_LEVEL_MAX })
}

/// The cells that hold a ring of a search that goes nearest first.
pub(super) fn ring_cells(region: &impl Region) -> Vec<CellID> {
    cells(region, &Limits { cells: RING_CELLS_MAX, level: SEARCH_LEVEL_MAX })
}

fn leaves(parts: &Parts) -> Vec<u64> {
    let mut leaves: Vec<u64> = parts.points.iter().map(|point| leaf(*point).0).collect();
    leaves.sort_unstable();
    leaves.dedup();
    leaves
}

struct Limits {
    cells: usize,
    level: u64,
}

/// Cells that together hold the region: starts with one cell around it, or with the faces of the cube, and divides the
/// largest while there is room.
fn cells(region: &impl Region, limits: &Limits) -> Vec<CellID> {
    let mut covering = Covering { region, limits, done: Vec::new(), open: BinaryHeap::new() };
    for cell in first_cells(region, limits) {
        covering.file(cell);
    }
    while let Some(Reverse((_, id))) = covering.open.pop() {
        let mut divided = Covering { region, limits, done: Vec::new(), open: BinaryHeap::new() };
        for part in Cell::from(CellID(id)).children().into_iter().flatten() {
            divided.file(part);
        }
        let (found, held) = (divided.len(), covering.len());
        if found <= 1 || held + found <= limits.cells {
            covering.done.append(&mut divided.done);
            covering.open.append(&mut divided.open);
        } else {
            covering.done.push(CellID(id));
        }
    }
    covering.done.sort_unstable();
    covering.done
}

/// The smallest cell that clearly holds the region's disc, or the six faces.
fn first_cells(region: &impl Region, limits: &Limits) -> Vec<Cell> {
    let faces = || (0..NUM_FACES).map(|face| Cell::from(CellID::from_face(u64::from(face)))).collect();
    let Some((center, radius)) = region.disc().filter(|(_, radius)| *radius < 0.5) else { return faces() };
    let id = leaf(center);
    // A cell is about half as wide as one of the level above; at level 0 about a quarter turn.
    let fitting = (0..limits.level).take_while(|level| radius * 2.0 * f64::from(1_u32 << level) < 1.0);
    let ancestors = fitting.collect::<Vec<u64>>().into_iter().rev().map(|level| Cell::from(id.parent(level)));
    let holder = ancestors.into_iter().find(|cell| Quad::new(cell.clone()).holds_disc(center, radius));
    holder.map_or_else(faces, |cell| vec![cell])
}

/// Cells of a region: those that are final, and those that may yet be divided.
struct Covering<'r, R> {
    region: &'r R,
    limits: &'r Limits,
    done: Vec<CellID>,
    open: BinaryHeap<Reverse<(u64, u64)>>,
}

impl<R: Region> Covering<'_, R> {
    fn len(&self) -> usize {
        self.done.len() + self.open.len()
    }

    fn file(&mut self, cell: Cell) {
        let id = cell.id;
        match self.region.meeting(&Quad::new(cell)) {
            Meeting::Apart => {}
            Meeting::Partly if id.level() < self.limits.level => self.open.push(Reverse((id.level(), id.0))),
            Meeting::Partly | Meeting::Inside => self.done.push(id),
        }
    }
}

/// Ranges of cell numbers, both ends included, rising and apart: all geometries filed under one of the cells, below
/// them, or above – where nothing but points is stored there is nothing above.
pub(super) fn ranges_of(cells: &[CellID], stored: Stored) -> Vec<(u64, u64)> {
    let below = cells.iter().map(|id| (id.range_min().0, id.range_max().0));
    if stored == Stored::Points {
        return merged(below.collect());
    }
    let above = cells.iter().flat_map(|id| {
        let ancestors = (0..id.level().min(STORED_LEVEL_MAX + 1)).map(|level| id.parent(level).0);
        ancestors.map(|ancestor| (ancestor, ancestor))
    });
    merged(below.chain(above).collect())
}

/// Sorts ranges and joins those that overlap or touch.
pub(super) fn merged(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
    for (low, high) in ranges {
        match joined.last_mut() {
            Some((_, end)) if low <= end.saturating_add(1) => *end = high.max(*end),
            _ => joined.push((low, high)),
        }
    }
    joined
}

/// What is left of `ranges` without `known`; both rising and apart.
pub(super) fn without(ranges: &[(u64, u64)], known: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut left = Vec::new();
    let mut known = known.iter().copied().peekable();
    for &(mut low, high) in ranges {
        while known.next_if(|(_, end)| *end < low).is_some() {}
        let mut open = true;
        while let Some(&(start, end)) = known.peek().filter(|(start, _)| *start <= high) {
            if start > low {
                left.push((low, start - 1));
            }
            if end >= high {
                open = false;
                break;
            }
            low = end + 1;
            known.next();
        }
        if open {
            left.push((low, high));
        }
    }
    left
}
