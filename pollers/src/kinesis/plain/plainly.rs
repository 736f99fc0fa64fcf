//! An answer with records that is written plainly: without blanks, nothing escaped, no member that nobody knows.
//! So AWS writes them, and what looks at each byte of their data to find its end takes most of the time that a
//! record costs. Here ends are searched for many bytes at once. Whatever is written otherwise, or is wrong, is
//! left to the reader of any JSON, which decides alone what is told of it.

use std::borrow::Cow;

use bytes::Bytes;
use forebay_clients::WireText;
use memchr::memchr2;

use super::records::{MadeRecords, RecordsAnswer, WireRecord};

/// What the answer brought; `None` where it is not written plainly.
pub(super) fn read(answer: &Bytes) -> Option<RecordsAnswer> {
    // Once for all of it is less than once for each text.
    let mut text = PlainText { left: std::str::from_utf8(answer).ok()? };
    let mut read = RecordsAnswer::default();
    let (mut has_records, mut has_behind) = (false, false);
    text.skip("{")?;
    loop {
        if text.skips("\"Records\":") && !std::mem::replace(&mut has_records, true) {
            read.records = text.records(answer)?;
        } else if text.skips("\"NextShardIterator\":") && read.next.is_none() {
            read.next = Some(text.text()?.to_owned());
        } else if text.skips("\"ContinuationSequenceNumber\":") && read.continuation.is_none() {
            read.continuation = Some(text.text()?.to_owned());
        } else if text.skips("\"MillisBehindLatest\":") && !std::mem::replace(&mut has_behind, true) {
            read.behind_ms = Some(text.whole_number()?);
        } else {
            return None;
        }
        if !text.goes_on("}")? {
            return text.left.is_empty().then_some(read);
        }
    }
}

/// What is left of an answer. Every function takes what it names from its front; `None` where that is not there.
struct PlainText<'a> {
    left: &'a str,
}

impl<'a> PlainText<'a> {
    fn skips(&mut self, what: &str) -> bool {
        let left = self.left.strip_prefix(what);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    fn skip(&mut self, what: &str) -> Option<()> {
        self.skips(what).then_some(())
    }

    /// Whether another one follows, or this was the last.
    fn goes_on(&mut self, end: &str) -> Option<bool> {
        if self.skips(",") {
            return Some(true);
        }
        self.skip(end).map(|()| false)
    }

    /// A text in its quotes, of which nothing is escaped.
    fn text(&mut self) -> Option<&'a str> {
        let text = self.unchecked_text()?;
        // No text of JSON has them as they are.
        text.bytes().all(|it| it >= b' ').then_some(text)
    }

    /// The same where it is seen to later what characters it has.
    fn unchecked_text(&mut self) -> Option<&'a str> {
        self.skip("\"")?;
        let end = memchr2(b'"', b'\\', self.left.as_bytes())?;
        let (text, left) = self.left.split_at_checked(end)?;
        self.left = left;
        self.skip("\"")?;
        Some(text)
    }

    fn whole_number(&mut self) -> Option<i64> {
        let number = self.number()?;
        number.bytes().all(|it| it.is_ascii_digit()).then(|| number.parse().ok())?
    }

    /// A number that is not below zero, as JSON has them.
    fn number(&mut self) -> Option<&'a str> {
        let is_part = |it: u8| it.is_ascii_digit() || matches!(it, b'.' | b'E' | b'e' | b'+' | b'-');
        let n_bytes = self.left.bytes().take_while(|it| is_part(*it)).count();
        let (number, left) = self.left.split_at_checked(n_bytes)?;
        self.left = left;
        is_number(number.as_bytes()).then_some(number)
    }

    fn records(&mut self, answer: &Bytes) -> Option<MadeRecords> {
        let mut made = MadeRecords::default();
        self.skip("[")?;
        if self.skips("]") {
            return Some(made);
        }
        loop {
            let record = self.record()?;
            // It may be no JSON either.
            if !made.add(answer, record) {
                return None;
            }
            if !self.goes_on("]")? {
                return Some(made);
            }
        }
    }

    fn record(&mut self) -> Option<WireRecord<'a>> {
        let mut record = WireRecord::default();
        let text = |it: &'a str| Some(WireText(Cow::Borrowed(it)));
        self.skip("{")?;
        loop {
            if self.skips("\"ApproximateArrivalTimestamp\":")
                && record.approximate_arrival_timestamp.is_none()
            {
                let seconds: f64 = self.number()?.parse().ok().filter(|it: &f64| it.is_finite())?;
                record.approximate_arrival_timestamp = Some(seconds);
            } else if self.skips("\"Data\":") && record.data.is_none() {
                record.data = text(self.unchecked_text()?);
            } else if self.skips("\"PartitionKey\":") && record.partition_key.is_none() {
                record.partition_key = text(self.text()?);
            } else if self.skips("\"SequenceNumber\":") && record.sequence_number.is_none() {
                record.sequence_number = text(self.text()?);
            } else if self.skips("\"EncryptionType\":") && record.encryption_type.is_none() {
                record.encryption_type = text(self.text()?);
            } else {
                return None;
            }
            if !self.goes_on("}")? {
                return Some(record);
            }
        }
    }
}

/// Digits without a zero before them, a fraction and an exponent, if any.
fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|it| it.is_ascii_digit()).count();
    let n_whole = digits(text);
    let mut left = &text[n_whole..];
    let mut is_number = n_whole > 0 && (n_whole == 1 || text[0] != b'0');
    if let Some(fraction) = left.strip_prefix(b".") {
        let n = digits(fraction);
        is_number &= n > 0;
        left = &fraction[n..];
    }
    if let Some(exponent) = left.strip_prefix(b"E").or_else(|| left.strip_prefix(b"e")) {
        let exponent =
            exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let n = digits(exponent);
        is_number &= n > 0;
        left = &exponent[n..];
    }
    is_number && left.is_empty()
}

#[cfg(test)]
mod tests {
    use super::super::records;
    use super::*;

    /// What is told of an answer by who reads any JSON, and, where it is written plainly, here.
    fn both(answer: &[u8]) -> (String, Option<String>) {
        let answer = Bytes::copy_from_slice(answer);
        let told = |read: RecordsAnswer| format!("{:?}", read.told(|it| it.next.take()));
        let any = RecordsAnswer::read_any(&answer).map_or_else(|error| format!("{error}"), told);
        (any, read(&answer).map(told))
    }

    /// As AWS writes it.
    fn answer(n_records: usize) -> String {
        let record = |it: usize| {
            let (data, key) = (["", "AAAA", "AAA=", "AA=="][it % 4], "k\u{e9}".repeat(it));
            let kind = if it.is_multiple_of(2) { ",\"EncryptionType\":\"KMS\"" } else { "" };
            format!(
                "{{\"ApproximateArrivalTimestamp\":1.5450846500{it}E9,\"Data\":\"{data}\",\"PartitionKey\":\"{key}\",\"SequenceNumber\":\"495903382714902566085596925383615710959215759891365888{it}\"{kind}}}"
            )
        };
        let records: Vec<String> = (0..n_records).map(record).collect();
        format!(
            "{{\"MillisBehindLatest\":1{n_records},\"NextShardIterator\":\"AAAA+/=\",\"Records\":[{}]}}",
            records.join(",")
        )
    }

    #[test]
    fn what_is_written_plainly_is_read_as_any_json_is() {
        for n in [0, 1, 2, 10, 300] {
            let (any, plainly) = both(answer(n).as_bytes());
            assert_eq!(plainly.as_ref(), Some(&any), "{n} records");
        }
        let open = r#"{"Records":[],"ContinuationSequenceNumber":"12","MillisBehindLatest":0}"#;
        let (any, plainly) = both(open.as_bytes());
        assert_eq!(plainly, Some(any));
        let read = records::records(&answer(3).into()).unwrap();
        assert_eq!((read.records.len(), read.next.as_deref()), (3, Some("AAAA+/=")));
    }

    #[test]
    fn whatever_is_damaged_is_told_as_any_json_is_or_left_to_who_reads_that() {
        let whole = answer(4).into_bytes();
        let odd = [
            b'"', b'\\', b'{', b'}', b'[', b']', b',', b':', b' ', b'0', b'-', b'.', b'E', b'x', 0, 0x1f,
            0xe9,
        ];
        let mut n_plain = 0;
        for at in 0..whole.len() {
            let replaced = odd.iter().map(|byte| {
                let mut it = whole.clone();
                it[at] = *byte;
                it
            });
            let cut = [whole[..at].to_vec(), [&whole[..at], &whole[at + 1..]].concat()];
            let twice = [[&whole[..at], &whole[at..=at], &whole[at..]].concat()];
            for damaged in replaced.chain(cut).chain(twice) {
                let (any, plainly) = both(&damaged);
                n_plain += usize::from(plainly.is_some());
                assert!(plainly.is_none_or(|it| it == any), "{}", String::from_utf8_lossy(&damaged));
            }
        }
        assert!(n_plain > whole.len(), "some of them are answers still: {n_plain}");
    }

    #[test]
    fn numbers_are_those_of_json() {
        for number in ["0", "7", "10", "1.5", "1.545084650E9", "0.0", "1e+3", "1E-3"] {
            assert!(is_number(number.as_bytes()), "{number}");
        }
        for wrong in ["", "01", ".5", "1.", "1.e3", "1E", "1E+", "-1", "+1", "1-2", "1.2.3", "1E2E3"] {
            assert!(!is_number(wrong.as_bytes()), "{wrong}");
        }
    }
}
