//! Times as servers write them, by the days of the calendar: nothing is shared with the code under test.

use std::time::{SystemTime, UNIX_EPOCH};

/// A second of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// The year, the month and the day, each as people count it.
    pub date: (u64, u64, u64),
    /// The hour, the minute and the second.
    pub time: (u64, u64, u64),
    /// Days since a Sunday.
    weekday: usize,
}

impl Civil {
    /// The second that begins so many after 1970.
    pub fn of(seconds: u64) -> Self {
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        // Years begin in March, so that a leap day is the last of one.
        let day = days + 719_468;
        let era = day / 146_097;
        let of_era = day % 146_097;
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * of_year + 2) / 153;
        let of_month = of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        let time = (second / 3_600, second % 3_600 / 60, second % 60);
        // 1970 began with a Thursday.
        Self { date: (year, month, of_month), time, weekday: (days as usize + 4) % 7 }
    }

    /// `2020-12-09T07:04:00Z`
    pub fn iso(&self) -> String {
        let ((year, month, day), (hour, minute, second)) = (self.date, self.time);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// `20201209T070400Z`, as a signature has it: later ones are greater as texts.
    pub fn stamp(&self) -> String {
        self.iso().replace(['-', ':'], "")
    }

    /// `Wed, 09 Dec 2020 07:04:00 GMT`
    pub fn http(&self) -> String {
        const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let ((year, month, day), (hour, minute, second)) = (self.date, self.time);
        let (weekday, month) = (DAYS[self.weekday], MONTHS[month as usize - 1]);
        format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
    }
}

/// Seconds since 1970.
///
/// # Panics
/// Before 1970.
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_days_of_the_calendar() {
        let at = Civil::of(1_607_497_440);
        assert_eq!(at.iso(), "2020-12-09T07:04:00Z");
        assert_eq!(at.stamp(), "20201209T070400Z");
        assert_eq!(at.http(), "Wed, 09 Dec 2020 07:04:00 GMT");
        assert_eq!(Civil::of(951_827_696).http(), "Tue, 29 Feb 2000 12:34:56 GMT");
        assert_eq!(Civil::of(0).http(), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
