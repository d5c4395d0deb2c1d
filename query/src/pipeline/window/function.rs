//! What is computed over a window.

use std::ops::Range;

use storage::{RawDoc, Value, ValueRef, compare_with};

use super::super::needs::Needs;
use super::Partition;
use super::bounds::Bounds;
use super::line::{Covariance, Line, derivative, integral};
use crate::cx::Cx;
use crate::error::Result;
use crate::expr::accumulate::{Accumulator, Kind, Tally};
use crate::expr::{Expr, Real};

#[derive(Clone, Debug)]
pub(super) enum Function {
    Accumulate(Accumulator),
    /// The number of documents that come before in order, and one; a dense one counts different values.
    Rank {
        dense: bool,
    },
    DocumentNumber,
    /// The value of the document so many places on.
    Shift {
        output: Expr,
        by: i64,
        default: Option<Value>,
    },
    Derivative {
        input: Expr,
        unit: Option<Real>,
        name: &'static str,
    },
    Integral {
        input: Expr,
        unit: Option<Real>,
        name: &'static str,
    },
    Covariance {
        input: Expr,
        sample: bool,
    },
    MovingAverage {
        input: Expr,
        alpha: Real,
    },
    /// The last value that was not null.
    LastFilled(Expr),
    /// Gaps between numbers filled along straight lines.
    LinearFill(Expr),
}

/// What is remembered from one document of a partition to the next.
pub(super) enum State {
    Nothing,
    /// The value of a window that is the whole partition.
    Same(Option<Option<Value>>),
    /// Windows that only grow: what was gathered of so many documents.
    Growing(Tally, usize),
    GrowingPairs(Covariance, usize),
    Rank {
        rank: i64,
        met: i64,
    },
    Average(Option<Real>),
    Last(Value),
    Line(Line),
}

impl Function {
    /// Does it look at what the documents are ordered by?
    pub const fn reads_order(&self) -> bool {
        matches!(
            self,
            Function::Rank { .. } | Function::Derivative { .. } | Function::Integral { .. } | Function::LinearFill(_)
        )
    }

    /// Notes what it reads of documents.
    pub fn needs(&self, need: &mut Needs) {
        match self {
            Function::Accumulate(accumulator) => need.accumulator(accumulator),
            Function::Rank { .. } | Function::DocumentNumber => {}
            Function::Shift { output: input, .. }
            | Function::Derivative { input, .. }
            | Function::Integral { input, .. }
            | Function::Covariance { input, .. }
            | Function::MovingAverage { input, .. }
            | Function::LastFilled(input)
            | Function::LinearFill(input) => need.expr(input),
        }
    }

    pub fn start(&self, bounds: &Bounds, partition: &Partition, cx: &Cx<'_>) -> Result<State> {
        Ok(match self {
            Function::Accumulate(_) | Function::Covariance { .. } if bounds.is_all() => State::Same(None),
            Function::Accumulate(accumulator) if bounds.grows() => {
                State::Growing(accumulator.start(RawDoc::empty(), cx)?, 0)
            }
            Function::Covariance { .. } if bounds.grows() => State::GrowingPairs(Covariance::default(), 0),
            Function::Rank { .. } => State::Rank { rank: 0, met: 0 },
            Function::MovingAverage { .. } => State::Average(None),
            Function::LastFilled(_) => State::Last(Value::Null),
            Function::LinearFill(_) => State::Line(Line::over(partition)?),
            _ => State::Nothing,
        })
    }

    /// The value for the document at a place, whose window is a range of places. `None` is missing.
    pub fn value(
        &self,
        state: &mut State,
        place: usize,
        range: Range<usize>,
        partition: &Partition,
        cx: &Cx<'_>,
    ) -> Result<Option<Value>> {
        let at = |place: usize| partition.items.get(place).map_or(RawDoc::empty(), |item| item.doc.raw());
        match (self, state) {
            (_, State::Same(Some(value))) => Ok(value.clone()),
            (_, State::Same(same)) => {
                let value = self.over(range, partition, false, cx)?;
                *same = Some(value.clone());
                Ok(value)
            }
            (Function::Accumulate(accumulator), State::Growing(tally, taken)) => {
                for place in *taken..range.end {
                    cx.tick()?;
                    tally.add(accumulator, at(place), cx)?;
                }
                *taken = range.end.max(*taken);
                tally.finish().map(Some)
            }
            (Function::Covariance { input, sample }, State::GrowingPairs(pairs, taken)) => {
                for place in *taken..range.end {
                    cx.tick()?;
                    pairs.add(input.eval(at(place), cx)?.as_ref());
                }
                *taken = range.end.max(*taken);
                Ok(Some(pairs.finish(*sample)))
            }
            (Function::Rank { dense }, State::Rank { rank, met }) => {
                let order = |place: usize| partition.order.get(place).map_or(ValueRef::Null, Value::as_ref);
                let ties = place > 0 && compare_with(order(place - 1), order(place), cx.collation).is_eq();
                *met += 1;
                if !ties {
                    *rank = if *dense { *rank + 1 } else { *met };
                }
                Ok(Some(number(*rank)))
            }
            (Function::DocumentNumber, _) => Ok(Some(number(i64::try_from(place).unwrap_or(i64::MAX - 1) + 1))),
            (Function::Shift { output, by, default }, _) => {
                let target = i64::try_from(place).ok().and_then(|place| usize::try_from(place.checked_add(*by)?).ok());
                match target.and_then(|target| partition.items.get(target)) {
                    Some(item) => Ok(output.eval(item.doc.raw(), cx)?.into_value()),
                    None => Ok(Some(default.clone().unwrap_or(Value::Null))),
                }
            }
            (Function::MovingAverage { input, alpha }, State::Average(average)) => {
                if let Some(number) = Real::of(input.eval(at(place), cx)?.as_ref()) {
                    let rest = Real::Double(1.0).minus(*alpha);
                    *average = Some(average.map_or(number, |old| number.times(*alpha).plus(old.times(rest))));
                }
                Ok(Some(average.map_or(Value::Null, Real::into_value)))
            }
            (Function::LastFilled(input), State::Last(last)) => {
                if let Some(value) =
                    input.eval(at(place), cx)?.into_value().filter(|value| !value.as_ref().is_nullish())
                {
                    *last = value;
                }
                Ok(Some(last.clone()))
            }
            (Function::LinearFill(input), State::Line(line)) => line.value(input, place, partition, cx).map(Some),
            _ => self.over(range, partition, true, cx),
        }
    }

    /// The value over a range of places, from the beginning. A sliding window lets values out again.
    fn over(&self, range: Range<usize>, partition: &Partition, sliding: bool, cx: &Cx<'_>) -> Result<Option<Value>> {
        let docs = || partition.items.get(range.clone()).unwrap_or_default().iter().map(|item| item.doc.raw());
        match self {
            Function::Accumulate(accumulator) => {
                let mut tally = accumulator.start(RawDoc::empty(), cx)?;
                for doc in docs() {
                    cx.tick()?;
                    tally.add(accumulator, doc, cx)?;
                }
                let value = tally.finish()?;
                let deviation = matches!(accumulator.kind, Kind::DeviationOfAll | Kind::DeviationOfSample);
                let lost = sliding && deviation && matches!(value, Value::Double(number) if number.is_nan());
                Ok(Some(if lost { Value::Null } else { value }))
            }
            Function::Covariance { input, sample } => {
                let mut pairs = Covariance::default();
                for doc in docs() {
                    cx.tick()?;
                    pairs.add(input.eval(doc, cx)?.as_ref());
                }
                Ok(Some(pairs.finish(*sample)))
            }
            Function::Derivative { input, unit, name } => {
                derivative(name, input, *unit, range, partition, cx).map(Some)
            }
            Function::Integral { input, unit, name } => integral(name, input, *unit, range, partition, cx).map(Some),
            _ => Ok(None),
        }
    }
}

fn number(count: i64) -> Value {
    i32::try_from(count).map_or(Value::Int64(count), Value::Int32)
}
