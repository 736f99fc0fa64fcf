//! Looks at a mapping's source without reading it for the mapping: how much waits, what the next records are.
//! It works whether the mapping runs or not, and moves nothing.

mod peek;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forebay_config::StartingPosition;
use forebay_pollers::{Backlog, Known, RecordFilter, Source, SourceError, SourceSettings, Stand, Standing};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

pub use self::peek::{BYTES_MAX, Glimpse, PeekError, PeekFrom, Peeked, RECORDS_MAX};
use crate::feeds::Feeds;
use crate::positions::KeptPlace;

/// A backlog is asked for at most this often; those who ask more often get what was told last.
const BACKLOG_FRESH: Duration = Duration::from_secs(1);
/// How long a source may take to say what people call its tracks.
const DESCRIBE_WAIT_MAX: Duration = Duration::from_secs(2);

/// What is looked through at one mapping's source.
pub struct SourceInspector {
    /// What it reads.
    pub source: Arc<dyn SourceSettings>,
    /// The feeds of the process: where the source is read, that connection is used.
    pub feeds: Arc<Feeds>,
    /// Which records the mapping wants; `None` for all.
    pub filter: Option<Arc<dyn RecordFilter>>,
    /// Whether its batches have a window; some events depend on it.
    pub has_window: bool,
    /// Where it starts when no position was ever kept.
    pub start: Option<StartingPosition>,
    /// What was told last of the backlog; held while it is asked for, so that many who ask ask once, of a
    /// source that is down too.
    pub told: Mutex<Option<ReportedBacklog>>,
}

/// A backlog, or why there was none, and when that was told.
#[derive(Debug)]
pub struct ReportedBacklog {
    at: Instant,
    backlog: Result<Backlog, Arc<SourceError>>,
}

impl fmt::Debug for SourceInspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceInspector").field("source", &self.source).finish_non_exhaustive()
    }
}

impl SourceInspector {
    /// The source, connected.
    ///
    /// # Errors
    /// It cannot be connected to.
    pub async fn source(&self) -> Result<Arc<dyn Source>, SourceError> {
        self.feeds.look(&*self.source).await
    }

    /// What to know of the source or of others that read it, if anything.
    pub fn note(&self, mapping: &str) -> Option<String> {
        let identity = self.source.identity();
        let trap = self.feeds.trap(&identity, mapping).map(|it| it.to_string());
        trap.or_else(|| self.feeds.note(&identity))
    }

    /// How much waits behind `places`, where the mapping stands; `None` for one that never ran.
    ///
    /// # Errors
    /// The source cannot be asked.
    pub async fn backlog(&self, places: Option<&[KeptPlace]>) -> Result<Backlog, Arc<SourceError>> {
        let mut told = self.told.lock().await;
        if let Some(told) = told.as_ref().filter(|it| it.at.elapsed() < BACKLOG_FRESH) {
            return told.backlog.clone();
        }
        let backlog = self.ask_backlog(places).await.map_err(Arc::new);
        *told = Some(ReportedBacklog { at: Instant::now(), backlog: backlog.clone() });
        backlog
    }

    async fn ask_backlog(&self, places: Option<&[KeptPlace]>) -> Result<Backlog, SourceError> {
        let source = self.source().await?;
        let stands = self.stands(&*source, places).await?;
        source.explorer().backlog(&stands).await
    }

    /// The same places with what people call the tracks, where the source can be asked.
    pub async fn describe(&self, mut places: Vec<KeptPlace>) -> Vec<KeptPlace> {
        let asked = async { self.source().await?.explorer().describe(&known(&places)).await };
        let described = match timeout(DESCRIBE_WAIT_MAX, asked).await {
            Ok(Ok(described)) => described,
            // Their names in the store do as well.
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        let labels: BTreeMap<_, _> = described.into_iter().map(|it| (it.name, it.label)).collect();
        for place in &mut places {
            if let Some(label) = labels.get(&place.track) {
                place.label.clone_from(label);
            }
        }
        places
    }

    async fn stands(
        &self,
        source: &dyn Source,
        places: Option<&[KeptPlace]>,
    ) -> Result<Vec<Stand>, SourceError> {
        if let Some(places) = places {
            return Ok(places.iter().filter_map(KeptPlace::stand).collect());
        }
        let Some(start) = self.start else { return Ok(Vec::new()) };
        let origins = source.explorer().origins(start).await?;
        let stand = |(track, origin)| Stand {
            track,
            bound: forebay_batcher::Watermark::Origin(origin),
            standing: Standing::Open,
        };
        Ok(origins.into_iter().map(stand).collect())
    }
}

/// The tracks that a mapping was told of.
pub fn known(places: &[KeptPlace]) -> Known {
    let standing = |place: &KeptPlace| place.stand().map_or(Standing::Open, |it| it.standing);
    Known(places.iter().map(|it| (it.track.clone(), standing(it))).collect())
}
