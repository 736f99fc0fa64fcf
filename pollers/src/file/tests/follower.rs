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
    parents: Vec<TrackName>,
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
    /// All lines in the order in which they were read.
    pub(in crate::file) sequence: Vec<String>,
}

impl Follower {
    pub(in crate::file) fn new(source: Arc<dyn Source>) -> Self {
        Self {
            source,
            known: Known::default(),
            tracks: BTreeMap::new(),
            names: Vec::new(),
            trouble: None,
            sequence: Vec::new(),
        }
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
            let (records, label, parents) = (Vec::new(), track.label, track.parents);
            self.names.push(track.name.clone());
            self.tracks.insert(
                track.name,
                Track { label, at, records, ended: false, gap: None, parents, reader: None },
            );
        }
        Ok(has_news)
    }

    async fn read_all(&mut self) -> bool {
        let mut has_moved = false;
        // A child starts after all its parents, as in the shell.
        let open: Vec<TrackName> =
            self.tracks.iter().filter(|(_, track)| !track.ended).map(|it| it.0.clone()).collect();
        let may_read = |track: &Track| !track.ended && !track.parents.iter().any(|it| open.contains(it));
        for (name, track) in self.tracks.iter_mut().filter(|(_, track)| may_read(track)) {
            if track.reader.is_none() {
                track.reader = self.source.tracks().expect("it has tracks").open(name, &track.at).await.ok();
            }
            let Some(reader) = &mut track.reader else { continue };
            let Ok(read) = reader.read(room(3)).await else {
                track.reader = None;
                continue;
            };
            has_moved |= !read.records.is_empty() || read.ended;
            let lines = read.records.iter().map(|it| String::from_utf8_lossy(&it.data).into_owned());
            self.sequence.extend(lines);
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
        // What the old process knew beside names is gone.
        self.tracks.values_mut().for_each(|track| track.parents.clear());
        for track in self.tracks.values_mut().filter(|track| !track.ended) {
            track.reader = None;
            let kept = back_to(track.records.len());
            if let Some(record) = track.records.get(kept) {
                track.at = Watermark::At(record.position.clone());
                track.records.truncate(kept);
            }
        }
    }

    /// Asks the source which tracks go before which, as the shell does when it starts.
    pub(in crate::file) async fn describe(&mut self) {
        for it in self.source.explorer().describe(&self.known).await.unwrap() {
            self.tracks.get_mut(&it.name).unwrap().parents = it.parents;
        }
    }

    /// The lines of each track, in the order of discovery.
    pub(in crate::file) fn lines(&self) -> Vec<Vec<String>> {
        self.names.iter().map(|name| self.tracks[name].lines()).collect()
    }
}
