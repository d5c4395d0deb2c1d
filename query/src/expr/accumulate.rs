//! Accumulators: what `$group`, `$bucket` and `$setWindowFields` gather from many documents.
//!
//! An [`Accumulator`] is read once; each group has a [`Tally`] of it. A tally says how much memory it gains, so that a
//! stage can keep its bounds. Some accumulators also stand as expressions over the elements of an array.

mod over;
mod ranked;
mod tally;

use storage::{RawDoc, ValueRef};

use super::read::Reading;
use super::{Expr, OperatorInfo};
use crate::cx::Cx;
use crate::error::number::TYPE_MISMATCH;
use crate::error::{Code, Error, Result};
use crate::sort::Sort;

pub(super) use over::OPS;
pub(crate) use tally::Tally;

/// One row of the table of accumulators.
#[derive(Clone, Copy)]
pub(crate) struct AccumulatorOp {
    pub name: &'static str,
    pub kind: Kind,
    pub since: u32,
    pub help: &'static str,
}

/// What is gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sum,
    Average,
    Count,
    Min,
    Max,
    First,
    Last,
    Push,
    AddToSet,
    DeviationOfAll,
    DeviationOfSample,
    MergeObjects,
    FirstN,
    LastN,
    MinN,
    MaxN,
    Top,
    TopN,
    Bottom,
    BottomN,
    Median,
    Percentile,
}

const fn row(name: &'static str, kind: Kind, since: u32, help: &'static str) -> AccumulatorOp {
    AccumulatorOp { name, kind, since, help }
}

/// Every accumulator.
const ACCUMULATORS: &[AccumulatorOp] = &[
    row("$addToSet", Kind::AddToSet, 30, "an array of the different values"),
    row("$avg", Kind::Average, 30, "the mean of the numbers, or null"),
    row("$bottom", Kind::Bottom, 52, "the value of the last document by a sort order"),
    row("$bottomN", Kind::BottomN, 52, "the values of the last n documents by a sort order"),
    row("$count", Kind::Count, 50, "how many documents"),
    row("$first", Kind::First, 30, "the value of the first document"),
    row("$firstN", Kind::FirstN, 52, "the values of the first n documents"),
    row("$last", Kind::Last, 30, "the value of the last document"),
    row("$lastN", Kind::LastN, 52, "the values of the last n documents"),
    row("$max", Kind::Max, 30, "the greatest value, null and missing aside"),
    row("$maxN", Kind::MaxN, 52, "the n greatest values, null and missing aside"),
    row("$median", Kind::Median, 70, "the number that half of the numbers do not exceed"),
    row("$mergeObjects", Kind::MergeObjects, 36, "the fields of all documents; of equal names the last counts"),
    row("$min", Kind::Min, 30, "the least value, null and missing aside"),
    row("$minN", Kind::MinN, 52, "the n least values, null and missing aside"),
    row("$percentile", Kind::Percentile, 70, "the numbers that given shares of the numbers do not exceed"),
    row("$push", Kind::Push, 30, "an array of the values"),
    row("$stdDevPop", Kind::DeviationOfAll, 32, "the standard deviation, the values being all there are"),
    row("$stdDevSamp", Kind::DeviationOfSample, 32, "the standard deviation, the values being a sample"),
    row("$sum", Kind::Sum, 30, "the sum of the numbers"),
    row("$top", Kind::Top, 52, "the value of the first document by a sort order"),
    row("$topN", Kind::TopN, 52, "the values of the first n documents by a sort order"),
];

/// What the docs tell of every accumulator.
pub(crate) fn infos() -> impl Iterator<Item = OperatorInfo> {
    ACCUMULATORS.iter().map(|op| OperatorInfo { name: op.name, since: op.since, help: op.help })
}

/// The row of an accumulator, by its name.
pub(crate) fn find(name: &str, cx: &Cx<'_>) -> Option<&'static AccumulatorOp> {
    let offered = |op: &&AccumulatorOp| u64::from(op.since) <= cx.limits.language_release_max;
    ACCUMULATORS.iter().find(|op| op.name == name).filter(offered)
}

/// An accumulator with what it gathers.
#[derive(Clone, Debug)]
pub(crate) struct Accumulator {
    pub name: &'static str,
    pub kind: Kind,
    /// What is gathered of each document.
    pub input: Expr,
    /// How many values are kept, for those that keep n; the shares of `$percentile`.
    pub count: Expr,
    /// By which order documents rank.
    pub order: Sort,
}

impl Accumulator {
    /// An accumulator of one input.
    pub const fn simple(name: &'static str, kind: Kind, input: Expr) -> Accumulator {
        Accumulator { name, kind, input, count: Expr::absent(), order: Sort { fields: Vec::new(), backwards: false } }
    }

    /// Reads the argument of an accumulator.
    pub fn read(op: &'static AccumulatorOp, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Accumulator> {
        let mut accumulator = Accumulator::simple(op.name, op.kind, Expr::absent());
        match op.kind {
            Kind::FirstN | Kind::LastN => ranked::read_n(&mut accumulator, value, 5_787_801, reading)?,
            Kind::MinN | Kind::MaxN => ranked::read_n(&mut accumulator, value, 5_787_900, reading)?,
            Kind::Top | Kind::Bottom | Kind::TopN | Kind::BottomN => {
                ranked::read_ranked(&mut accumulator, value, reading)?
            }
            Kind::Median | Kind::Percentile => ranked::read_percentile(&mut accumulator, value, reading)?,
            Kind::Count => accumulator.input = count_input(value)?,
            _ => accumulator.input = single(op.name, value, reading)?,
        }
        Ok(accumulator)
    }

    /// An empty tally. `group` is what expressions about the whole group see: the group's key where it is a document.
    pub fn start(&self, group: RawDoc<'_>, cx: &Cx<'_>) -> Result<Tally> {
        Tally::new(self, group, cx)
    }
}

fn single(name: &str, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    match value {
        ValueRef::Array(_) => Err(not_single(name)),
        value => reading.expr(value),
    }
}

fn not_single(name: &str) -> Error {
    Error::mongo(40237, format!("{name} takes one expression, not an array of them"))
}

fn count_input(value: ValueRef<'_>) -> Result<Expr> {
    match value {
        ValueRef::Document(doc) if doc.is_empty() => Ok(Expr::constant(Some(storage::Value::Int32(1)))),
        ValueRef::Array(_) => Err(not_single("$count")),
        _ => Err(Error::mongo(TYPE_MISMATCH, "$count takes nothing: write $count: {}")),
    }
}

/// Raised where the values of one group outgrow what a stage may hold.
pub(crate) fn too_much(name: &str, cx: &Cx<'_>) -> Error {
    let bytes_max = cx.limits.stage_bytes_max;
    Error::mongo(146, format!("{name} gathers more than {bytes_max} bytes in one group")).with_code(Code::MemoryLimit)
}
