//! Bounding boxes: by longitude and latitude, and in space.
//!
//! The first kind decides (a point outside a ring's bound is outside the ring, as in S2), the second only sorts out
//! edges that cannot matter and is therefore padded.

use super::vector::Vector;
pub(super) use s2::r1::interval::Interval as Latitudes;
pub(super) use s2::s1::interval::Interval as Longitudes;
use s2::s1::interval::{EMPTY, FULL};
use std::f64::consts::{FRAC_PI_2, PI};

/// A box of longitudes and latitudes in radians; longitudes may wrap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub lat: Latitudes,
    pub lng: Longitudes,
}

impl Bound {
    pub const NONE: Bound = Bound { lat: Latitudes { lo: 1.0, hi: 0.0 }, lng: EMPTY };
    pub const ALL: Bound = Bound { lat: Latitudes { lo: -FRAC_PI_2, hi: FRAC_PI_2 }, lng: FULL };

    /// The box around the arcs of a chain of vertices.
    pub fn of_chain(vertices: impl Iterator<Item = Vector>) -> Bound {
        let mut bound = Bound::NONE;
        let mut previous: Option<(Vector, f64, f64)> = None;
        for vertex in vertices {
            let (lat, lng) = (vertex.latitude(), vertex.longitude());
            let (from, from_lat, from_lng) = previous.unwrap_or((vertex, lat, lng));
            let arc = Bound {
                lat: Latitudes::from_point_pair(from_lat, lat),
                lng: Longitudes::from_point_pair(from_lng, lng),
            };
            bound = if previous.is_some() { bound.union(&arc) } else { arc };
            if previous.is_some() {
                bound.add_bulge(from, vertex);
            }
            previous = Some((vertex, lat, lng));
        }
        bound
    }

    /// Widens the latitudes where an arc bends further north or south than its ends.
    fn add_bulge(&mut self, a: Vector, b: Vector) {
        let normal = a.stable_cross(b);
        let toward_equator = normal.cross(Vector::new(0.0, 0.0, 1.0));
        let (from_a, from_b) = (toward_equator.dot(a), toward_equator.dot(b));
        if from_a * from_b >= 0.0 {
            return;
        }
        let extreme = (normal.z / normal.norm()).abs().acos();
        if from_a < 0.0 {
            self.lat.hi = extreme.max(self.lat.hi);
        } else {
            self.lat.lo = (-extreme).min(self.lat.lo);
        }
        if extreme >= FRAC_PI_2 - 1e-15 {
            self.lng = FULL; // so close to the pole that the side is anybody's guess
        }
    }

    pub fn union(&self, other: &Bound) -> Bound {
        Bound { lat: self.lat.union(&other.lat), lng: self.lng.union(&other.lng) }
    }

    pub fn contains(&self, other: &Bound) -> bool {
        self.lat.contains_interval(&other.lat) && self.lng.contains_interval(&other.lng)
    }

    pub fn contains_point(&self, point: Vector) -> bool {
        self.lat.contains(point.latitude()) && self.lng.contains(point.longitude())
    }

    /// The box grown by an angle on all sides; all longitudes where that is near a pole.
    pub fn widened(&self, margin: f64) -> Bound {
        let lat = self.lat.expanded(margin);
        let high = lat.lo < -FRAC_PI_2 || lat.hi > FRAC_PI_2;
        // Towards the poles, longitudes are closer: there the margin is more of them.
        let stretch = lat.lo.abs().max(lat.hi.abs()).min(FRAC_PI_2).cos();
        if high || margin >= stretch {
            Bound { lat, lng: FULL }
        } else {
            Bound { lat, lng: self.lng.expanded(margin / stretch) }
        }
    }

    pub fn intersects(&self, other: &Bound) -> bool {
        self.lat.intersects(&other.lat) && self.lng.intersects(&other.lng)
    }

    /// All longitudes and all latitudes?
    pub fn is_full(&self) -> bool {
        self.lng.is_full() && self.lat.lo == -FRAC_PI_2 && self.lat.hi == FRAC_PI_2
    }

    /// Is the longitude span under half the globe?
    pub fn is_narrow(&self) -> bool {
        self.lng.len() < PI
    }
}

/// A box in space around arcs of the sphere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Space {
    min: [f64; 3],
    max: [f64; 3],
}

/// Added on every side, far above the rounding of unit vectors.
const PADDING: f64 = 1e-13;

impl Space {
    pub const EMPTY: Space = Space { min: [f64::INFINITY; 3], max: [f64::NEG_INFINITY; 3] };

    /// The box around one arc: its ends, widened by how far the arc bends away from its chord.
    pub fn of_arc(a: Vector, b: Vector) -> Space {
        let chord2 = (a - b).norm2();
        let bend = 1.0 - (1.0 - chord2 / 4.0).max(0.0).sqrt() + PADDING;
        let low = |a: f64, b: f64| a.min(b) - bend;
        let high = |a: f64, b: f64| a.max(b) + bend;
        Space {
            min: [low(a.x, b.x), low(a.y, b.y), low(a.z, b.z)],
            max: [high(a.x, b.x), high(a.y, b.y), high(a.z, b.z)],
        }
    }

    /// The box around all points at most `radius` radians from a centre.
    pub fn around(center: Vector, radius: f64) -> Space {
        let reach = 2.0 * (0.5 * radius.min(PI)).sin() + PADDING;
        let Vector { x, y, z } = center;
        Space { min: [x - reach, y - reach, z - reach], max: [x + reach, y + reach, z + reach] }
    }

    pub fn union(&self, other: &Space) -> Space {
        let [ax, ay, az] = self.min;
        let [bx, by, bz] = other.min;
        let [cx, cy, cz] = self.max;
        let [dx, dy, dz] = other.max;
        Space { min: [ax.min(bx), ay.min(by), az.min(bz)], max: [cx.max(dx), cy.max(dy), cz.max(dz)] }
    }

    pub fn overlaps(&self, other: &Space) -> bool {
        let [ax, ay, az] = self.min;
        let [bx, by, bz] = other.min;
        let [cx, cy, cz] = self.max;
        let [dx, dy, dz] = other.max;
        ax <= dx && bx <= cx && ay <= dy && by <= cy && az <= dz && bz <= cz
    }

    /// Can the box hold a point of the plane through the centre with this normal?
    pub fn meets_plane(&self, normal: Vector) -> bool {
        let [low_x, low_y, low_z] = self.min;
        let [high_x, high_y, high_z] = self.max;
        let center = Vector::new(low_x + high_x, low_y + high_y, low_z + high_z) * 0.5;
        let half = Vector::new(high_x - low_x, high_y - low_y, high_z - low_z) * 0.5;
        let reach = half.x * normal.x.abs() + half.y * normal.y.abs() + half.z * normal.z.abs();
        center.dot(normal).abs() <= reach + PADDING
    }

    /// Squared distance in space from a point to the box, nought inside.
    pub fn distance2(&self, point: Vector) -> f64 {
        let beyond = |at: f64, low: f64, high: f64| (low - at).max(at - high).max(0.0);
        let [low_x, low_y, low_z] = self.min;
        let [high_x, high_y, high_z] = self.max;
        let away =
            Vector::new(beyond(point.x, low_x, high_x), beyond(point.y, low_y, high_y), beyond(point.z, low_z, high_z));
        away.norm2()
    }
}
