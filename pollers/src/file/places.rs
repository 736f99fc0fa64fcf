//! Places in files that operators ask for: where each begins, whether a line begins at an offset, how much
//! waits. It runs on the threads of `io`.

use forebay_batcher::{Origin, ShortBytes, UnixMillis, Watermark};
use forebay_config::StartingPosition;

use super::error::FileError;
use super::evidence::{FileStart, place_in};
use super::identity::Identity;
use super::sightings::{Sightings, end_of_lines_before};
use super::walk::Listed;
use crate::source::{Known, SourceError, Standing, TrackName};
use crate::source::{PlaceError, Stand};

/// Where each file begins, those that were read to their end and are still there included.
pub(super) fn of(
    sightings: &mut Sightings,
    listed: Listed,
    known: &Known,
    start: StartingPosition,
    now: UnixMillis,
) -> Result<Vec<(TrackName, Origin)>, PlaceError> {
    let is_latest = match start {
        StartingPosition::TrimHorizon => false,
        StartingPosition::Latest => true,
        StartingPosition::AtTimestamp(_) => {
            return Err(PlaceError::None(
                "the lines of a file have no times: name TRIM_HORIZON, LATEST or an offset".to_owned(),
            ));
        }
    };
    let new = if is_latest {
        sightings.latest_tracks(listed, known, now)?
    } else {
        sightings.tracks(listed, known, now).tracks.into_iter().map(|it| it.name).collect()
    };
    let open = known.0.iter().filter(|it| *it.1 == Standing::Open).map(|it| it.0.clone());
    let alive: Vec<(TrackName, Identity)> =
        open.chain(new).filter_map(|it| Some((it.clone(), Identity::parse(&it)?))).collect();
    // A file that was rotated away is read once more. Of one that was written anew the former life is gone,
    // though it may look the same.
    let is_alive = |identity: &Identity| alive.iter().any(|(_, other)| other.key.is_same(&identity.key));
    let ended = known
        .0
        .iter()
        .filter(|it| *it.1 == Standing::Ended)
        .filter_map(|it| Some((it.0.clone(), Identity::parse(it.0)?)));
    let ended: Vec<_> = ended.filter(|(_, identity)| !is_alive(identity)).collect();
    let mut places = Vec::new();
    for (name, identity) in alive.into_iter().chain(ended) {
        let origin = if is_latest {
            sightings.latest(&name)?
        } else {
            sightings.is_there(&identity)?.then(|| Origin(ShortBytes::new(b"")))
        };
        places.extend(origin.map(|origin| (name, origin)));
    }
    Ok(places)
}

/// The bound at an offset where a line begins.
pub(super) fn bound(
    sightings: &mut Sightings,
    listed: Listed,
    track: &TrackName,
    told: &str,
) -> Result<Watermark, PlaceError> {
    let none = |why: String| Err(PlaceError::None(why));
    let Ok(at) = told.parse::<u64>() else {
        return none(format!("{told:?} is no offset: name the byte at which a line begins"));
    };
    let Some(identity) = Identity::parse(track) else { return none(format!("{} is no file", track.0)) };
    sightings.look(listed);
    let Some((path, file)) = sightings.glance(&identity)? else { return none("its file is gone".to_owned()) };
    let failed = |error| FileError::of(error).on(&path);
    let n_bytes = file.stat().map_err(failed)?.size;
    if at > n_bytes {
        return none(format!("{} has {n_bytes} bytes only", path.display()));
    }
    let line = end_of_lines_before(&*file, at).map_err(failed)?;
    // An offset within a line would make a record of its rest, which no writer ever wrote.
    if line != at {
        return none(format!(
            "no line of {} begins at byte {at}; the one that holds it begins at {line}",
            path.display()
        ));
    }
    Ok(Watermark::At(place_in(&*file, at).map_err(failed)?))
}

/// Bytes that are not finished, of files that nobody was told of yet too.
pub(super) fn n_bytes_behind(
    sightings: &mut Sightings,
    listed: Listed,
    stands: &[Stand],
    now: UnixMillis,
) -> Result<u64, SourceError> {
    let mut n_bytes = 0;
    let listed = sightings.tracks(listed, &Stand::known(stands), now);
    for stand in stands.iter().filter(|it| it.standing == Standing::Open) {
        let Some((identity, start)) = Identity::parse(&stand.track).zip(FileStart::of(&stand.bound)) else {
            continue;
        };
        let size = sightings.seek(&identity)?.map_or(0, |(_, stat)| stat.size);
        n_bytes += size.saturating_sub(start.offset());
    }
    for identity in listed.tracks.iter().filter_map(|it| Identity::parse(&it.name)) {
        n_bytes += sightings.seek(&identity)?.map_or(0, |(_, stat)| stat.size);
    }
    let sees_nothing = stands.is_empty() && listed.tracks.is_empty();
    listed.trouble.filter(|_| sees_nothing).map_or(Ok(n_bytes), Err)
}
