//! The proleptic Gregorian calendar over all of i64 milliseconds: days, weeks, ISO weeks.
//!
//! Time zones are not known here; see `zone`.

/// Milliseconds in a day.
pub(crate) const DAY: i64 = 86_400_000;

/// A date and time without a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    pub millisecond: i64,
}

/// A week of the ISO calendar: weeks start on Monday, and week 1 holds the year's first Thursday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IsoWeek {
    pub year: i64,
    /// 1 to 53.
    pub week: i64,
    /// 1 is Monday, 7 Sunday.
    pub day: i64,
}

impl Civil {
    /// The date and time so many milliseconds after the start of 1970.
    pub fn of(millis: i64) -> Civil {
        let (year, month, day) = date_of_days(millis.div_euclid(DAY));
        let rest = millis.rem_euclid(DAY);
        Civil {
            year,
            month,
            day,
            hour: rest / 3_600_000,
            minute: rest / 60_000 % 60,
            second: rest / 1000 % 60,
            millisecond: rest % 1000,
        }
    }

    /// Milliseconds since the start of 1970. Every part may lie outside its usual range and carries over. `None` where
    /// the result does not fit.
    pub fn millis(&self) -> Option<i64> {
        let months = self.year.checked_mul(12)?.checked_add(self.month.checked_sub(1)?)?;
        let days =
            days_of_date(months.div_euclid(12), months.rem_euclid(12) + 1, 1)?.checked_add(self.day.checked_sub(1)?)?;
        let parts =
            [(days, DAY), (self.hour, 3_600_000), (self.minute, 60_000), (self.second, 1000), (self.millisecond, 1)];
        // Parts may pass the range and come back into it, so the sum is made in wider numbers.
        let total: i128 = parts.iter().map(|(count, millis)| i128::from(*count) * i128::from(*millis)).sum();
        i64::try_from(total).ok()
    }

    /// Days since the start of 1970.
    pub fn days(&self) -> i64 {
        days_of_date(self.year, self.month, self.day).unwrap_or(0)
    }

    /// 1 is Sunday, 7 Saturday.
    pub fn day_of_week(&self) -> i64 {
        (self.days() + 4).rem_euclid(7) + 1
    }

    /// 1 to 366.
    pub fn day_of_year(&self) -> i64 {
        self.days() - days_of_date(self.year, 1, 1).unwrap_or(0) + 1
    }

    /// 0 to 53; weeks start on Sunday, and the days before the first Sunday are in week 0.
    pub fn week(&self) -> i64 {
        (self.day_of_year() + 7 - self.day_of_week()) / 7
    }

    /// The ISO week.
    pub fn iso_week(&self) -> IsoWeek {
        let days = self.days();
        let day = (days + 3).rem_euclid(7) + 1;
        // The week belongs to the year of its Thursday.
        let (year, _, _) = date_of_days(days - day + 4);
        let first = iso_year_start(year);
        IsoWeek { year, week: (days - first).div_euclid(7) + 1, day }
    }
}

/// How many days a month has.
pub(crate) fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The Monday that begins week 1 of an ISO year, in days since the start of 1970.
pub(crate) fn iso_year_start(year: i64) -> i64 {
    let fourth = days_of_date(year, 1, 4).unwrap_or(0);
    fourth - (fourth + 3).rem_euclid(7)
}

/// Days since the start of 1970; the month is 1 to 12, the day any number. Counts from March so that the leap day comes
/// last (Hinnant, "chrono-compatible low-level date algorithms").
pub(crate) fn days_of_date(year: i64, month: i64, day: i64) -> Option<i64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era.checked_mul(146_097)?.checked_add(day_of_era - 719_468)?.checked_add(day.checked_sub(1)?)
}

fn date_of_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day_of_year - (153 * march_month + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        let cases = [
            (0, (1970, 1, 1), 5, 1, 0, (1970, 1, 4)),
            (-1, (1969, 12, 31), 4, 365, 52, (1970, 1, 3)),
            (1_609_459_200_000, (2021, 1, 1), 6, 1, 0, (2020, 53, 5)),
            (1_609_632_000_000, (2021, 1, 3), 1, 3, 1, (2020, 53, 7)),
            (-62_167_219_200_000, (0, 1, 1), 7, 1, 0, (-1, 52, 6)),
            (i64::MAX, (292_278_994, 8, 17), 1, 229, 33, (292_278_994, 33, 7)),
            (i64::MIN, (-292_275_055, 5, 16), 1, 136, 20, (-292_275_055, 19, 7)),
        ];
        for (millis, date, weekday, day_of_year, week, iso) in cases {
            let civil = Civil::of(millis);
            let got = civil.iso_week();
            assert_eq!((civil.year, civil.month, civil.day), date, "{millis}");
            assert_eq!(
                (civil.day_of_week(), civil.day_of_year(), civil.week()),
                (weekday, day_of_year, week),
                "{millis}"
            );
            assert_eq!((got.year, got.week, got.day), iso, "{millis}");
            assert_eq!(civil.millis(), Some(millis));
        }
    }

    #[test]
    fn parts_carry_over() {
        let start = Civil { year: 2020, month: 14, day: -5, hour: 25, minute: -1, second: 0, millisecond: 0 };
        assert_eq!(
            start.millis().map(Civil::of).map(|c| (c.year, c.month, c.day, c.hour, c.minute)),
            Some((2021, 1, 27, 0, 59))
        );
        assert_eq!(Civil { year: i64::MAX, ..start }.millis(), None);
    }
}
