//! The kinds of source that are built in: one line each.

use forebay_config::aws::AwsWords;

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

/// What Lambda's API says of each type of event source that they read.
pub fn aws_words() -> impl Iterator<Item = &'static AwsWords> {
    kinds().iter().flat_map(|it| it.aws_words()).copied()
}
