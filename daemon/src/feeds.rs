//! The feeds of this process: one for each identity of a source, shared by all mappings that read it, ended
//! when none does any more.

mod company;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forebay_clients::Clients;
use forebay_pollers::{Feed, FeedLimits, Source, SourceError, SourceSettings};
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio_util::task::TaskTracker;

use self::company::Company;
pub use self::company::{OtherTerms, Trap};
use crate::lock::lock;

/// One feed for each source, however settings name it.
#[derive(Default)]
pub struct Feeds {
    by_identity: std::sync::Mutex<BTreeMap<String, KnownSource>>,
    /// Bounds how many sources connect at once.
    connecting: Slots,
    /// Rings when a mapping has left its feed.
    left: Notify,
    clients: std::sync::Mutex<Arc<Clients>>,
    /// Feeds that nobody reads any more and that still wait for calls which were sent.
    ending: TaskTracker,
}

/// Sources that connect at once: enough to have a thousand queues soon, few enough not to be taken for an
/// attack.
const CONNECTING_MAX: usize = 16;

struct Slots(Semaphore);

impl Default for Slots {
    fn default() -> Self {
        Self(Semaphore::new(CONNECTING_MAX))
    }
}

/// What is known of one source.
#[derive(Default)]
struct KnownSource {
    // Held while the source connects, so that two mappings do not connect twice to it.
    connecting: Arc<Mutex<()>>,
    feed: Option<Feed>,
    /// The mappings that are to read it, there or not, with the text of their filters.
    expected: BTreeMap<Arc<str>, Arc<str>>,
    /// The mappings that hold the feed.
    joined: BTreeSet<Arc<str>>,
    /// The settings have changed: the feed ends with those who hold it, and whoever joins waits for that.
    is_stale: bool,
    /// How often the settings have changed.
    n_renewed: u64,
}

impl Feeds {
    /// No feed yet; sources connect over `clients`.
    pub fn new(clients: Arc<Clients>) -> Self {
        Self { clients: std::sync::Mutex::new(clients), ..Self::default() }
    }

    /// Sources that connect from here on do so over these.
    pub fn set_clients(&self, clients: Arc<Clients>) {
        *lock(&self.clients) = clients;
    }

    /// A mapping with these filters will join: where mappings share a queue, no message is finished without
    /// it from the first receive on.
    pub fn expect(&self, identity: &str, mapping: &str, filters: &str) {
        let mut places = lock(&self.by_identity);
        let place = places.entry(identity.to_owned()).or_default();
        let mapping: Arc<str> = mapping.into();
        if let Some(feed) = &place.feed {
            feed.expect(Arc::clone(&mapping));
        }
        place.expected.insert(mapping, filters.into());
    }

    /// A mapping will not join any more: messages need not wait for it.
    pub fn dismiss(&self, identity: &str, mapping: &str) {
        let mut places = lock(&self.by_identity);
        if let Some(place) = places.get_mut(identity) {
            place.expected.remove(mapping);
        }
        tell_dismissed(&places, identity, mapping);
        drop(places);
        self.end_unread(identity);
    }

    /// The source is to be connected anew, since its settings have changed: whoever joins waits until those
    /// who hold the feed have left it, so that the votes on a shared queue are never split.
    pub fn renew(&self, identity: &str) {
        if let Some(place) = lock(&self.by_identity).get_mut(identity) {
            // Where nobody has a feed there is nobody to wait for.
            place.is_stale = place.feed.is_some();
            // Whoever connects just now has the former settings: by this he sees it.
            place.n_renewed += 1;
        }
        self.end_unread(identity);
    }

    /// The feed of a source, connected when nobody reads it yet.
    ///
    /// # Errors
    /// The source cannot be connected to, or is read by mappings that do not agree about it; the next call
    /// tries again.
    pub async fn join(&self, settings: &dyn SourceSettings, mapping: &str) -> Result<Feed, SourceError> {
        let identity = settings.identity();
        self.await_fresh(&identity).await;
        // Before the feed is looked for: whoever waits behind one that connects finds what that one made.
        let connecting = Arc::clone(&lock(&self.by_identity).entry(identity.clone()).or_default().connecting);
        let _alone = connecting.lock().await;
        if let Some(feed) = lock(&self.by_identity).get_mut(&identity).and_then(|place| place.enter(mapping))
        {
            return Ok(feed);
        }
        // Before it connects: settings that change meanwhile show by another number.
        let n_renewed = self.n_renewed(&identity);
        let source = {
            // Nobody closes it.
            let _slot = self.connecting.0.acquire().await;
            let clients = Arc::clone(&lock(&self.clients));
            settings.connect(&clients).await?
        };
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            // Listening before looking: who leaves in between is heard.
            left.as_mut().enable();
            if let Some(feed) = self.enter(&identity, mapping, &source, n_renewed)? {
                return Ok(feed);
            }
            left.await;
        }
    }

    /// The feed that a mapping reads a connected source with; `None` while those who want something else of
    /// it are leaving.
    fn enter(
        &self,
        identity: &str,
        mapping: &str,
        source: &Arc<dyn Source>,
        n_renewed: u64,
    ) -> Result<Option<Feed>, SourceError> {
        let mut places = lock(&self.by_identity);
        // What was connected has former settings; the next life connects anew.
        if places.get(identity).map_or(0, |place| place.n_renewed) != n_renewed {
            return Err(SourceError::Down {
                what: identity.to_owned(),
                code: SourceError::DOWN,
                cause: "its settings have changed meanwhile".into(),
            });
        }
        let feed = match Company::of(&places, source) {
            Company::None => Feed::start(Arc::clone(source), FeedLimits::default()),
            Company::Same(feed) => feed,
            Company::Leaving => return Ok(None),
            Company::Differs(terms) => {
                return Err(SourceError::Down {
                    what: identity.to_owned(),
                    code: OtherTerms::CODE,
                    cause: Box::new(terms),
                });
            }
        };
        let place = places.entry(identity.to_owned()).or_default();
        // The feed may have been started just now and has heard of nobody yet.
        for mapping in place.expected.keys() {
            feed.expect(Arc::clone(mapping));
        }
        place.joined.insert(mapping.into());
        place.feed = Some(feed.clone());
        Ok(Some(feed))
    }

    /// Whether a mapping may read a connected source beside those that read it now.
    ///
    /// # Errors
    /// It wants something else of it.
    pub fn check(&self, source: &Arc<dyn Source>) -> Result<(), OtherTerms> {
        match Company::of(&lock(&self.by_identity), source) {
            Company::None | Company::Same(_) | Company::Leaving => Ok(()),
            Company::Differs(terms) => Err(terms),
        }
    }

    /// Who competes with a mapping for its queue and lets other messages through.
    pub fn trap(&self, identity: &str, mapping: &str) -> Option<Trap> {
        Trap::of(&lock(&self.by_identity), identity, mapping)
    }

    /// What operators ought to know of a source that is read.
    pub fn note(&self, identity: &str) -> Option<String> {
        let places = lock(&self.by_identity);
        places.get(identity)?.feed.as_ref()?.source().note()
    }

    /// The source itself, for whoever looks at it without reading for a mapping: the one that is read, else a
    /// connection of its own.
    ///
    /// # Errors
    /// The source cannot be connected to.
    pub async fn look(&self, settings: &dyn SourceSettings) -> Result<Arc<dyn Source>, SourceError> {
        let feed = lock(&self.by_identity)
            .get(&settings.identity())
            .filter(|it| !it.is_stale)
            .and_then(|place| place.feed.clone());
        if let Some(feed) = feed {
            return Ok(Arc::clone(feed.source()));
        }
        let clients = Arc::clone(&lock(&self.clients));
        settings.connect(&clients).await
    }

    /// A mapping has ended and holds its feed no more.
    pub fn leave(&self, identity: &str, mapping: &str) {
        let mut places = lock(&self.by_identity);
        if let Some(place) = places.get_mut(identity) {
            place.joined.remove(mapping);
        }
        // A life that had just begun when its mapping was dismissed has told the feed of it again.
        tell_dismissed(&places, identity, mapping);
        drop(places);
        self.end_unread(identity);
    }

    /// A feed has ended against its will: the next to join connects anew. Mappings that still hold it keep
    /// it. One that another mapping has connected since is not touched: what shares a queue must not be read
    /// by two.
    pub fn discard(&self, settings: &dyn SourceSettings) {
        let mut places = lock(&self.by_identity);
        let gone = places
            .get_mut(&settings.identity())
            .and_then(|place| place.feed.take_if(|feed| feed.has_ended()));
        let Some(gone) = gone else { return };
        // It may stand under another name of the source as well.
        for place in places.values_mut() {
            place.feed.take_if(|feed| feed.is(&gone));
        }
    }

    /// Ends all feeds and waits for them.
    pub async fn stop(&self) {
        let places = std::mem::take(&mut *lock(&self.by_identity));
        for feed in places.into_values().filter_map(|place| place.feed) {
            feed.stop().await;
        }
        self.ending.close();
        self.ending.wait().await;
    }

    fn n_renewed(&self, identity: &str) -> u64 {
        lock(&self.by_identity).get(identity).map_or(0, |place| place.n_renewed)
    }

    /// Waits while a feed with former settings is still held.
    async fn await_fresh(&self, identity: &str) {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            // Listening before looking: who leaves in between is heard.
            left.as_mut().enable();
            if !lock(&self.by_identity).get(identity).is_some_and(|place| place.is_stale) {
                return;
            }
            left.await;
        }
    }

    /// Ends a feed that nobody holds and that nobody is expected to read, or whose settings are old.
    fn end_unread(&self, identity: &str) {
        let mut places = lock(&self.by_identity);
        let Some(place) = places.get_mut(identity).filter(|place| place.joined.is_empty()) else { return };
        let is_over = place.expected.is_empty();
        if !is_over && !place.is_stale {
            return;
        }
        place.is_stale = false;
        let feed = place.feed.take();
        if is_over {
            places.remove(identity);
        }
        // Under another of its names somebody may read it.
        if let Some(feed) = feed
            .filter(|feed| !places.values().any(|it| it.feed.as_ref().is_some_and(|other| other.is(feed))))
        {
            // Its end waits for calls that were sent, which nobody may do under the lock.
            self.ending.spawn(async move { feed.stop().await });
        }
        drop(places);
        self.left.notify_waiters();
    }
}

impl KnownSource {
    fn enter(&mut self, mapping: &str) -> Option<Feed> {
        let feed = self.feed.clone()?;
        self.joined.insert(mapping.into());
        Some(feed)
    }
}

/// Tells a feed that a mapping will not come any more, unless it is expected under one of the feed's names.
fn tell_dismissed(places: &BTreeMap<String, KnownSource>, identity: &str, mapping: &str) {
    let Some(feed) = places.get(identity).and_then(|place| place.feed.as_ref()) else { return };
    let has_feed = |place: &&KnownSource| place.feed.as_ref().is_some_and(|other| other.is(feed));
    if !places.values().filter(has_feed).any(|place| place.expected.contains_key(mapping)) {
        feed.dismiss(mapping.into());
    }
}
