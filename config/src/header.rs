//! Headers that a request to a function or a destination may carry: one rule for who reads them from a config
//! and who sends them.

use http::{HeaderName, HeaderValue};

/// Headers that the connection sets by itself.
const OWN: [&str; 11] = [
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What is wrong with a header. The text repeats no value, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each text says it")]
pub enum HeaderMistake {
    #[error("`{0}` is no name for a header")]
    Name(String),
    #[error("the header `{0}` is set by the connection")]
    Own(HeaderName),
    #[error("the value of a header holds no control characters")]
    Value,
}

impl HeaderMistake {
    /// What to do about it.
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Name(_) => "a name has letters, digits and `-`",
            Self::Own(_) => "remove it",
            Self::Value => "remove them; a line break is often the last byte of a secret's file",
        }
    }
}

/// Reads the name of a header.
///
/// # Errors
/// It is none, or one of the connection's own.
pub fn name(text: &str) -> Result<HeaderName, HeaderMistake> {
    let shown = || text.chars().take(60).flat_map(char::escape_debug).collect();
    let name: HeaderName = text.parse().map_err(|_| HeaderMistake::Name(shown()))?;
    if OWN.contains(&name.as_str()) { Err(HeaderMistake::Own(name)) } else { Ok(name) }
}

/// Reads the value of a header.
///
/// # Errors
/// It is none.
pub fn value(text: &str) -> Result<HeaderValue, HeaderMistake> {
    if text.chars().any(|it| it.is_control() && it != '\t') {
        return Err(HeaderMistake::Value);
    }
    text.parse().map_err(|_| HeaderMistake::Value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_can_be_sent_and_is_not_the_connections() {
        for text in ["x-key", "Authorization", "a!#$%&'*+-.^_`|~b", "content-type"] {
            assert!(name(text).is_ok(), "{text}");
        }
        for text in ["", "a b", "a:b", "é", "a\n", &"x".repeat(100_000)] {
            assert!(matches!(name(text), Err(HeaderMistake::Name(shown)) if shown.len() <= 60), "{text:.40}");
        }
        for text in OWN {
            let mistake = name(&text.to_ascii_uppercase()).unwrap_err();
            assert_eq!(mistake.to_string(), format!("the header `{text}` is set by the connection"));
        }
    }

    #[test]
    fn a_value_breaks_no_line() {
        for text in ["", "a\tb", "Bearer s3cret", "é", " a "] {
            assert_eq!(
                value(text).map(|it| it.as_bytes().to_owned()),
                Ok(text.as_bytes().to_owned()),
                "{text:?}"
            );
        }
        for text in ["a\n", "a\r\nx: b", "\0", "\u{7f}", "\u{85}"] {
            assert_eq!(value(text), Err(HeaderMistake::Value), "{text:?}");
        }
    }
}
