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
use std::f64::consts::PI;

/// Stored geometries are filed under cells of even levels only: half as many ancestors to look up.
const STORED_STEP: u64 = 2;
/// The smallest cell that a line or polygon is filed under (half a metre).
const STORED_LEVEL_MAX: u64 = 24;
/// Most cells that one geometry is filed under, as a rule: six for the whole globe, whatever this says.
const STORED_CELLS_MAX: usize = 20;
/// Most cells that a search is cut into, their ancestors not counted.
const SEARCH_CELLS_MAX: usize = 24;
/// The smallest cell that a search is cut into.
const SEARCH_LEVEL_MAX: u64 = 28;
/// A multi-point of at most this many points is filed under their leaves.
const LEAVES_MAX: usize = 20;
/// By how much more than its own area a cell is taken to reach, in radians.
const MARGIN: f64 = 1e-8;

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
}

/// A cell with what comparisons need.
pub(super) struct Quad {
    id: CellID,
    corners: [Vector; 4],
    inward: [Vector; 4],
    center: Vector,
    radius: f64,
    space: Space,
    bound: Bound,
}

impl Quad {
    fn new(id: CellID) -> Quad {
        let cell = Cell::from(id);
        let corners = cell.vertices().map(Vector::of_s2);
        let inward = [0, 1, 2, 3].map(|side| Vector::of_s2(cell.edge(side)));
        let center = Vector::of_s2(cell.center());
        let radius = corners.iter().map(|corner| center.angle(*corner)).fold(0.0, f64::max) + MARGIN;
        let rect = cell.rect_bound();
        let bound = Bound { lat: rect.lat.expanded(MARGIN), lng: rect.lng.expanded(MARGIN) };
        Quad { id, corners, inward, center, radius, space: Space::around(center, radius), bound }
    }

    pub const fn bound(&self) -> &Bound {
        &self.bound
    }

    /// Can the arc come within the margin of the cell? Answers no only where a great circle separates the two.
    fn may_meet_arc(&self, a: Vector, b: Vector) -> bool {
        if self.inward.iter().any(|side| side.dot(a) < -MARGIN && side.dot(b) < -MARGIN) {
            return false;
        }
        let normal = a.stable_cross(b).normalize();
        let heights = self.corners.map(|corner| corner.dot(normal));
        !heights.iter().all(|height| *height > MARGIN) && !heights.iter().all(|height| *height < -MARGIN)
    }

    fn may_meet_chain(&self, chain: &Chain) -> bool {
        let mut found = Vec::new();
        chain.near(&self.space, &mut found);
        found.into_iter().any(|index| {
            let (a, b) = chain.arc(index);
            self.may_meet_arc(a, b)
        })
    }

    /// How a disc relates to the cell.
    pub fn meeting_disc(&self, center: Vector, radius: f64) -> Meeting {
        let distance = center.angle(self.center);
        if radius >= PI || distance + self.radius <= radius {
            return Meeting::Inside;
        }
        let beyond_side = self.inward.iter().any(|side| -side.dot(center).clamp(-1.0, 1.0).asin() > radius + MARGIN);
        if distance > radius + self.radius || beyond_side { Meeting::Apart } else { Meeting::Partly }
    }
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
}

impl Region for Cap {
    fn meeting(&self, cell: &Quad) -> Meeting {
        cell.meeting_disc(self.center(), self.radius())
    }
}

impl Region for Bound {
    fn meeting(&self, cell: &Quad) -> Meeting {
        if self.contains(cell.bound()) {
            Meeting::Inside
        } else if self.intersects(cell.bound()) {
            Meeting::Partly
        } else {
            Meeting::Apart
        }
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
        let low = self.leaves.partition_point(|id| *id < cell.id.range_min().0);
        let has_leaf = self.leaves.get(low).is_some_and(|id| *id <= cell.id.range_max().0);
        let meets = has_leaf || self.parts.lines.iter().any(|line| cell.may_meet_chain(line.chain()));
        if meets { Meeting::Partly } else { Meeting::Apart }
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
            let limits = Limits { cells: STORED_CELLS_MAX, level: STORED_LEVEL_MAX, step: STORED_STEP };
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
    cells(region, &Limits { cells: SEARCH_CELLS_MAX, level: SEARCH_LEVEL_MAX, step: 1 })
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
    step: u64,
}

/// Cells that together hold the region: starts with the cube's faces and divides the largest while there is room.
fn cells(region: &impl Region, limits: &Limits) -> Vec<CellID> {
    let mut done = Vec::new();
    let mut open = BinaryHeap::new();
    let file = |id: CellID, done: &mut Vec<CellID>, open: &mut BinaryHeap<_>| match region.meeting(&Quad::new(id)) {
        Meeting::Apart => {}
        Meeting::Partly if id.level() < limits.level => open.push(Reverse((id.level(), id.0))),
        Meeting::Partly | Meeting::Inside => done.push(id),
    };
    for face in 0..NUM_FACES {
        file(CellID::from_face(u64::from(face)), &mut done, &mut open);
    }
    while let Some(Reverse((_, id))) = open.pop() {
        let (mut inside, mut divided) = (Vec::new(), BinaryHeap::new());
        for child in descendants(CellID(id), limits.step) {
            file(child, &mut inside, &mut divided);
        }
        let (found, held) = (inside.len() + divided.len(), done.len() + open.len());
        if found <= 1 || held + found <= limits.cells {
            done.append(&mut inside);
            open.append(&mut divided);
        } else {
            done.push(CellID(id));
        }
    }
    done.sort_unstable();
    done
}

fn descendants(id: CellID, levels: u64) -> Vec<CellID> {
    (0..levels).fold(vec![id], |cells, _| cells.iter().flat_map(CellID::children).collect())
}

/// Ranges of cell numbers, both ends included, rising and apart: all geometries filed under one of the cells, below
/// them, or above.
pub(super) fn ranges_of(cells: &[CellID]) -> Vec<(u64, u64)> {
    let below = cells.iter().map(|id| (id.range_min().0, id.range_max().0));
    let above = cells.iter().flat_map(|id| {
        let levels = (0..id.level()).step_by(STORED_STEP as usize);
        levels.map(|level| id.parent(level).0).map(|ancestor| (ancestor, ancestor))
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
