//! What the machine was told, entered into the books; and the sums that its own counts must equal.

use forebay_batcher::{AttemptId, Counts, NoticeId, Outcome, Place, RecordId, Rule, Slice};
use forebay_config::Redelivery;

use super::{Closing, Oracle, Violation, holds};

/// What a life's counts must come to.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "the fields are those of the machine's counts")]
pub struct Tally {
    pub polled: u64,
    pub filtered_out: u64,
    pub delivered: u64,
    pub delivery_failures: u64,
    pub dropped: u64,
    pub gaps: u64,
    pub committed: u64,
    pub deleted: u64,
    pub not_reached: u64,
    pub halved: u64,
    pub retried: u64,
    pub succeeded: u64,
}

/// How an outcome's records are treated next.
enum Verdict {
    Done,
    Again { spent: bool },
    Untouched,
}

impl Oracle {
    /// The machine hears of an outcome. `plan` limits decide between halving and spending, so the attempt's own limits are the caller's.
    pub(crate) fn hear_outcome(&mut self, id: AttemptId, slice: &Slice, outcome: &Outcome, bisects: Bisects) -> bool {
        let Some(flight) = self.flights.remove(&id) else { return false };
        let n = flight.entries.len();
        // What belongs to a former ownership changes nothing in this one.
        let alive: Vec<bool> = flight.entries.iter().zip(&flight.owner_of).map(|(entry, owner)| self.is_held(*entry, *owner)).collect();
        let entries: Vec<usize> = flight.entries.iter().zip(&alive).filter(|(_, alive)| **alive).map(|(entry, _)| *entry).collect();
        for entry in &entries {
            self.entries[*entry].in_flight = false;
        }
        match outcome {
            Outcome::Succeeded(_) => self.enter(&entries, &Verdict::Done),
            Outcome::Failed { .. } => self.enter(&entries, &Verdict::Again { spent: n == 1 || bisects == Bisects::Never }),
            Outcome::NotReached { .. } => {
                self.tally.not_reached += u64::from(!entries.is_empty());
                self.enter(&entries, &Verdict::Untouched);
            }
            Outcome::TooLarge => {
                if let ([only], 1) = (&entries[..], n) {
                    self.entries[*only].too_large = true;
                }
                self.enter(&entries, &Verdict::Untouched);
            }
            Outcome::PartlyFailed { failed, .. } => self.hear_partial(slice, failed, &flight.entries, &alive),
        }
        true
    }

    /// A partial answer: on a track everything from the first named record on is tried again, for a function may stop there; in queues what
    /// was named, and with the group guard what follows it in its group.
    fn hear_partial(&mut self, slice: &Slice, failed: &[RecordId], entries: &[usize], alive: &[bool]) {
        let (mut done, mut rest, mut first_named) = (Vec::new(), Vec::new(), None);
        // The batch that is halved is the one that was sent, with what was lost since.
        let mut n_rest = 0;
        let mut blocked = Vec::new();
        for ((record, entry), alive) in slice.records().iter().zip(entries).zip(alive) {
            let unit = match &record.place {
                Place::Track(track, _) => Some(track.0),
                Place::Queue { .. } if self.plan().retry.stop_group_at_first_failure => self.truth_of(*entry).key,
                Place::Queue { .. } => None,
            };
            let named = failed.contains(&record.id);
            let behind = unit.is_some() && blocked.contains(&unit);
            if named {
                blocked.push(unit);
                first_named.get_or_insert(*entry);
            }
            n_rest += usize::from(named || behind);
            if *alive {
                if named || behind { rest.push(*entry) } else { done.push(*entry) }
            }
        }
        self.enter(&done, &Verdict::Done);
        let by_us = self.plan().retry.redelivery == Redelivery::ByUs;
        let exhausted = |held: &super::Entry| self.plan().retry.retries_max.is_some_and(|max| held.spent + 1 > max);
        let splits = !self.is_queue && self.plan().retry.bisect && n_rest > 1 && rest.iter().any(|entry| exhausted(&self.entries[*entry]));
        for entry in rest {
            // With bisect the last try gives up the named record alone; the others go on as halves.
            self.enter(&[entry], &Verdict::Again { spent: by_us && (!splits || first_named == Some(entry)) });
        }
    }

    /// The machine hears that a destination took a notice's records.
    pub(crate) fn hear_taken(&mut self, id: NoticeId, taken: bool) -> bool {
        let Some(entries) = self.notices.remove(&id) else { return false };
        let mut any_held = false;
        for (entry, owner) in entries {
            if !self.is_held(entry, owner) {
                continue;
            }
            any_held = true;
            let held = &mut self.entries[entry];
            held.noticing = false;
            held.finished |= taken;
            held.fixed |= taken;
            self.tally.delivered += u64::from(taken);
        }
        self.tally.delivery_failures += u64::from(!taken && any_held);
        true
    }

    /// Counts that the machine and the world must agree on, whatever happened.
    pub(crate) fn w2_the_counts_add_up(&self, counts: &Counts) -> Result<(), Violation> {
        if self.closing == Closing::Abandoned {
            return Ok(());
        }
        let pairs = [
            ("polled", counts.polled, self.tally.polled),
            ("filtered_out", counts.filtered_out, self.tally.filtered_out),
            ("dropped", counts.dropped, self.tally.dropped),
            ("gaps", counts.gaps, self.tally.gaps),
            ("committed", counts.committed, self.tally.committed),
            ("deleted", counts.deleted, self.tally.deleted),
        ];
        for (name, machine, world) in pairs {
            holds(Rule::W2, machine == world, || format!("the machine counts {name} = {machine}, the world {world}"))?;
        }
        // A batch may succeed after one of its tracks or receipts was lost.
        let may_be_late = self.plan().mixes_tracks || self.is_queue;
        let pairs = [
            ("not_reached", counts.not_reached, self.tally.not_reached),
            ("succeeded", counts.succeeded, self.tally.succeeded),
            ("delivered", counts.delivered, self.tally.delivered),
            ("delivery_failures", counts.delivery_failures, self.tally.delivery_failures),
        ];
        for (name, machine, world) in pairs {
            let agree = machine == world || (may_be_late && machine > world);
            holds(Rule::W2, agree, || format!("the machine counts {name} = {machine}, the world {world}"))?;
        }
        holds(Rule::W2, counts.invoked >= counts.succeeded + counts.failed, || {
            format!("more records ended in attempts than began: {counts:?}")
        })
    }

    /// The living machine still holds this record by that ownership (`u32::MAX` for a queue).
    fn is_held(&self, entry: usize, owner: u32) -> bool {
        let track_held = self.owners.get(&forebay_batcher::TrackIdx(owner)).is_some_and(|it| !it.over && !it.position_lost);
        if self.is_queue { !self.entries[entry].void } else { track_held }
    }

    fn enter(&mut self, entries: &[usize], verdict: &Verdict) {
        for entry in entries {
            let held = &mut self.entries[*entry];
            match verdict {
                Verdict::Done => {
                    held.finished = true;
                    held.fixed = true;
                    self.tally.succeeded += 1;
                }
                Verdict::Again { spent } => {
                    held.tried += 1;
                    held.spent += u32::from(*spent);
                }
                Verdict::Untouched => {}
            }
        }
    }
}

/// Whether a failed attempt of several records is halved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bisects {
    Always,
    Never,
}
