//! Dates as text: what `$date` may hold besides a number.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// Milliseconds since 1970 of a date as JavaScript or `mongoexport` writes it. Without an offset it is UTC.
pub(super) fn parse(text: &str) -> Option<i64> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant.as_millisecond());
    }
    let civil = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(DateTime::from)).ok()?;
    let instant = TimeZone::UTC.to_timestamp(civil).ok()?;
    Some(instant.as_millisecond())
}

/// The text of a date, for those from 1970 to 9999; other years have no text form in Extended JSON.
pub(super) fn format(millis: i64) -> Option<String> {
    if millis < 0 {
        return None;
    }
    let instant = Timestamp::from_millisecond(millis).ok()?;
    Some(instant.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_tools_write() {
        let cases = [
            ("1970-01-01T00:00:00.005Z", Some(5)),
            ("2023-11-14T22:13:20.123Z", Some(1_700_000_000_123)),
            ("2023-11-14T22:13:20Z", Some(1_700_000_000_000)),
            ("2023-11-15T06:13:20.000+0800", Some(1_700_000_000_000)),
            ("2023-11-15T06:13:20+08:00", Some(1_700_000_000_000)),
            ("2023-11-14T22:13:20", Some(1_700_000_000_000)),
            ("2023-11-14", Some(1_699_920_000_000)),
            ("1969-12-31T23:59:59.999Z", Some(-1)),
            ("yesterday", None),
            ("", None),
        ];
        for (text, expect) in cases {
            assert_eq!(parse(text), expect, "{text}");
        }
    }

    #[test]
    fn writes_three_digits_of_a_second() {
        assert_eq!(format(1_700_000_000_120).as_deref(), Some("2023-11-14T22:13:20.120Z"));
        assert_eq!(format(0).as_deref(), Some("1970-01-01T00:00:00.000Z"));
        assert_eq!(format(-1), None);
        assert_eq!(format(i64::MAX), None);
    }
}
