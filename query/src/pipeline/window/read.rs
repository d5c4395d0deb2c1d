//! Reading `$setWindowFields`.

use storage::{DocBuilder, RawDoc, Value, ValueRef};

use super::bounds::{self, Bounds, read_unit};
use super::function::Function;
use super::{Output, Window, check_partition};
use crate::error::number::{FAILED_TO_PARSE, TYPE_MISMATCH};
use crate::error::{Error, Result};
use crate::expr::accumulate::{self, Accumulator, Kind};
use crate::expr::{Expr, FieldPath, Reading, Real};
use crate::pipeline::Stage;
use crate::pipeline::sort::Sorting;
use crate::project::Projection;
use crate::sort::{Sort, SortBy};
use crate::variables::Binding;

fn wrong(message: impl Into<String>) -> Error {
    Error::mongo(FAILED_TO_PARSE, message)
}

pub(in super::super) fn read(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Vec<Stage>> {
    let doc = value.as_doc().ok_or_else(|| wrong("$setWindowFields takes a document"))?;
    let (mut partition, mut order, mut outputs) = (None, None, None);
    for (name, value) in doc.iter() {
        let typed = || {
            let kind = value.kind().name();
            let message = format!("'{name}' of $setWindowFields must be a document, but is {kind}");
            value.as_doc().ok_or_else(|| Error::mongo(TYPE_MISMATCH, message))
        };
        match name {
            "partitionBy" => partition = Some(reading.expr(value)?),
            "sortBy" => order = Some(typed()?),
            "output" => outputs = Some(typed()?),
            other => return Err(Error::mongo(40415, format!("$setWindowFields knows no argument '{other}'"))),
        }
    }
    let outputs = outputs.ok_or_else(|| Error::mongo(40414, "$setWindowFields needs 'output'"))?;
    let window = window(partition, order, outputs, reading)?;
    Ok(vec![Stage::Window(Box::new(window))])
}

/// The stage that `$fill` becomes for its methods.
pub(in super::super) fn filling(
    partition: Option<Expr>,
    order: Option<RawDoc<'_>>,
    outputs: RawDoc<'_>,
    reading: &Reading<'_>,
) -> Result<Stage> {
    Ok(Stage::Window(Box::new(window(partition, order, outputs, reading)?)))
}

fn window(
    partition: Option<Expr>,
    order: Option<RawDoc<'_>>,
    outputs: RawDoc<'_>,
    reading: &Reading<'_>,
) -> Result<Window> {
    let partition = match partition {
        Some(expr) => match expr.as_constant() {
            Some(value) => {
                check_partition(value.as_ref().map(Value::as_ref))?;
                None
            }
            None => Some(expr),
        },
        None => None,
    };
    let any = order.is_some();
    let order = order.filter(|order| !order.is_empty()).map(Sort::parse).transpose()?;
    let single = order.as_ref().and_then(single_field);
    let ordering = Ordering { any, single: single.is_some() };
    check_paths(outputs)?;
    let mut read = Vec::new();
    for (name, value) in outputs.iter() {
        read.push(output(name, value, ordering, reading)?);
    }
    let (by, descending) = single.map_or((None, false), |(path, descending)| (Some(Expr::field(path)), descending));
    let (shape, first) = shape(outputs, reading)?;
    let order = order.map(|order| Sorting { order, limit: None });
    Ok(Window { partition, order, by, descending, outputs: read, shape, first })
}

/// What there is to order by.
#[derive(Clone, Copy)]
struct Ordering {
    any: bool,
    single: bool,
}

/// The only field of an order, and whether it descends.
fn single_field(order: &Sort) -> Option<(FieldPath, bool)> {
    let [field] = order.fields.as_slice() else { return None };
    let SortBy::Path(path) = &field.by else { return None };
    Some((FieldPath::parse_lenient(path.as_str())?, field.direction == storage::key::Direction::Descending))
}

fn check_paths(outputs: RawDoc<'_>) -> Result<()> {
    let mut paths: Vec<FieldPath> = Vec::new();
    for (name, _) in outputs.iter() {
        let path = FieldPath::parse(name)?;
        let (path_of, below) = (path.as_path(), |other: &FieldPath| other.as_path().starts_with(path.as_path()));
        if paths.iter().any(|other| below(other) || path_of.starts_with(other.as_path())) {
            return Err(Error::mongo(6_307_900, format!("'output' of $setWindowFields sets '{name}' twice")));
        }
        paths.push(path);
    }
    Ok(())
}

/// How output fields are set from variables, and the position of the first of these.
fn shape(outputs: RawDoc<'_>, reading: &Reading<'_>) -> Result<(Projection, usize)> {
    let mut bound = reading.cx.variables.clone();
    let first = bound.len();
    let mut spec = DocBuilder::new();
    for (place, (name, _)) in outputs.iter().enumerate() {
        let variable = format!("output{place}");
        bound.bind(&variable, Binding::Later);
        spec.put(name, ValueRef::String(&format!("$${variable}")));
    }
    let cx = reading.cx.with_variables(&bound);
    Ok((Projection::adding(spec.finish().raw(), &reading.with_cx(&cx))?, first))
}

fn output(name: &str, value: ValueRef<'_>, ordering: Ordering, reading: &Reading<'_>) -> Result<Output> {
    let doc = value.as_doc().ok_or_else(|| wrong(format!("the field '{name}' must be a document")))?;
    let mut fields = doc.iter();
    let first = fields.next().filter(|(operator, _)| operator.starts_with('$'));
    let (operator, argument) = first.ok_or_else(|| wrong(format!("the field '{name}' must begin with a function")))?;
    let mut window = None;
    for (key, value) in fields {
        match key {
            "window" => window = Some(value),
            other => return Err(wrong(format!("the field '{name}' knows no argument '{other}'"))),
        }
    }
    let function = function(operator, argument, ordering, window, reading)?;
    let bounds = window.map_or(Ok(Bounds::All), bounds::read)?;
    match &bounds {
        Bounds::Documents(low, high) if !ordering.any && (low.is_some() || high.is_some()) => {
            Err(Error::mongo(5_339_901, "a window in documents needs a sortBy"))
        }
        Bounds::Range(..) if !ordering.single => {
            Err(Error::mongo(5_339_902, "a window by range needs a sortBy of one field"))
        }
        _ => Ok(Output { function, bounds }),
    }
}

fn function(
    name: &str,
    argument: ValueRef<'_>,
    ordering: Ordering,
    window: Option<ValueRef<'_>>,
    reading: &Reading<'_>,
) -> Result<Function> {
    let sorted = |name: &str| match (ordering.any, ordering.single) {
        (false, _) => Err(wrong(format!("{name} needs a sortBy"))),
        (true, false) => Err(wrong(format!("{name} needs a sortBy of one field"))),
        (true, true) => Ok(()),
    };
    let bare = |name: &str| match window {
        Some(_) => Err(wrong(format!("{name} takes no 'window'"))),
        None => Ok(()),
    };
    match name {
        "$rank" | "$denseRank" | "$documentNumber" => {
            check_rank(name, argument, window, ordering)?;
            Ok(match name {
                "$documentNumber" => Function::DocumentNumber,
                _ => Function::Rank { dense: name == "$denseRank" },
            })
        }
        "$shift" => {
            bare(name)?;
            if !ordering.any {
                return Err(wrong("$shift needs a sortBy"));
            }
            read_shift(argument, reading)
        }
        "$derivative" => {
            sorted(name)?;
            let (input, unit) = read_rate("$derivative", argument, reading)?;
            match window {
                Some(_) => Ok(Function::Derivative { input, unit, name: "$derivative" }),
                None => Err(wrong("$derivative needs a 'window'")),
            }
        }
        "$integral" => {
            sorted(name)?;
            let (input, unit) = read_rate("$integral", argument, reading)?;
            Ok(Function::Integral { input, unit, name: "$integral" })
        }
        "$covariancePop" | "$covarianceSamp" => {
            Ok(Function::Covariance { input: reading.expr(argument)?, sample: name == "$covarianceSamp" })
        }
        "$expMovingAvg" => {
            bare(name)?;
            if !ordering.any {
                return Err(wrong("$expMovingAvg needs a sortBy"));
            }
            read_average(argument, reading)
        }
        "$locf" => {
            bare(name)?;
            Ok(Function::LastFilled(reading.expr(argument)?))
        }
        "$linearFill" => {
            bare(name)?;
            if !ordering.single {
                return Err(Error::mongo(605_001, "$linearFill needs a sortBy of one field"));
            }
            Ok(Function::LinearFill(reading.expr(argument)?))
        }
        name => read_accumulator(name, argument, reading).map(Function::Accumulate),
    }
}

fn read_accumulator(name: &str, argument: ValueRef<'_>, reading: &Reading<'_>) -> Result<Accumulator> {
    let unknown = || wrong(format!("'{name}' is not a window function"));
    let op = accumulate::find(name, reading.cx).filter(|op| op.kind != Kind::MergeObjects).ok_or_else(unknown)?;
    match (op.kind, argument) {
        (Kind::Count, ValueRef::Document(doc)) if doc.is_empty() => Accumulator::read(op, argument, reading),
        (Kind::Count, _) => Err(wrong("$count takes nothing: write $count: {}")),
        // Here an array is an expression of its own.
        (_, ValueRef::Array(_)) => Ok(Accumulator::simple(op.name, op.kind, reading.expr(argument)?)),
        _ => Accumulator::read(op, argument, reading),
    }
}

fn check_rank(name: &str, argument: ValueRef<'_>, window: Option<ValueRef<'_>>, ordering: Ordering) -> Result<()> {
    if window.is_some() {
        return Err(Error::mongo(5_371_601, format!("{name} takes no other arguments")));
    }
    if !ordering.single {
        return Err(Error::mongo(5_371_602, format!("{name} needs a sortBy of one field")));
    }
    match argument.as_doc().is_some_and(RawDoc::is_empty) {
        true => Ok(()),
        false => Err(Error::mongo(5_371_603, format!("{name} takes nothing: write {name}: {{}}"))),
    }
}

fn read_shift(argument: ValueRef<'_>, reading: &Reading<'_>) -> Result<Function> {
    let doc = argument.as_doc().ok_or_else(|| wrong("$shift takes a document"))?;
    let (mut output, mut by, mut default) = (None, None, None);
    for (name, value) in doc.iter() {
        match name {
            "output" => output = Some(reading.expr(value)?),
            "by" => {
                let count = if value.kind().is_number() { value.as_i64() } else { None };
                let count = count.and_then(|count| i32::try_from(count).ok());
                by = Some(i64::from(count.ok_or_else(|| wrong("'by' of $shift must be a whole number"))?));
            }
            "default" => {
                let expr = reading.expr(value)?;
                let constant = expr.as_constant().ok_or_else(|| wrong("'default' of $shift must be a constant"))?;
                default = constant.clone();
            }
            other => return Err(wrong(format!("$shift knows no argument '{other}'"))),
        }
    }
    let output = output.ok_or_else(|| wrong("$shift needs 'output'"))?;
    let by = by.ok_or_else(|| wrong("$shift needs 'by': a whole number"))?;
    Ok(Function::Shift { output, by, default })
}

/// The input of `$derivative` and `$integral`, and how many milliseconds their unit lasts.
fn read_rate(name: &str, argument: ValueRef<'_>, reading: &Reading<'_>) -> Result<(Expr, Option<Real>)> {
    let doc = argument.as_doc().ok_or_else(|| wrong(format!("{name} takes a document")))?;
    let (mut input, mut unit) = (None, None);
    for (key, value) in doc.iter() {
        match key {
            "input" => input = Some(reading.expr(value)?),
            "unit" => {
                let millis = read_unit(value)?.millis();
                let long = || Error::mongo(5_490_710, format!("'unit' of {name} must be 'week' or shorter"));
                unit = Real::of(Some(ValueRef::Int64(millis.ok_or_else(long)?)));
            }
            other => return Err(wrong(format!("{name} knows no argument '{other}'"))),
        }
    }
    Ok((input.ok_or_else(|| wrong(format!("{name} needs 'input'")))?, unit))
}

fn read_average(argument: ValueRef<'_>, reading: &Reading<'_>) -> Result<Function> {
    let shape = || wrong("$expMovingAvg takes a document of 'input' and either 'N' or 'alpha'");
    let doc = argument.as_doc().ok_or_else(shape)?;
    let input = doc.get("input").filter(|_| doc.iter().count() == 2).ok_or_else(shape)?;
    let alpha = match (doc.get("N"), doc.get("alpha")) {
        (Some(count), None) => {
            let whole = if count.kind().is_number() { count.as_i64() } else { None };
            let whole =
                whole.ok_or_else(|| wrong("'N' of $expMovingAvg must be a whole number; use 'alpha' for others"))?;
            if whole <= 0 {
                return Err(wrong("'N' of $expMovingAvg must be above 0"));
            }
            let count = Real::of(Some(ValueRef::Int64(whole.saturating_add(1)))).unwrap_or(Real::ZERO);
            Real::Double(2.0).over(count)
        }
        (None, Some(alpha)) => {
            let alpha = Real::of(Some(alpha)).ok_or_else(|| wrong("'alpha' of $expMovingAvg must be a number"))?;
            if alpha.as_f64() <= 0.0 || alpha.as_f64() >= 1.0 {
                return Err(wrong("'alpha' of $expMovingAvg must lie between 0 and 1"));
            }
            alpha
        }
        _ => return Err(shape()),
    };
    Ok(Function::MovingAverage { input: reading.expr(input)?, alpha })
}
