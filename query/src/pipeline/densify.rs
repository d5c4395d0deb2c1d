//! `$densify`: documents are added where a sequence of numbers or dates has gaps.
//!
//! The input is sorted by partition and field. Each partition has a next value to fill; a document at or above it first
//! lets the values before it be made. With `full` bounds all partitions share one range, whose end is known only at the
//! end of the input, so partitions are completed then.

use std::collections::HashMap;

use storage::key::{self, Direction};
use storage::{Doc, DocBuilder, Value, ValueRef, compare};

use super::Stage;
use super::needs::Needs;
use super::operator::{BATCH, Blocking, Item, Operator, Rows, each};
use super::sort::Sorter;
use super::unwind::set;
use crate::cx::Cx;
use crate::error::number::{FAILED_TO_PARSE, TYPE_MISMATCH};
use crate::error::{Code, Error, Result};
use crate::expr::{Computed, FieldPath, Reading, Real, Unit, Zone, date_plus};

#[derive(Clone, Debug)]
pub(crate) struct Densify {
    field: FieldPath,
    partition: Vec<FieldPath>,
    step: Value,
    unit: Option<Unit>,
    bounds: Bounds,
}

#[derive(Clone, Debug)]
enum Bounds {
    /// From the least value of all to the greatest of all.
    Full,
    /// From the least value of each partition to its greatest.
    Partition,
    /// From a value to below another.
    Range(Value, Value),
}

/// Most documents that one stage may make.
const MADE_MAX: u64 = 500_000;

fn mistyped(name: &str, value: ValueRef<'_>) -> Error {
    Error::mongo(TYPE_MISMATCH, format!("'{name}' of $densify has the wrong type {}", value.kind().name()))
}

fn missing(name: &str) -> Error {
    Error::mongo(40414, format!("$densify needs '{name}'"))
}

pub(super) fn read(value: ValueRef<'_>, _: &Reading<'_>) -> Result<Vec<Stage>> {
    let doc = value.as_doc().ok_or_else(|| Error::mongo(FAILED_TO_PARSE, "$densify takes a document"))?;
    let (mut field, mut partition, mut range) = (None, Vec::new(), None);
    for (name, value) in doc.iter() {
        match name {
            "field" => field = Some(value.as_str().ok_or_else(|| mistyped(name, value))?),
            "partitionByFields" => {
                let list = value.as_array().ok_or_else(|| mistyped(name, value))?;
                partition =
                    list.iter().map(|path| path.as_str().ok_or_else(|| mistyped(name, path))).collect::<Result<_>>()?;
            }
            "range" => range = Some(value.as_doc().ok_or_else(|| mistyped(name, value))?),
            other => return Err(Error::mongo(40415, format!("$densify knows no argument '{other}'"))),
        }
    }
    let (field, range) = (field.ok_or_else(|| missing("field"))?, range.ok_or_else(|| missing("range"))?);
    let (mut step, mut bounds, mut unit) = (None, None, None);
    for (name, value) in range.iter() {
        match name {
            "step" if value.kind().is_number() => step = Some(value.to_value()),
            "unit" => unit = Some(value.as_str().ok_or_else(|| mistyped(name, value))?),
            "bounds" if matches!(value, ValueRef::String(_) | ValueRef::Array(_)) => bounds = Some(value),
            "step" | "bounds" => return Err(mistyped(name, value)),
            other => return Err(Error::mongo(40415, format!("'range' of $densify knows no argument '{other}'"))),
        }
    }
    let step = step.ok_or_else(|| missing("range.step"))?;
    let bounds = bounds.ok_or_else(|| missing("range.bounds"))?;
    let unknown = |name: &str| Error::mongo(FAILED_TO_PARSE, format!("'{name}' is no unit of time"));
    let unit = unit.map(|name| Unit::from_name(name).ok_or_else(|| unknown(name))).transpose()?;
    check_step(&step, unit)?;
    let bounds = read_bounds(bounds, unit, partition.is_empty())?;
    let partition = partition.into_iter().map(FieldPath::parse).collect::<Result<Vec<_>>>()?;
    Ok(vec![Stage::Densify(Box::new(Densify { field: FieldPath::parse(field)?, partition, step, unit, bounds }))])
}

fn check_step(step: &Value, unit: Option<Unit>) -> Result<()> {
    if step.as_ref().as_f64().is_none_or(|step| step.is_nan() || step <= 0.0) {
        return Err(Error::mongo(5_733_401, "'step' of $densify must be above 0"));
    }
    match unit.is_some() && step.as_ref().as_i64().is_none() {
        true => Err(Error::mongo(6_586_400, "'step' of $densify must be a whole number where there is a unit")),
        false => Ok(()),
    }
}

fn read_bounds(value: ValueRef<'_>, unit: Option<Unit>, alone: bool) -> Result<Bounds> {
    let list: Vec<ValueRef<'_>> = match value {
        ValueRef::String("full") => return Ok(Bounds::Full),
        ValueRef::String("partition") if alone => {
            return Err(Error::mongo(
                5_733_408,
                "bounds of 'partition' in $densify need 'partitionByFields'; use 'full'",
            ));
        }
        ValueRef::String("partition") => return Ok(Bounds::Partition),
        ValueRef::String(_) => {
            return Err(Error::mongo(5_946_802, "'bounds' of $densify is 'full', 'partition' or a pair"));
        }
        other => other.as_array().into_iter().flat_map(|list| list.iter()).collect(),
    };
    let [low, high] = list.as_slice() else {
        return Err(Error::mongo(5_733_403, "'bounds' of $densify as an array has exactly two values"));
    };
    let is_date = |value: &ValueRef<'_>| matches!(value, ValueRef::DateTime(_));
    let fits = |value: &ValueRef<'_>| is_date(value) || value.kind().is_number();
    let fault = |number, message: &str| Err(Error::mongo(number, format!("the bounds of $densify {message}")));
    match (is_date(low), unit) {
        _ if !fits(low) || !fits(high) => fault(5_946_800, "must be numbers or dates"),
        _ if is_date(low) != is_date(high) => fault(5_733_406, "must be both numbers or both dates"),
        (true, None) => fault(5_733_410, "are dates, so there must be a unit"),
        (false, Some(_)) => fault(5_733_409, "are numbers, so there must be no unit"),
        _ if compare(*low, *high).is_gt() => fault(5_733_402, "must ascend"),
        _ => Ok(Bounds::Range(low.to_value(), high.to_value())),
    }
}

impl Densify {
    pub fn build<'a>(&'a self, input: Box<dyn Operator + 'a>) -> Box<dyn Operator + 'a> {
        let mut input = input;
        let sorted = Box::new(Blocking::new(move |cx: &Cx<'_>| {
            let mut sorter = Sorter::new("$densify");
            let apart = !matches!(self.bounds, Bounds::Full);
            each(&mut *input, cx, |item| {
                let mut bytes = if apart { self.partition_of(&item) } else { Vec::new() };
                let value = self.field.of(item.doc.raw());
                key::encode(value.or_null(), Direction::Ascending, None, &mut bytes);
                sorter.push(bytes, item, cx)
            })?;
            sorter.finish()
        }));
        Box::new(Dense {
            densify: self,
            rows: Rows::new(sorted),
            partitions: HashMap::new(),
            order: Vec::new(),
            current: None,
            low: None,
            high: None,
            work: Vec::new(),
            made: 0,
            ended: false,
        })
    }

    /// Notes what it reads of its input.
    pub fn needs(&self, need: &mut Needs) {
        need.path(self.field.as_path());
        self.partition.iter().for_each(|path| need.path(path.as_path()));
    }

    fn partition_of(&self, item: &Item) -> Vec<u8> {
        let mut bytes = Vec::new();
        for path in &self.partition {
            // What is missing is told from null.
            match path.of(item.doc.raw()) {
                Computed::Missing => bytes.push(0),
                value => {
                    bytes.push(1);
                    key::encode(value.or_null(), Direction::Ascending, None, &mut bytes);
                }
            }
        }
        bytes
    }

    /// The fields of a partition, as its made documents have them.
    fn seed(&self, item: &Item) -> Result<Doc> {
        let mut seed = Doc::empty();
        for path in &self.partition {
            let value = path.of(item.doc.raw());
            let Some(value) = value.as_ref() else { continue };
            if path.as_path().starts_with(self.field.as_path()) {
                return Err(Error::mongo(5_733_306, "$densify cannot be partitioned by the field that it fills"));
            }
            seed = with(&seed, path, value);
        }
        Ok(seed)
    }

    /// The value of a document, if it has one that counts.
    fn value(&self, item: &Item) -> Result<Option<Value>> {
        let value = self.field.of(item.doc.raw());
        let fault = |message: &str| Err(Error::mongo(6_053_600, format!("$densify met {message}")));
        match value.as_ref() {
            None | Some(ValueRef::Null | ValueRef::Undefined) => Ok(None),
            Some(ValueRef::DateTime(_)) if self.unit.is_none() => fault("a date, but its step has no unit"),
            Some(number) if number.kind().is_number() && self.unit.is_some() => {
                fault("a number, but its step has a unit")
            }
            Some(value) if value.kind().is_number() || matches!(value, ValueRef::DateTime(_)) => {
                Ok(Some(value.to_value()))
            }
            Some(_) => Err(Error::mongo(5_733_201, "the field of $densify must hold numbers or dates")),
        }
    }

    /// The value so many steps on; `None` beyond the range of dates.
    fn after(&self, start: &Value, steps: i64) -> Option<Value> {
        match (start, self.unit) {
            (Value::DateTime(millis), Some(unit)) => {
                let amount = self.step.as_ref().as_i64()?.checked_mul(steps)?;
                date_plus(*millis, unit, amount, &Zone::UTC).map(Value::DateTime)
            }
            (start, _) => sum(start.as_ref(), self.step.as_ref(), steps),
        }
    }
}

/// A number and so many times another: whole as long as both are.
fn sum(start: ValueRef<'_>, step: ValueRef<'_>, steps: i64) -> Option<Value> {
    let whole = |value: ValueRef<'_>| matches!(value, ValueRef::Int32(_) | ValueRef::Int64(_));
    if whole(start) && whole(step) {
        let total = start.as_i64()?.checked_add(step.as_i64()?.checked_mul(steps)?)?;
        let narrow = matches!((start, step), (ValueRef::Int32(_), ValueRef::Int32(_)));
        return Some(match i32::try_from(total) {
            Ok(total) if narrow => Value::Int32(total),
            _ => Value::Int64(total),
        });
    }
    let product = Real::of(Some(step))?.times(Real::of(Some(ValueRef::Int64(steps)))?);
    Some(Real::of(Some(start))?.plus(product).into_value())
}

fn with(doc: &Doc, path: &FieldPath, value: ValueRef<'_>) -> Doc {
    let names: Vec<&str> = path.names().collect();
    let mut builder = DocBuilder::new();
    set(doc.raw(), &names, Some(value), &mut builder);
    builder.finish()
}

/// How far a partition is filled.
struct Filled {
    seed: Doc,
    start: Value,
    steps: i64,
}

/// Something to give: values of a partition to make below a border, or a document that was there.
enum Task {
    Make { partition: Vec<u8>, upto: Value, inclusive: bool },
    Give(Item),
}

struct Dense<'a> {
    densify: &'a Densify,
    rows: Rows<'a>,
    partitions: HashMap<Vec<u8>, Filled>,
    /// Keys of the partitions in the order in which they began.
    order: Vec<Vec<u8>>,
    /// The partition at hand, where partitions come one after another.
    current: Option<Vec<u8>>,
    low: Option<Value>,
    high: Option<Value>,
    /// What is to be done next, the last one first.
    work: Vec<Task>,
    made: u64,
    ended: bool,
}

impl Dense<'_> {
    fn take(&mut self, item: Item, cx: &Cx<'_>) -> Result<()> {
        let value = self.densify.value(&item)?;
        let key = self.densify.partition_of(&item);
        let mut tasks = Vec::new();
        if !matches!(self.densify.bounds, Bounds::Full) && self.current.as_ref() != Some(&key) {
            tasks.extend(self.complete());
            self.current = Some(key.clone());
        }
        let Some(value) = value else {
            tasks.push(Task::Give(item));
            self.work.extend(tasks.into_iter().rev());
            return Ok(());
        };
        cx.tick()?;
        if !self.partitions.contains_key(&key) {
            let start = match &self.densify.bounds {
                Bounds::Full => self.low.get_or_insert_with(|| value.clone()).clone(),
                Bounds::Partition => value.clone(),
                Bounds::Range(low, _) => low.clone(),
            };
            self.begin(key.clone(), self.densify.seed(&item)?, start);
        }
        let upto = match &self.densify.bounds {
            Bounds::Range(_, high) if compare(high.as_ref(), value.as_ref()).is_lt() => high.clone(),
            _ => value.clone(),
        };
        self.high = Some(value.clone());
        tasks.push(Task::Make { partition: key.clone(), upto, inclusive: false });
        tasks.push(Task::Give(item));
        self.work.extend(tasks.into_iter().rev());
        Ok(())
    }

    fn begin(&mut self, key: Vec<u8>, seed: Doc, start: Value) {
        self.order.push(key.clone());
        self.partitions.insert(key, Filled { seed, start, steps: 0 });
    }

    /// What is left to make of the partition at hand.
    fn complete(&mut self) -> Option<Task> {
        let partition = self.current.take()?;
        let Bounds::Range(_, high) = &self.densify.bounds else { return None };
        Some(Task::Make { partition, upto: high.clone(), inclusive: false })
    }

    /// The input is at its end: partitions are filled up.
    fn end(&mut self) {
        self.ended = true;
        match (&self.densify.bounds, &self.high) {
            (Bounds::Full, Some(high)) => {
                let rest = self.order.iter().rev();
                let make = |key: &Vec<u8>| Task::Make { partition: key.clone(), upto: high.clone(), inclusive: true };
                self.work = rest.map(make).collect();
            }
            (Bounds::Range(low, high), _) => {
                let (low, high) = (low.clone(), high.clone());
                if self.order.is_empty() {
                    self.begin(Vec::new(), Doc::empty(), low);
                    self.current = Some(Vec::new());
                }
                let partition = self.current.take().unwrap_or_default();
                self.work = vec![Task::Make { partition, upto: high, inclusive: false }];
            }
            _ => {}
        }
    }

    /// Makes the next document of a partition, if there is one to make. A value that a document has counts as made.
    fn make(&mut self, partition: &[u8], upto: &Value, inclusive: bool) -> Result<Option<Doc>> {
        let densify = self.densify;
        let Some(filled) = self.partitions.get_mut(partition) else { return Ok(None) };
        let Some(next) = densify.after(&filled.start, filled.steps) else { return Ok(None) };
        let order = compare(next.as_ref(), upto.as_ref());
        if order.is_gt() || order.is_eq() && !inclusive {
            return Ok(None);
        }
        filled.steps += 1;
        self.made += 1;
        if self.made > MADE_MAX {
            let message =
                format!("$densify would make more than {MADE_MAX} documents; take a longer step or less range");
            return Err(Error::mongo(5_897_900, message).with_code(Code::TooLarge));
        }
        Ok(Some(with(&filled.seed, &densify.field, next.as_ref())))
    }

    /// A document with the next value of its partition takes the place of a made one.
    fn pass(&mut self, item: &Item) -> Result<()> {
        let Some(value) = self.densify.value(item)? else { return Ok(()) };
        let densify = self.densify;
        let Some(filled) = self.partitions.get_mut(&densify.partition_of(item)) else { return Ok(()) };
        let next = densify.after(&filled.start, filled.steps);
        if next.is_some_and(|next| compare(next.as_ref(), value.as_ref()).is_eq()) {
            filled.steps += 1;
        }
        Ok(())
    }
}

impl Operator for Dense<'_> {
    fn next_batch(&mut self, cx: &Cx<'_>, out: &mut Vec<Item>) -> Result<bool> {
        let full = out.len() + BATCH;
        while out.len() < full {
            cx.tick()?;
            match self.work.pop() {
                Some(Task::Give(item)) => {
                    self.pass(&item)?;
                    out.push(item);
                }
                Some(Task::Make { partition, upto, inclusive }) => {
                    if let Some(doc) = self.make(&partition, &upto, inclusive)? {
                        out.push(Item::plain(doc));
                        self.work.push(Task::Make { partition, upto, inclusive });
                    }
                }
                None if self.ended => return Ok(false),
                None => match self.rows.next(cx)? {
                    Some(item) => self.take(item, cx)?,
                    None => self.end(),
                },
            }
        }
        Ok(true)
    }
}
