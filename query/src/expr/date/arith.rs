//! Steps of a unit: adding them to a date, counting them between dates, cutting a date off at them.

use storage::ValueRef;

use super::super::call::{Call, Named};
use super::super::{Computed, Env};
use super::calendar::{Civil, DAY, days_of_date, month_length};
use super::zone::{Zone, zone_of};
use super::{NO_ZONE_TEXT, instant, not_a_date};
use crate::error::number::FAILED_TO_PARSE;
use crate::error::{Error, Result};

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
}

impl Unit {
    /// The unit of this name, e.g. `day`.
    pub fn from_name(name: &str) -> Option<Unit> {
        Some(match name {
            "year" => Unit::Year,
            "quarter" => Unit::Quarter,
            "month" => Unit::Month,
            "week" => Unit::Week,
            "day" => Unit::Day,
            "hour" => Unit::Hour,
            "minute" => Unit::Minute,
            "second" => Unit::Second,
            "millisecond" => Unit::Millisecond,
            _ => return None,
        })
    }

    /// How many milliseconds it lasts; `None` for those of changing length.
    pub const fn millis(self) -> Option<i64> {
        match self {
            Unit::Year | Unit::Quarter | Unit::Month => None,
            Unit::Week => Some(7 * DAY),
            Unit::Day => Some(DAY),
            Unit::Hour => Some(3_600_000),
            Unit::Minute => Some(60_000),
            Unit::Second => Some(1000),
            Unit::Millisecond => Some(1),
        }
    }

    /// How many months it lasts, for those that are counted in months.
    const fn months(self) -> Option<i64> {
        match self {
            Unit::Year => Some(12),
            Unit::Quarter => Some(3),
            Unit::Month => Some(1),
            _ => None,
        }
    }

    /// How many of them fit into the whole range of dates.
    fn count_max(self) -> i64 {
        const YEARS: i64 = 584_942_417;
        match (self.months(), self.millis()) {
            (Some(months), _) => YEARS * 12 / months,
            (None, Some(millis)) => i64::try_from((1i128 << 64) / i128::from(millis)).unwrap_or(i64::MAX),
            (None, None) => i64::MAX,
        }
    }
}

/// The date so many units later, in a zone. Days and longer keep the time of day there; a month without the day ends on
/// its last one. `None` beyond the range of dates.
pub(crate) fn date_plus(millis: i64, unit: Unit, amount: i64, zone: &Zone) -> Option<i64> {
    if let Some(length) = unit.millis().filter(|length| *length < DAY) {
        return millis.checked_add(amount.checked_mul(length)?);
    }
    let offset = zone.offset_at(millis);
    let local = millis.checked_add(offset)?;
    let moved = match (unit.months(), unit.millis()) {
        (Some(months), _) => plus_months(local, amount.checked_mul(months)?)?,
        (None, length) => local.checked_add(amount.checked_mul(length?)?)?,
    };
    zone.instant(moved, Some(offset))
}

fn plus_months(local: i64, months: i64) -> Option<i64> {
    let civil = Civil::of(local);
    let total = civil.year.checked_mul(12)?.checked_add(civil.month - 1)?.checked_add(months)?;
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
    Civil { year, month, day: civil.day.min(month_length(year, month)), ..civil }.millis()
}

pub(super) const ADD: Named = Named {
    not_document: 5_166_400,
    unknown: 5_166_401,
    names: &[
        ("startDate", Some(5_166_402)),
        ("unit", Some(5_166_402)),
        ("amount", Some(5_166_402)),
        ("timezone", None),
    ],
};

pub(super) fn add<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    step(call, env, Some)
}

pub(super) fn subtract<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    step(call, env, i64::checked_neg)
}

fn step<'a>(call: &'a Call, env: &Env<'a>, turn: fn(i64) -> Option<i64>) -> Result<Computed<'a>> {
    let name = call.op.name;
    let (date, unit, amount) = (call.arg(0, env)?, call.arg(1, env)?, call.arg(2, env)?);
    let zone_is_null = call.given(3).is_some() && call.arg(3, env)?.is_nullish();
    if date.is_nullish() || unit.is_nullish() || amount.is_nullish() || zone_is_null {
        return Ok(Computed::null());
    }
    let millis = instant(date.or_null()).ok_or_else(|| not_a_date(call, &date, 5_166_403))?;
    let unit = unit_of(call, &unit, 5_166_404, FAILED_TO_PARSE)?;
    let wrong = || Error::mongo(5_166_405, format!("the amount of {name} must be a whole number"));
    let amount = amount.or_null().as_i64().ok_or_else(wrong)?;
    let Some(zone) = zone_of(call, env, 3, NO_ZONE_TEXT)? else { return Ok(Computed::null()) };
    let amount =
        turn(amount).ok_or_else(|| Error::mongo(6_045_000, format!("the amount of {name} is out of range")))?;
    if amount.checked_abs().is_none_or(|count| count > unit.count_max()) {
        return Err(Error::mongo(5_976_500, format!("the amount of {name} is out of range")));
    }
    match date_plus(millis, unit, amount, &zone) {
        Some(millis) => Ok(Computed::Ref(ValueRef::DateTime(millis))),
        None => Err(Error::mongo(5_166_406, format!("{name} leads out of the range of dates"))),
    }
}

fn unit_of(call: &Call, value: &Computed<'_>, no_text: i32, unknown: i32) -> Result<Unit> {
    let name = call.op.name;
    let Some(text) = value.as_ref().and_then(ValueRef::as_str) else {
        return Err(Error::mongo(
            no_text,
            format!("the unit of {name} must be a string, but is {}", value.type_name()),
        ));
    };
    Unit::from_name(text).ok_or_else(|| {
        let message = format!(
            "'{text}' is no unit of {name}; use year, quarter, month, week, day, hour, minute, second or millisecond"
        );
        Error::mongo(unknown, message)
    })
}

/// The weekday that a week starts on: 0 is Monday.
fn weekday_of(call: &Call, value: &Computed<'_>) -> Result<i64> {
    const NAMES: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let name = call.op.name;
    let Some(text) = value.as_ref().and_then(ValueRef::as_str) else {
        let message = format!("'startOfWeek' of {name} must be a string, but is {}", value.type_name());
        return Err(Error::mongo(5_439_015, message));
    };
    let lower = text.to_ascii_lowercase();
    let known = |day: &&str| *day == lower || (lower.len() == 3 && day.starts_with(&*lower));
    let place = NAMES.iter().position(known).and_then(|place| i64::try_from(place).ok());
    place.ok_or_else(|| Error::mongo(5_439_016, format!("'{text}' in 'startOfWeek' of {name} is no day of the week")))
}

/// Sunday, where no other day is named.
const SUNDAY: i64 = 6;

/// The start of the week and the zone, for operators that have both; `None` where one is nullish.
fn week_and_zone<'a>(
    call: &'a Call,
    env: &Env<'a>,
    unit: Unit,
    (week_place, zone_place): (usize, usize),
) -> Result<Option<(i64, Zone)>> {
    let mut start = SUNDAY;
    if let Some(arg) = call.given(week_place).filter(|_| unit == Unit::Week) {
        start = weekday_of(call, &arg.compute(env)?)?;
    }
    Ok(zone_of(call, env, zone_place, NO_ZONE_TEXT)?.map(|zone| (start, zone)))
}

/// Is the week's start nullish, where it matters?
fn week_is_null<'a>(call: &'a Call, env: &Env<'a>, unit: &Computed<'_>, place: usize) -> Result<bool> {
    let matters = unit.as_ref().and_then(ValueRef::as_str) == Some("week");
    Ok(matters && call.given(place).is_some() && call.arg(place, env)?.is_nullish())
}

pub(super) const DIFF: Named = Named {
    not_document: 5_166_301,
    unknown: 5_166_302,
    names: &[
        ("startDate", Some(5_166_303)),
        ("endDate", Some(5_166_304)),
        ("unit", Some(5_166_305)),
        ("timezone", None),
        ("startOfWeek", None),
    ],
};

pub(super) fn diff<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let (start, end, unit) = (call.arg(0, env)?, call.arg(1, env)?, call.arg(2, env)?);
    let zone_is_null = call.given(3).is_some() && call.arg(3, env)?.is_nullish();
    if start.is_nullish() || end.is_nullish() || unit.is_nullish() || zone_is_null || week_is_null(call, env, &unit, 4)?
    {
        return Ok(Computed::null());
    }
    let start = instant(start.or_null()).ok_or_else(|| not_a_date(call, &start, 5_166_307))?;
    let end = instant(end.or_null()).ok_or_else(|| not_a_date(call, &end, 5_166_307))?;
    let unit = unit_of(call, &unit, 5_439_013, 5_439_014)?;
    let Some((week_start, zone)) = week_and_zone(call, env, unit, (4, 3))? else { return Ok(Computed::null()) };
    let borders = |millis: i64| border(millis, unit, week_start, &zone);
    let count = i64::try_from(borders(end) - borders(start));
    count.map(Computed::from).map_err(|_| Error::mongo(5_166_308, "$dateDiff: the difference does not fit a long"))
}

/// How many borders of a unit lie between some fixed point and an instant.
fn border(millis: i64, unit: Unit, week_start: i64, zone: &Zone) -> i128 {
    let offset = zone.offset_at(millis);
    let local = millis.saturating_add(offset);
    match unit {
        Unit::Year | Unit::Quarter | Unit::Month => {
            let civil = Civil::of(local);
            i128::from((civil.year * 12 + civil.month - 1).div_euclid(unit.months().unwrap_or(1)))
        }
        // Day 0 was a Thursday.
        Unit::Week => i128::from((local.div_euclid(DAY) + 3 - week_start).div_euclid(7)),
        Unit::Day => i128::from(local.div_euclid(DAY)),
        Unit::Hour | Unit::Minute | Unit::Second | Unit::Millisecond => {
            // Clock changes by whole hours do not count: hours are real ones, only their borders are local.
            let length = i128::from(unit.millis().unwrap_or(1));
            (i128::from(millis) + i128::from(offset).rem_euclid(length)).div_euclid(length)
        }
    }
}

pub(super) const TRUNC: Named = Named {
    not_document: 5_439_007,
    unknown: 5_439_008,
    names: &[
        ("date", Some(5_439_009)),
        ("unit", Some(5_439_010)),
        ("binSize", None),
        ("timezone", None),
        ("startOfWeek", None),
    ],
};

pub(super) fn trunc<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let (date, unit, size) = (call.arg(0, env)?, call.arg(1, env)?, call.arg(2, env)?);
    let size_is_null = call.given(2).is_some() && size.is_nullish();
    let zone_is_null = call.given(3).is_some() && call.arg(3, env)?.is_nullish();
    if date.is_nullish() || unit.is_nullish() || size_is_null || zone_is_null || week_is_null(call, env, &unit, 4)? {
        return Ok(Computed::null());
    }
    let millis = instant(date.or_null()).ok_or_else(|| not_a_date(call, &date, 5_439_012))?;
    let unit = unit_of(call, &unit, 5_439_013, 5_439_014)?;
    let size = match call.given(2) {
        None => 1,
        Some(_) => size
            .or_null()
            .as_i64()
            .ok_or_else(|| Error::mongo(5_439_017, "'binSize' of $dateTrunc must be a whole number"))?,
    };
    if size < 1 {
        return Err(Error::mongo(5_439_018, format!("'binSize' of $dateTrunc must be above 0, but is {size}")));
    }
    let Some((week_start, zone)) = week_and_zone(call, env, unit, (4, 3))? else { return Ok(Computed::null()) };
    if size > BIN_MAX && unit != Unit::Millisecond && unit != Unit::Second {
        return Err(Error::mongo(5_439_006, "'binSize' of $dateTrunc is too large"));
    }
    match cut(millis, unit, size, week_start, &zone) {
        Some(millis) => Ok(Computed::Ref(ValueRef::DateTime(millis))),
        None => Err(Error::mongo(5_439_005, "$dateTrunc leads out of the range of dates")),
    }
}

/// Largest number of units in a bin of minutes and longer.
const BIN_MAX: i64 = 100_000_000_000;

/// The year that bins are counted from.
const REFERENCE_YEAR: i64 = 2000;

/// The start of the bin of so many units that an instant lies in; bins are counted from the start of 2000.
fn cut(millis: i64, unit: Unit, size: i64, week_start: i64, zone: &Zone) -> Option<i64> {
    let reference = days_of_date(REFERENCE_YEAR, 1, 1)?;
    let floor = |value: i64, from: i64, step: i64| {
        let bin = i128::from(step);
        let below = (i128::from(value) - i128::from(from)).div_euclid(bin) * bin + i128::from(from);
        i64::try_from(below).ok()
    };
    if let Some(length) = unit.millis().filter(|length| *length < DAY) {
        let start = zone.instant(reference * DAY, None)?;
        let step = length.checked_mul(size).unwrap_or(i64::MAX);
        return floor(millis, start, step);
    }
    let local = zone.local(millis);
    let start = match unit.months() {
        Some(months) => {
            let civil = Civil::of(local);
            let month = floor(civil.year * 12 + civil.month - 1, REFERENCE_YEAR * 12, months.checked_mul(size)?)?;
            days_of_date(month.div_euclid(12), month.rem_euclid(12) + 1, 1)?
        }
        None => {
            // The first day at or after the reference that a week starts on.
            let first = match unit {
                Unit::Week => reference + (week_start - (reference + 3)).rem_euclid(7),
                _ => reference,
            };
            let length = unit.millis()? / DAY;
            floor(local.div_euclid(DAY), first, length.checked_mul(size)?)?
        }
    };
    zone.instant(start.checked_mul(DAY)?, None)
}

#[cfg(test)]
mod tests {
    use crate::expr::testing::check;

    #[test]
    fn steps() {
        // 2020-01-31 and 2020-02-29.
        check(&[
            ("{$dateAdd: {startDate: d1580428800000, unit: 'month', amount: 1}}", "d1582934400000"),
            ("{$dateSubtract: {startDate: d1580428800000, unit: 'quarter', amount: -1}}", "d1588204800000"),
            (
                "{$dateAdd: {startDate: d1583582400000, unit: 'day', amount: 1, timezone: 'America/New_York'}}",
                "d1583665200000",
            ),
            (
                "{$dateAdd: {startDate: d1583582400000, unit: 'hour', amount: 24, timezone: 'America/New_York'}}",
                "d1583668800000",
            ),
            ("{$dateAdd: {startDate: d0, unit: 'days', amount: 1}}", "9"),
            ("{$dateAdd: {startDate: d0, unit: 'day', amount: 1.5}}", "5166405"),
            ("{$dateAdd: {startDate: 0, unit: 'day', amount: 1}}", "5166403"),
            ("{$dateAdd: {startDate: d0, unit: 'year', amount: 1000000000}}", "5976500"),
            ("{$dateAdd: {startDate: d0, unit: 'year', amount: 300000000}}", "5166406"),
            ("{$dateSubtract: {startDate: d0, unit: 'day', amount: -9223372036854775808L}}", "6045000"),
            ("{$dateAdd: {startDate: d0, unit: 'day'}}", "5166402"),
            ("{$dateAdd: {startDate: null, unit: 5, amount: 1}}", "null"),
        ]);
    }

    #[test]
    fn differences_count_borders() {
        // One millisecond across New Year 2020.
        let of = |unit: &str| {
            format!("{{$dateDiff: {{startDate: d1577836799999, endDate: d1577836800000, unit: '{unit}'}}}}")
        };
        for (unit, count) in
            [("year", "1L"), ("quarter", "1L"), ("week", "0L"), ("day", "1L"), ("hour", "1L"), ("millisecond", "1L")]
        {
            check(&[(&of(unit), count)]);
        }
        check(&[
            (
                "{$dateDiff: {startDate: d1577837700000, endDate: d1577839500000, unit: 'hour', timezone: '+05:30'}}",
                "1L",
            ),
            (
                "{$dateDiff: {startDate: d1578096000000, endDate: d1578182400000, unit: 'week', startOfWeek: 'Mon'}}",
                "0L",
            ),
            ("{$dateDiff: {startDate: d1578096000000, endDate: d1578182400000, unit: 'week'}}", "1L"),
            (
                "{$dateDiff: {startDate: d1583641800000, endDate: d1583724600000, unit: 'hour', timezone: 'America/New_York'}}",
                "23L",
            ),
            ("{$dateDiff: {startDate: d0, endDate: d0, unit: 'week', startOfWeek: 'x'}}", "5439016"),
            ("{$dateDiff: {startDate: d0, endDate: d0, unit: 'day', startOfWeek: 5}}", "0L"),
            (
                "{$dateDiff: {startDate: d-9223372036854775808, endDate: d9223372036854775807, unit: 'millisecond'}}",
                "5166308",
            ),
        ]);
    }

    #[test]
    fn bins_count_from_2000() {
        // 2021-03-20T11:30:05.789Z.
        let of = |rest: &str| format!("{{$dateTrunc: {{date: d1616239805789, {rest}}}}}");
        for (rest, expect) in [
            ("unit: 'year', binSize: 2", "d1577836800000"),
            ("unit: 'month'", "d1614556800000"),
            ("unit: 'week', binSize: 2", "d1615680000000"),
            ("unit: 'week', startOfWeek: 'fri', binSize: 2", "d1616112000000"),
            ("unit: 'day', binSize: 2", "d1616112000000"),
            ("unit: 'hour', binSize: 7", "d1616223600000"),
            ("unit: 'month', binSize: 3, timezone: 'America/New_York'", "d1609477200000"),
            ("unit: 'millisecond', binSize: 4611686018427387904L", "d946684800000"),
            ("unit: 'day', binSize: 0", "5439018"),
            ("unit: 'day', binSize: 1.5", "5439017"),
            ("unit: 'day', binSize: 1000000000000L", "5439006"),
            ("unit: 'day', binSize: null", "null"),
        ] {
            check(&[(&of(rest), expect)]);
        }
    }
}
