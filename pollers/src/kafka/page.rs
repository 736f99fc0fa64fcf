//! Records as they come, in one piece of memory for a whole read: what is asked of a record is a slice of it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use forebay_batcher::{OrderKey, Position, RecordId, UnixMillis};

use super::event::{PartitionFacts, id_of};
use super::place::check_of;
use crate::source::RawRecord;

/// Whose time a record's is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeKind {
    /// The producer's.
    Create,
    /// The broker's.
    LogAppend,
    /// It has none.
    None,
}

/// A record as the brokers gave it.
#[derive(Debug, Clone, Copy)]
pub(super) struct GivenRecord<'a> {
    pub(super) offset: u64,
    /// In epoch milliseconds.
    pub(super) at_ms: i64,
    pub(super) time_kind: TimeKind,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
}

/// What is kept of a record beside its bytes. Places are below 4 GiB: a read has a megabyte, and one record.
#[derive(Debug, Clone)]
pub(super) struct PageRow {
    pub(super) offset: u64,
    pub(super) at_ms: i64,
    pub(super) time_kind: TimeKind,
    has_key: bool,
    has_value: bool,
    /// Key, value and headers lie behind one another.
    key_at: u32,
    value_at: u32,
    headers_at: u32,
    end: u32,
}

/// What has come, one record behind the other.
#[derive(Debug, Default)]
pub(super) struct PageBuilder {
    bytes: Vec<u8>,
    rows: Vec<PageRow>,
    /// How much room the first record makes: records and bytes.
    expected: (usize, usize),
}

/// The length that stands for "no value".
const NOTHING: u32 = u32::MAX;

impl PageBuilder {
    /// So much is to come, if anything is: most looks at an idle partition find nothing, and cost nothing.
    pub(super) fn expecting(n_records: usize, n_bytes: usize) -> Self {
        Self { expected: (n_records, n_bytes), ..Self::default() }
    }

    pub(super) fn n_records(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn n_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a record, with its headers in their order.
    pub(super) fn push<'h>(
        &mut self,
        record: GivenRecord<'_>,
        headers: impl Iterator<Item = (&'h [u8], Option<&'h [u8]>)>,
    ) {
        let GivenRecord { offset, at_ms, time_kind, key, value } = record;
        if self.rows.is_empty() {
            self.rows.reserve(self.expected.0);
            self.bytes.reserve(self.expected.1);
        }
        let key_at = self.here();
        self.bytes.extend_from_slice(key.unwrap_or_default());
        let value_at = self.here();
        self.bytes.extend_from_slice(value.unwrap_or_default());
        let headers_at = self.here();
        for (name, value) in headers {
            self.push_part(Some(name));
            self.push_part(value);
        }
        let end = self.here();
        let (has_key, has_value) = (key.is_some(), value.is_some());
        self.rows.push(PageRow {
            offset,
            at_ms,
            time_kind,
            has_key,
            has_value,
            key_at,
            value_at,
            headers_at,
            end,
        });
    }

    /// The check of the first record, and its offset.
    pub(super) fn first(&self) -> Option<(u64, super::place::RecordCheck)> {
        self.rows.first().map(|row| (row.offset, row.check(&self.bytes)))
    }

    /// Leaves the first record out.
    pub(super) fn drop_first(&mut self) {
        self.rows.remove(0);
    }

    /// The records of a read, and the bound behind them.
    pub(super) fn finish(self, facts: &Arc<PartitionFacts>) -> (Vec<RawRecord>, Option<Position>) {
        let chunk = Bytes::from(self.bytes);
        let passed = self.rows.last().map(|row| Position::behind_number(row.offset, row.check(&chunk)));
        let page = Arc::new(RecordPage { partition: Arc::clone(facts), chunk, rows: self.rows });
        let records = page.rows.iter().map(|row| page.record(row, &page)).collect();
        (records, passed)
    }

    fn push_part(&mut self, part: Option<&[u8]>) {
        let n_bytes =
            part.map_or(NOTHING, |it| u32::try_from(it.len()).expect("a record is far below 4 GiB"));
        self.bytes.extend_from_slice(&n_bytes.to_le_bytes());
        self.bytes.extend_from_slice(part.unwrap_or_default());
    }

    fn here(&self) -> u32 {
        u32::try_from(self.bytes.len()).expect("a read is far below 4 GiB")
    }
}

impl PageRow {
    fn slice(from: u32, to: u32) -> std::ops::Range<usize> {
        from as usize..to as usize
    }

    fn key<'c>(&self, chunk: &'c [u8]) -> Option<&'c [u8]> {
        self.has_key.then(|| &chunk[Self::slice(self.key_at, self.value_at)])
    }

    fn value<'c>(&self, chunk: &'c [u8]) -> Option<&'c [u8]> {
        self.has_value.then(|| &chunk[Self::slice(self.value_at, self.headers_at)])
    }

    /// What has no time came now, as far as anybody can tell.
    fn arrival(&self) -> UnixMillis {
        match self.time_kind {
            TimeKind::Create | TimeKind::LogAppend => UnixMillis(self.at_ms),
            TimeKind::None => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
        }
    }

    fn check(&self, chunk: &[u8]) -> super::place::RecordCheck {
        check_of(self.at_ms, self.key(chunk), self.value(chunk))
    }
}

/// A read: all its records, which share what they are kept in.
#[derive(Debug)]
pub(super) struct RecordPage {
    pub(super) partition: Arc<PartitionFacts>,
    chunk: Bytes,
    rows: Vec<PageRow>,
}

impl RecordPage {
    fn record(&self, row: &PageRow, page: &Arc<Self>) -> RawRecord {
        let order_key = match row.key(&self.chunk) {
            Some(_) => OrderKey::Key(self.chunk.slice(PageRow::slice(row.key_at, row.value_at))),
            None if self.partition.keyless_is_free => OrderKey::Free,
            None => OrderKey::Key(Bytes::new()),
        };
        RawRecord {
            id: RecordId::new(&id_of(self.partition.section, row.offset)),
            position: Position::checked_number(row.offset, row.check(&self.chunk)),
            key: order_key,
            arrival: row.arrival(),
            data: self.chunk.slice(PageRow::slice(row.value_at, row.headers_at)),
            facts: Arc::clone(page) as Arc<dyn std::any::Any + Send + Sync>,
        }
    }

    /// What is kept of the record at an offset.
    pub(super) fn row(&self, offset: u64) -> &PageRow {
        // Offsets seldom have holes, so most are found where they would be without one.
        let first = self.rows.first().map_or(0, |it| it.offset);
        let guess = usize::try_from(offset.saturating_sub(first)).unwrap_or(usize::MAX);
        if let Some(row) = self.rows.get(guess).filter(|it| it.offset == offset) {
            return row;
        }
        let found = self.rows.binary_search_by_key(&offset, |it| it.offset);
        &self.rows[found.expect("the page made the record")]
    }

    /// The key of a record.
    pub(super) fn key(&self, row: &PageRow) -> Option<&[u8]> {
        row.key(&self.chunk)
    }

    /// The value of a record.
    pub(super) fn value(&self, row: &PageRow) -> Option<&[u8]> {
        row.value(&self.chunk)
    }

    /// The same bytes, which share the page's memory.
    #[cfg(feature = "schemas")]
    pub(super) fn part(&self, bytes: &[u8]) -> Bytes {
        self.chunk.slice_ref(bytes)
    }

    /// The headers of a record, in their order.
    pub(super) fn headers(&self, row: &PageRow) -> HeaderParts<'_> {
        HeaderParts(&self.chunk[PageRow::slice(row.headers_at, row.end)])
    }
}

/// Headers one after the other.
pub(super) struct HeaderParts<'a>(&'a [u8]);

impl<'a> HeaderParts<'a> {
    fn part(&mut self) -> Option<Option<&'a [u8]>> {
        let (n_bytes, rest) = self.0.split_first_chunk()?;
        let n_bytes = u32::from_le_bytes(*n_bytes);
        if n_bytes == NOTHING {
            self.0 = rest;
            return Some(None);
        }
        let (part, rest) = rest.split_at(n_bytes as usize);
        self.0 = rest;
        Some(Some(part))
    }
}

impl<'a> Iterator for HeaderParts<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let name = self.part()?;
        Some((name.unwrap_or_default(), self.part()?))
    }
}
