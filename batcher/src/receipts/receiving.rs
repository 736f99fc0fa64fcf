//! When a queue is received from: on credit, so that nothing is received that cannot start.

use super::*;

impl Receipts {
    /// A receive came back.
    pub(crate) fn handle_received(
        &mut self,
        id: ReadId,
        read: Result<Read, SourceNotice>,
        runs: &Runs,
        cx: &mut Context,
    ) {
        let (Some(queue), Some(receive)) = (cx.plan.queue.clone(), self.reads.remove(&id)) else { return };
        let now = cx.now.tick;
        match read {
            Ok(read) => {
                self.failing = None;
                cx.timers.set(Timer::Rereceive, None);
                let is_empty = read.records.is_empty() && read.filtered.is_empty();
                if let Some(scale) = &mut self.scale {
                    match (is_empty, receive.fills) {
                        (true, false) => scale.was_empty(&queue),
                        // It asked for what a batch lacked, for as long as its window lasted: that says
                        // nothing about the queue.
                        (true, true) => {}
                        (false, _) => scale.brought(&queue, now),
                    }
                }
                self.none_since = if is_empty { self.none_since } else { now };
                self.hold(&queue, read, cx);
            }
            Err(notice) => {
                let (error, asked) = describe(notice);
                let (n, since) =
                    self.failing.as_ref().map_or((0, now), |failing| (failing.n + 1, failing.since));
                let until = now.after(asked.unwrap_or_else(|| ask_again_delay(n, cx.seed_of(0x9e))));
                self.failing = Some(Failing { since, until, n, error });
                cx.timers.set(Timer::Rereceive, Some(until));
            }
        }
        if cx.is_closing() {
            self.send_waiting_back(cx);
        }
        self.pump_queue(runs, cx);
    }

    pub(super) fn hold(&mut self, queue: &QueuePlan, mut read: Read, cx: &mut Context) {
        let now = cx.now.tick;
        cx.counts.polled += read.records.len() as u64 + u64::from(read.n_filtered);
        cx.counts.filtered_out += u64::from(read.n_filtered);
        if let Some(dead) = self.dead {
            // what a dead channel had on its way comes again by another.
            let n_arrived = read.records.len() + read.filtered.len();
            read.records.retain(|it| it.receipt().is_some_and(|receipt| receipt.generation > dead));
            read.filtered.retain(|receipt| receipt.generation > dead);
            cx.counts.receipts_lost += (n_arrived - read.records.len() - read.filtered.len()) as u64;
        }
        self.filtered.note(&read, now);
        self.left.forget_gone(now);
        let guess = queue.visibility.map(|visibility| now.after(visibility));
        for receipt in read.filtered {
            self.held.insert(
                receipt.clone(),
                Held { visible_until: guess, stage: Stage::Settling, is_extending: false },
            );
            self.to_settle.push(Ending { receipt, how: Settle::Delete, group: None });
        }
        for record in read.records {
            let Place::Queue(place) = &record.place else { continue };
            self.left.forget(&record.id);
            let (receipt, visible_until) = (place.receipt.clone(), place.visible_until);
            let seq = cx.next_id();
            self.held.insert(
                receipt.clone(),
                Held { visible_until: None, stage: Stage::Waiting(seq), is_extending: false },
            );
            self.set_visible(&receipt, visible_until);
            cx.held_bytes += record.held_bytes();
            self.put_waiting(seq, record, cx);
        }
    }

    /// A receive needs a credit, so that nothing is received that cannot start.
    pub(super) fn order_receives(&mut self, queue: &QueuePlan, runs: &Runs, cx: &mut Context) {
        let is_waiting_after_failure =
            self.failing.as_ref().is_some_and(|failing| failing.until > cx.now.tick);
        if cx.is_closing() || !self.is_open || is_waiting_after_failure {
            return;
        }
        let Some(n_reads_max) = self.scale.as_ref().map(|scale| scale.target(queue)) else { return };
        let credits_max =
            cx.plan.concurrency_max.map_or(queue.batches_max, |max| max.min(queue.batches_max)).get()
                as usize;
        let batch = cx.plan.batch.records_max.get() as usize;
        while self.reads.len() < n_reads_max && (cx.held_bytes < cx.plan.held_bytes_max || cx.held_bytes == 0)
        {
            let n_waiting = self.waiting.len();
            let filling: usize = self.reads.values().filter(|it| it.fills).map(|it| it.room as usize).sum();
            let n_new = self.reads.values().filter(|it| !it.fills).count();
            let lack = if n_waiting.is_multiple_of(batch) { 0 } else { batch - n_waiting % batch };
            // what runs, what waits with what fills it up, and what is asked for anew, each a batch that
            // must be able to start.
            let n_batches = runs.n_runs() + (n_waiting + filling).div_ceil(batch) + n_new;
            let left = self.window_end(cx).map(|end| cx.now.tick.until(end)).filter(|left| !left.is_zero());
            let (room, fills, wait) = match left {
                Some(left) if lack > filling && n_batches <= credits_max => {
                    (lack - filling, true, left.min(queue.wait_max))
                }
                Some(_) | None if n_batches < credits_max => (batch, false, queue.wait_max),
                Some(_) | None => return,
            };
            let room = u32::try_from(room).unwrap_or(u32::MAX).min(queue.receive_max.get());
            let id = ReadId(cx.next_id());
            self.reads.insert(id, Receive { room, fills });
            cx.actions.push_back(Action::Read(ReadOrder {
                id,
                track: None,
                records_max: room,
                bytes_max: u64::MAX,
                wait,
                lanes: 1,
            }));
        }
    }
}
