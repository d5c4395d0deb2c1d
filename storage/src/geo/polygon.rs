//! Polygons: one outer ring, and holes in it.

use super::bound::{Bound, Space};
use super::cells::{LEAF_REACH, leaf_cell};
use super::chain::{Chain, Effort};
use super::crossing::{Crosser, Crossing, meeting_point, toggles_at_vertex};
use super::fault::GeoFault;
use super::line::{Line, distance_to_chains};
use super::ring::{Nesting, Ring};
use super::vector::Vector;
use s2::cell::Cell;
use std::collections::HashSet;

/// A polygon; each of its rings covers at most half of the sphere.
#[derive(Clone, Debug)]
pub(super) struct Polygon {
    shell: Ring,
    holes: Vec<Ring>,
}

/// Two points closer than this are one where a line is cut by a boundary, in radians.
const MERGE_RADIUS: f64 = 1.5e-15;
/// By how much the ends of a line may stick out of a polygon that contains it, in radians (10⁻¹⁰ degrees).
const END_SLACK: f64 = 1e-10 * std::f64::consts::PI / 180.0;

impl Polygon {
    /// A polygon of one ring, which must be normalized.
    pub fn of_ring(shell: Ring) -> Polygon {
        Polygon { shell, holes: Vec::new() }
    }

    /// A polygon of a shell and holes, all normalized and checked each by itself.
    pub const fn new(shell: Ring, holes: Vec<Ring>) -> Polygon {
        Polygon { shell, holes }
    }

    /// Checks how the rings lie to each other by the rules of GeoJSON.
    pub fn check(&self, effort: &mut Effort) -> Result<(), GeoFault> {
        self.check_shared_arcs()?;
        self.check_crossings(effort)?;
        self.check_holes(effort)
    }

    fn check_shared_arcs(&self) -> Result<(), GeoFault> {
        if self.holes.is_empty() {
            return Ok(());
        }
        let mut seen = HashSet::new();
        let fresh = self.rings().all(|ring| {
            ring.chain().iter().all(|(a, b)| {
                let (a, b) = (a.bits(), b.bits());
                seen.insert((a, b)) && seen.insert((b, a))
            })
        });
        if fresh { Ok(()) } else { Err(GeoFault::RingsShareEdge) }
    }

    fn check_crossings(&self, effort: &mut Effort) -> Result<(), GeoFault> {
        let rings: Vec<&Ring> = self.rings().collect();
        for (place, ring) in rings.iter().enumerate() {
            if !ring.is_normalized() {
                return Err(GeoFault::RingTooLarge);
            }
            for other in rings.iter().skip(place + 1) {
                if ring.nesting(other, effort)? == Nesting::Crosses {
                    return Err(GeoFault::RingsCross);
                }
            }
        }
        Ok(())
    }

    fn check_holes(&self, effort: &mut Effort) -> Result<(), GeoFault> {
        let corners: HashSet<_> = self.shell.chain().vertices().iter().map(|vertex| vertex.bits()).collect();
        for (place, hole) in self.holes.iter().enumerate() {
            let shared = hole.chain().vertices().iter().filter(|vertex| corners.contains(&vertex.bits())).count();
            if shared > 1 {
                return Err(GeoFault::HoleSharesVertices);
            }
            for (_, other) in self.holes.iter().enumerate().filter(|(other, _)| *other != place) {
                if other.contains_nested(hole, effort)? {
                    return Err(GeoFault::HolesNested);
                }
            }
        }
        Ok(())
    }

    /// The shell, then the holes.
    pub fn rings(&self) -> impl Iterator<Item = &Ring> {
        std::iter::once(&self.shell).chain(&self.holes)
    }

    /// The edges of all rings.
    pub fn chains(&self) -> impl Iterator<Item = &Chain> {
        self.rings().map(Ring::chain)
    }

    pub fn bound(&self) -> &Bound {
        self.shell.bound()
    }

    /// Is the point inside? Points of the edge are dealt to one side or the other.
    pub fn contains_point(&self, point: Vector) -> bool {
        self.bound().contains_point(point) && self.rings().filter(|ring| ring.contains_point(point)).count() % 2 == 1
    }

    /// Is the point inside, or is it so close that its leaf cell touches the polygon?
    pub fn covers_point(&self, point: Vector, effort: &mut Effort) -> Result<bool, GeoFault> {
        effort.spend(1)?;
        if self.contains_point(point) {
            return Ok(true);
        }
        // Away from all edges, the leaf is outside as the point is; that saves nearly all of the dear comparisons.
        let close = self.shell.reaches(point) && self.chains().any(|chain| chain.comes_near(point, LEAF_REACH));
        if close { self.meets_cell(&leaf_cell(point), effort) } else { Ok(false) }
    }

    /// Does the polygon contain all of the other one?
    pub fn contains(&self, other: &Polygon, effort: &mut Effort) -> Result<bool, GeoFault> {
        if self.holes.is_empty() && other.holes.is_empty() {
            return self.shell.contains(&other.shell, effort);
        }
        if !self.bound().contains(other.bound()) && !self.bound().lng.union(&other.bound().lng).is_full() {
            return Ok(false);
        }
        if !self.surrounds(&other.shell, effort)?.unwrap_or(false) {
            return Ok(false);
        }
        for hole in &self.holes {
            if other.surrounds(hole, effort)?.unwrap_or(true) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the ring lies inside; `None` where the boundaries cross.
    fn surrounds(&self, ring: &Ring, effort: &mut Effort) -> Result<Option<bool>, GeoFault> {
        let mut inside = false;
        for own in self.rings() {
            match own.nesting(ring, effort)? {
                Nesting::Crosses => return Ok(None),
                Nesting::Contains => inside = !inside,
                Nesting::Neither => {}
            }
        }
        Ok(Some(inside))
    }

    /// Do the polygons have inner points in common?
    pub fn intersects(&self, other: &Polygon, effort: &mut Effort) -> Result<bool, GeoFault> {
        if self.holes.is_empty() && other.holes.is_empty() {
            return self.shell.intersects(&other.shell, effort);
        }
        if !self.bound().intersects(other.bound()) {
            return Ok(false);
        }
        Ok(self.reaches_into(&other.shell, effort)? || other.reaches_into(&self.shell, effort)?)
    }

    /// Does the ring's inside overlap the polygon, as far as this side can tell?
    fn reaches_into(&self, ring: &Ring, effort: &mut Effort) -> Result<bool, GeoFault> {
        let mut inside = false;
        for own in self.rings() {
            if own.contains(ring, effort)? {
                inside = !inside;
            } else if !ring.contains(own, effort)? && own.intersects(ring, effort)? {
                return Ok(true);
            }
        }
        Ok(inside)
    }

    /// Does the polygon reach into the cell?
    pub fn meets_cell(&self, cell: &Cell, effort: &mut Effort) -> Result<bool, GeoFault> {
        if self.holes.is_empty() {
            return self.shell.meets_cell(cell, effort);
        }
        let rect = cell.rect_bound();
        if !self.bound().intersects(&Bound { lat: rect.lat, lng: rect.lng }) {
            return Ok(false);
        }
        self.intersects(&Polygon::of_ring(Ring::of_cell(cell)), effort)
    }

    /// Is any stretch of the line inside?
    pub fn meets_line(&self, line: &Line, effort: &mut Effort) -> Result<bool, GeoFault> {
        Ok(!self.cut(line, false, effort)?.is_empty())
    }

    /// Is any stretch of the line outside?
    pub fn leaves_line(&self, line: &Line, effort: &mut Effort) -> Result<bool, GeoFault> {
        Ok(!self.cut(line, true, effort)?.is_empty())
    }

    /// Is the whole line inside? The stretches inside must join without a gap, and every corner of the line must be on
    /// them, but for a slack far below any precision of coordinates.
    pub fn contains_line(&self, line: &Line, effort: &mut Effort) -> Result<bool, GeoFault> {
        let stretches = self.cut(line, false, effort)?;
        let (Some(first), Some(last)) = (stretches.first(), stretches.last()) else { return Ok(false) };
        let corners = |from: usize, to: usize| line.vertices().get(from..to).unwrap_or_default();
        let near = |corners: &[Vector], point: Vector| corners.iter().all(|corner| corner.angle(point) <= END_SLACK);
        let seamless = stretches.windows(2).all(|pair| match pair {
            [before, after] => {
                before.end.angle(after.start) <= MERGE_RADIUS
                    && near(corners(before.arc + 1, after.arc + 1), before.end)
            }
            _ => true,
        });
        // What is left of a line shorter than the merge radius is one point, and that covers no line.
        let extended = stretches.iter().any(|stretch| stretch.start.angle(stretch.end) > MERGE_RADIUS);
        Ok(seamless
            && extended
            && near(corners(0, first.arc + 1), first.start)
            && near(corners(last.arc + 1, line.vertices().len()), last.end))
    }

    /// The stretches of the line inside the polygon (outside, if `outside`), one or more per arc of the line.
    fn cut(&self, line: &Line, outside: bool, effort: &mut Effort) -> Result<Vec<Stretch>, GeoFault> {
        let mut stretches = Vec::new();
        let mut inside = self.contains_point(line.chain().vertex(0)) != outside;
        for (arc, (a, b)) in line.chain().iter().enumerate() {
            let mut cuts = self.cuts(a, b, effort)?;
            if inside {
                cuts.push((0.0, a));
            }
            inside = cuts.len() % 2 == 1;
            if inside {
                cuts.push((1.0, b));
            }
            cuts.sort_by(|(left, _), (right, _)| left.total_cmp(right));
            for pair in cuts.chunks_exact(2) {
                if let [(from, start), (to, end)] = *pair
                    && (from, start) != (to, end)
                {
                    stretches.push(Stretch { arc, start, end });
                }
            }
        }
        Ok(stretches)
    }

    /// Where the boundary cuts the arc, as shares of its length.
    fn cuts(&self, a: Vector, b: Vector, effort: &mut Effort) -> Result<Vec<(f64, Vector)>, GeoFault> {
        let mut cuts = Vec::new();
        let (area, mut found) = (Space::of_arc(a, b), Vec::new());
        for chain in self.chains() {
            chain.near(&area, &mut found);
            effort.spend(found.len() + 1)?;
            let mut crosser = Crosser::new(a, b, chain.vertex(0));
            for &index in &found {
                let (from, to) = chain.arc(index);
                crosser.restart(from);
                let crossing = crosser.next(to);
                cuts.extend(cut_at(crossing, (a, b), (from, to)));
            }
        }
        Ok(cuts)
    }

    /// Distance in radians from a point, nought inside.
    pub fn distance(&self, point: Vector) -> f64 {
        if self.contains_point(point) { 0.0 } else { distance_to_chains(self.chains(), point) }
    }
}

/// A piece of one arc of a line.
struct Stretch {
    arc: usize,
    start: Vector,
    end: Vector,
}

fn cut_at(crossing: Crossing, (a, b): (Vector, Vector), (c, d): (Vector, Vector)) -> Option<(f64, Vector)> {
    match crossing {
        Crossing::Apart => None,
        Crossing::Proper => {
            let point = meeting_point(a, b, c, d);
            let (from_a, from_b) = (point.angle(a), point.angle(b));
            Some((from_a / (from_a + from_b), point))
        }
        Crossing::Shared if toggles_at_vertex(a, b, c, d) => {
            let at_start = a == c || a == d;
            Some(if at_start { (0.0, a) } else { (1.0, b) })
        }
        Crossing::Shared => None,
    }
}
