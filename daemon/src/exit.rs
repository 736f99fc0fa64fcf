//! How the process ends: its exit codes, as they stand in the manual.

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: it did its work.
    Done,
    /// 1: it could not, or the answer is no.
    Failed,
    /// 70: it was told to end and something held it beyond its time.
    Overdue,
    /// 75: it could not for now; the same call may succeed later.
    Temporary,
    /// 78: the config, a pattern or another input is wrong.
    Config,
    /// 130 or 143: a second signal ended it.
    Signal(u8),
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Overdue => 70,
            Self::Temporary => 75,
            Self::Config => 78,
            Self::Signal(code) => code,
        }
    }
}
