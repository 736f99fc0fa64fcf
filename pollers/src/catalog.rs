//! The kinds of source that are built in: one line each.

use crate::source::SourceKind;

/// All kinds that are built in.
pub fn kinds() -> &'static [&'static dyn SourceKind] {
    &[
        #[cfg(feature = "file")]
        &crate::file::FileKind,
        #[cfg(feature = "sqs")]
        &crate::sqs::SqsKind,
    ]
}
