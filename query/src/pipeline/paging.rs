//! `$skip` and `$limit`.

use storage::ValueRef;

use super::Stage;
use super::operator::{Item, Operator};
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::expr::Reading;

pub(super) fn read_limit(value: ValueRef<'_>, _: &Reading<'_>) -> Result<Vec<Stage>> {
    match whole("$limit", value, 5_107_201)? {
        0 => Err(Error::mongo(15958, "$limit takes a number above 0")),
        count => Ok(vec![Stage::Limit(count)]),
    }
}

pub(super) fn read_skip(value: ValueRef<'_>, _: &Reading<'_>) -> Result<Vec<Stage>> {
    Ok(vec![Stage::Skip(whole("$skip", value, 5_107_200)?)])
}

fn whole(name: &str, value: ValueRef<'_>, number: i32) -> Result<u64> {
    let count = if value.kind().is_number() { value.as_i64() } else { None };
    count.and_then(|count| u64::try_from(count).ok()).ok_or_else(|| {
        Error::mongo(number, format!("{name} takes a whole number that is not below 0, in the range of long"))
    })
}

struct Skip<'a> {
    input: Box<dyn Operator + 'a>,
    left: u64,
}

pub(super) fn skip<'a>(input: Box<dyn Operator + 'a>, count: u64) -> Box<dyn Operator + 'a> {
    Box::new(Skip { input, left: count })
}

impl Operator for Skip<'_> {
    fn next_batch(&mut self, cx: &Cx<'_>, out: &mut Vec<Item>) -> Result<bool> {
        cx.tick()?;
        let start = out.len();
        let more = self.input.next_batch(cx, out)?;
        let given = out.len() - start;
        let dropped = usize::try_from(self.left).unwrap_or(usize::MAX).min(given);
        out.drain(start..start + dropped);
        self.left -= u64::try_from(dropped).unwrap_or(0);
        Ok(more)
    }
}

struct Limit<'a> {
    input: Box<dyn Operator + 'a>,
    left: u64,
}

pub(super) fn limit<'a>(input: Box<dyn Operator + 'a>, count: u64) -> Box<dyn Operator + 'a> {
    Box::new(Limit { input, left: count })
}

impl Operator for Limit<'_> {
    fn next_batch(&mut self, cx: &Cx<'_>, out: &mut Vec<Item>) -> Result<bool> {
        cx.tick()?;
        if self.left == 0 {
            return Ok(false);
        }
        let start = out.len();
        let more = self.input.next_batch(cx, out)?;
        let kept = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len() - start);
        out.truncate(start + kept);
        self.left -= u64::try_from(kept).unwrap_or(0);
        Ok(more && self.left > 0)
    }
}
