//! Caps: circles on the globe.

use super::cells::{LEAF_REACH, cell_holds, leaf_cell};
use super::geometry::Body;
use super::vector::Vector;
use s2::cell::Cell;
use std::f64::consts::PI;

/// All points at most an angle away from a centre. The size is kept as the height of the cap, one minus the cosine of
/// the angle, which tells small caps apart and needs no trigonometry to compare.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cap {
    center: Vector,
    height: f64,
    radius: f64,
}

impl Cap {
    /// The cap of `radius` radians (not negative, perhaps infinite).
    pub fn new(center: Vector, radius: f64) -> Cap {
        let radius = radius.min(PI);
        let half = (0.5 * radius).sin();
        let height = if radius >= PI { 2.0 } else { 2.0 * half * half };
        Cap { center, height, radius }
    }

    pub const fn center(&self) -> Vector {
        self.center
    }

    /// Radius in radians.
    pub const fn radius(&self) -> f64 {
        self.radius
    }

    /// A cap that also holds every leaf cell which this one touches.
    pub fn widened(&self) -> Cap {
        Cap::new(self.center, self.radius + LEAF_REACH)
    }

    /// Does the cap contain the geometry?
    pub fn contains(&self, body: &Body) -> bool {
        match body {
            Body::Place(place) => place.sphere.is_some_and(|point| self.covers_point(point)),
            Body::Parts(parts) => {
                let opposite = -self.center;
                parts.points.iter().all(|point| self.covers_point(*point))
                    && parts.lines.iter().all(|line| self.clears(line.distance(opposite)))
                    && parts.polygons.iter().all(|polygon| self.clears(polygon.distance(opposite)))
            }
            Body::Winding(_) => false,
        }
    }

    /// Does the cap reach the leaf cell of the point?
    fn covers_point(&self, point: Vector) -> bool {
        let distance = self.center.angle(point);
        if distance <= self.radius - LEAF_REACH {
            return true;
        }
        distance <= self.radius + LEAF_REACH && self.meets_cell(&leaf_cell(point))
    }

    fn has(&self, point: Vector) -> bool {
        (self.center - point).norm2() <= 2.0 * self.height
    }

    fn meets_cell(&self, cell: &Cell) -> bool {
        let corners = cell.vertices().map(Vector::of_s2);
        if corners.iter().any(|corner| self.has(*corner)) {
            return true;
        }
        if self.height >= 1.0 {
            return false;
        }
        cell_holds(cell, self.center) || self.meets_edge(cell, &corners)
    }

    /// Does the cap, whose centre is outside the cell, reach over the inside of an edge?
    fn meets_edge(&self, cell: &Cell, corners: &[Vector; 4]) -> bool {
        let sine2 = self.height * (2.0 - self.height);
        for (side, from) in corners.iter().enumerate() {
            let normal = Vector::of_s2(cell.edge(side));
            let to = corners.get((side + 1) % 4).unwrap_or(from);
            let height = self.center.dot(normal);
            if height > 0.0 {
                continue;
            }
            if height * height > sine2 * normal.norm2() {
                return false;
            }
            let along = normal.cross(self.center);
            if along.dot(*from) < 0.0 && along.dot(*to) > 0.0 {
                return true;
            }
        }
        false
    }

    /// Is a line or polygon inside that keeps this distance from the opposite point? What the cap leaves free must
    /// not reach it. For tiny caps that is less precise than asking the cap itself; it is how MongoDB decides.
    fn clears(&self, distance: f64) -> bool {
        self.height >= 2.0 || distance >= 2.0 * (0.5 * (2.0 - self.height)).sqrt().asin()
    }
}
