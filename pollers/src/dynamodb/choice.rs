//! Which stream is read: a table's latest one, or one by its own ARN.

use std::fmt;

use forebay_config::Arn;

const NAME_CHARS: std::ops::RangeInclusive<usize> = 3..=255;

/// Which stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WhichTable {
    /// The latest of the table of this name.
    Name(String),
    /// The latest of the table of this ARN.
    Table(Arn),
    /// This one.
    Stream(Arn),
}

impl fmt::Display for WhichTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Table(arn) | Self::Stream(arn) => arn.fmt(f),
        }
    }
}

impl WhichTable {
    /// Reads a table's name, its ARN or a stream's ARN; else what is wrong with it, and what to do.
    pub(super) fn parse(text: &str) -> Result<Self, (&'static str, &'static str)> {
        // First, for a name holds no colon and so is never an ARN.
        if is_name(text) {
            return Ok(Self::Name(text.to_owned()));
        }
        let arn = Arn::parse(text).filter(|it| it.service == "dynamodb");
        let wrong = (
            "is no table",
            "write the table's name, of 3 to 255 letters, digits, `_`, `.` and `-`; or its ARN, `arn:aws:dynamodb:region:account:table/name`; or that of one of its streams, with `/stream/label` behind it",
        );
        let arn = arn.ok_or(wrong)?;
        let table = arn.resource.strip_prefix("table/").ok_or(wrong)?;
        match table.split_once("/stream/") {
            None if is_name(table) => Ok(Self::Table(arn)),
            Some((name, label)) if is_name(name) && is_label(label) => Ok(Self::Stream(arn)),
            None | Some(_) => Err(wrong),
        }
    }

    /// The account that its ARN names.
    pub(super) fn account(&self) -> Option<&str> {
        match self {
            Self::Name(_) => None,
            Self::Table(arn) | Self::Stream(arn) => Some(&arn.account),
        }
    }

    /// The region that its ARN names.
    pub(super) fn region(&self) -> Option<&str> {
        match self {
            Self::Name(_) => None,
            Self::Table(arn) | Self::Stream(arn) => Some(&arn.region),
        }
    }
}

fn is_name(text: &str) -> bool {
    NAME_CHARS.contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"_.-".contains(&it))
}

/// When the stream was made, such as `2015-05-11T21:21:33.291`.
fn is_label(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit() || b"-:.T".contains(&it))
}
