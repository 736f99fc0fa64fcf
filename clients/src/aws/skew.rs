//! How far a service's clock is from this machine's, learned from each answer, so that a machine whose clock
//! is off can sign all the same.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{AGE, DATE};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// An answer that took longer says nothing about a clock.
const ANSWER_MAX: Duration = Duration::from_secs(15 * 60);
/// A service that refuses a signature while the clocks differ by more may have refused its time.
pub(super) const TELLING_MS: u64 = 4 * 60 * 1_000;

static DATES: DateTimeParser = DateTimeParser::new();

/// Milliseconds that the service's clock is ahead of this machine's, as its last answer showed.
#[derive(Debug, Default)]
pub(super) struct ClockSkew(AtomicI64);

impl ClockSkew {
    /// Milliseconds that the service's clock is taken to be ahead.
    pub(super) fn millis(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// What the service's clock shows at this time of ours.
    pub(super) fn correct(&self, now: SystemTime) -> SystemTime {
        let millis = self.millis();
        let by = Duration::from_millis(millis.unsigned_abs());
        let corrected = if millis < 0 { now.checked_sub(by) } else { now.checked_add(by) };
        corrected.unwrap_or(now)
    }

    /// Takes up what an answer shows; `None` where it shows nothing: it has no time, or comes from a cache.
    pub(super) fn learn(&self, headers: &HeaderMap, sent: SystemTime, came: SystemTime) -> Option<i64> {
        let took = came.duration_since(sent).unwrap_or_default();
        if headers.contains_key(AGE) || took > ANSWER_MAX {
            return None;
        }
        let theirs = DATES.parse_timestamp(headers.get(DATE)?.as_bytes()).ok()?;
        let ours = Timestamp::try_from(sent + took / 2).ok()?;
        let millis = theirs.as_millisecond() - ours.as_millisecond();
        self.0.store(millis, Ordering::Relaxed);
        Some(millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_corrects_the_clock_unless_it_is_old() {
        let skew = ClockSkew::default();
        // Sun, 06 Nov 1994 08:49:37 GMT
        let sent = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let learn = |headers: &[(&'static str, &str)], sent: SystemTime, took: u64| {
            let headers = headers.iter().map(|(name, value)| {
                (http::HeaderName::from_static(name), http::HeaderValue::from_str(value).unwrap())
            });
            skew.learn(&headers.collect(), sent, sent + Duration::from_secs(took))
        };
        assert_eq!(learn(&[("date", "Sun, 06 Nov 1994 09:49:37 GMT")], sent, 0), Some(3_600_000));
        assert_eq!(skew.correct(sent), sent + Duration::from_secs(3_600));
        for (headers, took) in [
            (&[][..], 0),
            (&[("date", "soon")], 0),
            (&[("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("age", "0")], 0),
            (&[("date", "Sun, 06 Nov 1994 08:49:37 GMT")], 901),
        ] {
            assert_eq!(learn(headers, sent, took), None, "{headers:?}");
        }
        assert_eq!(
            skew.correct(sent),
            sent + Duration::from_secs(3_600),
            "what is not known changes nothing"
        );
        // The service answered in the middle of the time that it took.
        assert_eq!(learn(&[("date", "Sun, 06 Nov 1994 08:49:37 GMT")], sent, 10), Some(-5_000));
        assert_eq!(skew.correct(sent), sent - Duration::from_secs(5));
    }
}
