//! Chains of arcs, open or closed, and which arcs of two chains can meet.
//!
//! A long chain carries a tree of boxes over runs of consecutive arcs: neighbours along the chain are neighbours in
//! space, so the tree needs no sorting and is built in one pass.

use super::bound::Space;
use super::crossing::{Crosser, Crossing};
use super::fault::GeoFault;
use super::vector::{Vector, chord2_to_arc};
use std::ops::Range;

/// Chains with fewer arcs than this are searched arc by arc.
const TREE_ARCS_MIN: usize = 32;
/// Arcs under one leaf of the tree, and children under one inner node.
const FAN: usize = 8;
/// Pairs of arcs that one comparison of two geometries, or the check of one, may look at: some tenths of a second.
const PAIRS_MAX: u64 = 20_000_000;

/// What is left of the work that one comparison may take.
#[derive(Debug)]
pub(super) struct Effort(u64);

impl Effort {
    pub const fn new() -> Effort {
        Effort(PAIRS_MAX)
    }

    /// Takes `pairs` from what is left.
    pub fn spend(&mut self, pairs: usize) -> Result<(), GeoFault> {
        self.0 = self.0.checked_sub(pairs as u64).ok_or(GeoFault::TooComplex)?;
        Ok(())
    }
}

/// Vertices joined by arcs; a closed chain also joins its last vertex to the first.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    vertices: Vec<Vector>,
    closed: bool,
    /// Boxes of [`FAN`] arcs each, then of [`FAN`] boxes of the level before, up to at most [`FAN`] boxes.
    levels: Vec<Vec<Space>>,
}

impl Chain {
    pub fn new(vertices: Vec<Vector>, closed: bool) -> Chain {
        let mut chain = Chain { vertices, closed, levels: Vec::new() };
        if chain.arcs() >= TREE_ARCS_MIN {
            chain.build();
        }
        chain
    }

    pub fn vertices(&self) -> &[Vector] {
        &self.vertices
    }

    /// The vertex at this place; a closed chain goes round. A chain is never empty.
    pub fn vertex(&self, index: usize) -> Vector {
        let place = index.checked_rem(self.vertices.len()).unwrap_or(0);
        self.vertices.get(place).copied().unwrap_or(Vector::new(1.0, 0.0, 0.0))
    }

    /// Number of arcs.
    pub fn arcs(&self) -> usize {
        if self.closed { self.vertices.len() } else { self.vertices.len().saturating_sub(1) }
    }

    /// The ends of an arc.
    pub fn arc(&self, index: usize) -> (Vector, Vector) {
        (self.vertex(index), self.vertex(index + 1))
    }

    /// All arcs.
    pub fn iter(&self) -> impl Iterator<Item = (Vector, Vector)> {
        (0..self.arcs()).map(|index| self.arc(index))
    }

    fn build(&mut self) {
        let boxes: Vec<Space> = self.iter().map(|(a, b)| Space::of_arc(a, b)).collect();
        let mut level = join(&boxes);
        while level.len() > FAN {
            let next = join(&level);
            self.levels.push(level);
            level = next;
        }
        self.levels.push(level);
    }

    /// Does an arc come as near to a point as `margin` radians, which must be small? Errs on the side of yes.
    pub fn comes_near(&self, point: Vector, margin: f64) -> bool {
        self.nearest(point, margin * margin).1.is_some()
    }

    /// Writes into `found` the indexes, rising, of all arcs whose boxes may overlap the area.
    pub fn near(&self, area: &Space, found: &mut Vec<usize>) {
        self.select(found, |boxed| boxed.overlaps(area));
    }

    /// Writes into `found` the indexes, rising, of all arcs whose boxes pass the test.
    pub fn select(&self, found: &mut Vec<usize>, test: impl Fn(&Space) -> bool) {
        found.clear();
        match self.levels.last() {
            None => found.extend(0..self.arcs()),
            Some(top) => self.descend(self.levels.len() - 1, 0..top.len(), found, &test),
        }
    }

    fn descend(&self, level: usize, nodes: Range<usize>, found: &mut Vec<usize>, test: &impl Fn(&Space) -> bool) {
        let Some(boxes) = self.levels.get(level) else { return };
        for (node, boxed) in boxes.iter().enumerate().take(nodes.end).skip(nodes.start) {
            if !test(boxed) {
                continue;
            }
            let below = node * FAN..(node + 1) * FAN;
            match level.checked_sub(1) {
                None => found.extend(below.start..below.end.min(self.arcs())),
                Some(next) => self.descend(next, below, found, test),
            }
        }
    }
}

/// The nearest arc so far, and its squared distance in space.
type Nearest = (f64, Option<(Vector, Vector)>);

impl Chain {
    /// The arc nearest to a point and its squared distance in space; no arc where all are at least `limit` away.
    pub fn nearest(&self, point: Vector, limit: f64) -> Nearest {
        let mut best = (limit, None);
        match self.levels.last() {
            None => self.nearest_of(point, 0..self.arcs(), &mut best),
            Some(top) => self.nearest_below(point, self.levels.len() - 1, 0..top.len(), &mut best),
        }
        best
    }

    fn nearest_of(&self, point: Vector, arcs: Range<usize>, best: &mut Nearest) {
        for index in arcs {
            let (a, b) = self.arc(index);
            let chord2 = chord2_to_arc(point, a, b);
            if chord2 < best.0 {
                *best = (chord2, Some((a, b)));
            }
        }
    }

    fn nearest_below(&self, point: Vector, level: usize, nodes: Range<usize>, best: &mut Nearest) {
        let Some(boxes) = self.levels.get(level) else { return };
        let nodes = boxes.iter().enumerate().take(nodes.end).skip(nodes.start);
        let mut nodes: Vec<(f64, usize)> = nodes.map(|(node, boxed)| (boxed.distance2(point), node)).collect();
        nodes.sort_by(|left, right| left.0.total_cmp(&right.0));
        for (distance, node) in nodes {
            if distance >= best.0 {
                return;
            }
            let below = node * FAN..(node + 1) * FAN;
            match level.checked_sub(1) {
                None => self.nearest_of(point, below.start..below.end.min(self.arcs()), best),
                Some(next) => self.nearest_below(point, next, below, best),
            }
        }
    }
}

fn join(boxes: &[Space]) -> Vec<Space> {
    boxes.chunks(FAN).map(|run| run.iter().fold(Space::EMPTY, |all, one| all.union(one))).collect()
}

/// Calls `visit` with every pair of arcs (index in `left`, index in `right`) that cross or share an end, until it
/// answers true; tells whether it did.
pub(super) fn any_meeting(
    left: &Chain,
    right: &Chain,
    effort: &mut Effort,
    mut visit: impl FnMut(usize, usize, Crossing) -> bool,
) -> Result<bool, GeoFault> {
    if left.arcs() < right.arcs() {
        return search(right, left, effort, |i, j, crossing| visit(j, i, crossing));
    }
    search(left, right, effort, visit)
}

/// [`any_meeting`] with the chain whose tree is searched first.
fn search(
    tree: &Chain,
    probes: &Chain,
    effort: &mut Effort,
    mut visit: impl FnMut(usize, usize, Crossing) -> bool,
) -> Result<bool, GeoFault> {
    let mut found = Vec::new();
    for (probe, (a, b)) in probes.iter().enumerate() {
        tree.near(&Space::of_arc(a, b), &mut found);
        effort.spend(found.len() + 1)?;
        let mut crosser = Crosser::new(a, b, tree.vertex(0));
        for &index in &found {
            let (from, to) = tree.arc(index);
            crosser.restart(from);
            let crossing = crosser.next(to);
            if crossing != Crossing::Apart && visit(index, probe, crossing) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Do two arcs of one closed chain cross that are not neighbours?
pub(super) fn crosses_itself(chain: &Chain, effort: &mut Effort) -> Result<bool, GeoFault> {
    search(chain, chain, effort, |i, j, crossing| i > j + 1 && crossing == Crossing::Proper)
}
