//! What a server or a function said, for one line of a log or of an answer.

/// The most characters of it.
pub const SHORT_CHARS_MAX: usize = 256;

/// The beginning of a text, without control characters.
pub fn shortened(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(SHORT_CHARS_MAX).collect()
}
