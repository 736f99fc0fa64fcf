//! The feeds of this process: one for each identity of a source, shared by all mappings that read it.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_clients::Clients;
use forebay_pollers::{Feed, FeedLimits, SourceError, SourceSettings};
use tokio::sync::Mutex;

/// One feed for each identity of a source.
#[derive(Default)]
pub struct Feeds {
    // Held while a source connects, so that two mappings never connect twice to one source.
    by_identity: Mutex<BTreeMap<String, Feed>>,
    clients: Arc<Clients>,
}

impl Feeds {
    /// No feed yet; sources connect over `clients`.
    pub fn new(clients: Arc<Clients>) -> Self {
        Self { by_identity: Mutex::default(), clients }
    }

    /// The feed of a source, connected when nobody reads it yet.
    ///
    /// # Errors
    /// The source cannot be connected to; the next call tries again.
    pub async fn join(&self, settings: &dyn SourceSettings) -> Result<Feed, SourceError> {
        let identity = settings.identity();
        let mut feeds = self.by_identity.lock().await;
        if let Some(feed) = feeds.get(&identity) {
            return Ok(feed.clone());
        }
        let feed = Feed::start(settings.connect(&self.clients).await?, FeedLimits::default());
        feeds.insert(identity, feed.clone());
        Ok(feed)
    }

    /// A feed has ended against its will: the next to join connects anew. Mappings that still hold it keep it.
    pub async fn discard(&self, settings: &dyn SourceSettings) {
        self.by_identity.lock().await.remove(&settings.identity());
    }

    /// Ends all feeds and waits for them.
    pub async fn stop(&self) {
        let feeds = std::mem::take(&mut *self.by_identity.lock().await);
        for feed in feeds.into_values() {
            feed.stop().await;
        }
    }
}
