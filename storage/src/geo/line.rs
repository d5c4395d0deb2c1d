//! Lines: open chains of arcs.

use super::bound::Bound;
use super::cells::cell_holds;
use super::chain::{Chain, Effort, any_meeting};
use super::crossing::Crossing;
use super::fault::GeoFault;
use super::ring::Ring;
use super::vector::{Vector, nearest_on_arc};
use s2::cell::Cell;

/// A line through at least two vertices.
#[derive(Clone, Debug)]
pub(super) struct Line {
    chain: Chain,
    bound: Bound,
}

impl Line {
    /// The line through these vertices; neighbours must differ and must not be opposite points of the sphere.
    pub fn new(vertices: Vec<Vector>) -> Result<Line, GeoFault> {
        if vertices.len() < 2 {
            return Err(GeoFault::LineTooShort);
        }
        if vertices.windows(2).any(|pair| matches!(pair, [a, b] if *a == *b || *a == -*b)) {
            return Err(GeoFault::LineOpposite);
        }
        Ok(Line::trusted(vertices))
    }

    /// The line around a ring.
    pub fn of_ring(ring: &Ring) -> Line {
        let vertices = ring.chain().vertices();
        Line::trusted(vertices.iter().copied().chain([ring.vertex(0)]).collect())
    }

    fn trusted(vertices: Vec<Vector>) -> Line {
        let bound = Bound::of_chain(vertices.iter().copied());
        Line { chain: Chain::new(vertices, false), bound }
    }

    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    pub fn vertices(&self) -> &[Vector] {
        self.chain.vertices()
    }

    /// Do the lines cross or touch with their vertices?
    pub fn meets(&self, other: &Line, effort: &mut Effort) -> Result<bool, GeoFault> {
        effort.spend(1)?;
        if !self.bound.intersects(&other.bound) {
            return Ok(false);
        }
        any_meeting(&self.chain, &other.chain, effort, |_, _, _| true)
    }

    /// Does the line pass through the cell?
    pub fn meets_cell(&self, cell: &Cell, effort: &mut Effort) -> Result<bool, GeoFault> {
        effort.spend(1)?;
        if self.vertices().iter().any(|vertex| cell_holds(cell, *vertex)) {
            return Ok(true);
        }
        any_meeting(&self.chain, Ring::of_cell(cell).chain(), effort, |_, _, crossing| crossing != Crossing::Apart)
    }

    /// Distance in radians from a point to the nearest point of the line.
    pub fn distance(&self, point: Vector) -> f64 {
        distance_to_chains([&self.chain].into_iter(), point)
    }
}

/// Distance in radians from a point to the nearest arc of some chains.
pub(super) fn distance_to_chains<'a>(chains: impl Iterator<Item = &'a Chain>, point: Vector) -> f64 {
    let mut nearest = (f64::INFINITY, None);
    for chain in chains {
        let (chord2, arc) = chain.nearest(point, nearest.0);
        if arc.is_some() {
            nearest = (chord2, arc);
        }
    }
    nearest.1.map_or(f64::INFINITY, |(a, b)| point.angle(nearest_on_arc(point, a, b)))
}
