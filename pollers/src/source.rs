//! What a source is to the rest: a kind with a profile, settings without IO, and a connection that is four
//! things: what is read (tracks or a queue), how it becomes an event, what operators ask of it, and what it
//! is called.

mod base64;
mod error;
mod explorer;
mod format;
mod group;
mod queue;
mod text;
mod tracks;
mod window;

use std::sync::Arc;
use std::time::Duration;

use forebay_clients::Clients;
use forebay_config::aws::{AwsWords, NamedAccount};
use forebay_config::settings::SettingSpec;
use forebay_config::{BrokerSettings, Finding, Node, SourceProfile};
pub use futures_util::future::BoxFuture;

pub use base64::write_base64;
pub use error::SourceError;
pub use explorer::{Backlog, Explorer, PlaceError, Stand};
pub use forebay_batcher::{Assignment, Known, Standing, Start, TrackInfo, TrackName};
pub use format::{EventFormat, LoneRecord, Renderer, push_list, wrap_list};
pub use group::{Group, GroupEvent, Membership};
pub use queue::{Demand, Hidden, Message, Queue, QueueFacts};
pub use text::{Digits, write_number, write_text};
pub use tracks::{Listing, RawRead, RawRecord, Reader, Room, Tracks, TracksFacts};
pub use window::{WindowFacts, iso_seconds};

/// One kind of source.
pub trait SourceKind: Send + Sync {
    /// What it can do; its `kind` is the word under `source:`.
    fn profile(&self) -> &'static SourceProfile;
    /// The settings under its word, for `explain`, the schema and the manual; `parse` takes ranges and
    /// defaults from them.
    fn settings(&self) -> &'static [SettingSpec];
    /// What it can do with these settings, where that differs (an SQS FIFO queue); its `kind` is the same.
    fn profile_of(&self, _settings: &Node) -> &'static SourceProfile {
        self.profile()
    }
    /// What Lambda's API says of each type of event source that it reads; none where AWS has no such source.
    fn aws_words(&self) -> &'static [&'static AwsWords] {
        &[]
    }
    /// Reads its settings, without IO. Findings name them from `source` on, such as `source.file.path`;
    /// `base` is the folder of the config file, for relative paths.
    ///
    /// # Errors
    /// All findings at once.
    fn parse(&self, settings: &Node, base: &std::path::Path)
    -> Result<Box<dyn SourceSettings>, Vec<Finding>>;
}

/// Settings of a source that have been read.
pub trait SourceSettings: Send + Sync + std::fmt::Debug {
    /// Names what is read, for people and for sharing: two mappings with the same identity share one feed.
    fn identity(&self) -> String;
    /// The ARN of what is read, as far as the settings tell; region and account fill what they leave out.
    /// `None` for what has no ARN.
    fn arn(&self, _region: &str, _account: &str) -> Option<String> {
        None
    }
    /// Whose it is, and how it is called; `None` where neither its name nor what stands beside it says so.
    fn account(&self) -> Option<NamedAccount<'_>> {
        None
    }
    /// The brokers that it reads from, for destinations that are topics of the same; `None` for a source that
    /// has none.
    fn brokers(&self) -> Option<&BrokerSettings> {
        None
    }
    /// Whether it reads a topic of this name.
    fn reads_topic(&self, _topic: &str) -> bool {
        false
    }
    /// The longest that one of its receives may wait, for queues; `None` where only the queue says.
    fn wait_max(&self) -> Option<Duration> {
        None
    }
    /// Connects, over the connections and with the credentials that all share. Cheap for sources that have
    /// nothing to connect to.
    fn connect<'a>(&'a self, clients: &'a Clients) -> BoxFuture<'a, Result<Arc<dyn Source>, SourceError>>;
}

/// A connected source.
pub trait Source: Send + Sync {
    /// What it is called by itself, where it is known only now and settings can name the same in several
    /// ways: sources of one name are one. Mappings share such a source, unless it is a queue that they
    /// compete for.
    fn name(&self) -> Option<&str> {
        None
    }
    /// What all must agree on who share it, as people read it; settings that differ in it cannot share. Those
    /// who compete need not agree, but nobody shares what others compete for.
    fn terms(&self) -> &str {
        ""
    }
    /// What operators ought to know of it besides, such as what was made for it and costs money.
    fn note(&self) -> Option<String> {
        None
    }
    /// What is read of it.
    fn input(&self) -> Input<'_>;
    /// How its records become an event.
    fn format(&self) -> &dyn EventFormat;
    /// What operators ask of it.
    fn explorer(&self) -> &dyn Explorer;
}

/// What is read of a source.
#[derive(Clone, Copy)]
pub enum Input<'a> {
    /// Tracks with positions that the mapping keeps.
    Tracks(&'a dyn Tracks),
    /// Messages that are held by receipts.
    Queue(&'a Arc<dyn Queue>),
}

impl dyn Source + '_ {
    /// Its tracks, when it has some.
    pub fn tracks(&self) -> Option<&dyn Tracks> {
        match self.input() {
            Input::Tracks(tracks) => Some(tracks),
            Input::Queue(_) => None,
        }
    }

    /// Its messages, when it is a queue.
    pub fn queue(&self) -> Option<Arc<dyn Queue>> {
        match self.input() {
            Input::Tracks(_) => None,
            Input::Queue(queue) => Some(Arc::clone(queue)),
        }
    }

    /// Each record is for one of the mappings that read it, as on AWS: it is a queue whose messages are not
    /// fanned out.
    pub fn is_competed_for(&self) -> bool {
        self.queue().is_some_and(|queue| !queue.facts().fans_out)
    }
}
