//! What the machine was told, entered into the books; and the sums that its own counts must equal.

use forebay_batcher::lanes::lane_of;
use forebay_batcher::{AttemptId, Counts, NoticeId, Outcome, Rule, Slice};

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
        let (n_lanes, by_us) = (self.plan().lanes.get(), self.redelivers_by_us());
        match outcome {
            Outcome::Succeeded(_) => self.enter(&entries, &Verdict::Done),
            Outcome::Failed { .. } => self.enter(&entries, &Verdict::Again { spent: n == 1 || bisects == Bisects::Never }),
            Outcome::NotReached { .. } => {
                self.tally.not_reached += 1;
                self.enter(&entries, &Verdict::Untouched);
            }
            Outcome::TooLarge => {
                if let ([only], 1) = (&entries[..], n) {
                    self.entries[*only].too_large = true;
                }
                self.enter(&entries, &Verdict::Untouched);
            }
            Outcome::PartlyFailed { failed, .. } => {
                let mut blocked: Vec<(u32, u32)> = Vec::new();
                let mut blocked_groups = Vec::new();
                let all = slice.records().iter().zip(&flight.entries).zip(&alive);
                for ((record, entry), _) in all.filter(|(_, alive)| **alive) {
                    let named = failed.contains(&record.id);
                    let (again, surely_done) = match &record.place {
                        forebay_batcher::Place::Track(track, position) => {
                            let lane = if self.lanes_vary { 0 } else { lane_of(&record.key, position, n_lanes) };
                            let behind = blocked.contains(&(track.0, lane));
                            if named && !behind {
                                blocked.push((track.0, lane));
                            }
                            (named || (behind && !self.lanes_vary), !behind)
                        }
                        forebay_batcher::Place::Queue { .. } => {
                            let group = self.truth_of(*entry).key;
                            let behind = self.plan().retry.stop_group_at_first_failure && blocked_groups.contains(&group) && group.is_some();
                            if named {
                                blocked_groups.push(group);
                            }
                            (named || behind, true)
                        }
                    };
                    if again {
                        self.enter(&[*entry], &Verdict::Again { spent: by_us });
                    } else {
                        self.enter(&[*entry], &Verdict::Done);
                        self.entries[*entry].fixed = surely_done;
                    }
                }
            }
        }
        true
    }

    /// The machine hears that a destination took a notice's records.
    pub(crate) fn hear_taken(&mut self, id: NoticeId, taken: bool) -> bool {
        let Some(entries) = self.notices.remove(&id) else { return false };
        for (entry, owner) in entries {
            if !self.is_held(entry, owner) {
                continue;
            }
            let held = &mut self.entries[entry];
            held.noticing = false;
            held.finished |= taken;
            held.fixed |= taken;
            self.tally.delivered += u64::from(taken);
        }
        self.tally.delivery_failures += u64::from(!taken);
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
            ("delivered", counts.delivered, self.tally.delivered),
            ("delivery_failures", counts.delivery_failures, self.tally.delivery_failures),
            ("dropped", counts.dropped, self.tally.dropped),
            ("gaps", counts.gaps, self.tally.gaps),
            ("committed", counts.committed, self.tally.committed),
            ("not_reached", counts.not_reached, self.tally.not_reached),
            ("deleted", counts.deleted, self.tally.deleted),
            ("succeeded", counts.succeeded, self.tally.succeeded),
        ];
        for (name, machine, world) in pairs {
            holds(Rule::W2, machine == world, || format!("the machine counts {name} = {machine}, the world {world}"))?;
        }
        holds(Rule::W2, counts.invoked >= counts.succeeded + counts.failed, || {
            format!("more records ended in attempts than began: {counts:?}")
        })
    }

    /// The living machine still holds this record by that ownership (`u32::MAX` for a queue).
    fn is_held(&self, entry: usize, owner: u32) -> bool {
        let track_held = self.owners.get(&forebay_batcher::TrackIdx(owner)).is_some_and(|it| !it.over);
        if self.is_queue { !self.entries[entry].void } else { track_held }
    }

    /// Failed records come back from us, so that their retries are counted here.
    fn redelivers_by_us(&self) -> bool {
        self.plan().retry.redelivery == forebay_config::Redelivery::ByUs
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
