//! Directions from the earth's centre, and the one question all geometry on the sphere rests on: on which side of a
//! great circle does a point lie?
//!
//! Points of the sphere are unit vectors, edges are the shorter arcs between them. The arithmetic and the order in
//! which it is done follow the S2 geometry library (2011, the one inside MongoDB) operation by operation, so that
//! degenerate cases – three points on one meridian, shared edges – fall to the same side there and here.

use std::cmp::Ordering;
use std::f64::consts::PI;
use std::ops::{Add, Mul, Neg, Sub};

/// A vector in space; a point of the sphere when its length is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Vector {
    pub x: f64,
    pub y: f64,
    pub z: f64,
}

/// Determinants below this are too close to zero to be trusted: 14 · 2⁻⁵⁴.
const DETERMINANT_ERROR_MAX: f64 = 0.8e-15;

impl Vector {
    pub const fn new(x: f64, y: f64, z: f64) -> Vector {
        Vector { x, y, z }
    }

    /// The point at a longitude and latitude in degrees, which must be within ±180 and ±90.
    pub fn from_degrees(lng: f64, lat: f64) -> Vector {
        let (lng, lat) = (PI / 180.0 * lng, PI / 180.0 * lat);
        let ring = lat.cos();
        Vector::new(lng.cos() * ring, lng.sin() * ring, lat.sin())
    }

    /// The same point for the cell library, not normalized again.
    pub const fn to_s2(self) -> s2::point::Point {
        s2::point::Point(s2::r3::vector::Vector { x: self.x, y: self.y, z: self.z })
    }

    pub fn of_s2(point: s2::point::Point) -> Vector {
        Vector::new(point.0.x, point.0.y, point.0.z)
    }

    /// Latitude in radians.
    pub fn latitude(self) -> f64 {
        self.z.atan2((self.x * self.x + self.y * self.y).sqrt())
    }

    /// Longitude in radians, within ±π.
    pub fn longitude(self) -> f64 {
        self.y.atan2(self.x)
    }

    pub fn dot(self, other: Vector) -> f64 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }

    pub fn cross(self, other: Vector) -> Vector {
        Vector::new(
            self.y * other.z - self.z * other.y,
            self.z * other.x - self.x * other.z,
            self.x * other.y - self.y * other.x,
        )
    }

    pub fn norm2(self) -> f64 {
        self.dot(self)
    }

    pub fn norm(self) -> f64 {
        self.norm2().sqrt()
    }

    /// The same direction at length one; the zero vector stays as it is.
    pub fn normalize(self) -> Vector {
        let norm = self.norm();
        if norm == 0.0 { self } else { self * (1.0 / norm) }
    }

    /// Angle between two directions in radians, accurate for small and for large angles.
    pub fn angle(self, other: Vector) -> f64 {
        self.cross(other).norm().atan2(self.dot(other))
    }

    /// A fixed unit vector at right angles to this one: the zero hour of sweeps around it.
    pub fn reference(self) -> Vector {
        let (x, y, z) = (self.x.abs(), self.y.abs(), self.z.abs());
        let largest_is_x = x > y && x > z;
        let largest_is_y = x <= y && y > z;
        let other = match (largest_is_x, largest_is_y) {
            (true, _) => Vector::new(0.012, 0.0053, 1.0),
            (_, true) => Vector::new(1.0, 0.0053, 0.00457),
            _ => Vector::new(0.012, 1.0, 0.00457),
        };
        self.cross(other).normalize()
    }

    /// Normal of the plane through two unit vectors, at right angles to both even where they are nearly equal.
    pub fn stable_cross(self, other: Vector) -> Vector {
        let normal = (other + self).cross(other - self);
        if normal == Vector::new(0.0, 0.0, 0.0) { self.reference() } else { normal }
    }

    /// Components as bits, equal exactly where the vectors are equal (zero has one sign).
    pub fn bits(self) -> [u64; 3] {
        [self.x, self.y, self.z].map(|component| (component + 0.0).to_bits())
    }

    fn less(self, other: Vector) -> bool {
        let order = |left: f64, right: f64| left.partial_cmp(&right).unwrap_or(Ordering::Equal);
        order(self.x, other.x).then(order(self.y, other.y)).then(order(self.z, other.z)).is_lt()
    }
}

impl Add for Vector {
    type Output = Vector;
    fn add(self, other: Vector) -> Vector {
        Vector::new(self.x + other.x, self.y + other.y, self.z + other.z)
    }
}

impl Sub for Vector {
    type Output = Vector;
    fn sub(self, other: Vector) -> Vector {
        Vector::new(self.x - other.x, self.y - other.y, self.z - other.z)
    }
}

impl Mul<f64> for Vector {
    type Output = Vector;
    fn mul(self, factor: f64) -> Vector {
        Vector::new(self.x * factor, self.y * factor, self.z * factor)
    }
}

impl Neg for Vector {
    type Output = Vector;
    fn neg(self) -> Vector {
        Vector::new(-self.x, -self.y, -self.z)
    }
}

/// Is `c` strictly to the left of the arc from `a` to `b`? Plain arithmetic, for distances where ties do not matter.
pub(super) fn is_left(a: Vector, b: Vector, c: Vector) -> bool {
    c.cross(a).dot(b) > 0.0
}

/// Orientation of a triangle: 1 counter-clockwise, -1 clockwise, 0 only where two corners are equal.
pub(super) fn turn(a: Vector, b: Vector, c: Vector) -> i8 {
    turn_with(a, b, c, a.cross(b))
}

/// [`turn`] where `a × b` is known already.
pub(super) fn turn_with(a: Vector, b: Vector, c: Vector, a_cross_b: Vector) -> i8 {
    let determinant = a_cross_b.dot(c);
    if determinant > DETERMINANT_ERROR_MAX {
        1
    } else if determinant < -DETERMINANT_ERROR_MAX {
        -1
    } else {
        close_turn(a, b, c)
    }
}

/// Are `a`, `b`, `c` met in this order in a counter-clockwise sweep around `center`? True where `b` equals a
/// neighbour, false where `a` equals `c`.
pub(super) fn in_order(a: Vector, b: Vector, c: Vector, center: Vector) -> bool {
    let hits = i8::from(turn(b, center, a) >= 0) + i8::from(turn(c, center, b) >= 0) + i8::from(turn(a, center, c) > 0);
    hits >= 2
}

/// Orientation of three points that nearly share a great circle: differences of close (or opposite) pairs carry more
/// digits than the points themselves, measured from the corner opposite the longest side.
fn close_turn(a: Vector, b: Vector, c: Vector) -> i8 {
    if a == b || b == c || c == a {
        return 0;
    }
    let (toward_b, from_b) = nearest_difference(a, b);
    let (toward_c, from_c) = nearest_difference(b, c);
    let (toward_a, from_a) = nearest_difference(c, a);
    let (ab, bc, ca) = (toward_b.norm2(), toward_c.norm2(), toward_a.norm2());
    let determinant = if ca < bc || (ca == bc && a.less(b)) {
        if ab < bc || (ab == bc && a.less(c)) {
            toward_b.cross(toward_a).dot(a) * from_b
        } else {
            toward_a.cross(toward_c).dot(c) * from_a
        }
    } else if ab < ca || (ab == ca && b.less(c)) {
        toward_c.cross(toward_b).dot(b) * from_c
    } else {
        toward_a.cross(toward_c).dot(c) * from_a
    };
    match sign(determinant) {
        0 => planar_turn(a, b, c),
        turn => turn,
    }
}

/// `a - b` where the two are close, `a + b` where they are nearly opposite, and the factor that `b` got.
fn nearest_difference(a: Vector, b: Vector) -> (Vector, f64) {
    let factor = if a.dot(b) > 0.0 { -1.0 } else { 1.0 };
    (a + b * factor, factor)
}

/// The last resort for coplanar points: their order around the origin in the first coordinate plane that tells.
fn planar_turn(a: Vector, b: Vector, c: Vector) -> i8 {
    let planes: [fn(Vector) -> [f64; 2]; 3] = [|v| [v.y, v.z], |v| [v.z, v.x], |v| [v.x, v.y]];
    planes
        .into_iter()
        .map(|plane| {
            let (a, b, c) = (plane(a), plane(b), plane(c));
            (turn_in_plane(a, b) + turn_in_plane(b, c) + turn_in_plane(c, a)).signum()
        })
        .find(|turn| *turn != 0)
        .unwrap_or(0)
}

fn turn_in_plane([ax, ay]: [f64; 2], [bx, by]: [f64; 2]) -> i8 {
    let factor = if ax * bx + ay * by > 0.0 { -1.0 } else { 1.0 };
    let (x, y) = (ax + factor * bx, ay + factor * by);
    let (a_length, b_length) = (ax * ax + ay * ay, bx * bx + by * by);
    let a_first = ax < bx || (ax == bx && ay < by);
    if a_length < b_length || (a_length == b_length && a_first) {
        sign((ax * y - ay * x) * factor)
    } else {
        sign(x * by - y * bx)
    }
}

fn sign(number: f64) -> i8 {
    i8::from(number > 0.0) - i8::from(number < 0.0)
}

/// Squared distance in space from `x` to the nearest point of the arc `a`–`b`: orders arcs as angles would, without
/// trigonometry.
pub(super) fn chord2_to_arc(x: Vector, a: Vector, b: Vector) -> f64 {
    let normal = a.stable_cross(b);
    if is_left(normal, a, x) && is_left(x, b, normal) {
        let height = x.dot(normal);
        let sine2 = (height * height / normal.norm2()).min(1.0);
        return 2.0 * sine2 / (1.0 + (1.0 - sine2).sqrt());
    }
    (x - a).norm2().min((x - b).norm2())
}

/// The point of the arc `a`–`b` that is nearest to `x`.
pub(super) fn nearest_on_arc(x: Vector, a: Vector, b: Vector) -> Vector {
    let normal = a.stable_cross(b);
    let foot = x - normal * (x.dot(normal) / normal.norm2());
    if is_left(normal, a, foot) && is_left(foot, b, normal) {
        return foot.normalize();
    }
    if (x - a).norm2() <= (x - b).norm2() { a } else { b }
}
