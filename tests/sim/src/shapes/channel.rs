//! The queue behind channels: deliveries are pushed under a prefetch, an engine takes them with its receives
//! and answers by their tags; a channel that dies takes its receipts along.

use forebay_batcher::{
    Generation, Lost, OrderKey, Place, QueuePlace, Read, ReadId, Receipt, Record, Rule, Section, Settle,
    SettleId, Settled, Settlement, SourceNotice,
};
use forebay_models::channel::{ChannelId, ChannelQueue, Closed, Delivery};

use super::engine::Slip;
use super::events::Event;
use super::{Rig, Side, Stage};
use crate::coverage::Point;
use crate::oracle::{Violation, decimal, handle_number, holds, name};

/// The queue.
#[derive(Debug)]
pub(super) struct ChannelSide {
    pub(super) queue: ChannelQueue,
    /// The record of each message, by the number that the queue gave it.
    pub(super) uids: Vec<u32>,
    /// Messages that publishers keep until they are not blocked any more.
    pub(super) n_kept: u32,
}

impl Rig {
    fn channel(&mut self) -> Option<&mut ChannelSide> {
        match &mut self.side {
            Side::Channel(side) => Some(side),
            Side::Tree(_) | Side::Group(_) => None,
        }
    }

    /// Whether the channel of a generation is open, by the broker's word.
    pub(super) fn is_channel_open(&self, at: usize, generation: u32) -> bool {
        let Side::Channel(side) = &self.side else { return false };
        self.engines[at].channel == Some(ChannelId(generation))
            && side.queue.closed(ChannelId(generation)).is_none()
    }

    /// Messages are published; a broker that is blocked accepts none.
    pub(super) fn publish(&mut self, n: u32) {
        let now_ms = self.now_ms();
        for _ in 0..n {
            let uid = self.new_fact(0, None, None);
            let data = self.draw_body(uid);
            let Some(side) = self.channel() else { return };
            match side.queue.publish(data, now_ms) {
                Some(_) => side.uids.push(uid),
                None => {
                    // Nobody has it: its publisher sends it again.
                    side.n_kept += 1;
                    self.book.facts.pop();
                    self.book.by_source[0].pop();
                }
            }
        }
        self.wake(None);
    }

    /// The broker is short of memory, or not any more.
    pub(super) fn block(&mut self, is_blocked: bool) {
        let Some(side) = self.channel() else { return };
        side.queue.block(is_blocked);
        if is_blocked {
            self.coverage.hit(Point::PublishersBlocked);
        } else {
            let n = std::mem::take(&mut side.n_kept);
            self.publish(n);
        }
    }

    /// A receive takes what was pushed, up to what it asks for.
    pub(super) fn look_for_messages(&mut self, at: usize, id: ReadId) -> Result<(), Violation> {
        let (life, now_ms, prefetch) = (self.engines[at].life, self.now_ms(), self.options.prefetch);
        if self.strikes(self.options.faults.read_down, Point::ReadDown) {
            self.give(at, id, Err(SourceNotice::Down { error: "no route".into() }));
            return Ok(());
        }
        let n_max = self.engines[at].reads[&id].order.records_max as usize;
        let mine = self.engines[at].channel;
        let Some(side) = self.channel() else { return Ok(()) };
        let channel = match mine {
            Some(channel) => channel,
            None => side.queue.open(prefetch as usize, now_ms),
        };
        let mut deliveries = Vec::new();
        let closed = loop {
            match side.queue.take(channel, now_ms) {
                Ok(Some(delivery)) if deliveries.len() < n_max => {
                    deliveries.push(delivery);
                    if deliveries.len() == n_max {
                        break None;
                    }
                }
                Ok(_) => break None,
                Err(closed) => break Some(closed),
            }
        };
        let n_owed = side.queue.n_owed_max();
        holds(Rule::Q6, n_owed <= prefetch as usize, || {
            format!("{n_owed} are owed, of a prefetch of {prefetch}")
        })?;
        self.engines[at].channel = Some(channel);
        if let Some(closed) = closed {
            self.lose_channel(at, channel, closed);
            self.give(at, id, Err(SourceNotice::Down { error: format!("{closed:?}").into() }));
            return Ok(());
        }
        if deliveries.is_empty() {
            if self.engines[at].reads[&id].until_us <= self.now_us {
                self.give(at, id, Ok(Read::default()));
            } else {
                self.park(at, life, id);
            }
            return Ok(());
        }
        let read = self.read_of(at, channel, deliveries);
        if let Some(asked) = self.engines[at].reads.get_mut(&id) {
            asked.is_answered = true;
        }
        let is_late = self.strikes(self.options.faults.late_read, Point::ReceiveLate);
        if is_late {
            let tick = self.soon(4000);
            self.at(tick, Event::Arrives { at, life, id, read: Box::new(read) });
            return Ok(());
        }
        self.arrive(at, life, id, read);
        Ok(())
    }

    /// What was pushed, as records with receipts.
    fn read_of(&mut self, at: usize, channel: ChannelId, deliveries: Vec<Delivery>) -> Read {
        let mut read = Read::default();
        for delivery in deliveries {
            let uid = u32::from_le_bytes(delivery.body[..4].try_into().expect("bodies begin with a number"));
            let number = self.engines[at].slips.len();
            if delivery.redelivered {
                self.coverage.hit(Point::Redelivered);
                // What was done before it came back may be done once more.
                let fact = &mut self.book.facts[uid as usize];
                fact.n_excuses = fact.n_excuses.max(fact.n_done);
            }
            self.engines[at].slips.push(Slip {
                generation: channel.0,
                tag: delivery.tag,
                is_handed: false,
                finished: false,
                flying: false,
                settling: false,
                settled: false,
                is_void: false,
                is_told: false,
            });
            self.engines[at].owed.insert((channel.0, delivery.tag));
            let mut buffer = [0; 40];
            let handle = bytes::Bytes::copy_from_slice(decimal(number as u64, &mut buffer));
            let receipt = Receipt { handle, generation: Generation(channel.0) };
            if self.book.facts[uid as usize].wanted {
                read.records.push(self.message(uid, receipt, delivery));
            } else {
                self.engines[at].slips[number].finished = true;
                read.filtered.push(receipt);
                read.n_filtered += 1;
            }
        }
        read
    }

    fn message(&self, uid: u32, receipt: Receipt, delivery: Delivery) -> Record {
        Record {
            id: name(u64::from(uid)),
            place: Place::Queue(Box::new(QueuePlace {
                receipt,
                visible_until: None,
                receives_left: None,
                n_receives: Some(delivery.n_returns + 1),
            })),
            key: OrderKey::Free,
            arrival: self.now().unix,
            bytes: delivery.body.into(),
            section: Section::default(),
        }
    }

    /// What was taken reaches the machine.
    pub(super) fn arrive(&mut self, at: usize, life: u32, id: ReadId, read: Read) {
        if !self.is_alive(at, life) {
            return;
        }
        for receipt in read.records.iter().filter_map(Record::receipt).chain(&read.filtered) {
            self.engines[at].slips[handle_number(&receipt.handle)].is_handed = true;
        }
        self.give(at, id, Ok(read));
    }

    /// A channel is gone: its engine opens another, and the machine hears that its receipts are void.
    fn lose_channel(&mut self, at: usize, channel: ChannelId, closed: Closed) {
        let engine = &mut self.engines[at];
        if engine.channel != Some(channel) {
            return;
        }
        self.coverage.hit(match closed {
            Closed::TimedOut => Point::AckTimedOut,
            Closed::Cancelled => Point::ConsumerCancelled,
            Closed::Gone | Closed::UnknownTag => Point::ChannelDied,
        });
        engine.channel = None;
        engine.owed.retain(|(of, _)| *of != channel.0);
        let life = engine.life;
        self.note(&[60, at as u64, u64::from(channel.0)], |now| {
            format!("{now:>12} engine {at}: channel {} is closed: {closed:?}", channel.0)
        });
        let tick = self.soon(50);
        self.at(tick, Event::Lost { at, life, generation: channel.0 });
        self.wake(None);
    }

    /// The machine hears that a generation is void.
    pub(super) fn hear_of_a_lost_channel(&mut self, at: usize, life: u32, generation: u32) {
        if !self.is_alive(at, life) {
            return;
        }
        for slip in self.engines[at].slips.iter_mut().filter(|it| it.generation == generation) {
            slip.is_void = true;
        }
        let now = self.now();
        if let Some(machine) = self.engines[at].machine.as_mut() {
            machine.handle_lost(Lost::Generation(Generation(generation)), now);
        }
    }

    /// The channel of an engine dies under it, or all of them with the broker, or the queue is deleted and
    /// made again.
    pub(super) fn kill_channels(&mut self, at: Option<usize>, why: Closed) {
        if self.stage != Stage::Faults {
            return;
        }
        let now_ms = self.now_ms();
        let channels: Vec<(usize, ChannelId)> = (0..self.engines.len())
            .filter(|it| at.is_none_or(|at| at == *it))
            .filter_map(|it| Some((it, self.engines[it].channel?)))
            .collect();
        for (at, channel) in channels {
            let Some(side) = self.channel() else { return };
            side.queue.close(channel, why, now_ms);
            // The client hears of it with the next call or by itself.
            if self.draw().chance(500) {
                self.lose_channel(at, channel, why);
            }
        }
    }

    /// an attempt begins only with receipts that are not known to be void.
    pub(super) fn q2_the_receipt_is_good(&mut self, at: usize, number: usize) -> Result<(), Violation> {
        let slip = &mut self.engines[at].slips[number];
        let is_good = slip.is_handed && !slip.is_void && !slip.settled && !slip.settling;
        let (is_flying, is_finished) = (slip.flying, slip.finished);
        slip.flying = true;
        holds(Rule::Q2, is_good, || format!("engine {at}: receipt {number} is tried, {slip:?}"))?;
        holds(Rule::O1, !is_flying, || format!("engine {at}: receipt {number} is tried twice at once"))?;
        holds(Rule::D2, !is_finished, || format!("engine {at}: receipt {number} is finished and tried"))
    }

    /// a receipt is settled once, never when its channel is known to be dead, deleted only when it is
    /// finished, and given back only when it is not.
    pub(super) fn settle(
        &mut self,
        at: usize,
        id: SettleId,
        settlements: Vec<Settlement>,
    ) -> Result<(), Violation> {
        let mut numbers = Vec::new();
        for Settlement { receipt, how } in &settlements {
            let number = handle_number(&receipt.handle);
            let slip = &mut self.engines[at].slips[number];
            let (is_void, is_open, is_settled) = (slip.is_void, slip.settling, slip.settled);
            let (is_finished, is_flying) = (slip.finished, slip.flying);
            slip.settling = true;
            let what = |words: &'static str| move || format!("engine {at}: receipt {number} {words}");
            holds(Rule::Q1, !is_void, what("of a dead channel is settled"))?;
            holds(Rule::Q1, !is_open && !is_settled, what("is settled twice"))?;
            holds(Rule::Q1, !is_flying, what("is settled while it is tried"))?;
            holds(
                Rule::Q1,
                (*how == Settle::Delete) == is_finished,
                what("is settled otherwise than it ended"),
            )?;
            numbers.push(number);
        }
        self.engines[at].settles.insert(id, numbers);
        let life = self.engines[at].life;
        let tick = self.soon(50);
        self.at(tick, Event::SettleLands { at, life, id, settlements });
        Ok(())
    }

    /// A settlement reaches the broker. What is not owed any more is not answered for: that would close the
    /// channel.
    pub(super) fn settle_lands(
        &mut self,
        at: usize,
        life: u32,
        id: SettleId,
        settlements: Vec<Settlement>,
    ) -> Result<(), Violation> {
        if !self.is_alive(at, life) {
            return Ok(());
        }
        let mut answers = Vec::new();
        let multiple = self.multiple(at, &settlements);
        for Settlement { receipt, how } in settlements {
            let slip = self.engines[at].slips[handle_number(&receipt.handle)].clone();
            let answer = if self.strikes(self.options.faults.settle_failed, Point::DeleteFailed) {
                Settled::Failed
            } else {
                match multiple
                    .filter(|(generation, last)| *generation == slip.generation && slip.tag <= *last)
                {
                    Some((generation, last)) => self.answer_all(at, generation, last, slip.tag),
                    None => self.answer_for(at, &slip, how)?,
                }
            };
            answers.push((receipt, answer));
        }
        self.wake(None);
        self.book.changed = true;
        let tick = self.soon(20);
        self.at(tick, Event::Settled { at, life, id, answers });
        Ok(())
    }

    /// All that is owed up to a tag is to be deleted: one answer will do.
    fn multiple(&self, at: usize, settlements: &[Settlement]) -> Option<(u32, u64)> {
        if !self.options.acks_multiple || self.options.faults.settle_failed > 0 || settlements.len() < 2 {
            return None;
        }
        let slips = settlements.iter().map(|it| &self.engines[at].slips[handle_number(&it.receipt.handle)]);
        let tags: Vec<(u32, u64)> = slips.map(|it| (it.generation, it.tag)).collect();
        let last = *tags.iter().max()?;
        let owed = self.engines[at].owed.iter().filter(|it| it.0 == last.0 && it.1 <= last.1);
        let is_whole = settlements.iter().all(|it| it.how == Settle::Delete)
            && tags.iter().all(|it| self.engines[at].owed.contains(it))
            && owed.clone().all(|it| tags.contains(it));
        is_whole.then_some(last)
    }

    fn answer_all(&mut self, at: usize, generation: u32, last: u64, tag: u64) -> Settled {
        let now_ms = self.now_ms();
        if !self.engines[at].owed.contains(&(generation, tag)) {
            // The first of them answered for it.
            return if self.is_channel_open(at, generation) { Settled::Done } else { Settled::Lost };
        }
        let Some(side) = self.channel() else { return Settled::Lost };
        let answered = side.queue.ack(ChannelId(generation), last, true, now_ms);
        self.coverage.hit(Point::AckedMultiple);
        match answered {
            Ok(()) => {
                self.engines[at].owed.retain(|(of, owed)| *of != generation || *owed > last);
                Settled::Done
            }
            Err(closed) => {
                self.lose_channel(at, ChannelId(generation), closed);
                Settled::Lost
            }
        }
    }

    fn answer_for(&mut self, at: usize, slip: &Slip, how: Settle) -> Result<Settled, Violation> {
        let now_ms = self.now_ms();
        let channel = ChannelId(slip.generation);
        if !self.engines[at].owed.remove(&(slip.generation, slip.tag)) {
            self.coverage.hit(Point::DeadReceiptSettled);
            return Ok(Settled::Lost);
        }
        let Some(side) = self.channel() else { return Ok(Settled::Lost) };
        let answered = match how {
            Settle::Delete => side.queue.ack(channel, slip.tag, false, now_ms),
            Settle::Leave | Settle::ShowAfter(_) | Settle::Release | Settle::Nack => {
                side.queue.nack(channel, slip.tag, false, true, now_ms)
            }
        };
        // no answer ever names a tag that is not owed.
        holds(Rule::Q1, answered != Err(Closed::UnknownTag), || {
            format!("engine {at}: {slip:?} is not owed")
        })?;
        match answered {
            Ok(()) => {
                if how != Settle::Delete {
                    self.coverage.hit(Point::Requeued);
                }
                Ok(Settled::Done)
            }
            Err(closed) => {
                self.lose_channel(at, channel, closed);
                Ok(Settled::Lost)
            }
        }
    }

    /// The machine hears of a settlement.
    pub(super) fn settled(&mut self, at: usize, life: u32, id: SettleId, answers: Vec<(Receipt, Settled)>) {
        if !self.is_alive(at, life) {
            return;
        }
        for number in self.engines[at].settles.remove(&id).unwrap_or_default() {
            self.engines[at].slips[number].settling = false;
        }
        for (receipt, answer) in &answers {
            let slip = &mut self.engines[at].slips[handle_number(&receipt.handle)];
            match answer {
                Settled::Done => slip.settled = true,
                Settled::Lost => slip.is_void = true,
                Settled::Failed => {}
            }
        }
        let now = self.now();
        if let Some(machine) = self.engines[at].machine.as_mut() {
            machine.handle_settled(id, answers, now);
        }
    }

    /// a clean stop owes nothing.
    pub(super) fn q5_nothing_is_owed(&self, at: usize) -> Result<(), Violation> {
        let engine = &self.engines[at];
        let is_there = |it: &&Slip| {
            it.is_handed && !it.settled && !it.is_void && self.is_channel_open(at, it.generation)
        };
        let owed = engine.slips.iter().find(is_there);
        holds(Rule::Q5, owed.is_none(), || format!("engine {at} stopped and owes an answer for {owed:?}"))
    }

    /// The process is gone, and its channel with it.
    pub(super) fn drop_channel(&mut self, at: usize) {
        let now_ms = self.now_ms();
        let channel = self.engines[at].channel.take();
        if let (Some(channel), Some(side)) = (channel, self.channel()) {
            side.queue.close(channel, Closed::Gone, now_ms);
            self.wake(None);
        }
    }
}
