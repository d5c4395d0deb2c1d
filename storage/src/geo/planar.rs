//! Geometry in the plane: coordinate pairs as x and y, straight edges, no globe.
//!
//! The arithmetic of the comparisons is MongoDB's, so that points on a border fall to the same side.

/// A point of the plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Flat {
    pub x: f64,
    pub y: f64,
}

/// A box with its lower left and upper right corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rectangle {
    pub low: Flat,
    pub high: Flat,
}

impl Flat {
    /// Distance to another point.
    pub fn distance(self, other: Flat) -> f64 {
        let (width, height) = (self.x - other.x, self.y - other.y);
        if width == 0.0 {
            return height.abs();
        }
        if height == 0.0 {
            return width.abs();
        }
        (width * width + height * height).sqrt()
    }

    /// Is the other point at most this far away? On an axis the sum of coordinate and radius decides rather than the
    /// difference of coordinates, so that a point written as centre plus radius is inside.
    pub fn is_within(self, other: Flat, radius: f64) -> bool {
        self.excess(other, radius) <= 0.0
    }

    /// By how much the other point is farther away than `radius`.
    pub fn excess(self, other: Flat, radius: f64) -> f64 {
        let (width, height) = (other.x - self.x, other.y - self.y);
        if width == 0.0 {
            return if other.y > self.y { other.y - (self.y + radius) } else { self.y - (other.y + radius) };
        }
        if height == 0.0 {
            return if other.x > self.x { other.x - (self.x + radius) } else { self.x - (other.x + radius) };
        }
        (width * width + height * height).sqrt() - radius
    }
}

impl Rectangle {
    /// The box with these two opposite corners.
    pub fn new(a: Flat, b: Flat) -> Rectangle {
        Rectangle { low: Flat { x: a.x.min(b.x), y: a.y.min(b.y) }, high: Flat { x: a.x.max(b.x), y: a.y.max(b.y) } }
    }

    /// The box of all points that are at most `radius` away on each axis.
    pub fn around(center: Flat, radius: f64) -> Rectangle {
        let corner = |sign: f64| Flat { x: center.x + sign * radius, y: center.y + sign * radius };
        Rectangle::new(corner(-1.0), corner(1.0))
    }

    /// The smallest box around some points.
    pub fn of(points: &[Flat]) -> Rectangle {
        let mut area = Rectangle {
            low: Flat { x: f64::INFINITY, y: f64::INFINITY },
            high: Flat { x: f64::NEG_INFINITY, y: f64::NEG_INFINITY },
        };
        for point in points {
            area.low = Flat { x: area.low.x.min(point.x), y: area.low.y.min(point.y) };
            area.high = Flat { x: area.high.x.max(point.x), y: area.high.y.max(point.y) };
        }
        area
    }

    pub fn contains(&self, point: Flat) -> bool {
        (self.low.x..=self.high.x).contains(&point.x) && (self.low.y..=self.high.y).contains(&point.y)
    }

    /// The corner of the box that is farthest from a point.
    pub fn farthest(&self, point: Flat) -> Flat {
        let far = |at: f64, low: f64, high: f64| if (at - low).abs() > (at - high).abs() { low } else { high };
        Flat { x: far(point.x, self.low.x, self.high.x), y: far(point.y, self.low.y, self.high.y) }
    }
}

/// Is the point inside the polygon or on one of its corners, its level edges or its upright edges? Slanted edges
/// count where a ray to the right says so.
pub(super) fn polygon_contains(corners: &[Flat], point: Flat) -> bool {
    let Some(last) = corners.last() else { return false };
    let mut inside = false;
    let mut from = *last;
    for &to in corners {
        match ray(from, to, point) {
            Ray::On => return true,
            Ray::Crosses => inside = !inside,
            Ray::Misses => {}
        }
        from = to;
    }
    inside
}

enum Ray {
    On,
    Crosses,
    Misses,
}

fn ray(from: Flat, to: Flat, point: Flat) -> Ray {
    if point == from || point == to {
        return Ray::On;
    }
    let (left, right) = (from.x.min(to.x), from.x.max(to.x));
    if from.y == to.y {
        let on = point.y == from.y && (left..=right).contains(&point.x);
        return if on { Ray::On } else { Ray::Misses };
    }
    let (bottom, top) = (from.y.min(to.y), from.y.max(to.y));
    if point.y <= bottom || point.y > top || point.x > right {
        return Ray::Misses;
    }
    if from.x == to.x {
        return if point.x == from.x { Ray::On } else { Ray::Crosses };
    }
    let meeting = (point.y - from.y) * (to.x - from.x) / (to.y - from.y) + from.x;
    if point.x <= meeting { Ray::Crosses } else { Ray::Misses }
}
