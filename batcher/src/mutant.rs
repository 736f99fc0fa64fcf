//! Faults that can be planted in the core, one at a time, under the feature `mutants`: each must be found by the simulator.

macro_rules! mutants {
    ($($name:ident $words:literal),* $(,)?) => {
        /// A fault that can be planted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mutant { $(#[doc = $words] $name),* }
        impl Mutant {
            /// Every fault.
            pub const ALL: &[Self] = &[$(Self::$name),*];
            /// What it does.
            pub const fn words(self) -> &'static str {
                match self { $(Self::$name => $words),* }
            }
        }
    };
}

mutants! {
    CommitWhatWasRead "the watermark stands at what was read instead of the first open record",
    FilteredKeepsBack "the watermark does not move over what nobody wants",
    FinishBeforeTaken "a record is finished when its notice is sent, not when it is taken",
    RefusedIsTaken "a refused notice counts as taken",
    DiscardAlways "given-up records are discarded although there is a destination",
    FencedIsDurable "a fenced commit counts as durable",
    FailedIsDurable "a failed commit counts as durable",
    RetryBeforeDurable "a slice is tried again before its count is durable",
    ForgetCounts "a restart forgets how often a slice was tried",
    ForgetSlices "a checkpoint does not hold the open slices",
    ForgetGivenUp "a checkpoint forgets that a slice was given up",
    ForgetFinished "a restart does not skip what was finished ahead of the watermark",
    FillingIsFull "a restored slice does not wait for its records",
    SecondHalfFirst "the second half of a split batch goes first",
    SplitSpends "halving spends a retry",
    NotReachedSpends "not reaching the function spends a retry",
    OneRetryMore "a slice is retried once more than the limit says",
    NeverTooOld "the age of records is not looked at",
    OneIsTooOld "one record that is too old condemns its slice",
    PartialIsSuccess "a partial answer counts as success",
    PartialOnlyNamed "of a partial answer on a track only the named records are tried again",
    TooLargeAgain "a batch refused for size is tried again as it is",
    LaneByPosition "records find their lane by position instead of key",
    LaneNotHeld "a lane is given to a new batch while it is held",
    OneRecordMore "a batch takes a record more than it may",
    NoCommas "the commas between records are not counted",
    OldPlanStays "a new plan is ignored",
    CloseGoesOn "new attempts begin after a close",
    SlotKept "an unused slot does not come back",
    EndedTooSoon "a track is told to have ended before that is durable",
    NeverEnded "an ended track is not told",
    LostGoesOn "a lost track is worked on",
    DownForEver "a read that failed is not repeated",
    NoRecommit "a commit that failed is not repeated",
    GroupsShared "messages of a group may be in two batches",
    GroupGoesOn "after a failure the later messages of its group are processed",
    DeleteFailed "a message that its queue should bring again is deleted",
    LeaveDone "a message that is done is left instead of deleted",
    KeepFiltered "a message that no filter passed is not deleted",
    SettledTwice "a failed settlement is forgotten and settled as if it were new",
    OversizeTwice "a message that is too large for any event is handed to the destination twice",
    WaitForLost "a batch of two tracks waits for the checkpoint of one that was lost",
    DeadChannel "a dead channel's receipts are still used",
}

#[cfg(feature = "mutants")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Plants a fault in this thread's machines, or none.
#[cfg(feature = "mutants")]
pub fn plant(mutant: Option<Mutant>) {
    PLANTED.set(mutant);
}

/// Whether this fault is planted; never without the feature.
#[cfg(feature = "mutants")]
pub(crate) fn planted(mutant: Mutant) -> bool {
    PLANTED.get() == Some(mutant)
}

/// Whether this fault is planted; never without the feature.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn planted(_mutant: Mutant) -> bool {
    false
}
