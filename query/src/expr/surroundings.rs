//! Chance, what a search found out, and the operators that this server refuses.

use storage::{Value, ValueRef};

use super::call::{Call, Op, Shape};
use super::read::Reading;
use super::{Computed, Env, Expr};
use crate::error::{Code, Error, Result};
use crate::sort::Meta;

pub(super) const OPS: &[Op] = &[
    Op::new("$function", Shape::Own(refuse), nothing, "refused: it would run JavaScript").since(44).impure(),
    Op::new(
        "$meta",
        Shape::Own(read_meta),
        meta,
        "what a search found out: textScore, geoNearDistance, geoNearPoint, indexKey",
    )
    .impure(),
    Op::new("$rand", Shape::Own(read_rand), rand, "a number by chance, from 0 to below 1").since(44).impure(),
];

fn refuse(op: &'static Op, _: ValueRef<'_>, _: &Reading<'_>) -> Result<Expr> {
    let message = format!("{} would run JavaScript, which this server does not; use other operators", op.name);
    Err(Error::mongo(NO_JAVASCRIPT, message).with_code(Code::NotSupported))
}

/// MongoDB raises it where its JavaScript engine is switched off.
const NO_JAVASCRIPT: i32 = 31264;

fn nothing<'a>(_: &'a Call, _: &Env<'a>) -> Result<Computed<'a>> {
    Ok(Computed::Missing)
}

fn read_rand(op: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    let empty = match value {
        ValueRef::Document(doc) => doc.is_empty(),
        ValueRef::Array(list) => list.is_empty(),
        _ => return Err(Error::mongo(10065, "$rand takes an empty document: write $rand: {}")),
    };
    match empty {
        true => Ok(reading.call(Call::new(op, Vec::new()))),
        false => Err(Error::mongo(3_040_501, "$rand takes no arguments: write $rand: {}")),
    }
}

fn rand<'a>(_: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    Ok(env.cx.random.next_unit().into())
}

/// Kinds that MongoDB knows and that never exist here.
const UNFILLED: [&str; 6] =
    ["searchScore", "searchScoreDetails", "recordId", "sortKey", "timeseriesBucketMinTime", "timeseriesBucketMaxTime"];

fn read_meta(op: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    let name = value.as_str().ok_or_else(|| Error::mongo(17307, "$meta takes a string"))?;
    if kind_of(name).is_none() {
        if UNFILLED.contains(&name) {
            return Ok(Expr::constant(None));
        }
        let message = format!("'{name}' is nothing that $meta knows; use textScore, geoNearDistance or geoNearPoint");
        return Err(Error::mongo(17308, message));
    }
    Ok(reading.call(Call::new(op, vec![Expr::constant(Some(Value::from(name)))])))
}

fn kind_of(name: &str) -> Option<Meta> {
    Some(match name {
        "textScore" => Meta::TextScore,
        "geoNearDistance" => Meta::GeoDistance,
        "geoNearPoint" => Meta::GeoPoint,
        "randVal" => Meta::RandomValue,
        "searchHighlights" => Meta::Highlights,
        "indexKey" => Meta::IndexKey,
        _ => return None,
    })
}

fn meta<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let name = call.arg(0, env)?;
    let kind = name.as_ref().and_then(ValueRef::as_str).and_then(kind_of);
    Ok(Computed::from_option(env.cx.found.zip(kind).and_then(|(found, kind)| found.get(kind))))
}

impl Expr {
    /// Calls `used` with every kind of `$meta` in the expression.
    pub(crate) fn metas(&self, used: &mut dyn FnMut(Meta)) {
        if let Some(("$meta", [name])) = self.as_call() {
            let name =
                name.as_constant().and_then(Option::as_ref).and_then(|name| name.as_ref().as_str().and_then(kind_of));
            name.into_iter().for_each(used);
            return;
        }
        self.parts(&mut |part| part.metas(used));
    }
}

#[cfg(test)]
mod tests {
    use crate::expr::testing::check;

    #[test]
    fn shapes() {
        check(&[
            ("{$type: {$rand: {}}}", "'double'"),
            ("{$rand: 1}", "10065"),
            ("{$rand: {a: 1}}", "3040501"),
            ("{$meta: 1}", "17307"),
            ("{$meta: 'x'}", "17308"),
            ("{$meta: 'textScore'}", "missing"),
            ("{$function: {body: 'x', args: [], lang: 'js'}}", "31264"),
        ]);
    }
}
