//! The time of a request as a signature writes it.

use std::time::SystemTime;

use http::HeaderValue;
use jiff::Timestamp;
use jiff::tz::Offset;

/// `20150830T123600Z`
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp([u8; 16]);

impl Stamp {
    /// A time that no calendar has is taken for 1970, which no service takes.
    pub(super) fn of(time: SystemTime) -> Self {
        let time = Offset::UTC.to_datetime(Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH));
        let mut text = *b"YYYYMMDDTHHMMSSZ";
        let mut put = |at: usize, value: u32| {
            text[at] = b'0' + (value / 10 % 10) as u8;
            text[at + 1] = b'0' + (value % 10) as u8;
        };
        let year = u32::try_from(time.year()).unwrap_or_default();
        put(0, year / 100);
        put(2, year % 100);
        let parts =
            [(4, time.month()), (6, time.day()), (9, time.hour()), (11, time.minute()), (13, time.second())];
        for (at, value) in parts {
            put(at, u32::from(value.unsigned_abs()));
        }
        Self(text)
    }

    pub(super) fn time(&self) -> &str {
        std::str::from_utf8(&self.0).expect("it is digits and two letters")
    }

    /// `20150830`
    pub(super) fn day(&self) -> &str {
        &self.time()[..8]
    }

    pub(super) fn header(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).expect("it is digits and two letters")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_part_of_a_time_stands_in_its_place() {
        let stamp = |seconds| Stamp::of(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(stamp(1_440_938_160).time(), "20150830T123600Z");
        assert_eq!(stamp(0).time(), "19700101T000000Z");
        assert_eq!(stamp(951_827_696).time(), "20000229T123456Z");
        assert_eq!(
            (stamp(4_102_444_799).time(), stamp(4_102_444_799).day()),
            ("20991231T235959Z", "20991231")
        );
    }
}
