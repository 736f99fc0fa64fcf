//! The feeds of this process: one for each identity of a source, shared by all mappings that read it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forebay_clients::Clients;
use forebay_pollers::{Feed, FeedLimits, SourceError, SourceSettings};
use tokio::sync::Mutex;

/// One feed for each source, however settings name it.
#[derive(Default)]
pub struct Feeds {
    // Held while a source connects, so that two mappings never connect twice to one source.
    known: Mutex<BTreeMap<String, Feed>>,
    /// The mappings that will join, by the identity of their source.
    expected: std::sync::Mutex<BTreeMap<String, BTreeSet<Arc<str>>>>,
    clients: Arc<Clients>,
}

/// Two mappings share a queue and want different things of it.
#[derive(Debug, thiserror::Error)]
#[error(
    "FB-0221: another mapping reads the same queue with other settings ({theirs}; here {ours}). Write the same for both, or `share: compete`"
)]
struct OtherTerms {
    theirs: String,
    ours: String,
}

impl Feeds {
    /// No feed yet; sources connect over `clients`.
    pub fn new(clients: Arc<Clients>) -> Self {
        Self { clients, ..Self::default() }
    }

    /// A mapping will join: where mappings share a queue, no message is finished without it from the first receive on.
    pub fn expect(&self, settings: &dyn SourceSettings, mapping: &str) {
        let mut expected = self.expected.lock().expect("nothing panics under this lock");
        expected.entry(settings.identity()).or_default().insert(mapping.into());
    }

    /// The feed of a source, connected when nobody reads it yet.
    ///
    /// # Errors
    /// The source cannot be connected to, or is shared by mappings that do not agree about it; the next call tries again.
    pub async fn join(&self, settings: &dyn SourceSettings) -> Result<Feed, SourceError> {
        let identity = settings.identity();
        let mut known = self.known.lock().await;
        if let Some(feed) = known.get(&identity) {
            return Ok(feed.clone());
        }
        let source = settings.connect(&self.clients).await?;
        // Settings may name one queue in two ways; only the queue itself knows.
        let same = known.values().find(|it| source.name().is_some() && it.source().name() == source.name());
        let feed = match same {
            Some(feed) if feed.source().terms() != source.terms() => {
                let cause = OtherTerms { theirs: feed.source().terms().to_owned(), ours: source.terms().to_owned() };
                return Err(SourceError::Down { what: identity, cause: Box::new(cause) });
            }
            Some(feed) => feed.clone(),
            None => Feed::start(source, FeedLimits::default()),
        };
        for mapping in self.expected.lock().expect("nothing panics under this lock").get(&identity).into_iter().flatten() {
            feed.expect(Arc::clone(mapping));
        }
        known.insert(identity, feed.clone());
        Ok(feed)
    }

    /// A feed has ended against its will: the next to join connects anew. Mappings that still hold it keep it.
    pub async fn discard(&self, settings: &dyn SourceSettings) {
        let mut known = self.known.lock().await;
        if let Some(gone) = known.remove(&settings.identity()) {
            known.retain(|_, feed| !feed.is(&gone));
        }
    }

    /// Ends all feeds and waits for them.
    pub async fn stop(&self) {
        let feeds = std::mem::take(&mut *self.known.lock().await);
        for feed in feeds.into_values() {
            feed.stop().await;
        }
    }
}
