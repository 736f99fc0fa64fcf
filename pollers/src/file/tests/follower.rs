//! A mapping in miniature: discovers, opens and reads all tracks of a source until nothing moves; keeps what
//! a checkpoint would.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_batcher::{Gap, Watermark};

use crate::contract::room;
use crate::source::{Known, RawRecord, Reader, Source, SourceError, Standing, TrackName};

pub(in crate::file) struct Track {
    pub(in crate::file) label: String,
    pub(in crate::file) at: Watermark,
    pub(in crate::file) records: Vec<RawRecord>,
    pub(in crate::file) ended: bool,
    pub(in crate::file) gap: Option<Gap>,
    reader: Option<Box<dyn Reader>>,
}

impl Track {
    pub(in crate::file) fn lines(&self) -> Vec<String> {
        self.records.iter().map(|it| String::from_utf8_lossy(&it.data).into_owned()).collect()
    }
}

pub(in crate::file) struct Follower {
    pub(in crate::file) source: Arc<dyn Source>,
    pub(in crate::file) known: Known,
    pub(in crate::file) tracks: BTreeMap<TrackName, Track>,
    /// In the order of discovery.
    pub(in crate::file) names: Vec<TrackName>,
    pub(in crate::file) trouble: Option<String>,
}

impl Follower {
    pub(in crate::file) fn new(source: Arc<dyn Source>) -> Self {
        Self { source, known: Known::default(), tracks: BTreeMap::new(), names: Vec::new(), trouble: None }
    }

    /// Discovers and reads until nothing moves any more.
    pub(in crate::file) async fn catch_up(&mut self) {
        while self.discover().await | self.read_all().await {}
    }

    pub(in crate::file) async fn discover(&mut self) -> bool {
        self.discover_or_fail().await.unwrap()
    }

    pub(in crate::file) async fn discover_or_fail(&mut self) -> Result<bool, SourceError> {
        let listing = self.source.tracks().expect("it has tracks").list(&self.known).await?;
        self.trouble = listing.trouble.map(|it| format!("{:?}", it.to_notice()));
        let has_news = !listing.tracks.is_empty();
        for track in listing.tracks {
            self.known.0.insert(track.name.clone(), Standing::Open);
            let at = Watermark::Origin(self.source.tracks().expect("it has tracks").first());
            let (records, label) = (Vec::new(), track.label);
            self.names.push(track.name.clone());
            self.tracks
                .insert(track.name, Track { label, at, records, ended: false, gap: None, reader: None });
        }
        Ok(has_news)
    }

    async fn read_all(&mut self) -> bool {
        let mut has_moved = false;
        for (name, track) in self.tracks.iter_mut().filter(|(_, track)| !track.ended) {
            if track.reader.is_none() {
                track.reader = self.source.tracks().expect("it has tracks").open(name, &track.at).await.ok();
            }
            let Some(reader) = &mut track.reader else { continue };
            let Ok(read) = reader.read(room(3)).await else {
                track.reader = None;
                continue;
            };
            has_moved |= !read.records.is_empty() || read.ended;
            track.records.extend(read.records);
            track.gap = track.gap.take().or(read.gap);
            track.ended = read.ended;
            if let Some(passed) = read.passed {
                has_moved |= track.at != Watermark::At(passed.clone())
                    && track.at != Watermark::Origin(self.source.tracks().expect("it has tracks").first());
                track.at = Watermark::At(passed);
            }
            if read.ended {
                self.known.0.insert(name.clone(), Standing::Ended);
                track.reader = None;
            }
        }
        has_moved
    }

    /// A new process: readers and what the source remembered are gone; each open track goes back to one of
    /// its records, as after a crash.
    pub(in crate::file) fn restart(
        &mut self,
        source: Arc<dyn Source>,
        mut back_to: impl FnMut(usize) -> usize,
    ) {
        self.source = source;
        for track in self.tracks.values_mut().filter(|track| !track.ended) {
            track.reader = None;
            let kept = back_to(track.records.len());
            if let Some(record) = track.records.get(kept) {
                track.at = Watermark::At(record.position.clone());
                track.records.truncate(kept);
            }
        }
    }

    /// The lines of each track, in the order of discovery.
    pub(in crate::file) fn lines(&self) -> Vec<Vec<String>> {
        self.names.iter().map(|name| self.tracks[name].lines()).collect()
    }
}
