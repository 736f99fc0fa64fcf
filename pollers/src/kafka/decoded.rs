//! Records as the schemas of a registry decode them: what stands in the event, and what filters see.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use forebay_batcher::{Condition, Section};

use super::event::{row, section_of, write_sides};
use super::page::RecordPage;
use crate::schemas::{DecodedSide, RecordSide, SchemaDecoder, SchemaError, SchemaFault};
use crate::source::{RawRecord, Renderer};

/// A record with what was made of it. Its sides are `None` where they are null, or passed on as they came.
pub(super) struct DecodedRecord {
    page: Arc<RecordPage>,
    key: Option<DecodedSide>,
    value: Option<DecodedSide>,
    /// It cannot be decoded, for this; then nothing of it is.
    unreadable: Option<Condition>,
}

/// The sides of a record that may be decoded.
struct GivenSides {
    page: Arc<RecordPage>,
    key: Option<Bytes>,
    value: Option<Bytes>,
}

impl GivenSides {
    fn of(raw: &RawRecord) -> Self {
        let page =
            Arc::clone(&raw.facts).downcast::<RecordPage>().expect("this source's reader made the record");
        let row = row(&page, raw);
        let key = page.key(row).map(|it| page.part(it));
        let value = page.value(row).map(|_| raw.data.clone());
        Self { page, key, value }
    }
}

/// Decodes a record by schemas that are known; `None` when one must be fetched first: [`decode`]. A record that
/// cannot be decoded is told with its fault.
pub(super) fn decode_now(
    decoder: &SchemaDecoder,
    raw: &RawRecord,
) -> Option<(RawRecord, Option<SchemaFault>)> {
    let sides = GivenSides::of(raw);
    let one = |side, bytes: &Option<Bytes>| match bytes {
        Some(bytes) => decoder.decode_now(side, bytes),
        None => Some(Ok(None)),
    };
    let key = one(RecordSide::Key, &sides.key)?;
    let value = one(RecordSide::Value, &sides.value)?;
    Some(finished(raw, sides, key.and_then(|key| Ok((key, value?)))))
}

/// The same, and schemas are fetched that are not known. The error is that of a registry that gives no answer.
/// Dropping it loses nothing.
pub(super) async fn decode(
    decoder: &SchemaDecoder,
    raw: &RawRecord,
) -> Result<(RawRecord, Option<SchemaFault>), SchemaError> {
    let sides = GivenSides::of(raw);
    let one = async |side, bytes: &Option<Bytes>| match bytes {
        Some(bytes) => decoder.decode(side, bytes).await,
        None => Ok(None),
    };
    let both =
        async { Ok((one(RecordSide::Key, &sides.key).await?, one(RecordSide::Value, &sides.value).await?)) };
    let decoded = match both.await {
        Ok(decoded) => Ok(decoded),
        Err(SchemaError::Record(fault)) => Err(fault),
        Err(down @ SchemaError::Registry(_)) => return Err(down),
    };
    Ok(finished(raw, sides, decoded))
}

fn finished(
    raw: &RawRecord,
    sides: GivenSides,
    decoded: Result<(Option<DecodedSide>, Option<DecodedSide>), SchemaFault>,
) -> (RawRecord, Option<SchemaFault>) {
    let ((key, value), fault) = match decoded {
        Ok(sides) => (sides, None),
        Err(fault) => ((None, None), Some(fault)),
    };
    // What is looked at and counted is what was made of it.
    let data = value.as_ref().map_or_else(|| raw.data.clone(), |it| it.json().clone());
    let unreadable = fault.as_ref().map(|it| it.condition);
    let facts = Arc::new(DecodedRecord { page: sides.page, key, value, unreadable });
    (RawRecord { data, facts, ..raw.clone() }, fault)
}

/// Renders records that were decoded.
pub(super) struct DecodedRenderer;

impl Renderer for DecodedRenderer {
    fn render(&self, record: &RawRecord, out: &mut Vec<u8>) {
        let decoded = decoded(record);
        let value = decoded.page.value(row(&decoded.page, record));
        write(record, decoded.value.as_ref().map(|it| &**it.delivered()).or(value), out);
    }

    fn render_without_data(&self, record: &RawRecord, out: &mut Vec<u8>) {
        let decoded = decoded(record);
        write(record, decoded.page.value(row(&decoded.page, record)).map(|_| &[][..]), out);
    }

    fn data<'a>(&self, record: &'a RawRecord) -> Option<Cow<'a, [u8]>> {
        let decoded = decoded(record);
        decoded.page.value(row(&decoded.page, record)).map(|_| Cow::Borrowed(&*record.data))
    }

    fn section(&self, record: &RawRecord) -> Section {
        let DecodedRecord { page, unreadable, .. } = decoded(record);
        Section { unreadable: *unreadable, ..section_of(&page.partition) }
    }
}

fn decoded(record: &RawRecord) -> &DecodedRecord {
    let facts: &(dyn Any + Send + Sync) = record.facts.as_ref();
    facts.downcast_ref().expect("this source's reader decoded the record")
}

fn write(record: &RawRecord, value: Option<&[u8]>, out: &mut Vec<u8>) {
    let DecodedRecord { page, key: its_key, value: its_value, .. } = decoded(record);
    let row = row(page, record);
    let key = its_key.as_ref().map(|it| &**it.delivered()).or_else(|| page.key(row));
    write_sides(page, row, [key, value], out);
    for (name, side) in [("key", its_key), ("value", its_value)] {
        if let Some(side) = side {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"SchemaMetadata\":");
            out.extend_from_slice(side.metadata().as_bytes());
        }
    }
    out.push(b'}');
}
