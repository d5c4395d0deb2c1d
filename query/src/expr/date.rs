//! Dates: their parts, their text, their differences. All in a time zone where one is given, else in UTC.

mod arith;
pub(super) mod calendar;
mod format;
mod parse;
mod parts;
mod zone;

use storage::ValueRef;

use super::call::{Call, Named, Op, Shape};
use super::read::Reading;
use super::{Computed, Env, Expr};
use crate::error::{Error, Result};
pub(crate) use arith::{Unit, date_plus};
use calendar::Civil;
pub use format::FORMAT_CODES;
pub(crate) use zone::Zone;
use zone::zone_of;

pub(super) const OPS: &[Op] = &[
    Op::new("$dateAdd", Shape::Named(&arith::ADD), arith::add, "the date so many units later").since(50),
    Op::new("$dateDiff", Shape::Named(&arith::DIFF), arith::diff, "how many borders of a unit lie between two dates")
        .since(50),
    Op::new(
        "$dateFromParts",
        Shape::Own(parts::read),
        parts::from_parts,
        "the date made of year, month, day and so on",
    )
    .since(36),
    Op::new("$dateFromString", Shape::Named(&FROM_STRING), from_string, "the date that a string tells").since(36),
    Op::new("$dateSubtract", Shape::Named(&arith::ADD), arith::subtract, "the date so many units earlier").since(50),
    Op::new(
        "$dateToParts",
        Shape::Named(&parts::TO_PARTS),
        parts::to_parts,
        "a document of year, month, day and so on",
    )
    .since(36),
    Op::new("$dateToString", Shape::Named(&TO_STRING), to_string, "the date by a format"),
    Op::new("$dateTrunc", Shape::Named(&arith::TRUNC), arith::trunc, "the start of the unit that the date is in")
        .since(50),
    Op::new("$dayOfMonth", Shape::Own(read_part), day_of_month, "the day of the month, 1 to 31"),
    Op::new("$dayOfWeek", Shape::Own(read_part), day_of_week, "the day of the week, 1 is Sunday"),
    Op::new("$dayOfYear", Shape::Own(read_part), day_of_year, "the day of the year, 1 to 366"),
    Op::new("$hour", Shape::Own(read_part), hour, "the hour, 0 to 23"),
    Op::new("$isoDayOfWeek", Shape::Own(read_part), iso_day, "the day of the week, 1 is Monday").since(34),
    Op::new("$isoWeek", Shape::Own(read_part), iso_week, "the ISO week, 1 to 53").since(34),
    Op::new("$isoWeekYear", Shape::Own(read_part), iso_year, "the year that the ISO week belongs to").since(34),
    Op::new("$millisecond", Shape::Own(read_part), millisecond, "the millisecond, 0 to 999"),
    Op::new("$minute", Shape::Own(read_part), minute, "the minute, 0 to 59"),
    Op::new("$month", Shape::Own(read_part), month, "the month, 1 to 12"),
    Op::new("$second", Shape::Own(read_part), second, "the second, 0 to 59"),
    Op::new("$week", Shape::Own(read_part), week, "the week from the year's first Sunday, 0 to 53"),
    Op::new("$year", Shape::Own(read_part), year, "the year"),
];

/// A part of a date: an expression for the date, or a document of `date` and `timezone`.
fn read_part(op: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    const PART: Named = Named { not_document: 0, unknown: 40535, names: &[("date", Some(40539)), ("timezone", None)] };
    let operator = |doc: storage::RawDoc<'_>| doc.iter().next().is_some_and(|(name, _)| name.starts_with('$'));
    match value {
        ValueRef::Document(doc) if !operator(doc) => reading.named(op, value, &PART),
        ValueRef::Array(list) if list.len() != 1 => {
            Err(Error::mongo(40536, format!("{} takes exactly one date, but {} were given", op.name, list.len())))
        }
        _ => reading.positional(op, value, 1, 1),
    }
}

/// The instant of a date, timestamp or ObjectId, in milliseconds since 1970.
fn instant(value: ValueRef<'_>) -> Option<i64> {
    match value {
        ValueRef::DateTime(millis) => Some(millis),
        ValueRef::Timestamp { seconds, .. } => Some(i64::from(seconds) * 1000),
        ValueRef::ObjectId(id) => Some(super::convert::object_id_millis(id)),
        _ => None,
    }
}

fn not_a_date(call: &Call, value: &Computed<'_>, number: i32) -> Error {
    Error::mongo(number, format!("{} takes a date, but got {}", call.op.name, value.type_name()))
}

const NO_DATE: i32 = 16006;

/// The local date and time that a part is asked of.
fn part<'a>(call: &'a Call, env: &Env<'a>, choose: impl FnOnce(&Civil) -> Computed<'a>) -> Result<Computed<'a>> {
    let date = call.arg(0, env)?;
    if date.is_nullish() {
        return Ok(Computed::null());
    }
    let millis = instant(date.or_null()).ok_or_else(|| not_a_date(call, &date, NO_DATE));
    let zone = match call.given(1) {
        None => Zone::UTC,
        Some(_) => match zone_of(call, env, 1, 40533)? {
            Some(zone) => zone,
            None => return Ok(Computed::null()),
        },
    };
    Ok(choose(&Civil::of(zone.local(millis?))))
}

fn int(number: i64) -> Computed<'static> {
    i32::try_from(number).map_or_else(|_| number.into(), Computed::from)
}

macro_rules! parts {
    ($($name:ident => $choose:expr;)+) => {
        $(fn $name<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
            part(call, env, $choose)
        })+
    };
}

parts! {
    year => |civil| int(civil.year);
    month => |civil| int(civil.month);
    day_of_month => |civil| int(civil.day);
    hour => |civil| int(civil.hour);
    minute => |civil| int(civil.minute);
    second => |civil| int(civil.second);
    millisecond => |civil| int(civil.millisecond);
    day_of_week => |civil| int(civil.day_of_week());
    day_of_year => |civil| int(civil.day_of_year());
    week => |civil| int(civil.week());
    iso_week => |civil| int(civil.iso_week().week);
    iso_day => |civil| int(civil.iso_week().day);
    iso_year => |civil| civil.iso_week().year.into();
}

const NO_ZONE_TEXT: i32 = 40517;

const TO_STRING: Named = Named {
    not_document: 18629,
    unknown: 18534,
    names: &[("date", Some(18628)), ("format", None), ("timezone", None), ("onNull", None)],
};

/// The format where none is given: ISO 8601 in UTC, or in local time without zone.
const FORMAT_UTC: &str = "%Y-%m-%dT%H:%M:%S.%LZ";
const FORMAT_LOCAL: &str = "%Y-%m-%dT%H:%M:%S.%L";

fn to_string<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let date = call.arg(0, env)?;
    let format = call.arg(1, env)?;
    if call.given(1).is_some() {
        match format.as_ref() {
            None | Some(ValueRef::Null | ValueRef::Undefined) => return Ok(Computed::null()),
            Some(ValueRef::String(format)) => format::check_written(format)?,
            Some(other) => return Err(wrong_format(call, other, 18533)),
        }
    }
    let Some(zone) = zone_of(call, env, 2, NO_ZONE_TEXT)? else { return Ok(Computed::null()) };
    if date.is_nullish() {
        return if call.given(3).is_some() { call.arg(3, env) } else { Ok(Computed::null()) };
    }
    let millis = instant(date.or_null()).ok_or_else(|| not_a_date(call, &date, NO_DATE))?;
    let default = if call.given(2).is_some() { FORMAT_LOCAL } else { FORMAT_UTC };
    let format = format.as_ref().and_then(ValueRef::as_str).unwrap_or(default);
    let offset = zone.offset_at(millis);
    Ok(format::write(format, millis.saturating_add(offset), offset)?.into())
}

fn wrong_format(call: &Call, value: ValueRef<'_>, number: i32) -> Error {
    Error::mongo(number, format!("the format of {} must be a string, but is {}", call.op.name, value.kind().name()))
}

const FROM_STRING: Named = Named {
    not_document: 40540,
    unknown: 40541,
    names: &[("dateString", Some(40542)), ("format", None), ("timezone", None), ("onNull", None), ("onError", None)],
};

/// The number of every conversion that fails.
const CONVERSION_FAILURE: i32 = 241;

fn from_string<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let text = call.arg(0, env)?;
    let format = call.arg(1, env)?;
    if call.given(1).is_some() {
        match format.as_ref() {
            None | Some(ValueRef::Null | ValueRef::Undefined) => {}
            Some(ValueRef::String(format)) => format::check_read(format)?,
            Some(other) => return Err(wrong_format(call, other, 40684)),
        }
    }
    let zone = zone_of(call, env, 2, NO_ZONE_TEXT)?;
    if text.is_nullish() {
        return if call.given(3).is_some() { call.arg(3, env) } else { Ok(Computed::null()) };
    }
    let (Some(zone), false) = (zone, call.given(1).is_some() && format.is_nullish()) else {
        return Ok(Computed::null());
    };
    let named = call.given(2).is_some();
    match (read_text(&text, format.as_ref().and_then(ValueRef::as_str), &zone, named), call.given(4)) {
        (Ok(millis), _) => Ok(Computed::Ref(ValueRef::DateTime(millis))),
        (Err(_), Some(on_error)) => on_error.compute(env),
        (Err(fault), None) => Err(fault),
    }
}

fn read_text(text: &Computed<'_>, format: Option<&str>, zone: &Zone, named: bool) -> Result<i64> {
    let Some(text) = text.as_ref().and_then(ValueRef::as_str) else {
        let message = format!("$dateFromString takes a string, but got {}; use $toDate or onError", text.type_name());
        return Err(Error::mongo(CONVERSION_FAILURE, message));
    };
    let parsed = match format {
        Some(format) => format::read(format, text)?,
        None => parse::read(text),
    };
    let parsed = parsed.ok_or_else(|| unreadable(text))?;
    let local = parsed.local().ok_or_else(|| unreadable(text))?;
    let instant = match parsed.offset {
        Some(_) if named => {
            let message = format!("'{text}' tells its offset from UTC, so no timezone may be given beside it");
            return Err(Error::mongo(CONVERSION_FAILURE, message));
        }
        Some(offset) => local.checked_sub(offset),
        None => zone.instant(local, None),
    };
    instant.ok_or_else(|| unreadable(text))
}

fn unreadable(text: &str) -> Error {
    let shown: String = text.chars().take(80).collect();
    Error::mongo(CONVERSION_FAILURE, format!("'{shown}' is not a whole date; give onError to allow for it"))
}

/// The instant of a date as people write it, in milliseconds since 1970; UTC unless it tells an offset.
///
/// # Errors
/// 241 where the text is no whole date.
pub(crate) fn parse_date(text: &str) -> Result<i64> {
    read_text(&Computed::Ref(ValueRef::String(text)), None, &Zone::UTC, false)
}

#[cfg(test)]
mod tests {
    use crate::expr::testing::check;

    #[test]
    fn parts() {
        check(&[
            ("{$year: d0}", "1970"),
            ("{$isoWeekYear: d1609459200000}", "2020L"),
            ("{$week: d1609632000000}", "1"),
            ("{$dayOfWeek: {date: d0, timezone: '-01'}}", "4"),
            ("{$hour: [{$add: [d0, 3600000]}]}", "1"),
            ("{$millisecond: d-1}", "999"),
            ("{$month: '$a'}", "null"),
            ("{$month: {date: '$a', timezone: 'Foo'}}", "null"),
            ("{$month: {date: d0, timezone: null}}", "null"),
            ("{$month: {date: d0, timezone: 'Foo'}}", "40485"),
            ("{$month: {date: d0, timezone: 5}}", "40533"),
            ("{$month: {timezone: 'UTC'}}", "40539"),
            ("{$month: {date: d0, zone: 1}}", "40535"),
            ("{$month: [d0, d0]}", "40536"),
            ("{$month: 'x'}", "16006"),
        ]);
    }

    #[test]
    fn text_of_dates() {
        check(&[
            ("{$dateToString: {date: d0}}", "'1970-01-01T00:00:00.000Z'"),
            ("{$dateToString: {date: d0, timezone: 'Asia/Shanghai'}}", "'1970-01-01T08:00:00.000'"),
            ("{$dateToString: {date: d0, format: '%d/%m/%Y', timezone: '+08:00'}}", "'01/01/1970'"),
            ("{$dateToString: {date: null, onNull: 5}}", "5"),
            ("{$dateToString: {date: '$a', format: '%q'}}", "18536"),
            ("{$dateToString: {date: d0, format: 5}}", "18533"),
            ("{$dateToString: {date: d0, format: '$a'}}", "null"),
            ("{$dateToString: 5}", "18629"),
        ]);
    }

    #[test]
    fn dates_of_text() {
        check(&[
            ("{$dateFromString: {dateString: '1970-01-01T08:00', timezone: 'Asia/Shanghai'}}", "d0"),
            ("{$dateFromString: {dateString: '1970-01-01T00:00Z', timezone: 'Asia/Shanghai'}}", "241"),
            ("{$dateFromString: {dateString: '01.01.70', format: '%d.%m.%Y'}}", "d-59958144000000"),
            ("{$dateFromString: {dateString: 'x', onError: 'E'}}", "'E'"),
            ("{$dateFromString: {dateString: 5, onError: 'E'}}", "'E'"),
            ("{$dateFromString: {dateString: '$a', onNull: 'N'}}", "'N'"),
            ("{$dateFromString: {dateString: 'x', format: '%q', onError: 'E'}}", "18536"),
            ("{$dateFromString: {dateString: '$a', timezone: 'Foo'}}", "40485"),
            ("{$toDate: '1970-01-01'}", "d0"),
        ]);
    }
}
