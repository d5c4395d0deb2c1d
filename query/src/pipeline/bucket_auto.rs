//! `$bucketAuto`: so many ranges that hold about equally many documents each.

use storage::key::{self, Direction};
use storage::{Doc, DocBuilder, RawDoc, Value, ValueRef, compare_with};

use super::Stage;
use super::bucket::{read_by, read_output};
use super::group::counter;
use super::needs::Needs;
use super::operator::{Blocking, Item, Operator, Rows, each};
use super::sort::Sorter;
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::expr::accumulate::{Accumulator, Tally};
use crate::expr::{Expr, Reading, bounded};
use granularity::Granularity;

mod granularity;

#[derive(Clone, Debug)]
pub(crate) struct BucketAuto {
    by: Expr,
    buckets: u64,
    fields: Vec<(Box<str>, Accumulator)>,
    granularity: Option<Granularity>,
}

pub(super) fn read(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Vec<Stage>> {
    let doc = value
        .as_doc()
        .ok_or_else(|| Error::mongo(40240, format!("$bucketAuto takes a document, but got {}", value.kind().name())))?;
    let (mut by, mut buckets, mut fields, mut granularity) = (None, None, Vec::new(), None);
    for (name, value) in doc.iter() {
        match name {
            "groupBy" => by = Some(read_by("$bucketAuto", value, 40239, reading)?),
            "buckets" => buckets = Some(read_buckets(value)?),
            "output" => fields = read_output("$bucketAuto", value, 40244, reading)?,
            "granularity" => {
                let wrong = || Error::mongo(40261, "'granularity' of $bucketAuto must be a string");
                granularity = Some(Granularity::named(value.as_str().ok_or_else(wrong)?)?);
            }
            other => return Err(Error::mongo(40245, format!("$bucketAuto knows no argument '{other}'"))),
        }
    }
    let (Some(by), Some(buckets)) = (by, buckets) else {
        return Err(Error::mongo(40246, "$bucketAuto needs 'groupBy' and 'buckets'"));
    };
    if fields.is_empty() {
        fields.push(counter("count"));
    }
    Ok(vec![Stage::BucketAuto(BucketAuto { by, buckets, fields, granularity })])
}

fn read_buckets(value: ValueRef<'_>) -> Result<u64> {
    if !value.kind().is_number() {
        return Err(Error::mongo(40241, "'buckets' of $bucketAuto must be a number"));
    }
    let whole = value.as_i64().and_then(|count| i32::try_from(count).ok());
    let whole = whole
        .ok_or_else(|| Error::mongo(40242, "'buckets' of $bucketAuto must be a whole number in the range of int"))?;
    match u64::try_from(whole) {
        Ok(count @ 1..) => Ok(count),
        _ => Err(Error::mongo(40243, format!("'buckets' of $bucketAuto must be above 0, but is {whole}"))),
    }
}

/// A range under construction.
struct Bucket {
    min: Value,
    max: Value,
    tallies: Vec<Tally>,
}

impl BucketAuto {
    pub fn build<'a>(&'a self, input: Box<dyn Operator + 'a>) -> Box<dyn Operator + 'a> {
        let mut input = input;
        Box::new(Blocking::new(move |cx: &Cx<'_>| {
            let mut sorter = Sorter::new("$bucketAuto");
            each(&mut *input, cx, |item| {
                let bytes = self.sort_key(&item, &cx.with_found(item.found.as_deref()))?;
                sorter.push(bytes, item, cx)
            })?;
            let total = sorter.len();
            let buckets = self.filled(sorter.finish()?, total, cx)?;
            let docs = buckets.iter().map(|bucket| self.finish(bucket).map(Item::plain)).collect::<Result<Vec<_>>>()?;
            Ok(Box::new(super::operator::Feed::new(docs)) as Box<dyn Operator + 'a>)
        }))
    }

    /// Notes what it reads of its input.
    pub fn needs(&self, need: &mut Needs) {
        need.expr(&self.by);
        need.accumulators(&self.fields);
    }

    /// Series of preferred numbers hold only numbers that are not below 0.
    fn check(&self, value: Option<ValueRef<'_>>) -> Result<()> {
        if self.granularity.is_none() {
            return Ok(());
        }
        let number = value.filter(|value| value.kind().is_number()).and_then(ValueRef::as_f64);
        match number {
            None => Err(Error::mongo(40258, "'granularity' of $bucketAuto is for numbers only")),
            Some(number) if number.is_nan() => Err(Error::mongo(40259, "'granularity' of $bucketAuto is not for NaN")),
            Some(number) if number < 0.0 => {
                Err(Error::mongo(40260, "'granularity' of $bucketAuto is for numbers not below 0"))
            }
            Some(_) => Ok(()),
        }
    }

    fn filled(&self, rows: Box<dyn Operator + '_>, total: u64, cx: &Cx<'_>) -> Result<Vec<Bucket>> {
        // Rounded to the nearest, so that the last bucket takes up what is left over.
        let size = (total + self.buckets / 2).checked_div(self.buckets).unwrap_or(1).max(1);
        let mut rows = Rows::new(rows);
        let mut buckets: Vec<Bucket> = Vec::new();
        let mut next = self.next_row(&mut rows, cx)?;
        while let Some((value, doc)) = next {
            let last = u64::try_from(buckets.len() + 1).unwrap_or(u64::MAX) >= self.buckets;
            let mut bucket = self.open(value, buckets.last(), cx)?;
            self.add(&mut bucket, &doc, cx)?;
            let mut held = 1;
            next = self.next_row(&mut rows, cx)?;
            while let Some((value, doc)) = next.take_if(|_| held < size || last) {
                bucket.max = value;
                self.add(&mut bucket, &doc, cx)?;
                held += 1;
                next = self.next_row(&mut rows, cx)?;
            }
            next = self.close(&mut bucket, next, &mut rows, cx)?;
            buckets.push(bucket);
        }
        Ok(buckets)
    }

    /// The bytes of the value that a document is put into a bucket by.
    fn sort_key(&self, item: &Item, cx: &Cx<'_>) -> Result<Vec<u8>> {
        let value = self.by.eval(item.doc.raw(), cx)?;
        self.check(value.as_ref())?;
        let mut bytes = Vec::new();
        key::encode(value.or_null(), Direction::Ascending, cx.collation, &mut bytes);
        Ok(bytes)
    }

    /// The next document with the value that it is put into a bucket by.
    fn next_row(&self, rows: &mut Rows<'_>, cx: &Cx<'_>) -> Result<Row> {
        let Some(item) = rows.next(cx)? else { return Ok(None) };
        let value =
            self.by.eval(item.doc.raw(), &cx.with_found(item.found.as_deref()))?.into_value().unwrap_or(Value::Null);
        Ok(Some((value, item.doc)))
    }

    fn open(&self, value: Value, before: Option<&Bucket>, cx: &Cx<'_>) -> Result<Bucket> {
        let tallies = self.fields.iter();
        let tallies = tallies.map(|(_, accumulator)| accumulator.start(RawDoc::empty(), cx)).collect::<Result<_>>()?;
        let min = match (self.granularity, before) {
            (None, _) => value.clone(),
            (Some(_), Some(before)) => before.max.clone(),
            (Some(granularity), None) => granularity.below(value.as_ref()),
        };
        Ok(Bucket { min, max: value, tallies })
    }

    fn add(&self, bucket: &mut Bucket, doc: &Doc, cx: &Cx<'_>) -> Result<()> {
        for ((_, accumulator), tally) in self.fields.iter().zip(&mut bucket.tallies) {
            tally.add(accumulator, doc.raw(), cx)?;
        }
        Ok(())
    }

    /// Finds the upper border, taking in further documents that lie below it; gives the first one beyond.
    fn close(&self, bucket: &mut Bucket, next: Row, rows: &mut Rows<'_>, cx: &Cx<'_>) -> Result<Row> {
        let mut next = next;
        let edge = match self.granularity {
            Some(granularity) => granularity.above(bucket.max.as_ref()),
            None => bucket.max.clone(),
        };
        let belongs = |value: &Value| {
            let order = compare_with(value.as_ref(), edge.as_ref(), cx.collation);
            if self.granularity.is_some() { order.is_lt() } else { order.is_eq() }
        };
        while let Some((_, doc)) = next.take_if(|(value, _)| belongs(value)) {
            self.add(bucket, &doc, cx)?;
            next = self.next_row(rows, cx)?;
        }
        bucket.max = match (self.granularity, &next) {
            // A border of 0 would leave the bucket empty, as upper borders are exclusive.
            (Some(granularity), Some((value, _))) if edge.as_ref().as_f64() == Some(0.0) => {
                granularity.below(value.as_ref())
            }
            (None, Some((value, _))) => value.clone(),
            _ => edge,
        };
        Ok(next)
    }

    fn finish(&self, bucket: &Bucket) -> Result<Doc> {
        let mut builder = DocBuilder::new();
        let open = builder.open_document("_id");
        builder.put("min", bucket.min.as_ref());
        builder.put("max", bucket.max.as_ref());
        builder.close(open);
        for ((name, _), tally) in self.fields.iter().zip(&bucket.tallies) {
            builder.put(name, tally.finish()?.as_ref());
            bounded(builder.len())?;
        }
        Ok(builder.finish())
    }
}

/// A document with the value that it is put into a bucket by.
type Row = Option<(Value, Doc)>;
