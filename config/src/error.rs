//! What is wrong with a document: findings with a code, a place and the fix.

use crate::document::SourceSpan;

/// The code of a kind of finding, such as `FB-0104`; each has a page under `docs/errors/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Code(pub &'static str);

impl Code {
    /// The text is no YAML, JSON or TOML document.
    pub const SYNTAX: Self = Self("FB-0101");
    /// A key is written twice.
    pub const DUPLICATE_KEY: Self = Self("FB-0102");
    /// The document is larger or deeper than any config needs to be.
    pub const TOO_LARGE: Self = Self("FB-0103");
    /// A key that names no setting.
    pub const UNKNOWN_SETTING: Self = Self("FB-0104");
    /// A value of another type than the setting has.
    pub const WRONG_TYPE: Self = Self("FB-0105");
    /// A value that the setting does not allow.
    pub const NOT_ALLOWED: Self = Self("FB-0106");
    /// A setting that must be written is missing.
    pub const MISSING: Self = Self("FB-0107");
    /// Exactly one of several keys must be written.
    pub const ONE_OF: Self = Self("FB-0108");
    /// The source cannot do what the setting asks for.
    pub const UNSUPPORTED: Self = Self("FB-0109");
    /// Two settings contradict each other.
    pub const CONFLICT: Self = Self("FB-0110");
    /// A name is given twice.
    pub const DUPLICATE_NAME: Self = Self("FB-0111");
    /// A mapping or destination names a function that is not there.
    pub const UNKNOWN_FUNCTION: Self = Self("FB-0112");
    /// No source of this kind is built in.
    pub const UNKNOWN_SOURCE: Self = Self("FB-0113");
    /// A placeholder cannot be filled.
    pub const EXPANSION: Self = Self("FB-0114");
    /// The name of an environment variable belongs to the runtime.
    pub const RESERVED_NAME: Self = Self("FB-0115");
    /// A thing that AWS has and this build does not.
    pub const NOT_BUILT_IN: Self = Self("FB-0116");
    /// The config names nothing to do.
    pub const NOTHING_TO_DO: Self = Self("FB-0117");
    /// A thing of an account of which nothing says how it is called.
    pub const UNKNOWN_ACCOUNT: Self = Self("FB-0369");
    /// A topic as destination, and nothing says at which brokers.
    pub const TOPIC_WITHOUT_BROKERS: Self = Self("FB-0396");
    /// A mapping would read the topic that it writes.
    pub const OWN_TOPIC: Self = Self("FB-0397");
    /// A listener that others can reach is guarded by nothing.
    pub const EXPOSED: Self = Self("FB-0517");
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// One thing that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of mistake.
    pub code: Code,
    /// The setting, as a path: `event_source_mappings[2].batch_size`.
    pub path: String,
    /// Where it stands.
    pub place: SourceSpan,
    /// What is wrong, in AWS's words where AWS has them; lower case, no full stop, otherwise.
    pub message: String,
    /// What to do about it.
    pub fix: Option<String>,
    /// Another place that matters, and what stands there: the first use of a name given twice.
    pub also: Option<(SourceSpan, String)>,
    /// How Lambda's API refuses the same, where it has a sentence of its own.
    pub aws: Option<AwsRefusal>,
}

/// How Lambda's API refuses a setting: always with `InvalidParameterValueException`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsRefusal {
    /// When it looks at it.
    pub step: AwsStep,
    /// What it says.
    pub sentence: String,
}

/// The steps in which Lambda's API looks at a mapping; what an earlier one refuses is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AwsStep {
    /// Parameters, and how they go together.
    Parameters,
    /// Its function.
    Function,
    /// Where it starts.
    Position,
    /// Its filters.
    Filters,
}

impl Finding {
    /// A finding without a fix; [`Finding::fix`] adds it.
    pub fn new(code: Code, path: impl Into<String>, place: &SourceSpan, message: impl Into<String>) -> Self {
        Self {
            code,
            path: path.into(),
            place: place.clone(),
            message: message.into(),
            fix: None,
            also: None,
            aws: None,
        }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// Points at another place that matters.
    #[must_use]
    pub fn also(mut self, place: &SourceSpan, what: impl Into<String>) -> Self {
        self.also = Some((place.clone(), what.into()));
        self
    }

    /// Says how Lambda's API refuses the same.
    #[must_use]
    pub fn aws(mut self, step: AwsStep, sentence: impl Into<String>) -> Self {
        self.aws = Some(AwsRefusal { step, sentence: sentence.into() });
        self
    }

    /// The finding with its path under a parent's: `source.file.path` under `event_source_mappings[0]`.
    #[must_use]
    pub fn under(mut self, parent: &str) -> Self {
        self.path = join(parent, &self.path);
        self
    }
}

/// The path of a child, without a dot where either side is empty or the child is an index.
pub(crate) fn join(parent: &str, child: &str) -> String {
    if parent.is_empty() || child.is_empty() || child.starts_with('[') {
        format!("{parent}{child}")
    } else {
        format!("{parent}.{child}")
    }
}
