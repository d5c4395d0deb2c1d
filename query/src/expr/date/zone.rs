//! Time zones: fixed offsets, and named zones from the tables in the program.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};
use storage::{Kind, ValueRef};

use super::super::call::Call;
use super::super::{Computed, Env};
use super::calendar::{Civil, DAY};
use crate::error::{Error, Result};

/// A time zone.
#[derive(Clone, Debug)]
pub(crate) enum Zone {
    /// So many milliseconds ahead of UTC at any time.
    Fixed(i64),
    /// A zone of the tz database.
    Named(TimeZone),
}

/// The tables that are part of the program: what a name means does not depend on the machine.
static TABLES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

const UNKNOWN_ZONE: i32 = 40485;

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Zone = Zone::Fixed(0);

    /// Reads `+hh`, `+hhmm`, `+hh:mm` or a name such as `Asia/Shanghai`.
    ///
    /// # Errors
    /// 40485 for anything else.
    pub fn parse(text: &str) -> Result<Zone> {
        let unknown = || {
            let message =
                format!("'{text}' is no time zone; use a name such as Asia/Shanghai or an offset such as +08:00");
            Error::mongo(UNKNOWN_ZONE, message)
        };
        match text.as_bytes() {
            b"UTC" | b"GMT" => Ok(Zone::UTC),
            [sign @ (b'+' | b'-'), digits @ ..] => {
                let minutes = offset_minutes(digits).ok_or_else(unknown)?;
                Ok(Zone::Fixed(if *sign == b'-' { -minutes } else { minutes } * 60_000))
            }
            _ => {
                let found = TABLES.get(text).ok().filter(|zone| zone.iana_name() == Some(text));
                found.map(Zone::Named).ok_or_else(unknown)
            }
        }
    }

    /// How far local time is ahead of UTC at an instant, in milliseconds.
    pub fn offset_at(&self, millis: i64) -> i64 {
        match self {
            Zone::Fixed(offset) => *offset,
            Zone::Named(zone) => i64::from(zone.to_offset(timestamp(millis)).seconds()) * 1000,
        }
    }

    /// The local time at an instant, as milliseconds of a clock without zone.
    pub fn local(&self, millis: i64) -> i64 {
        millis.saturating_add(self.offset_at(millis))
    }

    /// The instant at which a local clock shows this. Where clocks were put forward over it, the time after. Where they
    /// were put back and show it twice, the second, unless `offset` (in milliseconds) is the one that held the first time.
    pub fn instant(&self, local: i64, offset: Option<i64>) -> Option<i64> {
        let ahead = |offset: Offset| i64::from(offset.seconds()) * 1000;
        let chosen = match self {
            Zone::Fixed(offset) => *offset,
            // Beyond the calendar of the tables the first and last rules go on.
            Zone::Named(zone) => match civil(local).map(|civil| zone.to_ambiguous_timestamp(civil).offset()) {
                None => self.offset_at(local),
                Some(AmbiguousOffset::Unambiguous { offset }) => ahead(offset),
                Some(AmbiguousOffset::Gap { before, .. }) => ahead(before),
                Some(AmbiguousOffset::Fold { before, .. }) if offset == Some(ahead(before)) => ahead(before),
                Some(AmbiguousOffset::Fold { after, .. }) => ahead(after),
            },
        };
        local.checked_sub(chosen)
    }
}

/// Two digits of hours and perhaps two of minutes, with a colon or without.
fn offset_minutes(digits: &[u8]) -> Option<i64> {
    let two = |tens: u8, ones: u8| {
        (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
    };
    match *digits {
        [a, b] => Some(two(a, b)? * 60),
        [a, b, c, d] | [a, b, b':', c, d] => Some(two(a, b)? * 60 + two(c, d)?),
        _ => None,
    }
}

/// The instant for the tables, which end with the year 9999. The calendar repeats after 400 years, and so do the last
/// rules of a zone; before the tables begin, its first offset holds.
fn timestamp(millis: i64) -> Timestamp {
    const CYCLE: i64 = 146_097 * DAY;
    const END: i64 = 253_402_300_800_000;
    let within = if millis < END { millis } else { END - CYCLE + (millis - END) % CYCLE };
    Timestamp::from_millisecond(within).unwrap_or(Timestamp::MIN)
}

fn civil(local: i64) -> Option<DateTime> {
    let civil = Civil::of(local);
    let small = |number: i64| i8::try_from(number).ok();
    DateTime::new(
        i16::try_from(civil.year).ok().filter(|year| (-9998..=9998).contains(year))?,
        small(civil.month)?,
        small(civil.day)?,
        small(civil.hour)?,
        small(civil.minute)?,
        small(civil.second)?,
        i32::try_from(civil.millisecond * 1_000_000).ok()?,
    )
    .ok()
}

/// The zone that an argument gives: UTC where it is left out, `None` where it is nullish.
pub(super) fn zone_of<'a>(call: &'a Call, env: &Env<'a>, place: usize, no_text: i32) -> Result<Option<Zone>> {
    let Some(arg) = call.given(place) else { return Ok(Some(Zone::UTC)) };
    let value: Computed<'a> = arg.compute(env)?;
    match value.as_ref() {
        None | Some(ValueRef::Null | ValueRef::Undefined) => Ok(None),
        Some(ValueRef::String(text)) => Zone::parse(text).map(Some),
        Some(other) => Err(wrong_kind(other.kind(), no_text)),
    }
}

fn wrong_kind(kind: Kind, number: i32) -> Error {
    Error::mongo(number, format!("a time zone must be a string, but is {}", kind.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_offsets() {
        for (text, offset) in
            [("UTC", 0), ("+05", 300), ("+0530", 330), ("-05:70", -370), ("+99:99", 6039), ("PRC", 480)]
        {
            assert_eq!(Zone::parse(text).expect(text).offset_at(1_593_604_800_000), offset * 60_000, "{text}");
        }
        for text in ["", "utc", "Z", "+5", "+5:30", "+053", "asia/shanghai", "UTC+1", "Asia/Shanghai ", "localtime"] {
            assert_eq!(Zone::parse(text).map(|_| ()).map_err(|error| error.number), Err(UNKNOWN_ZONE), "{text}");
        }
    }

    #[test]
    fn clocks_that_jump() {
        let zone = Zone::parse("America/New_York").expect("a zone");
        // 2017-03-12 02:30 does not exist; 2017-11-05 01:30 comes twice.
        assert_eq!(zone.instant(1_489_285_800_000, None), Some(1_489_303_800_000));
        assert_eq!(zone.instant(1_509_845_400_000, None), Some(1_509_863_400_000));
        assert_eq!(zone.instant(1_509_845_400_000, Some(-4 * 3_600_000)), Some(1_509_859_800_000));
        assert_eq!(zone.local(i64::MAX - 1), i64::MAX - 1 - 4 * 3_600_000);
        assert!(zone.instant(i64::MIN / 2, None).is_some());
    }
}
