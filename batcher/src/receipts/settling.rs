//! How messages end: settled until it took effect, left to their queue, handed back.

use super::*;

/// What is known of messages that failed and are left to their queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaving<'a> {
    /// What was said of them, for people.
    pub(crate) error: &'a str,
    /// What the function asked for some of them.
    pub(crate) asked: &'a ItemActions,
}

impl Receipts {
    /// Settles messages, those whose receipt is still ours.
    pub(crate) fn settle_all(&mut self, records: &[Record], how: Settle) {
        for record in records {
            let Some(receipt) = record.receipt() else { continue };
            let Some(held) = self.held.get_mut(receipt) else {
                continue;
            };
            // at most one settlement of a receipt.
            if held.stage == Stage::Settling {
                continue;
            }
            held.stage = Stage::Settling;
            if let Some(until) = held.visible_until {
                self.lapses.remove(&(until, receipt.clone()));
            }
            let group = record.group().filter(|_| how == Settle::Delete).cloned();
            self.to_settle.push(Ending { receipt: receipt.clone(), how, group });
        }
    }

    /// Messages that failed and that their queue brings again: when the function asked for it, else in the
    /// queue's own time.
    pub(crate) fn leave(&mut self, left: &[Record], leaving: Leaving<'_>, cx: &mut Context) {
        self.note_left(left, leaving, cx);
        if let (Some(scale), Some(queue)) = (&mut self.scale, &cx.plan.queue) {
            scale.failed(queue, cx.now.tick);
        }
        for record in left {
            let how = wait_of(leaving.asked, record).map_or(Settle::Leave, Settle::ShowAfter);
            self.settle_all(std::slice::from_ref(record), how);
        }
        cx.give_room(left);
    }

    /// The groups of records whose receipts were lost while they were tried or told of: the queue has them
    /// again, so they come again, and what stands behind them must not overtake them.
    pub(crate) fn lost_groups(&self, records: &[Record], cx: &Context) -> BTreeSet<Bytes> {
        let now = cx.now.tick;
        let is_lost = |record: &&Record| {
            record.receipt().is_some_and(|receipt| {
                self.held.get(receipt).is_none_or(|held| held.visible_until.is_some_and(|until| until <= now))
            })
        };
        records.iter().filter(is_lost).filter_map(Record::group).cloned().collect()
    }

    /// Messages of a batch that will not go on are shown to their queue's readers: at once, unless a close
    /// must wait for its receives.
    pub(crate) fn give_back(&mut self, records: Vec<Record>, cx: &mut Context) {
        if !cx.is_closing() {
            return self.requeue(&records, cx);
        }
        for record in records {
            self.wait_again(record, cx);
        }
        self.send_waiting_back(cx);
    }

    /// The queue answered to a settlement. Messages of these groups were finished, could not be deleted in
    /// time and come again.
    pub(crate) fn handle_settled(
        &mut self,
        id: SettleId,
        answers: Vec<(Receipt, Settled)>,
        cx: &mut Context,
    ) -> BTreeSet<Bytes> {
        let Some(asked) = self.settles.remove(&id) else { return BTreeSet::new() };
        let answers: BTreeMap<Receipt, Settled> = answers.into_iter().collect();
        let now = cx.now.tick;
        let (mut has_failed, mut lost) = (false, BTreeSet::new());
        for settlement in asked {
            match answers.get(&settlement.receipt).copied().unwrap_or(Settled::Failed) {
                Settled::Done => {
                    self.forget(&settlement.receipt);
                    match settlement.how {
                        Settle::Delete => cx.counts.deleted += 1,
                        Settle::Leave | Settle::ShowAfter(_) | Settle::Release | Settle::Nack => {
                            cx.counts.handed_back += 1
                        }
                    }
                }
                Settled::Lost => {
                    cx.counts.receipts_lost += u64::from(self.forget(&settlement.receipt).is_some());
                    lost.extend(settlement.group);
                }
                Settled::Failed => {
                    let until = self.held.get(&settlement.receipt).map(|held| held.visible_until);
                    match until {
                        // It lapsed meanwhile: the queue has it again.
                        Some(Some(until)) if until <= now => {
                            cx.counts.receipts_lost += u64::from(self.forget(&settlement.receipt).is_some());
                            lost.extend(settlement.group);
                        }
                        Some(_) => {
                            has_failed = true;
                            self.failed.push(settlement);
                        }
                        // Its receipt was lost while the call was out: whatever of its group waits goes back
                        // behind it.
                        None => lost.extend(settlement.group),
                    }
                }
            }
        }
        if !has_failed {
            self.n_failed = 0;
        } else if !cx.timers.is_set(Timer::Resettle) {
            // All that fails until then is sent again with it: many failures at once are one, and none puts
            // the others off.
            let delay = ask_again_delay(self.n_failed, cx.seed_of(0x5e));
            self.n_failed += 1;
            cx.timers.set(Timer::Resettle, Some(now.after(delay)));
        }
        lost
    }

    /// Sends again what failed, unless its receipt was lost meanwhile.
    pub(crate) fn resettle(&mut self) {
        let mut failed = std::mem::take(&mut self.failed);
        failed.retain(|it| self.held.contains_key(&it.receipt));
        self.to_settle.extend(failed);
    }

    /// Sends back what waits. Each receive that is still open may bring such a message once more: one that
    /// its queue would take away for that stays hidden until they are all answered.
    pub(crate) fn send_waiting_back(&mut self, cx: &mut Context) {
        let n_open = self.reads.len();
        let may_go = |record: &Record| match &record.place {
            Place::Queue(place) => match place.receives_left {
                Some(left) => usize::try_from(left).unwrap_or(usize::MAX) > n_open,
                None => true,
            },
            Place::Track(..) => true,
        };
        let seqs: Vec<u64> = self
            .waiting
            .iter()
            .filter(|(_, it)| n_open == 0 || may_go(&it.record))
            .map(|(seq, _)| *seq)
            .collect();
        let back: Vec<Record> =
            seqs.into_iter().filter_map(|seq| self.take_waiting(seq)).map(|it| it.record).collect();
        self.requeue(&back, cx);
    }

    /// A message of a batch that will not go on waits as if it had just come. What is not ours any more, a
    /// record of a track that was let go among it, gives its room back.
    fn wait_again(&mut self, record: Record, cx: &mut Context) {
        let Some(receipt) = record.receipt() else { return cx.give_room(&[record]) };
        let seq = cx.next_id();
        match self.held.get_mut(receipt) {
            Some(held) if held.stage == Stage::InRun => held.stage = Stage::Waiting(seq),
            Some(_) | None => return cx.give_room(&[record]),
        }
        self.put_waiting(seq, record, cx);
    }
}
