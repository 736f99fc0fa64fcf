//! Which files there are and which tracks they are: turns a listing into identities, for each mapping by what it knows.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{Origin, Position, ShortBytes, UnixMillis};
use forebay_config::StartingPosition;

use super::client::{FileSystem, Kind, OpenFile, Stat};
use super::error::FileError;
use super::identity::{FileKey, HEAD_MAX, Identity};
use super::settings::PathPattern;
use crate::source::{Known, Listing, SourceError, Standing, TrackInfo, TrackName};

/// A file with neither a whole line nor enough bytes for a full fingerprint is taken as it is when it was not written to for this long.
const YOUNG_MAX: Duration = Duration::from_secs(5);

/// What was seen of the files so far.
pub(super) struct Sightings {
    files: Arc<dyn FileSystem>,
    pattern: PathPattern,
    seen: BTreeMap<FileKey, Sighting>,
    /// The files of the last listing in which every folder could be read.
    listed: Option<BTreeSet<FileKey>>,
    /// Folders in which files were seen: a file that was renamed is looked for there.
    folders: BTreeSet<PathBuf>,
}

/// One file.
#[derive(Default)]
struct Sighting {
    path: PathBuf,
    /// What a mapping is told that does not know the file.
    current: Option<Identity>,
    /// Names of this file whose fingerprint was compared.
    fits: BTreeSet<TrackName>,
    /// Names of former lives.
    dead: BTreeSet<TrackName>,
}

/// Files and troubles of one look.
struct Look {
    files: Vec<(PathBuf, Stat)>,
    trouble: Option<SourceError>,
    /// Some folder could not be read: a file that is not there may be there all the same.
    is_partial: bool,
}

/// Where a track's file is.
pub(super) enum Found {
    /// Here; and whether the pattern still names it.
    Here(PathBuf),
    /// Nowhere.
    Gone,
}

impl Sightings {
    pub(super) fn new(files: Arc<dyn FileSystem>, pattern: PathPattern) -> Self {
        Self { files, pattern, seen: BTreeMap::new(), listed: None, folders: BTreeSet::new() }
    }

    /// The tracks that `known` does not hold.
    pub(super) fn tracks(&mut self, known: &Known, now: UnixMillis) -> Listing {
        let look = self.look();
        let mut listing = Listing { tracks: Vec::new(), trouble: look.trouble };
        for (path, stat) in look.files {
            match self.identify(&path, &stat, known, now) {
                Ok(None) => {}
                Ok(Some(name)) => listing.tracks.push(TrackInfo { name, label: path.display().to_string(), parents: Vec::new() }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => listing.trouble = listing.trouble.or(Some(FileError::of(error).on(&path))),
            }
        }
        listing
    }

    /// Lists the files once. Two paths of one file count once.
    fn look(&mut self) -> Look {
        let mut look = Look { files: Vec::new(), trouble: None, is_partial: false };
        let folder = self.pattern.folder();
        if let Err(error) = self.files.stat(&folder) {
            let what = if error.kind() == io::ErrorKind::NotFound { FileError::NoFolder(folder.clone()) } else { FileError::of(error) };
            return Look { trouble: Some(what.on(&folder)), is_partial: true, ..look };
        }
        self.folders.insert(folder);
        let mut keys = BTreeSet::new();
        for found in self.files.list(&self.pattern) {
            let (path, stat) = match found {
                Ok(path) => (path.clone(), self.files.stat(&path)),
                Err((path, error)) => (path, Err(error)),
            };
            match stat {
                Ok(stat) => match (stat.kind, &self.pattern) {
                    (Kind::File, _) => {
                        if keys.insert(stat.key) {
                            self.folders.extend(path.parent().map(Path::to_owned));
                            self.seen.entry(stat.key).or_default().path.clone_from(&path);
                            look.files.push((path, stat));
                        }
                    }
                    // A pattern such as `logs/*` meets folders all the time; a path that is one is a mistake.
                    (Kind::Folder, PathPattern::Glob { .. }) => {}
                    (Kind::Folder, PathPattern::One(_)) | (Kind::Other, _) => look.add(FileError::NotAFile(stat.kind).on(&path)),
                },
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    look.is_partial = true;
                    look.add(FileError::of(error).on(&path));
                }
            }
        }
        if !look.is_partial {
            self.seen.retain(|key, _| keys.contains(key));
            self.listed = Some(keys);
        }
        look
    }

    /// The name under which a mapping is told of a file; `None` when it knows the file, or when it is too young to tell.
    fn identify(&mut self, path: &Path, stat: &Stat, known: &Known, now: UnixMillis) -> io::Result<Option<TrackName>> {
        let prefix = stat.key.prefix();
        let range = known.0.range(TrackName(prefix.clone())..).take_while(|(name, _)| name.0.starts_with(&prefix));
        let mine: Vec<(&TrackName, Identity, Standing)> = range
            .filter_map(|(name, standing)| Some((name, Identity::parse(name)?, *standing)))
            .filter(|(_, identity, _)| identity.key.is_same(&stat.key))
            .collect();
        let sighting = self.seen.entry(stat.key).or_default();
        let is_open = |it: &&(&TrackName, Identity, Standing)| it.2 == Standing::Open;
        if mine.iter().filter(is_open).any(|(name, ..)| sighting.fits.contains(*name) && !sighting.dead.contains(*name)) {
            return Ok(None);
        }
        if stat.size == 0 {
            return Ok(None);
        }
        let head = read_head(self.files.open(path)?.as_ref(), stat.key)?;
        for (name, identity, _) in mine.iter().filter(is_open) {
            if identity.fits(&head) && !sighting.dead.contains(*name) {
                sighting.fits.insert((*name).clone());
                return Ok(None);
            }
            sighting.dead.insert((*name).clone());
        }
        let is_known = |name: &TrackName| known.0.contains_key(name);
        if let Some(current) = &sighting.current {
            let name = current.name();
            if current.fits(&head) && !sighting.dead.contains(&name) && !is_known(&name) {
                sighting.fits.insert(name.clone());
                return Ok(Some(name));
            }
        }
        let is_young = head.len() < HEAD_MAX && !head.contains(&b'\n') && stat.modified.age(now) < YOUNG_MAX;
        if is_young {
            return Ok(None);
        }
        let lives = mine.iter().map(|(_, identity, _)| identity.life).chain(sighting.current.as_ref().map(|it| it.life));
        let life = lives.max().map_or(0, |life| life + 1);
        let identity = Identity::new(stat.key, &head, life);
        let name = identity.name();
        sighting.current = Some(identity);
        sighting.fits.insert(name.clone());
        Ok(Some(name))
    }

    /// Notes that a track's file was truncated or written anew: its next life is another track.
    pub(super) fn end_life(&mut self, identity: &Identity) {
        for (_, sighting) in self.seen.range_mut(identity.key.births()).filter(|(key, _)| key.is_same(&identity.key)) {
            sighting.dead.insert(identity.name());
        }
    }

    /// Whether the pattern no longer names the file, as far as the last whole listing tells.
    pub(super) fn has_left(&self, key: &FileKey) -> bool {
        self.listed.as_ref().is_some_and(|listed| !listed.range(key.births()).any(|it| it.is_same(key)))
    }

    /// Looks for a track's file: where the pattern points, then, by its inode, in the folders where files were seen.
    pub(super) fn find(&mut self, identity: &Identity) -> Result<Found, SourceError> {
        if let Some((_, it)) = self.seen.range(identity.key.births()).find(|(key, _)| key.is_same(&identity.key)) {
            let is_there = self.files.stat(&it.path).is_ok_and(|stat| stat.key.is_same(&identity.key));
            if is_there {
                return Ok(Found::Here(it.path.clone()));
            }
        }
        let look = self.look();
        if let Some((path, _)) = look.files.iter().find(|(_, stat)| stat.key.is_same(&identity.key)) {
            return Ok(Found::Here(path.clone()));
        }
        for folder in &self.folders {
            let Ok(paths) = self.files.folder(folder) else { continue };
            let is_it = |path: &PathBuf| self.files.stat(path).is_ok_and(|it| it.kind == Kind::File && it.key.is_same(&identity.key));
            if let Some(path) = paths.into_iter().find(is_it) {
                return Ok(Found::Here(path));
            }
        }
        match look.trouble {
            Some(trouble) if look.is_partial => Err(trouble),
            Some(_) | None => Ok(Found::Gone),
        }
    }

    /// Where each file begins for a mapping that starts now. A file that is too young to be a track, or comes later, is read from its
    /// first byte; that is why LATEST must see every file that is there, and fails when it cannot.
    pub(super) fn origins(&mut self, start: StartingPosition, now: UnixMillis) -> Result<Vec<(TrackName, Origin)>, SourceError> {
        let Listing { tracks, trouble } = self.tracks(&Known::default(), now);
        let first = Origin(ShortBytes::new(b""));
        match start {
            StartingPosition::TrimHorizon => Ok(tracks.into_iter().map(|it| (it.name, first.clone())).collect()),
            StartingPosition::Latest => {
                let folder_is_there = self.files.stat(&self.pattern.folder()).is_ok();
                if let Some(trouble) = trouble.filter(|_| folder_is_there) {
                    return Err(trouble);
                }
                let end = |it: TrackInfo| {
                    let key = Identity::parse(&it.name).expect("it was named here").key;
                    let path = &self.seen.get(&key).expect("it was seen just now").path;
                    let end = self.files.open(path).and_then(|file| end_of_lines(file.as_ref()));
                    let end = end.map_err(|error| FileError::of(error).on(path))?;
                    Ok((it.name, Origin(Position::number(end).0)))
                };
                tracks.into_iter().map(end).collect()
            }
            StartingPosition::AtTimestamp(_) => Err(FileError::NoTimes.on(Path::new(&self.pattern.to_string()))),
        }
    }
}

/// The end of the last whole line.
fn end_of_lines(file: &dyn OpenFile) -> io::Result<u64> {
    const STEP: u64 = 64 << 10;
    let mut end = file.stat()?.size;
    while end > 0 {
        let start = end.saturating_sub(STEP);
        let n_bytes = usize::try_from(end - start).expect("a step fits");
        let found = memchr::memrchr(b'\n', &read_up_to(file, start, n_bytes)?);
        if let Some(found) = found {
            return Ok(start + found as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

impl Look {
    fn add(&mut self, trouble: SourceError) {
        self.trouble.get_or_insert(trouble);
    }
}

/// The first bytes of a file; an error of kind `NotFound` when another file has taken its place.
pub(super) fn read_head(file: &dyn OpenFile, key: FileKey) -> io::Result<Vec<u8>> {
    if !file.stat()?.key.is_same(&key) {
        return Err(io::ErrorKind::NotFound.into());
    }
    read_up_to(file, 0, HEAD_MAX)
}

/// Reads until `n` bytes are there or the file ends.
pub(super) fn read_up_to(file: &dyn OpenFile, offset: u64, n: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; n];
    let mut n_read = 0;
    while n_read < n {
        match file.read_at(offset + n_read as u64, &mut bytes[n_read..]) {
            Ok(0) => break,
            Ok(more) => n_read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(n_read);
    Ok(bytes)
}
