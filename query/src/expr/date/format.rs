//! Dates by a format: `%Y-%m-%d` and its like, writing and reading.

use super::calendar::{Civil, DAY, iso_year_start, month_length};
use crate::error::{Error, Result};

/// A piece of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// Text that stands for itself.
    Literal(char),
    /// A letter after `%`.
    Code(char),
}

/// Letters that can be written.
const WRITTEN: &str = "dGHjLmMSuUVwYzZ%";
/// Letters that can be read.
const READ: &str = "dGHLmMSuVYzZ%";

/// Letters after `%` and what they stand for, for the docs.
pub const FORMAT_CODES: &[(char, &str)] = &[
    ('d', "day of the month, 2 digits"),
    ('G', "year of the ISO week, 4 digits"),
    ('H', "hour, 2 digits"),
    ('j', "day of the year, 3 digits; not read"),
    ('L', "millisecond, 3 digits"),
    ('m', "month, 2 digits"),
    ('M', "minute, 2 digits"),
    ('S', "second, 2 digits"),
    ('u', "ISO day of the week, 1 is Monday"),
    ('U', "week of the year from its first Sunday, 2 digits; not read"),
    ('V', "ISO week, 2 digits"),
    ('w', "day of the week, 1 is Sunday; not read"),
    ('Y', "year, 4 digits"),
    ('z', "offset from UTC as +hhmm"),
    ('Z', "offset from UTC in minutes"),
    ('%', "a percent sign"),
];

fn pieces(format: &str, known: &str) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut chars = format.chars();
    while let Some(next) = chars.next() {
        pieces.push(match next {
            '%' => match chars.next() {
                None => {
                    return Err(Error::mongo(18535, "the format ends with a single %; write %% for a percent sign"));
                }
                Some(code) if known.contains(code) => Piece::Code(code),
                Some(code) => {
                    return Err(Error::mongo(18536, format!("%{code} means nothing in the format of a date")));
                }
            },
            literal => Piece::Literal(literal),
        });
    }
    Ok(pieces)
}

/// Refuses a format that cannot be written.
///
/// # Errors
/// 18535 for a % at the end, 18536 for an unknown letter after one.
pub(super) fn check_written(format: &str) -> Result<()> {
    pieces(format, WRITTEN).map(drop)
}

/// Refuses a format that cannot be read.
///
/// # Errors
/// As for [`check_written`].
pub(super) fn check_read(format: &str) -> Result<()> {
    pieces(format, READ).map(drop)
}

/// Writes a local time that is `offset` milliseconds ahead of UTC.
///
/// # Errors
/// 18537 for years that have no four digits; those of [`check_written`].
pub(super) fn write(format: &str, local: i64, offset: i64) -> Result<String> {
    let civil = Civil::of(local);
    let mut text = String::with_capacity(format.len() * 2);
    for piece in pieces(format, WRITTEN)? {
        match piece {
            Piece::Literal(literal) => text.push(literal),
            Piece::Code(code) => text.push_str(&written(code, &civil, offset)?),
        }
    }
    Ok(text)
}

fn written(code: char, civil: &Civil, offset: i64) -> Result<String> {
    Ok(match code {
        'd' => format!("{:02}", civil.day),
        'G' => four_digits(civil.iso_week().year)?,
        'H' => format!("{:02}", civil.hour),
        'j' => format!("{:03}", civil.day_of_year()),
        'L' => format!("{:03}", civil.millisecond),
        'm' => format!("{:02}", civil.month),
        'M' => format!("{:02}", civil.minute),
        'S' => format!("{:02}", civil.second),
        'u' => civil.iso_week().day.to_string(),
        'U' => format!("{:02}", civil.week()),
        'V' => format!("{:02}", civil.iso_week().week),
        'w' => civil.day_of_week().to_string(),
        'Y' => four_digits(civil.year)?,
        'z' => {
            let minutes = (offset / 60_000).abs();
            format!("{}{:02}{:02}", if offset < 0 { '-' } else { '+' }, minutes / 60, minutes % 60)
        }
        'Z' => (offset / 60_000).to_string(),
        _ => "%".to_owned(),
    })
}

fn four_digits(year: i64) -> Result<String> {
    match year {
        0..=9999 => Ok(format!("{year:04}")),
        _ => Err(Error::mongo(18537, format!("only years from 0 to 9999 can be written, but this one is {year}"))),
    }
}

/// What was read of a date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    pub year: Option<i64>,
    pub month: Option<i64>,
    pub day: Option<i64>,
    pub iso_year: Option<i64>,
    pub iso_week: Option<i64>,
    pub iso_day: Option<i64>,
    pub hour: Option<i64>,
    pub minute: i64,
    pub second: i64,
    pub millisecond: i64,
    /// Milliseconds ahead of UTC.
    pub offset: Option<i64>,
}

impl Parsed {
    /// The local time as milliseconds of a clock without zone; `None` where it is incomplete or impossible.
    pub fn local(&self) -> Option<i64> {
        let days = match (self.iso_year, self.year) {
            (Some(_), Some(_)) => return None,
            (Some(year), None) => {
                iso_year_start(year) + (self.iso_week.unwrap_or(1) - 1) * 7 + self.iso_day.unwrap_or(1) - 1
            }
            (None, Some(year)) => {
                let (month, day) = (self.month?, self.day?);
                if !(1..=12).contains(&month) || !(1..=month_length(year, month)).contains(&day) {
                    return None;
                }
                super::calendar::days_of_date(year, month, day)?
            }
            (None, None) => return None,
        };
        let hour = self.hour.unwrap_or(0);
        let fits = hour < 24 && self.minute < 60 && self.second < 60;
        let time = ((hour * 60 + self.minute) * 60 + self.second) * 1000 + self.millisecond;
        fits.then(|| days.checked_mul(DAY)?.checked_add(time))?
    }
}

/// Reads a text by a format; `None` where it does not fit.
///
/// # Errors
/// Those of [`check_read`].
pub(super) fn read(format: &str, text: &str) -> Result<Option<Parsed>> {
    let mut parsed = Parsed::default();
    let mut rest = text;
    for piece in pieces(format, READ)? {
        let taken = match piece {
            Piece::Literal(literal) => rest.strip_prefix(literal),
            Piece::Code('%') => rest.strip_prefix('%'),
            Piece::Code(code) => read_code(code, rest, &mut parsed),
        };
        match taken {
            Some(after) => rest = after,
            None => return Ok(None),
        }
    }
    Ok(rest.is_empty().then_some(parsed))
}

fn read_code<'t>(code: char, text: &'t str, parsed: &mut Parsed) -> Option<&'t str> {
    let width = match code {
        'Y' | 'G' => 4,
        'L' => 3,
        'u' => 1,
        'z' => {
            let (offset, rest) = read_offset(text)?;
            parsed.offset = Some(offset);
            return Some(rest);
        }
        'Z' => {
            let sign = text.strip_prefix('-').map_or(1, |_| -1);
            let (minutes, rest) = digits(text.strip_prefix(['+', '-'])?, 4)?;
            parsed.offset = Some(sign * minutes * 60_000);
            return Some(rest);
        }
        _ => 2,
    };
    let (number, rest) = digits(text, width)?;
    match code {
        'Y' => parsed.year = Some(number),
        'm' => parsed.month = Some(number),
        'd' => parsed.day = Some(number),
        'G' => parsed.iso_year = Some(number),
        'V' => parsed.iso_week = Some(number).filter(|week| (1..=53).contains(week)).map_or_else(|| None, Some),
        'u' => parsed.iso_day = Some(number),
        'H' => parsed.hour = Some(number),
        'M' => parsed.minute = number,
        'S' => parsed.second = number,
        _ => parsed.millisecond = number * [100, 10, 1].get(text.len() - rest.len() - 1).copied().unwrap_or(1),
    }
    let possible = match code {
        'V' => (1..=53).contains(&number),
        'u' => (1..=7).contains(&number),
        _ => true,
    };
    possible.then_some(rest)
}

/// At most `width` digits, at least one.
pub(super) fn digits(text: &str, width: usize) -> Option<(i64, &str)> {
    let count = text.bytes().take(width).take_while(u8::is_ascii_digit).count();
    Some((text.get(..count)?.parse().ok()?, text.get(count..)?))
}

/// `Z`, `+hh`, `+hhmm` or `+hh:mm`, in milliseconds ahead of UTC.
pub(super) fn read_offset(text: &str) -> Option<(i64, &str)> {
    if let Some(rest) = text.strip_prefix(['Z', 'z']) {
        return Some((0, rest));
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let text = text.strip_prefix(['+', '-'])?;
    let run = text.bytes().take_while(u8::is_ascii_digit).count();
    let (hours, rest) = digits(text, if run == 3 { 1 } else { 2 })?;
    let after_colon = rest.strip_prefix(':').filter(|rest| digits(rest, 2).is_some());
    let (minutes, rest) = digits(after_colon.unwrap_or(rest), 2).unwrap_or((0, rest));
    (hours <= 24).then_some((sign * (hours * 60 + minutes) * 60_000, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_every_code() {
        let format = "%d %G %H %j %L %m %M %S %w %u %U %V %Y %z %Z %%";
        // 2020-07-01T08:00 in New York.
        let text = write(format, 1_593_590_400_000, -4 * 3_600_000).expect("a known format");
        assert_eq!(text, "01 2020 08 183 000 07 00 00 4 3 26 27 2020 -0400 -240 %");
        assert!(FORMAT_CODES.iter().all(|(code, _)| WRITTEN.contains(*code)) && FORMAT_CODES.len() == WRITTEN.len());
    }

    #[test]
    fn malformed_formats_have_their_numbers() {
        assert_eq!(check_written("%Y%").map_err(|error| error.number), Err(18535));
        assert_eq!(check_written("%a").map_err(|error| error.number), Err(18536));
        assert_eq!(check_read("%j").map_err(|error| error.number), Err(18536));
        assert_eq!(write("%Y", i64::MAX, 0).map_err(|error| error.number), Err(18537));
    }

    #[test]
    fn reads_by_format() {
        let millis = |format: &str, text: &str| read(format, text).expect(format).and_then(|parsed| parsed.local());
        let day = 1_486_512_000_000;
        assert_eq!(millis("%Y-%m-%d", "2017-2-8"), Some(day));
        assert_eq!(millis("%Y%m%d", "20170208"), Some(day));
        assert_eq!(millis("%Y-%m-%d %H:%M:%S.%L", "2017-02-08 12:10:11.5"), Some(day + 43_811_500));
        assert_eq!(millis("%G %V %u", "2017 6 3"), Some(day));
        assert_eq!(millis("100%%%Y-%m-%d", "100%2017-02-08"), Some(day));
        for (format, text) in [
            ("%Y-%m", "2017-02"),
            ("%Y-%m-%d", "2017-02-30"),
            ("%Y-%m-%d", "2017-02-08x"),
            ("%Y-%m-%d ", "2017-02-08"),
            ("%Y-%m-%d", " 2017-02-08"),
            ("%H:%M", "12:00"),
            ("%Y-%m-%d %H", "2017-02-08 24"),
            ("%G %V %u", "2017 5 8"),
        ] {
            assert_eq!(millis(format, text), None, "{format} {text}");
        }
        assert_eq!(read("%z", "+01:30").expect("known").and_then(|parsed| parsed.offset), Some(5_400_000));
        assert_eq!(read("%Z", "+60").expect("known").and_then(|parsed| parsed.offset), Some(3_600_000));
    }
}
