//! Which files there are and which tracks they are: turns a listing into identities, for each mapping by what
//! it knows.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_batcher::UnixMillis;
use forebay_config::Code;

use super::client::{EntryKind, FileSystem, Kind, OpenFile, Stat};
use super::content::ContentNotice;
use super::error::FileError;
use super::evidence::written;
use super::exclude::Exclude;
use super::identity::{FileKey, HEAD_MAX, Identity};
use super::open_files::{Handle, OpenFiles};
use super::settings::PathPattern;
use super::walk::Listed;
use super::watching::Watching;
use crate::source::{Known, Listing, SourceError, Standing, TrackInfo, TrackName};

/// A file with neither a whole line nor enough bytes for a full fingerprint is taken as it is when it was not
/// written to for this long.
const YOUNG_MAX: Duration = Duration::from_secs(5);

/// A file without a reader is kept open for at least this long once it was told as a track.
const HOLD_MIN: Duration = Duration::from_secs(10);

/// What was seen of the files so far.
pub(super) struct Sightings {
    files: Arc<dyn FileSystem>,
    pattern: PathPattern,
    exclude: Exclude,
    /// In boxes: a node of a map keeps places for eleven, and most mappings follow few files.
    pub(super) seen: BTreeMap<FileKey, Box<Sighting>>,
    /// The files of the last listing in which every folder could be read.
    listed: Option<BTreeSet<FileKey>>,
    /// Folders in which files were seen: a file that was renamed is looked for there.
    folders: BTreeSet<PathBuf>,
    /// Files that have no reader yet, kept open so that none is lost when it is renamed or deleted before it
    /// has one.
    held: BTreeMap<FileKey, Box<UnreadFile>>,
    hold_for: Duration,
    open_files: Arc<OpenFiles>,
    watching: Watching,
    /// Files of one path follow one another in order.
    pub(super) by_path: bool,
    /// Why the last listing was not whole.
    unseen: Option<(Code, String)>,
    /// What a pattern found that is no file: each is told once.
    oddities: BTreeSet<PathBuf>,
}

/// A file without a reader.
struct UnreadFile {
    path: PathBuf,
    handle: Arc<Handle>,
    /// It is no track yet: its first line is waited for.
    is_young: bool,
    /// Set when it was told as a track, or has left its path: then it is kept for a while only.
    until: Option<Instant>,
}

/// One file.
#[derive(Default)]
pub(super) struct Sighting {
    pub(super) path: PathBuf,
    /// What a mapping is told that does not know the file.
    current: Option<Identity>,
    /// Names of this file whose fingerprint was compared.
    fits: BTreeSet<TrackName>,
    /// Names of former lives.
    dead: BTreeSet<TrackName>,
    /// What was told of it.
    told: BTreeSet<ContentNotice>,
}

/// Files and troubles of one look.
#[derive(Default)]
pub(super) struct Look {
    files: Vec<(PathBuf, Stat)>,
    trouble: Option<SourceError>,
    /// Some folder could not be read: a file that is not there may be there all the same.
    is_partial: bool,
    /// Where nothing could be seen.
    unseen: Vec<PathBuf>,
    /// Nothing at all could be seen.
    is_blind: bool,
    /// What is no file.
    oddities: Vec<(PathBuf, FileError)>,
    n_excluded: usize,
    /// A link was followed: where it leads changes without a word, so it must be looked at again soon.
    has_links: bool,
}

/// What a mapping is to be told, file by file.
pub(super) struct FileSurvey {
    pub(super) tracks: Vec<TrackInfo>,
    pub(super) trouble: Option<SourceError>,
    /// Files that are there and cannot be read.
    pub(super) unreadable: Vec<FileKey>,
    /// Where nothing could be seen.
    pub(super) unseen: Vec<PathBuf>,
    /// Nothing at all could be seen.
    pub(super) is_blind: bool,
}

/// What a mapping is to be told of a file.
enum Sight {
    /// Nothing: it knows the file.
    Known,
    /// Nothing yet.
    Young,
    /// That it is this track.
    New(TrackName),
}

/// Where a track's file is.
pub(super) enum Found {
    /// Here, open.
    Here(PathBuf, Arc<Handle>),
    /// Nowhere.
    Gone,
}

/// A file for somebody who only looks, and where it stands.
pub(super) type Glanced = (PathBuf, Arc<dyn OpenFile>);

impl Sightings {
    pub(super) fn new(
        files: Arc<dyn FileSystem>,
        (open_files, watching): (Arc<OpenFiles>, Watching),
        pattern: PathPattern,
        exclude: Exclude,
        rotate_wait: Duration,
    ) -> Self {
        Self {
            files,
            pattern,
            exclude,
            seen: BTreeMap::new(),
            listed: None,
            folders: BTreeSet::new(),
            held: BTreeMap::new(),
            hold_for: rotate_wait.max(HOLD_MIN),
            open_files,
            watching,
            by_path: false,
            unseen: None,
            oddities: BTreeSet::new(),
        }
    }

    /// Files of one path follow one another in order, or each keeps its own.
    pub(super) fn by_path(self, by_path: bool) -> Self {
        Self { by_path, ..self }
    }

    /// The tracks that `known` does not hold.
    pub(super) fn tracks(&mut self, listed: Listed, known: &Known, now: UnixMillis) -> Listing {
        let FileSurvey { tracks, trouble, .. } = self.survey(listed, known, now);
        Listing { tracks, trouble }
    }

    /// The same with what holds it up.
    pub(super) fn survey(&mut self, listed: Listed, known: &Known, now: UnixMillis) -> FileSurvey {
        // The watch goes first: what comes while this listing is taken in is heard, and listed again.
        let is_watched = self.watching.watch(&listed);
        let heard = self.watching.heard(self.hold_for);
        let mut look = self.look(listed);
        self.watching.saw(&look.files);
        if !is_watched {
            self.watching
                .compare(self.files.as_ref(), &self.pattern, &look.files, known)
                .into_iter()
                .for_each(|it| look.add(it));
        }
        heard
            .lost
            .iter()
            .filter(|it| !self.is_excluded(it))
            .for_each(|it| look.add(FileError::MissedFile.on(it)));
        self.add_strays(&mut look, heard.strays, known);
        self.add_held(&mut look);
        let Look { trouble, is_blind, unseen, has_links, .. } = look;
        let mut survey = FileSurvey { tracks: Vec::new(), trouble, unreadable: Vec::new(), unseen, is_blind };
        for (path, stat) in look.files {
            match self.identify(&path, &stat, known, now) {
                Ok(None) => {}
                Ok(Some(name)) => survey.tracks.push(TrackInfo {
                    name,
                    label: path.display().to_string(),
                    parents: Vec::new(),
                }),
                // It went between the listing and the look, or another took its place, which the next listing
                // sees.
                Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    survey.trouble = survey.trouble.or_else(|| Some(error.on(&path)));
                    survey.unreadable.push(stat.key);
                }
            }
        }
        self.tell_parents(&mut survey.tracks, known);
        let is_settled = is_watched && !has_links && survey.trouble.is_none() && self.watch_young();
        self.watching.settle(is_settled);
        survey
    }

    /// Files that were renamed out of the pattern before anybody saw them under it, unless the mapping knows
    /// them.
    fn add_strays(&self, look: &mut Look, strays: Vec<PathBuf>, known: &Known) {
        for path in strays.into_iter().filter(|it| !self.is_excluded(it)) {
            let Ok(stat) = self.files.stat(&path) else { continue };
            let prefix = stat.key.prefix();
            let names = known
                .0
                .range(TrackName(prefix.clone())..)
                .take_while(|(name, _)| name.0.starts_with(&prefix));
            let is_known =
                names.filter_map(|(name, _)| Identity::parse(name)).any(|it| it.key.is_same(&stat.key));
            let is_listed = look.files.iter().any(|(_, it)| it.key == stat.key);
            if stat.kind == Kind::File && !is_known && !is_listed {
                look.files.push((path, stat));
            }
        }
    }

    /// Watches the files that are no tracks yet; `false` when one of them must be looked at instead. One that
    /// holds something becomes a track by its age alone, which nobody tells.
    fn watch_young(&mut self) -> bool {
        let Self { held, watching, .. } = self;
        held.values().filter(|it| it.is_young).all(|it| {
            let empty = it.handle.file().filter(|file| file.stat().is_ok_and(|stat| stat.size == 0));
            empty.is_some_and(|file| watching.watch_young(&it.handle, file.as_ref()))
        })
    }

    /// The tracks of `known` that have a file, which may have grown since they were named.
    pub(super) fn describe(&mut self, listed: Listed, known: &Known) -> Vec<TrackInfo> {
        self.look(listed);
        let path_of = |identity: &Identity| {
            let mut seen = self.seen.range(identity.key.births());
            seen.find(|(key, _)| key.is_same(&identity.key)).map(|(_, it)| &it.path)
        };
        let info = |name: &TrackName| {
            let label = path_of(&Identity::parse(name)?)?.display().to_string();
            Some(TrackInfo { name: name.clone(), label, parents: Vec::new() })
        };
        let mut described: Vec<TrackInfo> = known.0.keys().filter_map(info).collect();
        self.tell_parents(&mut described, known);
        described
    }

    /// Adds the files that left their path before they had a reader, and lets go of those that nobody came
    /// for.
    fn add_held(&mut self, look: &mut Look) {
        let now = Instant::now();
        let listed: BTreeSet<FileKey> = look.files.iter().map(|(_, stat)| stat.key).collect();
        for (key, held) in &mut self.held {
            // A listing with gaps proves nothing: a file in a folder that could not be read has not left.
            if !look.is_partial && !listed.contains(key) {
                held.until.get_or_insert(now + self.hold_for);
                let file = held.handle.file();
                // Nothing but its descriptor leads to it any more.
                held.handle.pin(true);
                look.files.extend(file.and_then(|it| it.stat().ok()).map(|stat| (held.path.clone(), stat)));
            }
        }
        self.held.retain(|_, held| held.until.is_none_or(|until| now < until));
    }

    /// A file that is held open for its reader, else one that is opened for this look alone.
    fn open(&self, path: &Path, key: FileKey) -> io::Result<Arc<dyn OpenFile>> {
        match self.held.get(&key).and_then(|held| held.handle.file()) {
            Some(file) => Ok(file),
            None => self.files.open(path),
        }
    }

    fn hold(&mut self, path: &Path, key: FileKey, until: Option<Instant>) -> Result<(), FileError> {
        let held = self.held.get(&key);
        let until = until.or_else(|| held.and_then(|held| held.until));
        let is_young = until.is_none();
        let handle = match held.filter(|it| it.handle.is_open()) {
            Some(held) => Arc::clone(&held.handle),
            None => self.open_files.open(self.files.as_ref(), path)?,
        };
        let stat = handle.file().map(|it| it.stat()).transpose().map_err(FileError::of)?;
        // Another file may have taken the path since the listing; that one is held by its own key.
        if stat.is_none_or(|it| it.key == key) {
            self.held.insert(key, Box::new(UnreadFile { path: path.to_owned(), handle, is_young, until }));
        }
        Ok(())
    }

    /// Takes a listing in. Two paths of one file count once.
    pub(super) fn look(&mut self, listed: Listed) -> Look {
        let look = self.look_at(listed);
        let trouble = look.trouble.as_ref().filter(|_| look.is_partial);
        self.unseen = trouble.map(|it| {
            (it.code(), std::error::Error::source(it).map_or_else(|| it.to_string(), ToString::to_string))
        });
        look
    }

    fn look_at(&mut self, listed: Listed) -> Look {
        let mut look = Look { has_links: listed.has_links, ..Look::default() };
        let folder = self.pattern.folder();
        if let Err(error) = self.files.stat(&folder) {
            let is_absent = error.kind() == io::ErrorKind::NotFound;
            let what = if is_absent { FileError::NoFolder(folder.clone()) } else { FileError::of(error) };
            return Look { trouble: Some(what.on(&folder)), is_partial: true, is_blind: !is_absent, ..look };
        }
        let mut keys = BTreeSet::new();
        for found in listed.found {
            let (path, stat) = match found {
                Ok(path) if self.is_excluded(&path) => {
                    look.n_excluded += 1;
                    continue;
                }
                Ok(path) => (path.clone(), self.files.stat(&path)),
                Err((path, error)) => (path, Err(error)),
            };
            match stat {
                Ok(stat) if stat.kind == Kind::File => {
                    if keys.insert(stat.key) {
                        self.folders.extend(path.parent().map(Path::to_owned));
                        self.seen.entry(stat.key).or_default().path.clone_from(&path);
                        look.files.push((path, stat));
                    }
                }
                // A pattern such as `logs/*` meets folders all the time; a path that is one is a mistake.
                Ok(stat) if stat.kind == Kind::Folder && self.is_pattern() => {}
                Ok(stat) => look.add_oddity(path, FileError::NotAFile(stat.kind)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => match FileError::of(error) {
                    error @ FileError::LinkLoop(_) => look.add_oddity(path, error),
                    error => {
                        look.is_blind |= path == folder || !self.is_pattern();
                        look.add(error.on(&path));
                        look.unseen.push(path);
                    }
                },
            }
        }
        if let Some(n_entries) = listed.cut_at {
            look.add(FileError::ListingCut { n_entries }.on(Path::new(&self.pattern.to_string())));
            look.unseen.push(folder.clone());
        }
        self.folders.insert(folder);
        self.tell_oddities(&mut look);
        look.is_partial = !look.unseen.is_empty();
        // What lies where nothing could be seen may be there still; everything else has been seen, or has
        // left.
        let is_hidden = |it: &Sighting| look.unseen.iter().any(|above| it.path.starts_with(above));
        keys.extend(self.seen.iter().filter(|(_, it)| is_hidden(it)).map(|(key, _)| *key));
        self.seen.retain(|key, _| keys.contains(key));
        self.listed = Some(keys);
        look
    }

    pub(super) fn pattern(&self) -> &PathPattern {
        &self.pattern
    }

    /// Takes a name for that of a file without a look into it.
    pub(super) fn knows(&mut self, key: FileKey, name: &TrackName) {
        self.seen.entry(key).or_default().fits.insert(name.clone());
    }

    fn is_pattern(&self) -> bool {
        match self.pattern {
            PathPattern::One(_) => false,
            PathPattern::Glob { .. } => true,
        }
    }

    /// Whether a path that the pattern found is left out; one that is named as it stands never is.
    fn is_excluded(&self, path: &Path) -> bool {
        self.is_pattern() && self.exclude.leaves_out(path)
    }

    /// A pattern leaves out what is no file, and says so once for each; a path that is none is trouble.
    fn tell_oddities(&mut self, look: &mut Look) {
        let oddities = std::mem::take(&mut look.oddities);
        let mut told: BTreeSet<PathBuf> = oddities.iter().map(|it| it.0.clone()).collect();
        for (path, error) in oddities {
            if !self.is_pattern() {
                look.is_blind = true;
                look.add(error.on(&path));
            } else if !self.oddities.contains(&path) {
                tracing::warn!(path = %path.display(), "the pattern leaves this out: {error}");
            }
        }
        if look.n_excluded > 0 && look.files.is_empty() {
            let all = PathBuf::from(self.pattern.to_string());
            if !self.oddities.contains(&all) {
                let n_files = look.n_excluded;
                tracing::warn!(pattern = %all.display(), n_files, "`exclude` leaves out every file that the pattern names");
            }
            told.insert(all);
        }
        self.oddities = told;
    }

    /// The name under which a mapping is told of a file; `None` when it knows the file, or when it is too
    /// young to tell.
    fn identify(
        &mut self,
        path: &Path,
        stat: &Stat,
        known: &Known,
        now: UnixMillis,
    ) -> Result<Option<TrackName>, FileError> {
        match self.recognise(path, stat, known, now).map_err(FileError::of)? {
            Sight::Known => Ok(None),
            Sight::Young => self.hold(path, stat.key, None).map(|()| None),
            Sight::New(name) => {
                self.hold(path, stat.key, Some(Instant::now() + self.hold_for)).map(|()| Some(name))
            }
        }
    }

    fn recognise(&mut self, path: &Path, stat: &Stat, known: &Known, now: UnixMillis) -> io::Result<Sight> {
        let prefix = stat.key.prefix();
        let range =
            known.0.range(TrackName(prefix.clone())..).take_while(|(name, _)| name.0.starts_with(&prefix));
        let mine: Vec<(&TrackName, Identity, Standing)> = range
            .filter_map(|(name, standing)| Some((name, Identity::parse(name)?, *standing)))
            .filter(|(_, identity, _)| identity.key.is_same(&stat.key))
            .collect();
        let is_open = |it: &&(&TrackName, Identity, Standing)| it.2 == Standing::Open;
        let is_seen = |it: &Sighting| {
            mine.iter().filter(is_open).any(|(name, ..)| it.fits.contains(*name) && !it.dead.contains(*name))
        };
        if self.seen.get(&stat.key).is_some_and(|it| is_seen(it)) {
            return Ok(Sight::Known);
        }
        // No fingerprint tells an empty file from the next one that gets its inode.
        if stat.size == 0 {
            return Ok(Sight::Young);
        }
        // Only where names do not decide: a listing of thousands of known files opens none of them.
        let head = read_head(self.open(path, stat.key)?.as_ref(), stat.key)?;
        let line = self.line_of(path);
        // It was finished when it had left the path whose order it is in, though the pattern names it still.
        let is_done = |(_, identity, standing): &(&TrackName, Identity, Standing)| {
            *standing == Standing::Ended
                && identity.line.is_some()
                && identity.line != line
                && identity.fits(&head)
        };
        if line.is_some() && mine.iter().any(is_done) {
            return Ok(Sight::Known);
        }
        let sighting = self.seen.entry(stat.key).or_default();
        for (name, identity, _) in mine.iter().filter(is_open) {
            if identity.fits(&head) && !sighting.dead.contains(*name) {
                sighting.fits.insert((*name).clone());
                return Ok(Sight::Known);
            }
            // The name's file was written anew or its inode given away; once dead it stays so, even if the
            // bytes fit again.
            sighting.dead.insert((*name).clone());
        }
        let is_known = |name: &TrackName| known.0.contains_key(name);
        // Several mappings see one file: all who do not know it are told the same name.
        if let Some(current) = &sighting.current {
            let name = current.name();
            if current.fits(&head) && !sighting.dead.contains(&name) && !is_known(&name) {
                sighting.fits.insert(name.clone());
                return Ok(Sight::New(name));
            }
        }
        let is_young = head.len() < HEAD_MAX && !head.contains(&b'\n') && stat.modified.age(now) < YOUNG_MAX;
        if is_young {
            return Ok(Sight::Young);
        }
        let lives = mine
            .iter()
            .map(|(_, identity, _)| identity.life)
            .chain(sighting.current.as_ref().map(|it| it.life));
        // Above every life that a mapping knows, for a name that was finished is never a track again.
        let life = lives.max().map_or(0, |life| life + 1);
        // Space that was reserved and is not written yet will hold something else.
        let identity = Identity::new(stat.key, written(&head), life).in_line(line);
        let name = identity.name();
        sighting.current = Some(identity);
        sighting.fits.insert(name.clone());
        Ok(Sight::New(name))
    }

    /// Notes that a track's file was truncated or written anew: its next life is another track.
    pub(super) fn end_life(&mut self, identity: &Identity) {
        for (_, sighting) in
            self.seen.range_mut(identity.key.births()).filter(|(key, _)| key.is_same(&identity.key))
        {
            sighting.dead.insert(identity.name());
        }
        // Its reader heard of it, and nobody else: what the file holds now is a track as soon as it is
        // listed.
        self.watching.ring();
    }

    /// Whether this is still to be told of a file; it counts as told from now on.
    pub(super) fn tell_once(&mut self, key: &FileKey, what: ContentNotice) -> bool {
        let mut sightings = self.seen.range_mut(key.births()).filter(|(seen, _)| seen.is_same(key));
        sightings.next().is_some_and(|(_, it)| it.told.insert(what))
    }

    /// Whether the pattern no longer names the file, as far as the last whole listing tells.
    /// Where files of one path follow one another it has left when another path names it, too.
    pub(super) fn has_left(&self, identity: &Identity) -> bool {
        let key = &identity.key;
        let left_its_line = |line| self.line_of_file(key).is_some_and(|now| now != line);
        if self.by_path && identity.line.is_some_and(left_its_line) {
            return true;
        }
        self.listed.as_ref().is_some_and(|listed| !listed.range(key.births()).any(|it| it.is_same(key)))
    }

    /// Looks for a track's file for its reader: where it is held for one, then as [`Sightings::seek`] does.
    pub(super) fn find(&mut self, identity: &Identity) -> Result<Found, SourceError> {
        let held =
            self.held_for(identity).and_then(|key| self.held.remove(&key)).filter(|it| it.handle.is_open());
        if let Some(held) = held {
            return Ok(Found::Here(held.path, held.handle));
        }
        let Some((path, _)) = self.seek(identity)? else { return Ok(Found::Gone) };
        let handle = self.open_files.open(self.files.as_ref(), &path).map_err(|error| error.on(&path))?;
        Ok(Found::Here(path, handle))
    }

    /// The same for somebody who only looks: what is held stays held for its reader.
    pub(super) fn glance(&mut self, identity: &Identity) -> Result<Option<Glanced>, SourceError> {
        let held = self.held_for(identity).and_then(|key| self.held.get(&key));
        if let Some((held, file)) = held.and_then(|it| Some((it, it.handle.file()?))) {
            return Ok(Some((held.path.clone(), file)));
        }
        let Some((path, _)) = self.seek(identity)? else { return Ok(None) };
        let file = self.files.open(&path).map_err(|error| FileError::of(error).on(&path))?;
        Ok(Some((path, file)))
    }

    /// Whether a track's file stands where the last listing saw it, or is held open: then it is found without
    /// another.
    pub(super) fn is_at_hand(&self, identity: &Identity) -> bool {
        self.held_for(identity).is_some() || self.seen_at(identity).is_some()
    }

    /// Whether a track still has a file, which it may be that nobody can read now.
    pub(super) fn is_there(&mut self, identity: &Identity) -> Result<bool, SourceError> {
        Ok(self.held_for(identity).is_some() || self.seek(identity)?.is_some())
    }

    fn held_for(&self, identity: &Identity) -> Option<FileKey> {
        let mut held = self.held.range(identity.key.births());
        held.find(|(key, held)| key.is_same(&identity.key) && held.until.is_some()).map(|(key, _)| *key)
    }

    fn seen_at(&self, identity: &Identity) -> Option<(PathBuf, Stat)> {
        let mut seen = self.seen.range(identity.key.births()).filter(|(key, _)| key.is_same(&identity.key));
        seen.find_map(|(_, it)| Some((it.path.clone(), self.stat_if_it(&it.path, identity)?)))
    }

    fn stat_if_it(&self, path: &Path, identity: &Identity) -> Option<Stat> {
        self.files.stat(path).ok().filter(|stat| stat.kind == Kind::File && stat.key.is_same(&identity.key))
    }

    /// The path under which a track's file stands, and what it is: where the last listing saw it, then, by
    /// its inode, in the folders where files were seen; `None` when it is nowhere.
    pub(super) fn seek(&mut self, identity: &Identity) -> Result<Option<(PathBuf, Stat)>, SourceError> {
        if let Some(found) = self.seen_at(identity) {
            return Ok(Some(found));
        }
        // A rotation renames within the folder, mostly: a look for the inode there is cheap and finds it.
        for folder in &self.folders {
            let Ok(entries) = self.files.folder(folder) else { continue };
            let mut paths = entries
                .filter_map(Result::ok)
                .filter(|it| it.kind != EntryKind::Folder)
                .map(|it| folder.join(it.name));
            if let Some(found) =
                paths.find_map(|path| self.stat_if_it(&path, identity).map(|stat| (path, stat)))
            {
                return Ok(Some(found));
            }
        }
        // Not found and not everything seen: it may be there still, and to call it gone would end its track.
        match &self.unseen {
            Some((code, why)) => Err(SourceError::Down {
                what: self.pattern.to_string(),
                code: *code,
                cause: why.clone().into(),
            }),
            None => Ok(None),
        }
    }
}

/// The end of the last whole line.
pub(super) fn end_of_lines(file: &dyn OpenFile) -> io::Result<u64> {
    end_of_lines_before(file, file.stat()?.size)
}

/// The end of the last whole line that ends at `end` or before it.
pub(super) fn end_of_lines_before(file: &dyn OpenFile, mut end: u64) -> io::Result<u64> {
    const STEP: u64 = 64 << 10;
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

    fn add_oddity(&mut self, path: PathBuf, what: FileError) {
        self.oddities.push((path, what));
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
