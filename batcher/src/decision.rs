//! What an operator decides about records that wait for him, and what he is shown of them.

use crate::attempt::Slice;
use crate::condition::Condition;
use crate::record::{Position, TrackIdx};
use crate::time::UnixMillis;

/// What an operator decides about records that used up their attempts or their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decision {
    /// They are finished as they are; no destination is told.
    Skip,
    /// They are tried again with a fresh count of attempts, and the limit of age counts from the first retry
    /// on.
    Retry,
    /// They are given up as if nothing had been paused: the destination gets them.
    Send,
}

/// Records that wait for an operator.
#[derive(Debug, Clone)]
pub struct Paused {
    /// The track of the first of them.
    pub track: TrackIdx,
    /// The first of them on that track: with the track it names them all in a decision.
    pub first: Position,
    /// All of them; those of a batch that mixes tracks may be of several.
    pub slice: Slice,
    /// What is used up.
    pub condition: Condition,
    /// Attempts that they were part of; one refused for age counts.
    pub n_invokes: u32,
    /// Since when, by the wall clock, over restarts.
    pub since: UnixMillis,
    /// What was said last; empty when nothing was.
    pub error: String,
}

/// A decision that changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// Nothing waits at this place: it never did, it was decided already, or it is not read again yet.
    #[error("nothing at this place waits for a decision")]
    NotPaused,
    /// Nobody could take what is to be sent.
    #[error("the mapping has no destination for failures")]
    NoDestination,
    /// Its track or its mapping is being closed: whoever has it next is asked again.
    #[error("its track is being closed")]
    Closing,
}
