//! Dates as people write them: ISO 8601 and its variations, slashes, dots, names of months, times, zones.
//!
//! The text is read piece by piece, in any order: `Tue, 4 Jul 2017 10:00 GMT`, `2017-07-04T10:00Z`, `7/4/2017 5pm`.
//! Each piece may come once. Relative dates ("tomorrow") are refused: a pipeline must not depend on when it runs.

use super::format::{Parsed, digits, read_offset};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Names of offsets, with their hours ahead of UTC. Military letters are reckoned.
const ZONES: &[(&str, i64)] = &[
    ("utc", 0),
    ("gmt", 0),
    ("wet", 0),
    ("west", 1),
    ("bst", 1),
    ("cet", 1),
    ("cest", 2),
    ("eet", 2),
    ("eest", 3),
    ("msk", 3),
    ("jst", 9),
    ("est", -5),
    ("edt", -4),
    ("cst", -6),
    ("cdt", -5),
    ("mst", -7),
    ("mdt", -6),
    ("pst", -8),
    ("pdt", -7),
    ("akst", -9),
    ("akdt", -8),
    ("hst", -10),
];

/// Reads a date; `None` where the text is none, or not a whole one.
pub(super) fn read(text: &str) -> Option<Parsed> {
    let mut scan = Scan { rest: text, parsed: Parsed::default(), zone: false };
    scan.skip_space();
    if let Some(seconds) = scan.rest.strip_prefix('@') {
        return instant(seconds);
    }
    while !scan.rest.is_empty() {
        scan.piece()?;
        scan.skip_space();
    }
    let mut parsed = scan.parsed;
    if parsed.year.is_some() && parsed.month.is_some() {
        parsed.day = parsed.day.or(Some(1));
    }
    Some(parsed)
}

/// Seconds since 1970.
fn instant(seconds: &str) -> Option<Parsed> {
    let seconds: i64 = seconds.trim_end().parse().ok()?;
    let civil = super::calendar::Civil::of(seconds.checked_mul(1000)?);
    Some(Parsed {
        year: Some(civil.year),
        month: Some(civil.month),
        day: Some(civil.day),
        hour: Some(civil.hour),
        minute: civil.minute,
        second: civil.second,
        offset: Some(0),
        ..Parsed::default()
    })
}

struct Scan<'t> {
    rest: &'t str,
    parsed: Parsed,
    zone: bool,
}

impl<'t> Scan<'t> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', ',']);
    }

    /// The digits at the start, with how many there are.
    fn run(&self) -> usize {
        self.rest.bytes().take_while(u8::is_ascii_digit).count()
    }

    fn number(&mut self, width: usize) -> Option<i64> {
        let (number, rest) = digits(self.rest, width)?;
        self.rest = rest;
        Some(number)
    }

    fn take(&mut self, mark: char) -> bool {
        let rest = self.rest.strip_prefix(mark);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn piece(&mut self) -> Option<()> {
        let first = self.rest.chars().next()?;
        let dated = self.parsed.year.is_some() || self.parsed.iso_year.is_some();
        match first {
            '0'..='9' if dated && self.parsed.hour.is_none() => self.time(),
            '0'..='9' => self.date_or_time(),
            'T' | 't' if self.followed_by_digit() => {
                self.take(first);
                self.time()
            }
            '+' | '-' if !dated && self.parsed.hour.is_none() => self.signed_year(),
            '+' | '-' => self.offset(),
            _ if first.is_ascii_alphabetic() => self.word(),
            _ => None,
        }
    }

    fn followed_by_digit(&self) -> bool {
        self.rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit)
    }

    fn date_or_time(&mut self) -> Option<()> {
        let run = self.run();
        let mark = self.rest.get(run..)?.chars().next();
        match (run, mark) {
            (1 | 2, Some(':')) => self.time(),
            (1 | 2, Some('a' | 'A' | 'p' | 'P')) => self.time(),
            (1 | 2, Some('/')) => self.american(),
            (1 | 2, Some('.')) => self.dotted(),
            (1 | 2, Some('-')) if self.month_after(run + 1) => self.day_name_year(),
            (1 | 2 | 4, Some('-')) => self.dashed(),
            (4, Some('/')) => self.year_first('/'),
            (4, Some('W')) => self.iso_week(),
            (8, _) => self.set_date(4, 2, 2),
            (14, _) => {
                self.set_date(4, 2, 2)?;
                self.compact_time()
            }
            (4, _) if self.parsed.month.is_some() || self.name_follows(run) => self.year(),
            (1 | 2, _) => self.day_number(),
            _ => None,
        }
    }

    /// Does the name of a month start here?
    fn month_after(&self, place: usize) -> bool {
        self.rest
            .get(place..)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()) && !rest.starts_with('W'))
    }

    fn name_follows(&self, place: usize) -> bool {
        let rest = self.rest.get(place..).unwrap_or_default().trim_start_matches([' ', '-', '\t']);
        month_of(&leading_word(rest)).is_some()
    }

    fn set(&mut self, year: i64, month: i64, day: Option<i64>) -> Option<()> {
        if self.parsed.year.is_some() || self.parsed.month.is_some() || !(1..=12).contains(&month) {
            return None;
        }
        (self.parsed.year, self.parsed.month) = (Some(year), Some(month));
        self.parsed.day = day;
        Some(())
    }

    fn set_date(&mut self, year: usize, month: usize, day: usize) -> Option<()> {
        let (year, month, day) = (self.number(year)?, self.number(month)?, self.number(day)?);
        self.set(year, month, Some(day))
    }

    /// `2017-02-08`, `2017-2`, `17-02-08`, `2017-W05-3`, `2017-Feb-08`.
    fn dashed(&mut self) -> Option<()> {
        let short = self.run() < 4;
        let year = self.number(4)?;
        let year = if short { century(year) } else { year };
        self.take('-');
        if self.rest.starts_with('W') {
            return self.iso_week_of(year);
        }
        if self.rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let month = self.month_name()?;
            self.take('-').then_some(())?;
            let day = self.number(2)?;
            return self.set(year, month, Some(day));
        }
        let month = self.number(2)?;
        let day = if self.rest.starts_with('-') && self.followed_by_digit() {
            self.take('-');
            Some(self.number(2)?)
        } else {
            None
        };
        self.set(year, month, day)
    }

    /// `-0001-01-01`, `+2017-02-08`.
    fn signed_year(&mut self) -> Option<()> {
        let negative = self.rest.starts_with('-');
        self.rest = self.rest.get(1..)?;
        if self.run() != 4 {
            return None;
        }
        let year = self.number(4)?;
        self.take('-').then_some(())?;
        let month = self.number(2)?;
        self.take('-').then_some(())?;
        let day = self.number(2)?;
        self.set(if negative { -year } else { year }, month, Some(day))
    }

    fn year_first(&mut self, mark: char) -> Option<()> {
        let year = self.number(4)?;
        self.take(mark).then_some(())?;
        let month = self.number(2)?;
        self.take(mark).then_some(())?;
        let day = self.number(2)?;
        self.set(year, month, Some(day))
    }

    /// `2/8/2017`: the month comes first.
    fn american(&mut self) -> Option<()> {
        let month = self.number(2)?;
        self.take('/').then_some(())?;
        let day = self.number(2)?;
        self.take('/').then_some(())?;
        let short = self.run() <= 2;
        let year = self.number(4)?;
        self.set(if short { century(year) } else { year }, month, Some(day))
    }

    /// `8.2.2017`: the day comes first.
    fn dotted(&mut self) -> Option<()> {
        let day = self.number(2)?;
        self.take('.').then_some(())?;
        let month = self.number(2)?;
        self.take('.').then_some(())?;
        if self.run() != 4 {
            return None;
        }
        let year = self.number(4)?;
        self.set(year, month, Some(day))
    }

    /// `4-Jul-2017`.
    fn day_name_year(&mut self) -> Option<()> {
        let day = self.number(2)?;
        self.take('-').then_some(())?;
        let month = self.month_name()?;
        self.take('-').then_some(())?;
        let year = self.number(4)?;
        self.set(year, month, Some(day))
    }

    fn iso_week(&mut self) -> Option<()> {
        let year = self.number(4)?;
        self.iso_week_of(year)
    }

    fn iso_week_of(&mut self, year: i64) -> Option<()> {
        self.take('W').then_some(())?;
        let week = self.number(2).filter(|week| (1..=53).contains(week))?;
        self.take('-');
        let day = self.number(1);
        (self.parsed.iso_year, self.parsed.iso_week, self.parsed.iso_day) = (Some(year), Some(week), day);
        Some(())
    }

    fn year(&mut self) -> Option<()> {
        let year = self.number(4)?;
        self.parsed.year.replace(year).is_none().then_some(())
    }

    /// A day beside the name of a month: `4th`, `4`.
    fn day_number(&mut self) -> Option<()> {
        let day = self.number(2)?;
        for suffix in ["st", "nd", "rd", "th"] {
            self.rest = self.rest.strip_prefix(suffix).unwrap_or(self.rest);
        }
        self.parsed.day.replace(day).is_none().then_some(())
    }

    fn month_name(&mut self) -> Option<i64> {
        let word = leading_word(self.rest);
        self.rest = self.rest.get(word.len()..)?;
        self.take('.');
        month_of(&word)
    }

    fn word(&mut self) -> Option<()> {
        let word = leading_word(self.rest);
        if let Some(month) = month_of(&word).filter(|_| word.len() > 1) {
            self.rest = self.rest.get(word.len()..)?.trim_start_matches('.');
            return self.parsed.month.replace(month).is_none().then_some(());
        }
        if WEEKDAYS.iter().any(|day| word.len() >= 3 && day.starts_with(&*word)) {
            self.rest = self.rest.get(word.len()..)?.trim_start_matches('.');
            return Some(());
        }
        match &*word {
            "noon" => self.whole_hour(word.len(), 12),
            "midnight" => self.whole_hour(word.len(), 0),
            _ => self.zone_name(&word),
        }
    }

    fn whole_hour(&mut self, length: usize, hour: i64) -> Option<()> {
        self.rest = self.rest.get(length..)?;
        self.parsed.hour.replace(hour).is_none().then_some(())
    }

    fn zone_name(&mut self, word: &str) -> Option<()> {
        let hours = match (word.as_bytes(), ZONES.iter().find(|(name, _)| *name == word)) {
            (_, Some((_, hours))) => *hours,
            ([letter], None) => military(*letter)?,
            _ => return None,
        };
        self.rest = self.rest.get(word.len()..)?;
        if self.rest.starts_with('/') {
            return None;
        }
        if matches!(word, "utc" | "gmt") && self.rest.starts_with(['+', '-']) {
            return self.offset();
        }
        self.set_offset(hours * 3_600_000)
    }

    fn set_offset(&mut self, offset: i64) -> Option<()> {
        if std::mem::replace(&mut self.zone, true) {
            return None;
        }
        self.parsed.offset = Some(offset);
        Some(())
    }

    fn offset(&mut self) -> Option<()> {
        let (offset, rest) = read_offset(self.rest)?;
        self.rest = rest;
        self.set_offset(offset)
    }

    fn compact_time(&mut self) -> Option<()> {
        let (hour, minute) = (self.number(2)?, self.number(2)?);
        let second = if self.run() >= 2 { self.number(2)? } else { 0 };
        self.set_time(hour, minute, second)
    }

    fn set_time(&mut self, hour: i64, minute: i64, second: i64) -> Option<()> {
        if self.parsed.hour.replace(hour).is_some() || minute > 59 || second > 59 {
            return None;
        }
        (self.parsed.minute, self.parsed.second) = (minute, second);
        self.fraction()
    }

    fn fraction(&mut self) -> Option<()> {
        if !self.take('.') {
            return Some(());
        }
        let run = self.run();
        let shown = self.rest.get(..run.min(3)).unwrap_or_default();
        self.parsed.millisecond = format!("{shown:0<3}").parse().unwrap_or(0);
        self.rest = self.rest.get(run..)?;
        Some(())
    }

    /// `12:10:40.787`, `12:10`, `12`, `121040`, `5pm`, `5:30 PM`.
    fn time(&mut self) -> Option<()> {
        if matches!(self.run(), 4 | 6) {
            return self.compact_time();
        }
        let hour = self.number(2)?;
        let (mut minute, mut second) = (0, 0);
        let mark = self.rest.chars().next().filter(|mark| matches!(mark, ':' | '.') && self.followed_by_digit());
        if let Some(mark) = mark {
            self.take(mark);
            minute = self.number(2)?;
            if self.rest.starts_with(mark) && self.followed_by_digit() {
                self.take(mark);
                second = self.number(2)?;
            }
        }
        let hour = self.half_day(hour)?;
        self.set_time(hour, minute, second)
    }

    fn half_day(&mut self, hour: i64) -> Option<i64> {
        let rest = self.rest.trim_start();
        let word = leading_word(rest).replace('.', "");
        let afternoon = match &*word {
            "am" => false,
            "pm" => true,
            _ => return Some(hour),
        };
        self.rest = rest.get(word.len()..)?;
        match hour {
            12 => Some(if afternoon { 12 } else { 0 }),
            1..=11 => Some(if afternoon { hour + 12 } else { hour }),
            _ => None,
        }
    }
}

/// The letters at the start, in lower case.
fn leading_word(text: &str) -> String {
    text.chars().take_while(char::is_ascii_alphabetic).map(|letter| letter.to_ascii_lowercase()).collect()
}

fn month_of(word: &str) -> Option<i64> {
    let known = |month: &&str| {
        *month == word || (word.len() == 3 && month.starts_with(word)) || (word == "sept" && *month == "september")
    };
    MONTHS.iter().position(known).and_then(|place| i64::try_from(place + 1).ok())
}

/// Years of two digits: 70 to 99 are of the last century.
const fn century(year: i64) -> i64 {
    if year < 70 { year + 2000 } else { year + 1900 }
}

/// The hours that a military letter is ahead of UTC.
fn military(letter: u8) -> Option<i64> {
    Some(match letter {
        b'a'..=b'i' => i64::from(letter - b'a') + 1,
        b'k'..=b'm' => i64::from(letter - b'k') + 10,
        b'n'..=b'y' => -(i64::from(letter - b'n') + 1),
        b'z' => 0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(text: &str) -> Option<i64> {
        let parsed = read(text)?;
        Some(parsed.local()? - parsed.offset.unwrap_or(0))
    }

    #[test]
    fn many_ways_to_write_a_moment() {
        let moment = 1_486_555_840_000; // 2017-02-08T12:10:40Z
        for text in [
            "2017-02-08T12:10:40Z",
            "2017-02-08 12:10:40",
            "2017-2-8t12:10:40z",
            "2017-02-08T13:10:40+01:00",
            "2017-02-08T13:10:40+01",
            "2017-02-08T13:10:40 +0100",
            "2017-02-08T07:10:40 EST",
            "20170208T121040Z",
            "2017-02-08 121040",
            "2017/02/08 12:10:40",
            "2/8/2017 12:10:40",
            "08.02.2017 12:10:40",
            "8 Feb 2017 12:10:40 PM",
            "February 8th, 2017 12:10:40 UTC",
            "Wed, 8 Feb 2017 12:10:40 GMT",
            "Wed Feb  8 12:10:40 2017",
            "2017-W06-3 12:10:40",
            "8-Feb-2017 12:10:40",
            "@1486555840",
            " 2017-02-08T12:10:40.Z ",
        ] {
            assert_eq!(millis(text), Some(moment), "{text}");
        }
    }

    #[test]
    fn parts_may_be_left_out() {
        assert_eq!(millis("2017-02"), Some(1_485_907_200_000));
        assert_eq!(millis("2017-02-08T12:10:40.7871234567Z"), Some(1_486_555_840_787));
        assert_eq!(millis("2017-07-04 5:30 pm"), Some(1_499_189_400_000));
        assert_eq!(millis("70-01-01"), Some(0));
        assert_eq!(millis("2017-02-08 noon"), Some(1_486_555_200_000));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "  ",
            "abc",
            "2017",
            "12:10",
            "now",
            "tomorrow",
            "+1 day",
            "2017-02-30",
            "2017-13-01",
            "2017-02-08T25:00",
            "2017-02-08T12:60",
            "2017-02-08T12:10:60Z",
            "2017-02-08T24:00:00Z",
            "2017-02-08T12:10:40ZZ",
            "Feb 8",
            "2017-07-04T10:00 America/New_York",
            "2017年2月8日",
            "1500000000000",
            "2017.02.08",
        ] {
            assert_eq!(millis(text), None, "{text}");
        }
    }
}
