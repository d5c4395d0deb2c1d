//! Dates out of their parts, and parts out of dates.

use storage::{DocBuilder, ValueRef};

use super::super::call::{Call, Named, Op};
use super::super::read::Reading;
use super::super::{Computed, Env, Expr};
use super::calendar::{Civil, iso_year_start};
use super::zone::zone_of;
use super::{NO_DATE, NO_ZONE_TEXT, instant, not_a_date};
use crate::error::{Error, Result};

const FROM_PARTS: Named = Named {
    not_document: 40519,
    unknown: 40518,
    names: &[
        ("year", None),
        ("month", None),
        ("day", None),
        ("hour", None),
        ("minute", None),
        ("second", None),
        ("millisecond", None),
        ("isoWeekYear", None),
        ("isoWeek", None),
        ("isoDayOfWeek", None),
        ("timezone", None),
    ],
};

/// Places of arguments in a call of `$dateFromParts`.
const TIMEZONE: usize = 10;

pub(super) fn read(op: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    let expr = reading.named(op, value, &FROM_PARTS)?;
    let Some(doc) = value.as_doc() else { return Ok(expr) };
    let given = |names: &[&str]| names.iter().any(|name| doc.get(name).is_some());
    match (given(&["year"]), given(&["isoWeekYear"])) {
        (false, false) => Err(Error::mongo(40516, "$dateFromParts needs 'year' or 'isoWeekYear'")),
        (true, _) if given(&["isoWeekYear", "isoWeek", "isoDayOfWeek"]) => {
            Err(Error::mongo(40489, "$dateFromParts takes either a calendar date or an ISO week, not parts of both"))
        }
        (_, true) if given(&["year", "month", "day"]) => {
            Err(Error::mongo(40525, "$dateFromParts takes either an ISO week or a calendar date, not parts of both"))
        }
        _ => Ok(expr),
    }
}

/// A whole number; `None` where it is nullish.
fn whole(call: &Call, env: &Env<'_>, name: &str, default: i64) -> Result<Option<i64>> {
    let place = FROM_PARTS.names.iter().position(|(known, _)| *known == name).unwrap_or(usize::MAX);
    let Some(arg) = call.given(place) else { return Ok(Some(default)) };
    let value = arg.compute(env)?;
    if value.is_nullish() {
        return Ok(None);
    }
    let wrong = || Error::mongo(40515, format!("'{name}' must be a whole number, but is {}", value.type_name()));
    value.or_null().as_i64().map(Some).ok_or_else(wrong)
}

/// A year, from 1 to 9999.
fn year_of(call: &Call, env: &Env<'_>, name: &str, number: i32) -> Result<Option<i64>> {
    match whole(call, env, name, 1970)? {
        Some(year) if !(1..=9999).contains(&year) => {
            Err(Error::mongo(number, format!("'{name}' must be from 1 to 9999, but is {year}")))
        }
        year => Ok(year),
    }
}

/// A part that fits 16 bits.
fn small(call: &Call, env: &Env<'_>, name: &str, default: i64) -> Result<Option<i64>> {
    match whole(call, env, name, default)? {
        Some(part) if i16::try_from(part).is_err() => {
            Err(Error::mongo(31034, format!("'{name}' must be from -32768 to 32767, but is {part}")))
        }
        part => Ok(part),
    }
}

pub(super) fn from_parts<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let Some(zone) = zone_of(call, env, TIMEZONE, NO_ZONE_TEXT)? else { return Ok(Computed::null()) };
    let date = if call.given(0).is_some() { calendar_date(call, env)? } else { week_date(call, env)? };
    let Some(date) = date else { return Ok(Computed::null()) };
    let (Some(hour), Some(minute)) = (small(call, env, "hour", 0)?, small(call, env, "minute", 0)?) else {
        return Ok(Computed::null());
    };
    let (Some(second), Some(millisecond)) = (whole(call, env, "second", 0)?, whole(call, env, "millisecond", 0)?)
    else {
        return Ok(Computed::null());
    };
    let local = Civil { hour, minute, second, millisecond, ..date }.millis();
    let instant = local.and_then(|local| zone.instant(local, None));
    // Seconds and milliseconds are counted in microseconds on the way, which bounds them more tightly than dates.
    let counted = second.checked_mul(1_000_000).and(millisecond.checked_mul(1000));
    match instant.filter(|_| counted.is_some()) {
        Some(millis) => Ok(Computed::Ref(ValueRef::DateTime(millis))),
        None => Err(Error::mongo(159, "the parts of $dateFromParts lead out of the range of dates")),
    }
}

fn calendar_date(call: &Call, env: &Env<'_>) -> Result<Option<Civil>> {
    let Some(year) = year_of(call, env, "year", 40523)? else { return Ok(None) };
    let Some(month) = small(call, env, "month", 1)? else { return Ok(None) };
    let Some(day) = small(call, env, "day", 1)? else { return Ok(None) };
    Ok(Some(Civil { year, month, day, hour: 0, minute: 0, second: 0, millisecond: 0 }))
}

fn week_date(call: &Call, env: &Env<'_>) -> Result<Option<Civil>> {
    let Some(year) = year_of(call, env, "isoWeekYear", 31095)? else { return Ok(None) };
    let Some(week) = small(call, env, "isoWeek", 1)? else { return Ok(None) };
    let Some(day) = small(call, env, "isoDayOfWeek", 1)? else { return Ok(None) };
    let day = iso_year_start(year) + (week - 1) * 7 + day;
    Ok(Some(Civil { year: 1970, month: 1, day, hour: 0, minute: 0, second: 0, millisecond: 0 }))
}

pub(super) const TO_PARTS: Named = Named {
    not_document: 40524,
    unknown: 40520,
    names: &[("date", Some(40522)), ("timezone", None), ("iso8601", None)],
};

pub(super) fn to_parts<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let date = call.arg(0, env)?;
    let Some(zone) = zone_of(call, env, 1, NO_ZONE_TEXT)? else { return Ok(Computed::null()) };
    let iso = call.arg(2, env)?;
    let iso = match iso.as_ref() {
        None if call.given(2).is_none() => false,
        None | Some(ValueRef::Null | ValueRef::Undefined) => return Ok(Computed::null()),
        Some(ValueRef::Bool(iso)) => iso,
        Some(other) => {
            return Err(Error::mongo(
                40521,
                format!("'iso8601' must be true or false, but is {}", other.kind().name()),
            ));
        }
    };
    if date.is_nullish() {
        return Ok(Computed::null());
    }
    let millis = instant(date.or_null()).ok_or_else(|| not_a_date(call, &date, NO_DATE))?;
    let civil = Civil::of(zone.local(millis));
    let week = civil.iso_week();
    let day = match iso {
        true => [("isoWeekYear", week.year), ("isoWeek", week.week), ("isoDayOfWeek", week.day)],
        false => [("year", civil.year), ("month", civil.month), ("day", civil.day)],
    };
    let time =
        [("hour", civil.hour), ("minute", civil.minute), ("second", civil.second), ("millisecond", civil.millisecond)];
    let mut parts = DocBuilder::new();
    for (name, number) in day.into_iter().chain(time) {
        parts.put(name, ValueRef::Int32(i32::try_from(number).unwrap_or(i32::MAX)));
    }
    Ok(parts.finish().into())
}

#[cfg(test)]
mod tests {
    use crate::expr::testing::check;

    #[test]
    fn made_of_parts() {
        check(&[
            ("{$dateFromParts: {year: 1970}}", "d0"),
            ("{$dateFromParts: {year: 1969, month: 14, day: -30}}", "d0"),
            ("{$dateFromParts: {isoWeekYear: 1970, isoWeek: 1, isoDayOfWeek: 4}}", "d0"),
            ("{$dateFromParts: {year: 1970, hour: 8, timezone: 'Asia/Shanghai'}}", "d0"),
            ("{$dateFromParts: {year: '$a', month: 'x'}}", "null"),
            ("{$dateFromParts: {year: 0}}", "40523"),
            ("{$dateFromParts: {isoWeekYear: 10000}}", "31095"),
            ("{$dateFromParts: {year: 1970, month: 32768}}", "31034"),
            ("{$dateFromParts: {year: 1970, day: 1.5}}", "40515"),
            ("{$dateFromParts: {month: 1}}", "40516"),
            ("{$dateFromParts: {year: 1970, isoWeek: 1}}", "40489"),
            ("{$dateFromParts: {isoWeekYear: 1970, month: 1}}", "40525"),
            ("{$dateFromParts: {year: 1970, second: 4611686018427387904L}}", "159"),
        ]);
    }

    #[test]
    fn taken_apart() {
        check(&[
            (
                "{$dateToParts: {date: d0, timezone: '+08:00'}}",
                "{year: 1970, month: 1, day: 1, hour: 8, minute: 0, second: 0, millisecond: 0}",
            ),
            (
                "{$dateToParts: {date: d0, iso8601: true}}",
                "{isoWeekYear: 1970, isoWeek: 1, isoDayOfWeek: 4, hour: 0, minute: 0, second: 0, millisecond: 0}",
            ),
            ("{$dateToParts: {date: d0, iso8601: 1}}", "40521"),
            ("{$dateToParts: {date: 1}}", "16006"),
        ]);
    }
}
