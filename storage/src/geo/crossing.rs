//! How two arcs, or two corners that share a point, meet.
//!
//! Knows arcs and wedges only; rings and lines are built on it (`ring`, `line`).

use super::vector::{Vector, in_order, turn_with};

/// How two arcs meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crossing {
    /// They have no point in common.
    Apart,
    /// They share an end point.
    Shared,
    /// They cross at a point inside both.
    Proper,
}

/// Tests one fixed arc against the arcs of a chain, one product per vertex of the chain.
pub(super) struct Crosser {
    a: Vector,
    b: Vector,
    a_cross_b: Vector,
    c: Vector,
    acb: i8,
}

impl Crosser {
    /// For the arc `a`–`b` and a chain that begins at `c`.
    pub fn new(a: Vector, b: Vector, c: Vector) -> Crosser {
        let a_cross_b = a.cross(b);
        Crosser { a, b, a_cross_b, c, acb: -turn_with(a, b, c, a_cross_b) }
    }

    /// Goes on elsewhere: the next arc begins at `c`.
    pub fn restart(&mut self, c: Vector) {
        if c != self.c {
            self.c = c;
            self.acb = -turn_with(self.a, self.b, c, self.a_cross_b);
        }
    }

    /// How the arc from the chain's last vertex to `d` meets the fixed arc; `d` is the last vertex afterwards.
    pub fn next(&mut self, d: Vector) -> Crossing {
        let bda = turn_with(self.a, self.b, d, self.a_cross_b);
        let crossing = if bda == -self.acb && bda != 0 {
            Crossing::Apart
        } else if bda == 0 || self.acb == 0 {
            Crossing::Shared
        } else {
            self.opposite_sides(d)
        };
        self.c = d;
        self.acb = -bda;
        crossing
    }

    /// Like [`Crosser::next`], where a shared point counts as a crossing so that crossings along a way tell inside
    /// from outside.
    pub fn toggles(&mut self, d: Vector) -> bool {
        let c = self.c;
        match self.next(d) {
            Crossing::Apart => false,
            Crossing::Proper => true,
            Crossing::Shared => toggles_at_vertex(self.a, self.b, c, d),
        }
    }

    /// The chain's ends lie on two sides of the fixed arc: do the fixed arc's ends lie on two sides of the chain's?
    fn opposite_sides(&self, d: Vector) -> Crossing {
        let c_cross_d = self.c.cross(d);
        let crosses =
            -turn_with(self.c, d, self.b, c_cross_d) == self.acb && turn_with(self.c, d, self.a, c_cross_d) == self.acb;
        if crosses { Crossing::Proper } else { Crossing::Apart }
    }
}

/// Whether two arcs that share a point cross there: `ab` comes after `cd` in a counter-clockwise sweep around it.
pub(super) fn toggles_at_vertex(a: Vector, b: Vector, c: Vector, d: Vector) -> bool {
    if a == b || c == d {
        return false;
    }
    if a == d {
        return in_order(a.reference(), c, b, a);
    }
    if b == c {
        return in_order(b.reference(), d, a, b);
    }
    if a == c {
        return in_order(a.reference(), d, b, a);
    }
    b == d && in_order(b.reference(), c, a, b)
}

/// The point where two arcs cross that are known to cross properly.
pub(super) fn meeting_point(a0: Vector, a1: Vector, b0: Vector, b1: Vector) -> Vector {
    let a_normal = a0.stable_cross(a1).normalize();
    let b_normal = b0.stable_cross(b1).normalize();
    let mut point = a_normal.stable_cross(b_normal).normalize();
    if point.dot((a0 + a1) + (b0 + b1)) < 0.0 {
        point = -point;
    }
    if in_order(a0, point, a1, a_normal) && in_order(b0, point, b1, b_normal) {
        return point;
    }
    // Nearly parallel arcs: the computed point may lie beyond an end, so take the nearest end that is on both.
    let ends = [
        (a0, in_order(b0, a0, b1, b_normal)),
        (a1, in_order(b0, a1, b1, b_normal)),
        (b0, in_order(a0, b0, a1, a_normal)),
        (b1, in_order(a0, b1, a1, a_normal)),
    ];
    ends.into_iter()
        .filter(|(_, fits)| *fits)
        .map(|(end, _)| end)
        .min_by(|left, right| (point - *left).norm2().total_cmp(&(point - *right).norm2()))
        .unwrap_or(point)
}

/// The corner of a ring at one vertex: the ring's inside is to the left of `before` → `at` → `after`.
#[derive(Clone, Copy)]
pub(super) struct Wedge {
    pub before: Vector,
    pub at: Vector,
    pub after: Vector,
}

/// How two wedges at one vertex relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WedgeRelation {
    Equal,
    Contains,
    Contained,
    Overlaps,
    Disjoint,
}

impl Wedge {
    /// Does this wedge contain all of the other?
    pub fn contains(&self, other: &Wedge) -> bool {
        in_order(self.after, other.after, other.before, self.at)
            && in_order(other.before, self.before, self.after, self.at)
    }

    /// Do the wedges have inner points in common?
    pub fn intersects(&self, other: &Wedge) -> bool {
        !(in_order(self.before, other.after, other.before, self.at)
            && in_order(other.before, self.after, self.before, self.at))
    }

    /// The full relation.
    pub fn relation(&self, other: &Wedge) -> WedgeRelation {
        if self.before == other.before && self.after == other.after {
            return WedgeRelation::Equal;
        }
        if in_order(self.before, self.after, other.after, self.at) {
            if in_order(other.after, other.before, self.before, self.at) {
                return WedgeRelation::Contains;
            }
            let same_end = self.after == other.after;
            return if same_end { WedgeRelation::Contained } else { WedgeRelation::Overlaps };
        }
        if in_order(self.before, other.before, other.after, self.at) {
            return WedgeRelation::Contained;
        }
        let apart = in_order(self.before, other.before, self.after, self.at);
        if apart { WedgeRelation::Disjoint } else { WedgeRelation::Overlaps }
    }
}
