//! Where files begin: at their first byte, or, for LATEST, at their end as it is now.

use std::path::Path;

use forebay_batcher::{Origin, ShortBytes, UnixMillis};
use forebay_config::StartingPosition;

use super::error::FileError;
use super::evidence::{FileStart, place_in};
use super::identity::{FileKey, Identity};
use super::sightings::{Sightings, end_of_lines};
use super::walk::Listed;
use crate::source::{Known, SourceError, Standing, TrackName};

impl Sightings {
    /// Where each file begins for a mapping that starts now. A file that is too young to be a track, or comes
    /// later, is read from its first byte.
    pub(super) fn origins(
        &mut self,
        listed: Listed,
        start: StartingPosition,
        now: UnixMillis,
    ) -> Result<Vec<(TrackName, Origin)>, SourceError> {
        match start {
            StartingPosition::TrimHorizon => {
                let first = Origin(ShortBytes::new(b""));
                Ok(self
                    .tracks(listed, &Known::default(), now)
                    .tracks
                    .into_iter()
                    .map(|it| (it.name, first.clone()))
                    .collect())
            }
            StartingPosition::Latest => {
                let mut origins = Vec::new();
                for name in self.latest_tracks(listed, &Known::default(), now)? {
                    origins.extend(self.latest(&name)?.map(|origin| (name, origin)));
                }
                Ok(origins)
            }
            StartingPosition::AtTimestamp(_) => {
                Err(FileError::NoTimes.on(Path::new(&self.pattern().to_string())))
            }
        }
    }

    /// The tracks that `known` does not hold, those included whose files cannot be read: LATEST is to hold
    /// for them too when they can. Where nothing can be seen it fails, as a file that is not seen now would
    /// be read from its first byte later.
    pub(super) fn latest_tracks(
        &mut self,
        listed: Listed,
        known: &Known,
        now: UnixMillis,
    ) -> Result<Vec<TrackName>, SourceError> {
        let survey = self.survey(listed, known, now);
        if let Some(trouble) = survey.trouble.filter(|_| survey.is_blind) {
            return Err(trouble);
        }
        for path in survey.unseen {
            tracing::warn!(path = %path.display(), "cannot be looked into: what lies there is read from its first byte when it can, under LATEST too");
        }
        let mut names: Vec<TrackName> = survey.tracks.into_iter().map(|it| it.name).collect();
        for key in survey.unreadable.into_iter().filter(|key| !is_open_in(known, key)) {
            // Nothing of it can be read, so nothing but its place on the disk tells it apart as yet.
            let name = Identity::new(key, b"", 0).in_line(self.line_of_file(&key)).name();
            self.knows(key, &name);
            names.push(name);
        }
        Ok(names)
    }

    /// Where a track begins for LATEST; `None` when its file has gone.
    pub(super) fn latest(&mut self, name: &TrackName) -> Result<Option<Origin>, SourceError> {
        let Some(identity) = Identity::parse(name) else { return Ok(None) };
        match self.glance(&identity) {
            Ok(None) => Ok(None),
            Ok(Some((path, file))) => {
                let place = end_of_lines(file.as_ref()).and_then(|end| place_in(file.as_ref(), end));
                Ok(Some(Origin(place.map_err(|error| FileError::of(error).on(&path))?.0)))
            }
            // It cannot be read, but its size tells where its end is now.
            Err(error) => {
                self.seek(&identity)?.map(|(_, stat)| Some(FileStart::within(stat.size))).ok_or(error)
            }
        }
    }
}

/// Whether a mapping follows the file already.
fn is_open_in(known: &Known, key: &FileKey) -> bool {
    let prefix = key.prefix();
    let mine = known.0.range(TrackName(prefix.clone())..).take_while(|(name, _)| name.0.starts_with(&prefix));
    mine.filter(|(_, standing)| **standing == Standing::Open)
        .filter_map(|(name, _)| Identity::parse(name))
        .any(|it| it.key.is_same(key))
}
