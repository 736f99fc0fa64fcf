//! What a group of consumers is to the rest: tracks that a coordinator deals out among members and takes
//! back.

use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{Assignment, SourceNotice, TrackName, Watermark};

use super::{BoxFuture, SourceError};

/// A source whose coordinator deals its tracks out among the members of a group, such as a Kafka topic. Each
/// mapping is a member; it has the tracks that it is assigned and no other, whatever the source lists.
pub trait Group: Send + Sync {
    /// Joins the group for a mapping.
    fn join<'a>(&'a self, mapping: &'a str) -> BoxFuture<'a, Result<Arc<dyn Membership>, SourceError>>;
}

/// One mapping's place in a group. Dropping it without [`Membership::leave`] is what a crash does: others
/// wait until the coordinator misses it.
pub trait Membership: Send + Sync {
    /// What the coordinator has done next. May be dropped while it waits without losing anything. After an
    /// error the place in the group is gone, and every track with it: the mapping joins anew.
    fn next(&self) -> BoxFuture<'_, Result<GroupEvent, SourceError>>;
    /// Everything below `at` is finished, and that is durable here: the group may be told, so that another
    /// member begins there. Told often; only the last for a track counts. Of a track that is not the
    /// member's it does nothing.
    fn committed(&self, track: &TrackName, at: &Watermark);
    /// What was under way on a track is finished or given up, and [`Membership::committed`] said how far: the
    /// answer to [`GroupEvent::Revoking`]. The group hears of the last commit before it hears this.
    fn drained(&self, track: &TrackName);
    /// Leaves: the group hears of the last commits, and others get the tracks at once.
    fn leave(&self) -> BoxFuture<'_, ()>;
}

/// What a coordinator did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupEvent {
    /// Tracks are the member's from now on. One that it had before may come back.
    Assigned(Vec<Assignment>),
    /// Tracks are to be given back: nothing new of them begins, and each is answered by
    /// [`Membership::drained`]. After `within` they are taken.
    Revoking {
        /// Which.
        tracks: Vec<TrackName>,
        /// How much time is left.
        within: Duration,
    },
    /// Tracks are another's already: nothing more of them is committed or told.
    Lost(Vec<TrackName>),
    /// What keeps the member from being one, or from having all that it should; `None` when nothing does. It
    /// tries by itself.
    Trouble(Option<SourceNotice>),
}
