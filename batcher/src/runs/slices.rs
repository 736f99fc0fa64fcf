//! What a checkpoint says of a batch run: the slices of it that are open on one track.

use std::collections::BTreeMap;

use super::Runs;
use super::run::{BatchRun, Step, What};
use crate::attempt::Slice;
use crate::checkpoint::{GivenUp, OpenSlice};
use crate::context::Context;
use crate::hold::{BatchRunId, Hold};
use crate::lanes::lane_of;
use crate::record::Position;
use crate::record::{Place, Record, TrackIdx};
use crate::time::Tick;
use crate::time::UnixMillis;
use crate::tumbling::Finale;

/// The track that a checkpoint is of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Its {
    pub(crate) idx: TrackIdx,
    pub(crate) n_lanes: u32,
}

impl Runs {
    /// Adds what a batch run leaves open on a track.
    pub(crate) fn open_slices(&self, id: BatchRunId, its: Its, cx: &Context, out: &mut Vec<OpenSlice>) {
        let Some(run) = self.batch_runs.get(id) else { return };
        let places = (run.steps.len() > 1).then(|| places_of(run, its));
        for step in &run.steps {
            open_slices_of(run, step, its, places.as_ref(), cx, out);
        }
    }
}

/// Where the records of a batch run stand on the lanes of a track, in reading order.
fn places_of(run: &BatchRun, its: Its) -> BTreeMap<u32, Vec<&Position>> {
    let mut places: BTreeMap<u32, Vec<&Position>> = BTreeMap::new();
    for record in run.records() {
        if let Some((lane, position)) = lane_on(record, its) {
            places.entry(lane).or_default().push(position);
        }
    }
    places.values_mut().for_each(|places| places.sort_unstable());
    places
}

/// The lane and position of a record on this track; `None` on any other.
fn lane_on(record: &Record, its: Its) -> Option<(u32, &Position)> {
    let Place::Track(idx, position) = &record.place else { return None };
    (*idx == its.idx).then(|| (lane_of(&record.key, position, its.n_lanes), position))
}

/// What a step leaves open on this track. A slice holds all that is open from its first to its last record on
/// its lane: where records of another step stand between, as with records that were too old among others that
/// were not, it is written in parts.
fn open_slices_of(
    run: &BatchRun,
    step: &Step,
    its: Its,
    places: Option<&BTreeMap<u32, Vec<&Position>>>,
    cx: &Context,
    out: &mut Vec<OpenSlice>,
) {
    let finale = step.finale();
    match &step.what {
        What::Filling(filling) if filling.track == its.idx => out.push(filling.slice.clone()),
        What::Filling(_) => {}
        // An untried slice is a plain part of what is read again, under whatever limits hold by then, unless
        // it is to be cut the same again.
        What::Attempt(attempted) if attempted.n_invokes == 0 && !cx.plan.durable_cuts => {}
        What::Attempt(attempted) => {
            let not_before = by_the_wall_clock(attempted.not_before, cx);
            for_each_part(&attempted.slice, finale, run, its, places, |part| {
                let slice = open_slice(run, part, attempted.n_invokes, not_before);
                let (n_failures, is_age_pardoned) = (attempted.n_failures, attempted.is_pardoned);
                out.push(OpenSlice { n_failures, is_age_pardoned, finale, ..slice });
            });
        }
        What::GivenUp(given_up) => {
            // A payload may have six megabytes; a checkpoint is rewritten with every change and keeps the
            // reason only.
            let reply = given_up.reply.clone().map(|reply| crate::attempt::Reply {
                payload: None,
                state: None,
                ..*reply
            });
            let kept = Some(Box::new(GivenUp {
                condition: given_up.condition,
                reply,
                paused_since: given_up.paused.map(|it| it.since),
            }));
            for_each_part(&given_up.slice, finale, run, its, places, |part| {
                let slice = open_slice(run, part, given_up.n_invokes, OpenSlice::AT_ONCE);
                out.push(OpenSlice { given_up: kept.clone(), finale, ..slice });
            });
        }
    }
}

/// A part of a slice of this batch run that was not given up and has failed nothing.
fn open_slice(
    run: &BatchRun,
    (lane, first, last): (u32, Position, Position),
    n_invokes: u32,
    not_before: UnixMillis,
) -> OpenSlice {
    OpenSlice {
        lane,
        first,
        last,
        n_failures: 0,
        n_invokes,
        not_before,
        retries_max: run.limits.retries_max,
        record_age_max_ms: run
            .limits
            .record_age_max
            .map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        bisect: run.limits.bisect,
        is_age_pardoned: false,
        given_up: None,
        finale: None,
    }
}

/// Each part of a slice on this track: its lane, and from where to where it stands on it.
#[inline]
fn for_each_part(
    slice: &Slice,
    finale: Option<Finale>,
    run: &BatchRun,
    its: Its,
    places: Option<&BTreeMap<u32, Vec<&Position>>>,
    mut tell: impl FnMut((u32, Position, Position)),
) {
    if let (Some(_), Some((_, lane))) = (finale, run.lane()) {
        // The end of a window has no place.
        return tell((lane, Position::new(&[]), Position::new(&[])));
    }
    match only_part(slice, run, places) {
        Some(part) => Some(part).into_iter().for_each(tell),
        None => parts_of(slice, its, places).into_iter().for_each(tell),
    }
}

/// When a slice may be tried again.
fn by_the_wall_clock(not_before: Tick, cx: &Context) -> UnixMillis {
    if not_before <= cx.now.tick {
        return OpenSlice::AT_ONCE;
    }
    // Ticks end with the process: the next life knows the delay by the wall clock only.
    let wait = cx.now.tick.until(not_before);
    UnixMillis(cx.now.unix.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
}

/// The lane of a slice that is of one only, as most are, and from where to where it stands on it.
fn only_part(
    slice: &Slice,
    run: &BatchRun,
    places: Option<&BTreeMap<u32, Vec<&Position>>>,
) -> Option<(u32, Position, Position)> {
    let (None, true, [Hold::Lane(_, lane)]) = (places, run.lost.is_empty(), run.holds.as_slice()) else {
        return None;
    };
    let (first, last) = (slice.records().first()?, slice.records().last()?);
    Some((*lane, first.position()?.clone(), last.position()?.clone()))
}

/// The lanes of a slice on this track, and from where to where it stands on each.
fn parts_of(
    slice: &Slice,
    its: Its,
    places: Option<&BTreeMap<u32, Vec<&Position>>>,
) -> Vec<(u32, Position, Position)> {
    let mut parts: BTreeMap<u32, Vec<(Position, Position)>> = BTreeMap::new();
    for (lane, position) in slice.records().iter().filter_map(|record| lane_on(record, its)) {
        let is_next = |last: &Position| {
            let places = places.and_then(|places| places.get(&lane));
            places.is_none_or(|places| {
                places.get(places.partition_point(|it| *it <= last)).is_none_or(|next| *next == position)
            })
        };
        let parts = parts.entry(lane).or_default();
        match parts.last_mut() {
            Some((_, last)) if is_next(last) => *last = position.clone(),
            Some(_) | None => parts.push((position.clone(), position.clone())),
        }
    }
    parts
        .into_iter()
        .flat_map(|(lane, parts)| parts.into_iter().map(move |(first, last)| (lane, first, last)))
        .collect()
}
