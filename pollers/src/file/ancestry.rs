//! Which file comes after which, where all that stood under one path are read in their order.

use std::collections::BTreeMap;
use std::path::Path;

use super::identity::{FileKey, Identity, Line};
use super::sightings::Sightings;
use crate::source::{Known, TrackInfo, TrackName};

/// How late a file came to its path: whoever stands there is the last; before it, by birth, then by how often
/// it was written anew.
type Age = (bool, u64, u32);

impl Sightings {
    /// The line of a file that is seen under a path; `None` where each file keeps its own order.
    pub(super) fn line_of(&self, path: &Path) -> Option<Line> {
        self.by_path.then(|| Line::of(path))
    }

    /// The line of the path that a file was last seen under.
    pub(super) fn line_of_file(&self, key: &FileKey) -> Option<Line> {
        let mut seen = self.seen.range(key.births()).filter(|(seen, _)| seen.is_same(key));
        seen.next().and_then(|(_, it)| self.line_of(&it.path))
    }

    /// Names the parents of tracks: all that the mapping knows, or is told of now, that came before them to
    /// their path. What a mapping followed before it asked for this order has no line and no parents.
    pub(super) fn tell_parents(&self, tracks: &mut [TrackInfo], known: &Known) {
        if !self.by_path {
            return;
        }
        let mut lines: BTreeMap<Line, BTreeMap<TrackName, Age>> = BTreeMap::new();
        for name in known.0.keys().chain(tracks.iter().map(|it| &it.name)) {
            if let Some((line, age)) = self.age(name) {
                lines.entry(line).or_default().insert(name.clone(), age);
            }
        }
        for track in tracks {
            let Some((line, own)) = self.age(&track.name) else { continue };
            let before = lines[&line].iter().filter(|(_, age)| **age < own);
            track.parents = before.map(|(name, _)| name.clone()).collect();
        }
    }

    fn age(&self, name: &TrackName) -> Option<(Line, Age)> {
        let identity = Identity::parse(name)?;
        let line = identity.line?;
        let is_last = self.line_of_file(&identity.key) == Some(line);
        Some((line, (is_last, identity.key.birth, identity.life)))
    }
}
