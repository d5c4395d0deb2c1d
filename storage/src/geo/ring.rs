//! Rings: closed chains that do not cross themselves, whose inside is to their left.
//!
//! A ring knows whether one fixed point of the sphere (`ORIGIN`) is inside; any other point is judged by counting
//! the arcs between it and that point, so every point is in exactly one of two neighbouring rings.

use super::bound::{Bound, Space};
use super::cells::LEAF_REACH;
use super::chain::{Chain, Effort, any_meeting, crosses_itself};
use super::crossing::{Crosser, Crossing, Wedge, WedgeRelation};
use super::fault::GeoFault;
use super::vector::{Vector, in_order, turn};
use s2::cell::Cell;
use std::f64::consts::FRAC_PI_2;

/// A ring of at least three vertices.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    chain: Chain,
    bound: Bound,
    /// The bound and what a leaf cell reaches beyond it.
    reach: Bound,
    origin_inside: bool,
}

/// How the boundary of one ring relates to that of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nesting {
    Crosses,
    Contains,
    Neither,
}

/// A point of the Indian Ocean that no reasonable edge passes through: crossings are counted from here.
fn origin() -> Vector {
    Vector::new(0.00457, 1.0, 0.0321).normalize()
}

impl Ring {
    /// The ring through these vertices, which are not checked (see [`Ring::check`]).
    pub fn new(vertices: Vec<Vector>) -> Ring {
        let chain = Chain::new(vertices, true);
        let mut ring = Ring { chain, bound: Bound::ALL, reach: Bound::ALL, origin_inside: false };
        let (before, at, after) = (ring.vertex(0), ring.vertex(1), ring.vertex(2));
        let vertex_inside = in_order(at.reference(), before, after, at);
        ring.origin_inside = vertex_inside != ring.contains_point(at);
        ring.measure();
        ring
    }

    /// The four corners of a cell.
    pub fn of_cell(cell: &Cell) -> Ring {
        Ring::new(cell.vertices().into_iter().map(Vector::of_s2).collect())
    }

    /// Sets the box around the inside: wider than the box around the edge where a pole is inside.
    fn measure(&mut self) {
        let first = self.vertex(0);
        let mut bound = Bound::of_chain(self.chain.vertices().iter().copied().chain([first]));
        if self.contains_point(Vector::new(0.0, 0.0, 1.0)) {
            bound.lat.hi = FRAC_PI_2;
            bound.lng = Bound::ALL.lng;
        }
        if bound.lng.is_full() && self.contains_point(Vector::new(0.0, 0.0, -1.0)) {
            bound.lat.lo = -FRAC_PI_2;
        }
        self.bound = bound;
        self.reach = bound.widened(LEAF_REACH);
    }

    /// What makes the ring unusable: a vertex met twice, or arcs that cross.
    pub fn check(&self, effort: &mut Effort) -> Result<(), GeoFault> {
        let mut seen: Vec<[u64; 3]> = self.chain.vertices().iter().map(|vertex| vertex.bits()).collect();
        seen.sort_unstable();
        if seen.windows(2).any(|pair| matches!(pair, [one, next] if one == next)) {
            return Err(GeoFault::RingTouchesItself);
        }
        if crosses_itself(&self.chain, effort)? {
            return Err(GeoFault::RingCrossesItself);
        }
        Ok(())
    }

    /// Does the ring cover at most half of the sphere?
    pub fn is_normalized(&self) -> bool {
        // A little slack, so that a hemisphere counts as normalized in both directions.
        self.bound.is_narrow() || self.turning() >= -1e-14
    }

    /// This ring, or its reverse where that covers less of the sphere.
    pub fn normalized(self) -> Ring {
        if self.is_normalized() { self } else { self.inverted() }
    }

    /// The ring run through backwards: inside and outside change places.
    fn inverted(self) -> Ring {
        let covers_pole = self.bound.lat.lo <= -FRAC_PI_2 || self.bound.lat.hi >= FRAC_PI_2;
        let vertices: Vec<Vector> = self.chain.vertices().iter().rev().copied().collect();
        let chain = Chain::new(vertices, true);
        let mut ring = Ring { chain, bound: Bound::ALL, reach: Bound::ALL, origin_inside: !self.origin_inside };
        if covers_pole {
            ring.measure();
        }
        ring
    }

    /// The sum of the turns along the ring: positive where the inside is the smaller part.
    fn turning(&self) -> f64 {
        let count = self.chain.arcs();
        let (first, forward) = self.canonical_start();
        let at = |step: usize| {
            let step = step % count;
            self.vertex(if forward { first + step } else { first + count - step })
        };
        let sum: f64 = (0..count).map(|step| turn_angle(at(step + count - 1), at(step), at(step + 1))).sum();
        if forward { sum } else { -sum }
    }

    /// A vertex and a direction that do not depend on where the ring starts, so that rounding does not either.
    fn canonical_start(&self) -> (usize, bool) {
        let count = self.chain.arcs();
        let key = |index: usize| {
            let vertex = self.vertex(index);
            [vertex.x, vertex.y, vertex.z]
        };
        let first = (1..count).fold(0, |best, index| if key(index) < key(best) { index } else { best });
        (first, key(first + 1) < key(first + count - 1))
    }

    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    pub fn bound(&self) -> &Bound {
        &self.bound
    }

    pub fn vertex(&self, index: usize) -> Vector {
        self.chain.vertex(index)
    }

    pub fn has_vertex(&self, point: Vector) -> bool {
        self.chain.vertices().contains(&point)
    }

    fn wedge(&self, at: usize) -> Wedge {
        let count = self.chain.arcs();
        Wedge { before: self.vertex(at + count - 1), at: self.vertex(at), after: self.vertex(at + 1) }
    }

    /// Is the point inside? Points of the boundary belong to one of the two sides, as S2 deals them out.
    pub fn contains_point(&self, point: Vector) -> bool {
        if !self.bound.contains_point(point) {
            return false;
        }
        let origin = origin();
        let mut crosser = Crosser::new(origin, point, self.vertex(0));
        let mut inside = self.origin_inside;
        let mut found = Vec::new();
        let (way, normal) = (Space::of_arc(origin, point), origin.cross(point));
        self.chain.select(&mut found, |area| area.overlaps(&way) && area.meets_plane(normal));
        for &index in &found {
            let (from, to) = self.chain.arc(index);
            crosser.restart(from);
            inside ^= crosser.toggles(to);
        }
        inside
    }

    /// Can the leaf cell of the point lie in the ring's bound?
    pub fn reaches(&self, point: Vector) -> bool {
        self.reach.contains_point(point)
    }

    /// Does this ring contain the other one with its inside?
    pub fn contains(&self, other: &Ring, effort: &mut Effort) -> Result<bool, GeoFault> {
        effort.spend(1)?;
        if !self.bound.contains(&other.bound) || !self.touches_or_contains(other.vertex(0)) {
            return Ok(false);
        }
        let leaves = any_meeting(&self.chain, &other.chain, effort, |i, j, crossing| {
            crossing == Crossing::Proper
                || self.shared_wedges(other, i, j).is_some_and(|(mine, theirs)| !mine.contains(&theirs))
        })?;
        if leaves {
            return Ok(false);
        }
        // Two rings that together cover the sphere contain each other's edges, not each other's insides.
        let around = self.bound.union(&other.bound).is_full();
        Ok(!(around && other.strictly_contains(self.vertex(0))))
    }

    /// Do the insides have a point in common?
    pub fn intersects(&self, other: &Ring, effort: &mut Effort) -> Result<bool, GeoFault> {
        if other.chain.arcs() > self.chain.arcs() {
            return other.intersects(self, effort);
        }
        effort.spend(1)?;
        if !self.bound.intersects(&other.bound) {
            return Ok(false);
        }
        if self.strictly_contains(other.vertex(0)) {
            return Ok(true);
        }
        let meets = any_meeting(&self.chain, &other.chain, effort, |i, j, crossing| {
            crossing == Crossing::Proper
                || self.shared_wedges(other, i, j).is_some_and(|(mine, theirs)| mine.intersects(&theirs))
        })?;
        Ok(meets || (other.bound.contains(&self.bound) && other.strictly_contains(self.vertex(0))))
    }

    /// Whether the boundaries cross, and if not whether this ring contains the other.
    pub fn nesting(&self, other: &Ring, effort: &mut Effort) -> Result<Nesting, GeoFault> {
        effort.spend(1)?;
        if !self.bound.intersects(&other.bound) {
            return Ok(Nesting::Neither);
        }
        let mut seen = SeenWedges::default();
        let crosses = any_meeting(&self.chain, &other.chain, effort, |i, j, crossing| {
            crossing == Crossing::Proper
                || self.shared_wedges(other, i, j).is_some_and(|(mine, theirs)| seen.add(mine.relation(&theirs)))
        })?;
        if crosses {
            return Ok(Nesting::Crosses);
        }
        let inside = !seen.apart
            && !seen.contained
            && self.bound.contains(&other.bound)
            && self.touches_or_contains(other.vertex(0));
        Ok(if inside { Nesting::Contains } else { Nesting::Neither })
    }

    /// Does this ring contain the other, given that they share no arc and do not cross?
    pub fn contains_nested(&self, other: &Ring, effort: &mut Effort) -> Result<bool, GeoFault> {
        effort.spend(1)?;
        if !self.bound.contains(&other.bound) {
            return Ok(false);
        }
        effort.spend(self.chain.arcs())?;
        Ok(match self.chain.vertices().iter().position(|vertex| *vertex == other.vertex(1)) {
            None => self.contains_point(other.vertex(1)),
            Some(place) => self.wedge(place).contains(&other.wedge(1)),
        })
    }

    /// Does any point of the ring's inside or edge lie in the cell?
    pub fn meets_cell(&self, cell: &Cell, effort: &mut Effort) -> Result<bool, GeoFault> {
        effort.spend(1)?;
        let rect = cell.rect_bound();
        let bound = Bound { lat: rect.lat, lng: rect.lng };
        if !self.bound.intersects(&bound) {
            return Ok(false);
        }
        Ring::of_cell(cell).intersects(self, effort)
    }

    fn touches_or_contains(&self, point: Vector) -> bool {
        self.contains_point(point) || self.has_vertex(point)
    }

    fn strictly_contains(&self, point: Vector) -> bool {
        self.contains_point(point) && !self.has_vertex(point)
    }

    /// The wedges at the end of two arcs, where both end at the same vertex: each shared vertex is seen once.
    fn shared_wedges(&self, other: &Ring, mine: usize, theirs: usize) -> Option<(Wedge, Wedge)> {
        let same = self.vertex(mine + 1) == other.vertex(theirs + 1);
        same.then(|| (self.wedge(mine + 1), other.wedge(theirs + 1)))
    }
}

/// What the wedges at shared vertices have shown so far.
#[derive(Default)]
struct SeenWedges {
    contains: bool,
    contained: bool,
    apart: bool,
}

impl SeenWedges {
    /// Takes in one more relation; true where the boundaries must cross.
    fn add(&mut self, relation: WedgeRelation) -> bool {
        match relation {
            WedgeRelation::Overlaps => return true,
            WedgeRelation::Contains => self.contains = true,
            WedgeRelation::Contained => self.contained = true,
            WedgeRelation::Disjoint => self.apart = true,
            WedgeRelation::Equal => {}
        }
        self.contains && self.contained
    }
}

/// The angle by which a walker turns left at `at`.
fn turn_angle(before: Vector, at: Vector, after: Vector) -> f64 {
    let angle = at.stable_cross(before).angle(after.stable_cross(at));
    if turn(before, at, after) > 0 { angle } else { -angle }
}
