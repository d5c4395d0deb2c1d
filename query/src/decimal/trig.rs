//! Angles: sine, tangent and their like of decimals, with twice the digits of the result.
//!
//! Series converge fast because arguments are first brought near zero.

use dec::Decimal as Digits;
use storage::{Decimal, Decimal128};

use super::{WIDE, finite, infinite, nan, narrow, unpack, wide_context};

/// Half the circumference of the unit circle, to 90 digits.
const PI: &str = "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803483";

/// Numbers further from zero than this, in powers of ten, are not reduced exactly any more.
const REACH: i32 = 40;

/// A number with enough digits that rounding it to 34 is right.
#[derive(Clone, Copy)]
struct Wide(Digits<WIDE>);

impl Wide {
    fn of(number: Decimal128) -> Wide {
        Wide(unpack(number.decode()))
    }

    fn small(number: i32) -> Wide {
        Wide(Digits::from(number))
    }

    fn pi() -> Wide {
        wide_context().parse(PI).map_or(Wide::small(3), Wide)
    }

    fn add(mut self, other: Wide) -> Wide {
        wide_context().add(&mut self.0, &other.0);
        self
    }

    fn subtract(mut self, other: Wide) -> Wide {
        wide_context().sub(&mut self.0, &other.0);
        self
    }

    fn multiply(mut self, other: Wide) -> Wide {
        wide_context().mul(&mut self.0, &other.0);
        self
    }

    fn divide(mut self, other: Wide) -> Wide {
        wide_context().div(&mut self.0, &other.0);
        self
    }

    fn square_root(mut self) -> Wide {
        wide_context().sqrt(&mut self.0);
        self
    }

    fn exponential(mut self) -> Wide {
        wide_context().exp(&mut self.0);
        self
    }

    fn logarithm(mut self) -> Wide {
        wide_context().ln(&mut self.0);
        self
    }

    fn nearest_whole(mut self) -> Wide {
        wide_context().round(&mut self.0);
        self
    }

    fn negated(mut self) -> Wide {
        wide_context().minus(&mut self.0);
        self
    }

    fn is_negative(&self) -> bool {
        self.0.is_negative()
    }

    fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    /// Too small to change a sum of about 1 in its first 60 digits.
    fn is_negligible(&self) -> bool {
        self.is_zero() || self.magnitude() < -70
    }

    /// The power of ten of the first digit.
    fn magnitude(&self) -> i32 {
        self.0.exponent() + i32::try_from(self.0.digits()).unwrap_or(i32::MAX) - 1
    }

    fn narrow(self) -> Decimal128 {
        narrow(self.0)
    }
}

/// Sums a series from its first term; each next term is made of the one before and its number.
fn series(first: Wide, next: impl Fn(Wide, i32) -> Wide) -> Wide {
    let (mut sum, mut term) = (first, first);
    for number in 1..400 {
        term = next(term, number);
        if term.is_negligible() {
            break;
        }
        sum = sum.add(term);
    }
    sum
}

/// Sine and cosine of a number within one turn.
fn sine_cosine(angle: Wide) -> (Wide, Wide) {
    let square = angle.multiply(angle).negated();
    let sine = series(angle, |term, n| term.multiply(square).divide(Wide::small(2 * n * (2 * n + 1))));
    let cosine = series(Wide::small(1), |term, n| term.multiply(square).divide(Wide::small((2 * n - 1) * 2 * n)));
    (sine, cosine)
}

/// The angle within half a turn of zero; `None` where the number is too large to tell.
fn reduced(number: Decimal128) -> Option<Wide> {
    let angle = Wide::of(number);
    if angle.magnitude() > REACH {
        return None;
    }
    let turn = Wide::pi().multiply(Wide::small(2));
    Some(angle.subtract(angle.divide(turn).nearest_whole().multiply(turn)))
}

/// The sine of a finite number or NaN.
pub fn sine(number: Decimal128) -> Decimal128 {
    circular(number, f64::sin, |angle| sine_cosine(angle).0)
}

/// The cosine of a finite number or NaN.
pub fn cosine(number: Decimal128) -> Decimal128 {
    circular(number, f64::cos, |angle| sine_cosine(angle).1)
}

/// The tangent of a finite number or NaN.
pub fn tangent(number: Decimal128) -> Decimal128 {
    circular(number, f64::tan, |angle| {
        let (sine, cosine) = sine_cosine(angle);
        sine.divide(cosine)
    })
}

fn circular(number: Decimal128, rough: fn(f64) -> f64, exact: impl Fn(Wide) -> Wide) -> Decimal128 {
    if number.is_nan() {
        return number;
    }
    match reduced(number) {
        Some(angle) => exact(angle).narrow(),
        None => super::from_f64(rough(number.to_f64()), 34),
    }
}

/// The arc tangent of a number not below zero.
fn arc_tangent_of(number: Wide) -> Wide {
    // atan x = 2 atan(x / (1 + sqrt(1 + x²))): four times over, the argument is below 1/10.
    let halvings = 4;
    let mut small = number;
    for _ in 0..halvings {
        let root = small.multiply(small).add(Wide::small(1)).square_root();
        small = small.divide(root.add(Wide::small(1)));
    }
    let square = small.multiply(small).negated();
    let sum =
        series(small, |term, n| term.multiply(square).multiply(Wide::small(2 * n - 1)).divide(Wide::small(2 * n + 1)));
    sum.multiply(Wide::small(1 << halvings))
}

fn signed(number: Wide, compute: impl Fn(Wide) -> Wide) -> Wide {
    if number.is_negative() { compute(number.negated()).negated() } else { compute(number) }
}

/// The angle whose tangent is the number.
pub fn arc_tangent(number: Decimal128) -> Decimal128 {
    match number.decode() {
        Decimal::NaN => number,
        Decimal::Infinite { negative } => {
            let quarter = Wide::pi().divide(Wide::small(2));
            if negative { quarter.negated().narrow() } else { quarter.narrow() }
        }
        Decimal::Finite { coefficient: 0, .. } => number,
        Decimal::Finite { .. } => signed(Wide::of(number), arc_tangent_of).narrow(),
    }
}

fn arc_sine_of(number: Wide) -> Wide {
    let rest = Wide::small(1).subtract(number.multiply(number)).square_root();
    if rest.is_zero() {
        return Wide::pi().divide(Wide::small(2));
    }
    arc_tangent_of(number.divide(rest))
}

/// The angle whose sine is the number, from -1 to 1, or NaN.
pub fn arc_sine(number: Decimal128) -> Decimal128 {
    match number.decode() {
        Decimal::NaN | Decimal::Finite { coefficient: 0, .. } => number,
        _ => signed(Wide::of(number), arc_sine_of).narrow(),
    }
}

/// The angle whose cosine is the number, from -1 to 1, or NaN.
pub fn arc_cosine(number: Decimal128) -> Decimal128 {
    if number.is_nan() {
        return number;
    }
    let quarter = Wide::pi().divide(Wide::small(2));
    quarter.subtract(signed(Wide::of(number), arc_sine_of)).narrow()
}

/// The angle of the point (x, y) seen from the origin.
pub fn arc_tangent_2(y: Decimal128, x: Decimal128) -> Decimal128 {
    let (
        Decimal::Finite { negative: below, coefficient: height, .. },
        Decimal::Finite { negative: left, coefficient: width, .. },
    ) = (y.decode(), x.decode())
    else {
        // Infinities have but a few angles, which a double tells apart.
        let angle = y.to_f64().atan2(x.to_f64());
        return Wide::pi().multiply(Wide(unpack(super::from_f64(angle / std::f64::consts::PI, 15).decode()))).narrow();
    };
    let turned = |angle: Wide| if below { angle.negated().narrow() } else { angle.narrow() };
    match (height, width, left) {
        (0, _, false) => finite(below, 0, 0),
        (0, _, true) => turned(Wide::pi()),
        (_, 0, _) => turned(Wide::pi().divide(Wide::small(2))),
        _ => {
            let slope = Wide::of(super::absolute(y)).divide(Wide::of(super::absolute(x)));
            let angle = arc_tangent_of(slope);
            turned(if left { Wide::pi().subtract(angle) } else { angle })
        }
    }
}

/// e^x and e^-x, or `None` where one of them is out of range anyway.
fn exponentials(number: Decimal128) -> Option<(Wide, Wide)> {
    let wide = Wide::of(number);
    (wide.magnitude() < 5).then(|| (wide.exponential(), wide.negated().exponential()))
}

fn is_negative(number: Decimal128) -> bool {
    matches!(number.decode(), Decimal::Finite { negative: true, .. } | Decimal::Infinite { negative: true })
}

/// The hyperbolic sine.
pub fn hyperbolic_sine(number: Decimal128) -> Decimal128 {
    match number.decode() {
        Decimal::Finite { coefficient, .. } if coefficient != 0 => match exponentials(number) {
            Some((up, down)) => up.subtract(down).divide(Wide::small(2)).narrow(),
            None => infinite(is_negative(number)),
        },
        _ => number,
    }
}

/// The hyperbolic cosine.
pub fn hyperbolic_cosine(number: Decimal128) -> Decimal128 {
    match number.decode() {
        Decimal::NaN => number,
        Decimal::Infinite { .. } => infinite(false),
        Decimal::Finite { .. } => match exponentials(number) {
            Some((up, down)) => up.add(down).divide(Wide::small(2)).narrow(),
            None => infinite(false),
        },
    }
}

/// The hyperbolic tangent.
pub fn hyperbolic_tangent(number: Decimal128) -> Decimal128 {
    let one = finite(is_negative(number), 1, 0);
    match number.decode() {
        Decimal::NaN => number,
        Decimal::Infinite { .. } => one,
        Decimal::Finite { coefficient: 0, .. } => number,
        Decimal::Finite { .. } => match exponentials(number) {
            Some((up, down)) => up.subtract(down).divide(up.add(down)).narrow(),
            None => one,
        },
    }
}

/// The number whose hyperbolic sine is this.
pub fn area_sine(number: Decimal128) -> Decimal128 {
    let of = |wide: Wide| wide.multiply(wide).add(Wide::small(1)).square_root().add(wide).logarithm();
    match number.decode() {
        Decimal::Finite { coefficient, .. } if coefficient != 0 => signed(Wide::of(number), of).narrow(),
        _ => number,
    }
}

/// The number not below zero whose hyperbolic cosine is this, which is not below 1, or NaN.
pub fn area_cosine(number: Decimal128) -> Decimal128 {
    match number.decode() {
        Decimal::NaN | Decimal::Infinite { .. } => number,
        Decimal::Finite { .. } => {
            let wide = Wide::of(number);
            wide.multiply(wide).subtract(Wide::small(1)).square_root().add(wide).logarithm().narrow()
        }
    }
}

/// The number whose hyperbolic tangent is this, from -1 to 1, or NaN.
pub fn area_tangent(number: Decimal128) -> Decimal128 {
    let of = |wide: Wide| {
        let one = Wide::small(1);
        one.add(wide).divide(one.subtract(wide)).logarithm().divide(Wide::small(2))
    };
    match number.decode() {
        Decimal::NaN | Decimal::Finite { coefficient: 0, .. } => number,
        _ if Wide::of(super::absolute(number)).subtract(Wide::small(1)).is_zero() => infinite(is_negative(number)),
        Decimal::Infinite { .. } => nan(),
        Decimal::Finite { .. } => signed(Wide::of(number), of).narrow(),
    }
}

/// Degrees as radians.
pub fn to_radians(number: Decimal128) -> Decimal128 {
    match number.decode() {
        Decimal::Finite { .. } => Wide::of(number).multiply(Wide::pi().divide(Wide::small(180))).narrow(),
        _ => number,
    }
}

/// Radians as degrees.
pub fn to_degrees(number: Decimal128) -> Decimal128 {
    match number.decode() {
        Decimal::Finite { .. } => Wide::of(number).multiply(Wide::small(180).divide(Wide::pi())).narrow(),
        _ => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Decimal128 {
        Decimal128::parse(text).expect("a decimal")
    }

    #[test]
    fn known_values() {
        type Unary = fn(Decimal128) -> Decimal128;
        let cases: [(Unary, &str, &str); 24] = [
            (sine, "0.5", "0.4794255386042030002732879352155714"),
            (sine, "1000", "0.8268795405320025602558874291092181"),
            (sine, "1E+20", "-0.6452512852657808442058117113125230"),
            (cosine, "2", "-0.4161468365471423869975682295007622"),
            (tangent, "1", "1.557407724654902230506974807458360"),
            (tangent, "NaN", "NaN"),
            (arc_sine, "0.5", "0.5235987755982988730771072305465838"),
            (arc_sine, "-1", "-1.570796326794896619231321691639751"),
            (arc_cosine, "-1", "3.141592653589793238462643383279503"),
            (arc_cosine, "0.5", "1.047197551196597746154214461093168"),
            (arc_tangent, "1", "0.7853981633974483096156608458198757"),
            (arc_tangent, "-Infinity", "-1.570796326794896619231321691639751"),
            (hyperbolic_sine, "1", "1.175201193643801456882381850595601"),
            (hyperbolic_cosine, "1000", "9.850355570085234969444396761216616E+433"),
            (hyperbolic_cosine, "1E+20", "Infinity"),
            (hyperbolic_tangent, "2", "0.9640275800758168839464137241009232"),
            (hyperbolic_tangent, "-1E+20", "-1"),
            (area_sine, "2", "1.443635475178810342493276740273105"),
            (area_cosine, "2", "1.316957896924816708625046347307968"),
            (area_tangent, "0.5", "0.5493061443340548456976226184612629"),
            (area_tangent, "-1", "-Infinity"),
            (to_radians, "1", "0.01745329251994329576923690768488613"),
            (to_degrees, "1", "57.29577951308232087679815481410517"),
            (sine, "0", "0"),
        ];
        for (compute, number, expect) in cases {
            assert_eq!(compute(of(number)).to_string(), expect, "{number}");
        }
    }

    #[test]
    fn all_four_quadrants() {
        let cases = [
            ("1", "1", "0.7853981633974483096156608458198757"),
            ("1", "-2", "2.677945044588987122248387151818288"),
            ("-1", "0", "-1.570796326794896619231321691639751"),
            ("-0", "-1", "-3.141592653589793238462643383279503"),
            ("0", "1", "0"),
            ("Infinity", "-Infinity", "2.356194490192344928846982537459627"),
        ];
        for (y, x, expect) in cases {
            assert_eq!(arc_tangent_2(of(y), of(x)).to_string(), expect, "{y} {x}");
        }
    }
}
