//! What went wrong outside, as it is passed on: words for people, and the code of the page that explains
//! them. The core reads neither.

use std::fmt;

use forebay_config::Code;

/// What went wrong outside. Its code goes beside the words: what a path, a queue or a server calls itself is
/// no code, whatever it looks like.
#[derive(Clone, PartialEq, Eq)]
pub struct Fault {
    /// What went wrong, for people.
    pub text: String,
    /// The page that explains it, where there is one.
    pub code: Option<Code>,
}

impl Fault {
    /// Words with the code of their page.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { text: text.into(), code: Some(code) }
    }
}

/// Words without a page of their own.
impl From<String> for Fault {
    fn from(text: String) -> Self {
        Self { text, code: None }
    }
}

/// Words without a page of their own.
impl From<&str> for Fault {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.map_or(Ok(()), |code| write!(f, "{code} "))?;
        fmt::Debug::fmt(&self.text, f)
    }
}
