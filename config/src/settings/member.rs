//! What Lambda's API says of a setting: its member, where that differs from ours, and its flag.

/// The member of Lambda's API that a setting is.
#[derive(Debug, Clone, Copy)]
pub struct AwsMember {
    /// Its name, inside a structure with that before it: `ScalingConfig.MaximumConcurrency`.
    pub name: &'static str,
    /// AWS's range where ours is wider; for times in seconds.
    pub range: Option<(i64, i64)>,
    /// Only a create may say it; an answer has it beside the source.
    pub is_create_only: bool,
    /// It goes with every source, whatever that one's words list.
    pub goes_with_every_source: bool,
    /// Zero is how AWS says that there is none.
    pub is_none_at_zero: bool,
    /// An answer has it among its settings.
    pub is_shown: bool,
    /// An answer has it even where it is empty.
    pub is_shown_empty: bool,
    /// Only a mapping that has a position shows it.
    pub is_of_streams: bool,
    /// How `forebay mappings` asks for it.
    pub flag: Flag,
}

/// A flag of `forebay mappings create` and `update`; what is `None` follows from the row.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// Its name, else the setting's key: `maximum-retry-attempts`.
    pub name: Option<&'static str>,
    /// What stands for its value.
    pub value: Option<&'static str>,
    /// The flag that takes the setting away, where one does.
    pub none: Option<&'static str>,
}

impl Flag {
    /// One that follows from its row.
    pub const DERIVED: Self = Self { name: None, value: None, none: None };
}

impl AwsMember {
    /// A member as its row has it.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            range: None,
            is_create_only: false,
            goes_with_every_source: false,
            is_none_at_zero: false,
            is_shown: true,
            is_shown_empty: false,
            is_of_streams: false,
            flag: Flag::DERIVED,
        }
    }

    /// The structure that holds it, or itself: `ScalingConfig`.
    pub fn top(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(top, _)| top)
    }

    pub(super) const fn range(mut self, min: i64, max: i64) -> Self {
        self.range = Some((min, max));
        self
    }

    pub(super) const fn create_only(mut self) -> Self {
        self.is_create_only = true;
        self.is_shown = false;
        self
    }

    /// It goes with every source.
    #[must_use]
    pub const fn with_every_source(mut self) -> Self {
        self.goes_with_every_source = true;
        self
    }

    pub(super) const fn zero_for_none(mut self) -> Self {
        self.is_none_at_zero = true;
        self
    }

    pub(super) const fn not_shown(mut self) -> Self {
        self.is_shown = false;
        self
    }

    pub(super) const fn shown_empty(mut self) -> Self {
        self.is_shown_empty = true;
        self
    }

    pub(super) const fn of_streams(mut self) -> Self {
        self.is_of_streams = true;
        self
    }

    pub(super) const fn flag(mut self, flag: Flag) -> Self {
        self.flag = flag;
        self
    }
}
