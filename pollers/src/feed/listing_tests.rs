//! What becomes of a change that a source tells of while it is being listed.
#![cfg(feature = "file")]

use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{Origin, Watermark};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::*;
use crate::file::fake::FakeFiles;
use crate::source::{
    BoxFuture, EventFormat, Explorer, Input, Known, Listing, Reader, Source, SourceError, TrackName, Tracks,
};

/// Files whose listing looks at once and answers when it is let, and that say that they changed when they are
/// told to.
struct Slow {
    files: Arc<dyn Source>,
    looked: Semaphore,
    may_answer: Semaphore,
    waits_for_change: Semaphore,
    may_change: Semaphore,
}

async fn pass(gate: &Semaphore) {
    gate.acquire().await.expect("nobody closes it").forget();
}

impl Slow {
    fn tracks(&self) -> &dyn Tracks {
        self.files.tracks().expect("files are tracks")
    }
}

impl Source for Slow {
    fn input(&self) -> Input<'_> {
        Input::Tracks(self)
    }
    fn format(&self) -> &dyn EventFormat {
        self.files.format()
    }
    fn explorer(&self) -> &dyn Explorer {
        self.files.explorer()
    }
}

impl Tracks for Slow {
    fn list<'a>(&'a self, known: &'a Known) -> BoxFuture<'a, Result<Listing, SourceError>> {
        Box::pin(async move {
            let listing = self.tracks().list(known).await;
            self.looked.add_permits(1);
            pass(&self.may_answer).await;
            listing
        })
    }
    fn rediscover_every(&self) -> Duration {
        Duration::from_secs(3600)
    }
    fn changed(&self) -> BoxFuture<'_, ()> {
        self.waits_for_change.add_permits(1);
        Box::pin(pass(&self.may_change))
    }
    fn first(&self) -> Origin {
        self.tracks().first()
    }
    fn open<'a>(
        &'a self,
        track: &'a TrackName,
        from: &'a Watermark,
    ) -> BoxFuture<'a, Result<Box<dyn Reader>, SourceError>> {
        self.tracks().open(track, from)
    }
}

#[tokio::test]
async fn a_change_that_is_told_of_while_the_source_is_listed_is_looked_at_afterwards() {
    let files = FakeFiles::new();
    files.disk().make_folder("/logs");
    let closed = || Semaphore::new(0);
    let slow = Arc::new(Slow {
        files: files.source("/logs/*.log", Duration::ZERO).unwrap(),
        looked: closed(),
        may_answer: closed(),
        waits_for_change: closed(),
        may_change: closed(),
    });
    let feed = Feed::start(Arc::clone(&slow) as _, FeedLimits::default());
    let known = Known::default();
    let subscription = Subscription {
        consumer: "m".into(),
        known,
        filter: None,
        has_window: false,
        zero: Instant::now(),
        events_max: 16,
    };
    let mut subscriber = feed.subscribe(subscription);
    pass(&slow.waits_for_change).await;
    pass(&slow.looked).await;
    files.disk().append("/logs/late.log", b"late\n");
    slow.may_change.add_permits(1);
    // It waits for the next change, so it has heard of this one.
    pass(&slow.waits_for_change).await;
    slow.may_answer.add_permits(2);
    let event = tokio::time::timeout(Duration::from_secs(20), subscriber.events.recv()).await;
    let FeedEvent::Discovered(tracks) = event.expect("it is listed again").expect("the feed lives") else {
        panic!("a track is discovered")
    };
    assert_eq!(tracks.iter().map(|it| it.label.as_str()).collect::<Vec<_>>(), ["/logs/late.log"]);
}
