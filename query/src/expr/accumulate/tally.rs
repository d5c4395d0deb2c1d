//! The running state of an accumulator in one group.

use std::cmp::Ordering;
use std::collections::{HashSet, VecDeque};

use storage::key::{self, Direction};
use storage::{ArrayBuilder, Decimal128, Doc, Kind as ValueKind, RawDoc, Value, ValueRef, compare_with};

use super::super::object::{Fields, merge_one};
use super::super::select::count_of;
use super::super::sum::Sum;
use super::super::{Computed, bounded};
use super::ranked::{Ranked, percentiles};
use super::{Accumulator, Kind, too_much};
use crate::cx::Cx;
use crate::decimal;
use crate::error::{Error, Result};

/// What one group has gathered.
#[derive(Clone, Debug)]
pub(crate) enum Tally {
    Sum(Sum),
    Average(Sum, i64),
    Extreme(Option<Value>, Ordering),
    First(Option<Option<Value>>),
    Last(Option<Value>),
    Push(ArrayBuilder),
    Set { seen: HashSet<Vec<u8>>, values: ArrayBuilder },
    Deviation(Deviation, Kind),
    Merged(Doc),
    FirstN(Vec<Value>, usize),
    LastN(VecDeque<Value>, usize),
    Ranked(Box<Ranked>),
    Numbers { numbers: Vec<f64>, shares: Vec<f64>, single: bool },
}

impl Tally {
    pub fn new(accumulator: &Accumulator, group: RawDoc<'_>, cx: &Cx<'_>) -> Result<Tally> {
        let count = || count_of(&accumulator.count.eval(group, cx)?);
        Ok(match accumulator.kind {
            Kind::Sum | Kind::Count => Tally::Sum(Sum::default()),
            Kind::Average => Tally::Average(Sum::default(), 0),
            Kind::Min => Tally::Extreme(None, Ordering::Less),
            Kind::Max => Tally::Extreme(None, Ordering::Greater),
            Kind::First => Tally::First(None),
            Kind::Last => Tally::Last(None),
            Kind::Push => Tally::Push(ArrayBuilder::new()),
            Kind::AddToSet => Tally::Set { seen: HashSet::new(), values: ArrayBuilder::new() },
            kind @ (Kind::DeviationOfAll | Kind::DeviationOfSample) => Tally::Deviation(Deviation::default(), kind),
            Kind::MergeObjects => Tally::Merged(Doc::empty()),
            Kind::FirstN => Tally::FirstN(Vec::new(), count()?),
            Kind::LastN => Tally::LastN(VecDeque::new(), count()?),
            Kind::MinN => Tally::Ranked(Box::new(Ranked::new(count()?, false, false))),
            Kind::MaxN => Tally::Ranked(Box::new(Ranked::new(count()?, true, false))),
            Kind::Top => Tally::Ranked(Box::new(Ranked::new(1, false, true))),
            Kind::Bottom => Tally::Ranked(Box::new(Ranked::new(1, true, true))),
            Kind::TopN => Tally::Ranked(Box::new(Ranked::new(count()?, false, false))),
            Kind::BottomN => Tally::Ranked(Box::new(Ranked::new(count()?, true, false).turned())),
            Kind::Median => Tally::Numbers { numbers: Vec::new(), shares: vec![0.5], single: true },
            Kind::Percentile => {
                let shares = super::ranked::shares(&accumulator.count.eval(group, cx)?)?;
                Tally::Numbers { numbers: Vec::new(), shares, single: false }
            }
        })
    }

    /// Takes in a document; answers by how many bytes the tally grew.
    #[inline]
    pub fn add(&mut self, accumulator: &Accumulator, doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<usize> {
        let value = accumulator.input.eval(doc, cx)?;
        match self {
            Tally::Sum(sum) => {
                sum.add_if_number(value.as_ref());
                Ok(0)
            }
            Tally::Ranked(ranked) if !accumulator.order.is_natural() || is_ranked_by_order(accumulator.kind) => {
                let mut key = Vec::new();
                accumulator.order.key(doc, cx, &mut key)?;
                Ok(ranked.add(key, value.or_null()))
            }
            _ => self.add_value(accumulator, &value, cx),
        }
    }

    /// Takes in a value that was computed before.
    pub fn add_value(&mut self, accumulator: &Accumulator, value: &Computed<'_>, cx: &Cx<'_>) -> Result<usize> {
        let found = value.as_ref();
        match self {
            Tally::Sum(sum) => {
                sum.add_if_number(found);
            }
            Tally::Average(sum, count) => *count += i64::from(sum.add_if_number(found)),
            Tally::Extreme(best, wanted) => return Ok(keep_extreme(best, *wanted, found, cx)),
            Tally::First(first) => {
                if first.is_none() {
                    let value = found.map(ValueRef::to_value);
                    let grown = value.as_ref().map_or(0, |value| size_of_value(value.as_ref()));
                    *first = Some(value);
                    return Ok(grown);
                }
            }
            Tally::Last(last) => *last = found.map(ValueRef::to_value),
            Tally::Push(list) => return push(list, found, accumulator.name, cx),
            Tally::Set { seen, values } => {
                let Some(value) = found else { return Ok(0) };
                let mut bytes = Vec::new();
                key::encode(value, Direction::Ascending, cx.collation, &mut bytes);
                let grown = bytes.len();
                if seen.insert(bytes) {
                    return Ok(grown + push(values, Some(value), accumulator.name, cx)?);
                }
            }
            Tally::Deviation(deviation, _) => deviation.add(found),
            Tally::Merged(doc) => return merge(doc, found),
            Tally::FirstN(values, count) => {
                if values.len() < *count {
                    values.push(value.or_null().to_value());
                    return Ok(size_of_value(value.or_null()));
                }
            }
            Tally::LastN(values, count) => {
                let dropped = if values.len() == *count { values.pop_front() } else { None };
                values.push_back(value.or_null().to_value());
                let freed = dropped.map_or(0, |value| size_of_value(value.as_ref()));
                return Ok(size_of_value(value.or_null()).saturating_sub(freed));
            }
            Tally::Ranked(ranked) => {
                let Some(value) = found.filter(|value| !value.is_nullish()) else { return Ok(0) };
                let mut bytes = Vec::new();
                key::encode(value, Direction::Ascending, cx.collation, &mut bytes);
                return Ok(ranked.add(bytes, value));
            }
            Tally::Numbers { numbers, .. } => {
                let Some(number) = found.and_then(ValueRef::as_f64).filter(|number| !number.is_nan()) else {
                    return Ok(0);
                };
                numbers.push(number);
                return Ok(size_of::<f64>());
            }
        }
        Ok(0)
    }

    /// What was gathered.
    pub fn finish(&self) -> Result<Value> {
        Ok(match self {
            Tally::Sum(sum) => owned(sum.total()),
            Tally::Average(sum, count) => average(sum, *count),
            Tally::Extreme(best, _) => best.clone().unwrap_or(Value::Null),
            Tally::First(first) => first.clone().flatten().unwrap_or(Value::Null),
            Tally::Last(last) => last.clone().unwrap_or(Value::Null),
            Tally::Push(list) | Tally::Set { values: list, .. } => Value::Array(list.clone().finish()),
            Tally::Deviation(deviation, kind) => deviation.finish(*kind == Kind::DeviationOfSample),
            Tally::Merged(doc) => Value::Document(doc.clone()),
            Tally::FirstN(values, _) => list_of(values.iter())?,
            Tally::LastN(values, _) => list_of(values.iter())?,
            Tally::Ranked(ranked) => ranked.finish()?,
            Tally::Numbers { numbers, shares, single } => percentiles(numbers, shares, *single),
        })
    }
}

const fn is_ranked_by_order(kind: Kind) -> bool {
    matches!(kind, Kind::Top | Kind::TopN | Kind::Bottom | Kind::BottomN)
}

fn owned(value: Computed<'_>) -> Value {
    value.into_value().unwrap_or(Value::Null)
}

/// An array of values, refused beyond the size of a document.
pub(super) fn list_of<'v>(values: impl Iterator<Item = &'v Value>) -> Result<Value> {
    let mut list = ArrayBuilder::new();
    for value in values {
        list.push(value.as_ref());
        bounded(list.size())?;
    }
    Ok(Value::Array(list.finish()))
}

/// Roughly how many bytes a kept value takes.
pub(super) fn size_of_value(value: ValueRef<'_>) -> usize {
    size_of::<Value>()
        + match value {
            ValueRef::String(text) | ValueRef::Symbol(text) | ValueRef::JavaScript(text) => text.len(),
            ValueRef::Document(doc) => doc.as_bytes().len(),
            ValueRef::Array(array) => array.as_bytes().len(),
            ValueRef::Binary { bytes, .. } => bytes.len(),
            _ => 0,
        }
}

fn keep_extreme(best: &mut Option<Value>, wanted: Ordering, value: Option<ValueRef<'_>>, cx: &Cx<'_>) -> usize {
    let Some(value) = value.filter(|value| !value.is_nullish()) else { return 0 };
    let better = best.as_ref().is_none_or(|best| compare_with(value, best.as_ref(), cx.collation) == wanted);
    if !better {
        return 0;
    }
    let freed = best.as_ref().map_or(0, |best| size_of_value(best.as_ref()));
    *best = Some(value.to_value());
    size_of_value(value).saturating_sub(freed)
}

fn push(list: &mut ArrayBuilder, value: Option<ValueRef<'_>>, name: &str, cx: &Cx<'_>) -> Result<usize> {
    let Some(value) = value else { return Ok(0) };
    let before = list.size();
    list.push(value);
    if u64::try_from(list.size()).unwrap_or(u64::MAX) > cx.limits.stage_bytes_max {
        return Err(too_much(name, cx));
    }
    bounded(list.size())?;
    Ok(list.size() - before)
}

fn merge(doc: &mut Doc, value: Option<ValueRef<'_>>) -> Result<usize> {
    let before = doc.as_bytes().len();
    let mut fields = Fields::default();
    fields.set_all(doc.raw());
    merge_one(&mut fields, value).map_err(|fault| Error { number: 5_911_200, ..fault })?;
    let merged = fields.finish()?;
    *doc = merged;
    Ok(doc.as_bytes().len().saturating_sub(before))
}

fn average(sum: &Sum, count: i64) -> Value {
    match (count, sum.kind()) {
        (0, _) => Value::Null,
        (_, ValueKind::Decimal128) => Value::Decimal128(decimal::divide(sum.as_decimal(), Decimal128::from_i64(count))),
        _ => Value::Double(sum.as_f64() / ValueRef::Int64(count).as_f64().unwrap_or(1.0)),
    }
}

/// The spread of numbers around their mean (Welford's method).
#[derive(Clone, Debug, Default)]
pub(crate) struct Deviation {
    count: f64,
    mean: f64,
    squares: f64,
    /// Infinities and NaN among the numbers.
    strange: u64,
}

impl Deviation {
    /// Takes in a number; anything else is ignored.
    pub fn add(&mut self, value: Option<ValueRef<'_>>) {
        let Some(number) = value.and_then(ValueRef::as_f64) else { return };
        if !number.is_finite() {
            self.strange += 1;
            return;
        }
        self.count += 1.0;
        let distance = number - self.mean;
        self.mean += distance / self.count;
        self.squares += distance * (number - self.mean);
    }

    /// The standard deviation; null for too few numbers.
    pub fn finish(&self, sample: bool) -> Value {
        let rest = if sample { 1.0 } else { 0.0 };
        let all = self.count + ValueRef::Int64(i64::try_from(self.strange).unwrap_or(0)).as_f64().unwrap_or(0.0);
        match all > rest {
            false => Value::Null,
            true if self.strange > 0 => Value::Double(f64::NAN),
            true => Value::Double((self.squares / (self.count - rest)).sqrt()),
        }
    }
}
