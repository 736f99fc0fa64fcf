//! A log whose partitions a coordinator deals out among the members of a group, as Kafka's does by
//! cooperative rebalances: with notice and a time to finish, or without when a member was silent for too
//! long.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::stream::{Log, Style};

/// Who a member is, as long as it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemberId(pub u64);

/// What the coordinator tells a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupNews {
    /// A partition is the member's from now on.
    Assigned {
        /// Which.
        partition: usize,
        /// The generation of this ownership; a later one's is higher.
        epoch: u64,
        /// What the group has committed for it: the next offset to read.
        committed: Option<u64>,
    },
    /// The partition is to be given back, after what is under way is finished.
    Revoking {
        /// Which.
        partition: usize,
        /// When it is taken, in milliseconds of the model.
        until_ms: u64,
    },
    /// The partition is another's: nothing more of it may be committed.
    Lost {
        /// Which.
        partition: usize,
    },
}

/// Why the coordinator refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The member is none any more.
    UnknownMember,
    /// The partition is not the member's, or was dealt out anew since.
    Fenced,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owner {
    member: MemberId,
    epoch: u64,
    /// It is to give the partition back by then.
    until_ms: Option<u64>,
}

#[derive(Debug)]
struct Member {
    /// What it has not heard.
    told: VecDeque<GroupNews>,
    /// It was not silent for too long.
    is_heard: bool,
}

#[derive(Debug, Default)]
struct Partition {
    owner: Option<Owner>,
    committed: Option<u64>,
}

/// The log and its group.
#[derive(Debug)]
pub struct GroupLog {
    logs: Vec<Log<Bytes>>,
    partitions: Vec<Partition>,
    members: BTreeMap<MemberId, Member>,
    /// How long a member may take to give a partition back.
    drain_ms: u64,
    next_member: u64,
    epoch: u64,
    is_frozen: bool,
}

impl GroupLog {
    /// A log of empty partitions whose group is empty.
    pub fn new(n_partitions: usize, drain_ms: u64) -> Self {
        Self {
            logs: (0..n_partitions).map(|_| Log::new(Style::Numbers, 0)).collect(),
            partitions: (0..n_partitions).map(|_| Partition::default()).collect(),
            members: BTreeMap::new(),
            drain_ms,
            next_member: 1,
            epoch: 0,
            is_frozen: false,
        }
    }

    /// The partitions' records.
    pub fn logs(&self) -> &[Log<Bytes>] {
        &self.logs
    }

    /// Adds a partition; the group deals it out.
    pub fn add_partition(&mut self, now_ms: u64) -> usize {
        self.logs.push(Log::new(Style::Numbers, 0));
        self.partitions.push(Partition::default());
        self.deal(now_ms);
        self.logs.len() - 1
    }

    /// Appends a record.
    pub fn append(&mut self, partition: usize, data: Bytes) {
        self.logs[partition].append([data]);
    }

    /// The log of a partition, to trim and compact it.
    pub fn log(&mut self, partition: usize) -> &mut Log<Bytes> {
        &mut self.logs[partition]
    }

    /// What the group has committed for a partition: the next offset to read.
    pub fn committed(&self, partition: usize) -> Option<u64> {
        self.partitions[partition].committed
    }

    /// Who has a partition.
    pub fn owner(&self, partition: usize) -> Option<MemberId> {
        self.partitions[partition].owner.map(|it| it.member)
    }

    /// The generation of the present ownership of a partition.
    pub fn epoch(&self, partition: usize) -> Option<u64> {
        self.partitions[partition].owner.map(|it| it.epoch)
    }

    /// A new member; partitions are dealt out anew.
    pub fn join(&mut self, now_ms: u64) -> MemberId {
        let member = MemberId(self.next_member);
        self.next_member += 1;
        self.members.insert(member, Member { told: VecDeque::new(), is_heard: true });
        self.deal(now_ms);
        member
    }

    /// A member goes, with all that it had.
    pub fn leave(&mut self, member: MemberId, now_ms: u64) {
        self.members.remove(&member);
        for it in &mut self.partitions {
            it.owner = it.owner.filter(|owner| owner.member != member);
        }
        self.deal(now_ms);
    }

    /// A member was silent for too long: what it had is another's, and it hears so when it comes back.
    pub fn expire(&mut self, member: MemberId, now_ms: u64) {
        for partition in 0..self.partitions.len() {
            if self.owner(partition) == Some(member) {
                self.partitions[partition].owner = None;
                self.tell(member, GroupNews::Lost { partition });
            }
        }
        if let Some(it) = self.members.get_mut(&member) {
            // It gets nothing more until it asks again, or partitions would lie with a member that is dead.
            it.is_heard = false;
        }
        self.deal(now_ms);
    }

    /// The coordinator deals nothing out for now, as while it moves; it goes on when it is not frozen any
    /// more.
    pub fn freeze(&mut self, is_frozen: bool) {
        self.is_frozen = is_frozen;
    }

    /// What the member has not heard yet. Asking is what keeps it a member.
    ///
    /// # Errors
    /// [`Refused::UnknownMember`].
    pub fn poll(&mut self, member: MemberId, now_ms: u64) -> Result<Option<GroupNews>, Refused> {
        self.members.get_mut(&member).ok_or(Refused::UnknownMember)?.is_heard = true;
        self.deal(now_ms);
        Ok(self.members.get_mut(&member).and_then(|it| it.told.pop_front()))
    }

    /// The member has finished what was under way and gives the partition back.
    ///
    /// # Errors
    /// [`Refused::Fenced`].
    pub fn drained(&mut self, member: MemberId, partition: usize, now_ms: u64) -> Result<(), Refused> {
        let it = &mut self.partitions[partition];
        let owner = it.owner.filter(|it| it.member == member && it.until_ms.is_some());
        owner.ok_or(Refused::Fenced)?;
        it.owner = None;
        self.deal(now_ms);
        Ok(())
    }

    /// Commits the next offset to read.
    ///
    /// # Errors
    /// [`Refused::Fenced`] when the partition is not this member's in this generation.
    pub fn commit(
        &mut self,
        member: MemberId,
        partition: usize,
        epoch: u64,
        offset: u64,
    ) -> Result<(), Refused> {
        let it = &mut self.partitions[partition];
        // By the epoch too: a member that lost the partition and got it back must not commit for its former
        // ownership.
        let owner = it.owner.filter(|it| it.member == member && it.epoch == epoch);
        owner.ok_or(Refused::Fenced)?;
        it.committed = Some(offset);
        Ok(())
    }

    fn tell(&mut self, member: MemberId, told: GroupNews) {
        if let Some(it) = self.members.get_mut(&member) {
            it.told.push_back(told);
        }
    }

    /// Brings every partition to whom it belongs now: members in turn. What another has is asked back first.
    fn deal(&mut self, now_ms: u64) {
        if self.is_frozen {
            return;
        }
        let heard = self.members.iter().filter(|(_, it)| it.is_heard);
        let members: Vec<MemberId> = heard.map(|(id, _)| *id).collect();
        for partition in 0..self.partitions.len() {
            let wanted = (!members.is_empty()).then(|| members[partition % members.len()]);
            match self.partitions[partition].owner {
                Some(owner) if Some(owner.member) == wanted && owner.until_ms.is_none() => {}
                Some(owner) if owner.until_ms.is_some_and(|until| until <= now_ms) => {
                    self.partitions[partition].owner = None;
                    self.tell(owner.member, GroupNews::Lost { partition });
                    self.assign(partition, wanted);
                }
                // Asked back already, even when it is wanted here again by now: what was told is not taken
                // back.
                Some(Owner { until_ms: Some(_), .. }) => {}
                Some(owner) => {
                    let until_ms = now_ms + self.drain_ms;
                    self.partitions[partition].owner = Some(Owner { until_ms: Some(until_ms), ..owner });
                    self.tell(owner.member, GroupNews::Revoking { partition, until_ms });
                }
                None => self.assign(partition, wanted),
            }
        }
    }

    fn assign(&mut self, partition: usize, to: Option<MemberId>) {
        let Some(member) = to else { return };
        self.epoch += 1;
        let epoch = self.epoch;
        self.partitions[partition].owner = Some(Owner { member, epoch, until_ms: None });
        let committed = self.partitions[partition].committed;
        self.tell(member, GroupNews::Assigned { partition, epoch, committed });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(group: &mut GroupLog, member: MemberId, now_ms: u64) -> Vec<GroupNews> {
        std::iter::from_fn(|| group.poll(member, now_ms).unwrap()).collect()
    }

    #[test]
    fn a_partition_changes_hands_after_it_was_given_back_and_starts_where_the_group_stands() {
        let mut group = GroupLog::new(2, 1_000);
        let a = group.join(0);
        assert_eq!(
            all(&mut group, a, 0),
            [
                GroupNews::Assigned { partition: 0, epoch: 1, committed: None },
                GroupNews::Assigned { partition: 1, epoch: 2, committed: None }
            ]
        );
        let b = group.join(0);
        assert_eq!(all(&mut group, a, 0), [GroupNews::Revoking { partition: 1, until_ms: 1_000 }]);
        assert_eq!(all(&mut group, b, 0), [], "it is not given back yet");
        group.commit(a, 1, 2, 7).unwrap();
        group.drained(a, 1, 500).unwrap();
        assert_eq!(
            all(&mut group, b, 500),
            [GroupNews::Assigned { partition: 1, epoch: 3, committed: Some(7) }]
        );
        assert_eq!(group.commit(a, 1, 2, 9), Err(Refused::Fenced));
        assert_eq!(group.drained(a, 0, 500), Err(Refused::Fenced), "nobody asked for it");
    }

    #[test]
    fn what_is_not_given_back_in_time_is_taken() {
        let mut group = GroupLog::new(1, 1_000);
        let a = group.join(0);
        let b = group.join(0);
        group.leave(a, 0);
        assert_eq!(all(&mut group, b, 0).len(), 1);
        let c = group.join(1);
        assert_eq!((group.owner(0), all(&mut group, c, 1)), (Some(b), vec![]), "there are members enough");
        group.expire(b, 2);
        assert_eq!(group.owner(0), Some(c));
        assert_eq!(all(&mut group, b, 2)[0], GroupNews::Lost { partition: 0 });
        assert_eq!(group.poll(a, 2), Err(Refused::UnknownMember));
        // The one that was silent is first in turn: it is asked back, and taken when the time is over.
        assert!(matches!(
            all(&mut group, c, 3)[..],
            [GroupNews::Assigned { .. }, GroupNews::Revoking { until_ms: 1_002, .. }]
        ));
        assert_eq!(
            all(&mut group, b, 1_002),
            [GroupNews::Assigned { partition: 0, epoch: 4, committed: None }]
        );
        assert_eq!(all(&mut group, c, 1_002), [GroupNews::Lost { partition: 0 }]);
    }
}
