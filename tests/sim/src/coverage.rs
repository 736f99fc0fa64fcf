//! How often each kind of fault and each rare moment was reached: seeds that reach nothing prove nothing.

macro_rules! points {
    ($($name:ident $words:literal),* $(,)?) => {
        /// A fault kind or a rare moment.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Point { $(#[doc = $words] $name),* }
        impl Point {
            /// Every point.
            pub const ALL: &[Self] = &[$(Self::$name),*];
            /// Its words.
            pub fn words(self) -> &'static str {
                match self { $(Self::$name => $words),* }
            }
        }
    };
}

points! {
    Crash "crash",
    CrashInFlight "crash with an attempt in flight",
    CrashInRetry "crash while a slice waits for its next try",
    CrashInCommit "crash between a commit and its answer",
    CrashInNotice "crash with a notice in flight",
    RestoredSlice "restart with open slices in the checkpoint",
    RestoredGivenUp "restart with a given-up slice in the checkpoint",
    FunctionError "function error",
    Poison "poison met",
    PoisonHealed "poison that healed was tried again",
    Partial "partial answer",
    InvalidAnswer "invalid partial answer",
    LostAnswer "answer lost, work done",
    TimeoutDone "timeout, work done",
    LateAnswer "answer after more than a minute",
    DoubledAnswer "answer doubled",
    Throttled "throttled",
    RetryAfter "throttled with a time to come back",
    Platform "platform failed",
    TooLarge "refused for size",
    Halved "batch halved",
    Oversize "single record over the limit",
    AgeExceeded "record too old",
    RetriesExhausted "retries exhausted",
    Refused "destination refused",
    TakenUnheard "destination took it and the answer was lost",
    DestinationDead "destination dead until the heal",
    Discarded "records discarded by a setting",
    CommitFailed "commit failed, not written",
    CommitUnheard "commit failed, written all the same",
    StoreFull "store full",
    Fenced "track fenced",
    TrackLost "track lost and assigned again",
    TrackClosed "track closed",
    ClosedInFlight "track closed with an attempt in flight",
    ClosedInRetry "track closed with a slice in retry",
    TrackDrained "closed track let go with all of it durable",
    TrackCut "closed track let go at its time with something open",
    TrackCameBack "track assigned again under its number",
    LateForFormer "attempt of a former life answered after its track came back",
    ReadForFormer "read of a former life answered after its track came back",
    ReadDown "read failed",
    ReadThrottled "read throttled",
    PositionLost "position lost",
    Gap "records trimmed before they were read",
    TrimmedInRetry "records of a restored slice are gone from the source",
    Compacted "records compacted away",
    FilteredStretch "records filtered",
    SubRecords "records that share a name",
    TrackEnded "track ended",
    ChildStarted "child track started",
    PlanChanged "plan changed",
    LanesChanged "lane count changed",
    LanesChangedInRetry "lane count changed while a batch is in retry",
    SliceBeyondRoom "slice of a former life read beyond the memory",
    GuestRead "read beyond the memory by a track that holds nothing",
    ReadyAtFailure "commit failed while a batch waits for a slot",
    CloseFinish "closed by finish",
    CloseWithin "closed within a time",
    CloseAbandon "abandoned",
    CloseInRetry "closed while a slice waits for its next try",
    ClockBack "wall clock stepped back",
    ClockForward "wall clock stepped forward",
    SlotReturned "slot returned unused",
    DeleteFailed "delete failed",
    DeleteUnheard "delete took effect and the answer was lost",
    ExtendFailed "extension failed",
    Lapsed "receipt lapsed",
    Repeated "queue repeated a message",
    ChannelDied "channel died",
    GroupHeld "group with an attempt in flight and more held",
    DeadLettered "queue took a message away",
    ReadAfter "read throttled with a time to come back",
    Trickle "records that come one by one",
    MemoryLowered "memory lowered while records are held",
    CrampedRestore "two tracks restored with little memory",
    LimitsChanged "retry limits changed while a slice waits for its next try",
    RestoredLimits "restart with slices of other limits than the plan's",
    MixedLanes "batch of two lanes of one track",
    StubbornRecord "record that failed a hundred times",
    StubbornDestination "destination that refused a hundred times",
    StubbornStore "store that failed a hundred times",
    StubbornSource "source that failed a hundred times",
    ReceiveLate "receive answered as late as a visibility lasts",
    ReceiveUnheard "receive whose answer was lost",
    SettleLate "settlement as late as a visibility lasts",
    ExtendLate "extension as late as a visibility lasts",
    ExtendUnheard "extension took effect and the answer was lost",
    ExtendNever "receipt that is never hidden for longer",
    LeftOut "answer that leaves some receipts out",
    Stalled "process stalled for seconds",
    LapsedAlone "one receipt of an attempt lapsed, the others did not",
    LapsedInStall "receipt lapsed while the process stalled",
    AgainWhileTried "message received again while its attempt ran",
    RetryAfterLeft "left message shown again after a set time",
    SlowFunction "function that runs for longer than a visibility",
    SlowDestination "destination that takes seconds",
    NoticeAtStop "closed with a notice in flight",
    HeldAtStop "closed with messages that had not started",
    SyncFailed "sync that failed",
    PowerCut "power cut",
    UnsyncedLost "checkpoint that a power cut took back",
    RateLimited "attempt that waited for the rate limit",
    RateRamped "throttle under a rate limit",
    RateChanged "rate limit changed",
    Rejected "record that the function rejected",
    RejectedTold "rejected record told of or dropped",
    AskedToWait "record that the function asked to wait",
    ShownAfter "left message shown again when the function asked for it",
    KeptAtStop "closed with a message that an open receive would end",
    Paused "records that wait for an operator",
    PausedByAge "records that wait for an operator since they are too old",
    PausedOverRestart "track assigned with something that waits for an operator",
    PausedAgain "records that wait once more after an operator had them tried",
    PausesChanged "plan that lets what is used up wait, or does not any more",
    Skipped "records that an operator skipped",
    TriedForOperator "records that an operator had tried again",
    SentByOperator "records that an operator sent to the destination",
    SentToNobody "records that an operator sent where there is no destination",
    DecidedInVain "decision about something that does not wait",
    DecidedAtClose "decision while its track or mapping is being closed",
    CrashInPause "crash while something waits for an operator",
    Windows "tumbling windows",
    CrashInWindow "crash while a window carries something",
    RestoredWindow "restart with an open window in the checkpoint",
    InheritedWindow "a track that goes on with the windows of the one before",
    WindowEndFailed "end of a window failed",
    WindowGivenUp "end of a window given up",
    LateForItsWindow "record late for its window",
    WindowLengthChanged "length of windows changed",
    EngineKilled "engine of several killed",
    EngineTookOver "mapping taken over by another engine",
    CommitSlow "commit that took seconds",
    LeaseTaken "commit of a lease that was taken",
    ZombieFenced "fenced engine that heard of it",
    ShardSplit "shard split",
    ShardsMerged "shards merged",
    LatestChild "child shard of a mapping that began at LATEST",
    ListedInPages "shards listed in several pages",
    ParentUnlisted "child told by the end of one parent while another is not listed",
    EmptyShardEnded "shard without records ended",
    ShardForgotten "closed shard no longer listed",
    TrackForgotten "ended track forgotten by the store",
    IteratorDied "iterator that was too old",
    SubscriptionEnded "subscription that ended",
    SubscriptionTaken "subscription that another holds",
    PushUnderPressure "pushes wait for all credits behind a full reader",
    Rebalanced "partition dealt out",
    GrantSlow "grant of a partition that took seconds",
    GenerationOvertaken "commit of a generation that was overtaken",
    RevokedUnstarted "partition asked back before it started",
    TakenAway "partition taken away",
    OffsetFenced "offset of a former owner refused",
    MemberExpired "member that the group misses",
    Redelivered "message delivered again",
    AckTimedOut "channel closed since an answer was owed for too long",
    ConsumerCancelled "consumer cancelled",
    DeadReceiptSettled "receipt of a dead channel settled in vain",
    AckedMultiple "several messages answered for at once",
    Requeued "message given back to its queue",
    PublishersBlocked "publishers blocked",
}

/// Counters over many runs.
#[derive(Debug, Clone)]
pub struct Coverage {
    counts: Vec<u64>,
}

impl Default for Coverage {
    fn default() -> Self {
        Self { counts: vec![0; Point::ALL.len()] }
    }
}

impl Coverage {
    /// This was reached once more.
    pub fn hit(&mut self, point: Point) {
        self.counts[point as usize] += 1;
    }

    /// How often this was reached.
    pub fn count(&self, point: Point) -> u64 {
        self.counts[point as usize]
    }

    /// Adds another run's counters.
    pub fn add(&mut self, other: &Self) {
        for (mine, others) in self.counts.iter_mut().zip(&other.counts) {
            *mine += others;
        }
    }

    /// What was never reached.
    pub fn missed(&self) -> Vec<Point> {
        Point::ALL.iter().copied().filter(|point| self.count(*point) == 0).collect()
    }
}
