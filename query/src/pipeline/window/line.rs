//! Values along a line of points: slopes, areas, gaps that are filled, and how two rows of numbers vary together.

use std::ops::Range;

use storage::{Value, ValueRef};

use super::Partition;
use crate::cx::Cx;
use crate::error::number::TYPE_MISMATCH;
use crate::error::{Error, Result};
use crate::expr::{Expr, Real};

/// A point: what the document is ordered by, and the input.
fn point(input: &Expr, place: usize, partition: &Partition, cx: &Cx<'_>) -> Result<Option<(Value, Option<Value>)>> {
    let (Some(item), Some(time)) = (partition.items.get(place), partition.order.get(place)) else { return Ok(None) };
    Ok(Some((time.clone(), input.eval(item.doc.raw(), cx)?.into_value())))
}

/// Refuses times that are no numbers, or no dates where there is a unit.
fn check_time(name: &str, time: &Value, unit: Option<Real>, numbers: [i32; 3]) -> Result<Real> {
    let [no_date, date, no_number] = numbers;
    let fault = |number, what: &str| Err(Error::mongo(number, format!("{name} {what}")));
    match (time, unit) {
        (Value::DateTime(_), Some(_)) => {}
        (_, Some(_)) => return fault(no_date, "with a unit needs dates in sortBy"),
        (Value::DateTime(_), None) => return fault(date, "over dates needs a unit"),
        (_, None) => {}
    }
    match Real::of_time(time) {
        Some(time) => Ok(time),
        None => fault(no_number, "needs numbers or dates in sortBy"),
    }
}

/// The slope between the ends of a window.
pub(super) fn derivative(
    name: &str,
    input: &Expr,
    unit: Option<Real>,
    range: Range<usize>,
    partition: &Partition,
    cx: &Cx<'_>,
) -> Result<Value> {
    let last = range.end.saturating_sub(1);
    let ends = (point(input, range.start, partition, cx)?, point(input, last, partition, cx)?);
    let (Some((start, low)), Some((end, high))) = ends else { return Ok(Value::Null) };
    if range.is_empty() {
        return Ok(Value::Null);
    }
    let numbers = [5_624_900, 5_624_901, 5_624_902];
    let run = check_time(name, &end, unit, numbers)?.minus(check_time(name, &start, unit, numbers)?);
    let height = |value: Option<Value>| match value.filter(|value| !value.as_ref().is_nullish()) {
        None => Err(Error::mongo(5_624_903, format!("the input of {name} must not be null or missing"))),
        Some(value) => Real::of_time(&value)
            .ok_or_else(|| Error::mongo(TYPE_MISMATCH, format!("the input of {name} must be a number"))),
    };
    let rise = (height(low)?, height(high)?);
    if run.is_zero() {
        return Ok(Value::Null);
    }
    let slope = rise.1.minus(rise.0).over(run);
    Ok(unit.map_or(slope, |unit| slope.times(unit)).into_value())
}

/// The area under the points of a window.
pub(super) fn integral(
    name: &str,
    input: &Expr,
    unit: Option<Real>,
    range: Range<usize>,
    partition: &Partition,
    cx: &Cx<'_>,
) -> Result<Value> {
    const NO_NUMBERS: i32 = 5_423_900;
    let (mut area, mut before): (Option<Real>, Option<(Real, Real)>) = (None, None);
    if range.is_empty() {
        return Ok(Value::Null);
    }
    for place in range {
        cx.tick()?;
        let Some((time, height)) = point(input, place, partition, cx)? else { continue };
        let wrong = || Error::mongo(NO_NUMBERS, format!("{name} needs numbers, and numbers or dates in sortBy"));
        let height = Real::of(height.as_ref().map(Value::as_ref)).ok_or_else(wrong)?;
        let time = check_time(name, &time, unit, [5_423_901, 5_423_902, NO_NUMBERS])?;
        if let Some((earlier, low)) = before {
            let piece = height.plus(low).times(time.minus(earlier)).over(Real::Double(2.0));
            area = Some(area.map_or(piece, |area| area.plus(piece)));
        }
        before = Some((time, height));
    }
    Ok(match (area, unit) {
        (None, None) => Value::Int32(0),
        (None, Some(_)) => Value::Double(0.0),
        (Some(area), None) => area.into_value(),
        (Some(area), Some(unit)) => area.over(unit).into_value(),
    })
}

/// How two rows of numbers vary together. Infinite ones and NaN decide alone as soon as two others are there.
#[derive(Default)]
pub(super) struct Covariance {
    count: usize,
    means: Option<(Real, Real)>,
    together: Option<Real>,
    strange: Option<Real>,
}

impl Covariance {
    /// Takes in a pair of numbers; anything else is ignored.
    pub fn add(&mut self, value: Option<ValueRef<'_>>) {
        let Some(ValueRef::Array(list)) = value else { return };
        let mut parts = list.iter();
        let (Some(x), Some(y), None) = (parts.next(), parts.next(), parts.next()) else { return };
        let (Some(x), Some(y)) = (Real::of(Some(x)), Real::of(Some(y))) else { return };
        let sum = x.plus(y);
        let finite = x.is_finite() && y.is_finite();
        if !finite {
            self.strange = Some(self.strange.map_or(sum, |strange| strange.plus(sum)));
            return;
        }
        let before = Real::count(self.count);
        self.count += 1;
        let count = Real::count(self.count);
        let (mean_x, mean_y) = self.means.unwrap_or((Real::ZERO, Real::ZERO));
        let (along, across) = (x.minus(mean_x), y.minus(mean_y));
        if self.means.is_some() {
            let piece = along.times(across).times(before).over(count);
            self.together = Some(self.together.map_or(piece, |together| together.plus(piece)));
        }
        self.means = Some((mean_x.plus(along.over(count)), mean_y.plus(across.over(count))));
    }

    /// The covariance; null for too few pairs.
    pub fn finish(&self, sample: bool) -> Value {
        let divisor = if sample { self.count.saturating_sub(1) } else { self.count };
        match (divisor, self.count, self.strange, self.together) {
            (0, ..) => Value::Null,
            (_, 1, ..) => Value::Double(0.0),
            (_, _, Some(strange), _) => strange.into_value(),
            (_, _, None, together) => together.unwrap_or(Real::ZERO).over(Real::count(divisor)).into_value(),
        }
    }
}

/// Gaps between numbers.
pub(super) struct Line {
    /// The last known point.
    before: Option<(Real, Real)>,
    /// Where the next known point was found, and it.
    after: Option<(usize, Option<(Real, Real)>)>,
}

impl Line {
    /// The line of a partition, whose order must be of numbers or of dates, without repetitions.
    pub fn over(partition: &Partition) -> Result<Line> {
        let dates = partition.order.iter().filter(|value| matches!(value, Value::DateTime(_))).count();
        let numbers = partition.order.iter().filter(|value| value.kind().is_number()).count();
        if dates.max(numbers) != partition.order.len() {
            return Err(Error::mongo(TYPE_MISMATCH, "$linearFill needs numbers or dates in sortBy, not both"));
        }
        let same = |pair: &[Value]| matches!(pair, [a, b] if storage::compare(a.as_ref(), b.as_ref()).is_eq());
        if partition.order.windows(2).any(same) {
            return Err(Error::mongo(6_050_106, "$linearFill needs different values in sortBy"));
        }
        Ok(Line { before: None, after: None })
    }

    /// The value at a place, or on the line between the known ones around it.
    pub fn value(&mut self, input: &Expr, place: usize, partition: &Partition, cx: &Cx<'_>) -> Result<Value> {
        let Some((time, height)) = known(input, place, partition, cx)? else { return Ok(Value::Null) };
        if let Some((number, value)) = height {
            self.before = Some((time, number));
            return Ok(value);
        }
        let after = match self.after {
            Some((found, after)) if found > place => after,
            _ => self.look_ahead(input, place, partition, cx)?,
        };
        let (Some((x0, y0)), Some((x1, y1))) = (self.before, after) else { return Ok(Value::Null) };
        let slope = y1.minus(y0).over(x1.minus(x0));
        Ok(y0.plus(time.minus(x0).times(slope)).into_value())
    }

    fn look_ahead(
        &mut self,
        input: &Expr,
        place: usize,
        partition: &Partition,
        cx: &Cx<'_>,
    ) -> Result<Option<(Real, Real)>> {
        for next in place + 1..partition.items.len() {
            cx.tick()?;
            if let Some((time, Some((number, _)))) = known(input, next, partition, cx)? {
                self.after = Some((next, Some((time, number))));
                return Ok(Some((time, number)));
            }
        }
        self.after = Some((usize::MAX, None));
        Ok(None)
    }
}

/// A point of which the height may not be known.
type Known = (Real, Option<(Real, Value)>);

fn known(input: &Expr, place: usize, partition: &Partition, cx: &Cx<'_>) -> Result<Option<Known>> {
    let Some((time, height)) = point(input, place, partition, cx)? else { return Ok(None) };
    let time = Real::of_time(&time).unwrap_or(Real::ZERO);
    match height.filter(|height| !height.as_ref().is_nullish()) {
        None => Ok(Some((time, None))),
        Some(height) => {
            let number = Real::of(Some(height.as_ref()));
            let number = number.ok_or_else(|| Error::mongo(TYPE_MISMATCH, "$linearFill fills between numbers only"))?;
            Ok(Some((time, Some((number, height)))))
        }
    }
}
