//! What a member of a group has, and what follows from what the coordinator, the mapping and the clock say. It
//! decides and does nothing: `owner` acts.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use forebay_batcher::Watermark;

use crate::kafka::partition::KafkaPartition;
use crate::source::{Assignment, GroupEvent, Start, TrackInfo, TrackName};

/// How often the group is told how far the member is.
const COMMIT_EVERY: Duration = Duration::from_secs(2);
/// A commit that did not arrive is told again after this long.
const COMMIT_AGAIN: Duration = Duration::from_millis(500);

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommitAnswer {
    /// The group has it.
    Taken,
    /// It has not, and the place in the group is not in doubt: what the member still has is told again.
    Again,
    /// The group knows no such member any more.
    NoMember,
}

/// An offset for the group, of a partition that is the member's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DueCommit {
    pub(super) partition: KafkaPartition,
    pub(super) at: Watermark,
    pub(super) epoch: u64,
}

/// A partition that starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StartedPartition {
    pub(super) partition: KafkaPartition,
    pub(super) start: Start,
    pub(super) epoch: u64,
}

/// What a member has.
pub(super) struct Ownership {
    /// How long a partition may take to be given back.
    within: Duration,
    held: BTreeMap<KafkaPartition, AssignedPartition>,
    revoked: Option<Revoked>,
    /// The commit that is not answered: one at a time, so that none overtakes another.
    sent: Option<Vec<(KafkaPartition, u64, Watermark)>>,
    commit_at: Instant,
    is_leaving: bool,
    news: Vec<GroupEvent>,
    n_ownerships: u64,
}

/// A partition that the coordinator assigned.
struct AssignedPartition {
    /// Which ownership it is: what was said in a former one is not of this.
    ownership: u64,
    phase: HeldPhase,
    epoch: u64,
    /// What the group has not heard.
    untold: Option<Watermark>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeldPhase {
    /// It is not known yet where the group stands.
    Starting,
    /// The mapping has it.
    Owned,
    /// The mapping is done with it, or never had it, and it goes back.
    Drained,
}

/// Partitions that the coordinator wants back. They are given back together.
struct Revoked {
    partitions: Vec<KafkaPartition>,
    until: Instant,
}

impl Ownership {
    pub(super) fn new(within: Duration, now: Instant) -> Self {
        Self {
            within,
            held: BTreeMap::new(),
            revoked: None,
            sent: None,
            commit_at: now + COMMIT_EVERY,
            is_leaving: false,
            news: Vec::new(),
            n_ownerships: 0,
        }
    }

    /// The coordinator assigned these.
    pub(super) fn handle_assigned(&mut self, partitions: Vec<KafkaPartition>) {
        self.n_ownerships += 1;
        for partition in partitions {
            let ownership = self.n_ownerships;
            let fresh = AssignedPartition { ownership, phase: HeldPhase::Starting, epoch: 0, untold: None };
            self.held.entry(partition).or_insert(fresh);
        }
    }

    /// Where the group stands in these is to be found out.
    pub(super) fn starting(&self) -> Vec<KafkaPartition> {
        let is_starting = |it: &(&KafkaPartition, &AssignedPartition)| it.1.phase == HeldPhase::Starting;
        self.held.iter().filter(is_starting).map(|(partition, _)| partition.clone()).collect()
    }

    /// The mapping is given these, where they are still to start.
    pub(super) fn handle_started(&mut self, started: Vec<StartedPartition>) {
        let mut dealt = Vec::with_capacity(started.len());
        for StartedPartition { partition, start, epoch } in started {
            let held = self.held.get_mut(&partition).filter(|it| it.phase == HeldPhase::Starting);
            let Some(held) = held else { continue };
            (held.phase, held.epoch) = (HeldPhase::Owned, epoch);
            let (name, label) = (partition.track(), partition.to_string());
            let track = TrackInfo { name, label, parents: Vec::new() };
            dealt.push(Assignment { track, start, epoch });
        }
        if !dealt.is_empty() {
            self.news.push(GroupEvent::Assigned(dealt));
        }
    }

    /// The coordinator wants these back.
    pub(super) fn handle_revoked(&mut self, partitions: Vec<KafkaPartition>, now: Instant) {
        let mut tracks = Vec::new();
        for partition in &partitions {
            let Some(held) = self.held.get_mut(partition) else { continue };
            match held.phase {
                HeldPhase::Owned => tracks.push(partition.track()),
                // The mapping never heard of it.
                HeldPhase::Starting => held.phase = HeldPhase::Drained,
                HeldPhase::Drained => {}
            }
        }
        if !tracks.is_empty() {
            self.news.push(GroupEvent::Revoking { tracks, within: self.within });
        }
        let until = now + self.within;
        match &mut self.revoked {
            Some(revoked) => revoked.partitions.extend(partitions),
            None => self.revoked = Some(Revoked { partitions, until }),
        }
    }

    /// The group has given these to others, or may have: nothing of them is committed any more.
    pub(super) fn handle_lost(&mut self, partitions: Vec<KafkaPartition>, now: Instant) {
        self.lose(&partitions);
        // There is nothing to wait for.
        let former = self.revoked.take().map(|it| it.partitions).unwrap_or_default();
        self.revoked = Some(Revoked { partitions: [former, partitions].concat(), until: now });
    }

    /// The place in the group is lost, and with it all that the member has.
    pub(super) fn handle_all_lost(&mut self, now: Instant) {
        let all: Vec<KafkaPartition> = self.held.keys().cloned().collect();
        self.lose(&all);
        if let Some(revoked) = &mut self.revoked {
            revoked.until = now;
        }
    }

    pub(super) fn has_some(&self) -> bool {
        !self.held.is_empty()
    }

    /// Everything below `at` is finished, durably.
    pub(super) fn handle_finished(&mut self, name: &TrackName, at: Watermark) {
        let held = KafkaPartition::of_track(name).and_then(|it| self.held.get_mut(&it));
        if let Some(held) = held.filter(|it| it.phase == HeldPhase::Owned) {
            held.untold = Some(at);
        }
    }

    /// The mapping is done with a track that the coordinator wants back.
    pub(super) fn handle_drained(&mut self, name: &TrackName) {
        let Some(partition) = KafkaPartition::of_track(name) else { return };
        let is_wanted = self.revoked.as_ref().is_some_and(|it| it.partitions.contains(&partition));
        if let Some(held) = self.held.get_mut(&partition).filter(|_| is_wanted) {
            held.phase = HeldPhase::Drained;
        }
    }

    /// The mapping goes: what the group has not heard, it hears now.
    pub(super) fn leave(&mut self) {
        self.is_leaving = true;
    }

    /// Nothing is left to be told before the member goes.
    pub(super) fn is_told(&self) -> bool {
        self.sent.is_none() && self.held.values().all(|it| it.untold.is_none())
    }

    /// What is to be committed now.
    pub(super) fn poll_commit(&mut self, now: Instant) -> Vec<DueCommit> {
        let goes_back = self.held.values().any(|it| it.phase == HeldPhase::Drained && it.untold.is_some());
        let is_due = now >= self.commit_at;
        if self.sent.is_some() || !(is_due || goes_back || self.is_leaving) {
            return Vec::new();
        }
        let due = |(partition, held): (&KafkaPartition, &AssignedPartition)| {
            let at = held.untold.clone()?;
            Some((DueCommit { partition: partition.clone(), at, epoch: held.epoch }, held.ownership))
        };
        let due: Vec<(DueCommit, u64)> = self.held.iter().filter_map(due).collect();
        self.commit_at = now + COMMIT_EVERY;
        if due.is_empty() {
            return Vec::new();
        }
        let sent = |(it, ownership): &(DueCommit, u64)| (it.partition.clone(), *ownership, it.at.clone());
        self.sent = Some(due.iter().map(sent).collect());
        due.into_iter().map(|(it, _)| it).collect()
    }

    /// The commit that was sent is answered. Returns whether the place in the group is gone.
    pub(super) fn handle_commit_answer(&mut self, answer: CommitAnswer, now: Instant) -> bool {
        let mut is_ours = false;
        for (partition, ownership, at) in self.sent.take().into_iter().flatten() {
            // What was sent in a former ownership says nothing of this one.
            let held = self.held.get_mut(&partition).filter(|it| it.ownership == ownership);
            let Some(held) = held else { continue };
            is_ours = true;
            if answer == CommitAnswer::Taken && held.untold.as_ref() == Some(&at) {
                held.untold = None;
            }
        }
        if answer == CommitAnswer::Again {
            self.commit_at = now + COMMIT_AGAIN;
        }
        answer == CommitAnswer::NoMember && is_ours
    }

    /// Partitions that are given up now, because the mapping is done with all of them and the group has heard how
    /// far it was, or because their time is over.
    pub(super) fn poll_unassign(&mut self, now: Instant) -> Option<Vec<KafkaPartition>> {
        // What is out is of this ownership for sure: the member can be none of a later generation before it gives up.
        let revoked = self.revoked.as_ref().filter(|_| self.sent.is_none())?;
        let mut held = revoked.partitions.iter().filter_map(|it| self.held.get(it));
        let is_done = held.all(|it| it.phase == HeldPhase::Drained && it.untold.is_none());
        if !is_done && now < revoked.until {
            return None;
        }
        let Revoked { partitions, .. } = self.revoked.take()?;
        self.lose(&partitions);
        Some(partitions)
    }

    /// What the coordinator wants back and still waits for.
    pub(super) fn take_revoked(&mut self) -> Option<Vec<KafkaPartition>> {
        self.revoked.take().map(|it| it.partitions)
    }

    /// What the mapping is to hear.
    pub(super) fn take_news(&mut self) -> Vec<GroupEvent> {
        std::mem::take(&mut self.news)
    }

    /// They are not the member's any more: the mapping hears of those that it still has.
    fn lose(&mut self, partitions: &[KafkaPartition]) {
        let gone = partitions.iter().filter_map(|it| self.held.remove_entry(it));
        let lost = gone.filter(|(_, it)| it.phase == HeldPhase::Owned);
        let lost: Vec<TrackName> = lost.map(|(partition, _)| partition.track()).collect();
        if !lost.is_empty() {
            self.news.push(GroupEvent::Lost(lost));
        }
    }
}

#[cfg(test)]
mod tests;
