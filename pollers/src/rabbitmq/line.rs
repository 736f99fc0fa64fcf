//! What is known of the channel that is open, of those that died, and of how much it may push. No IO.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use forebay_batcher::Generation;
use forebay_clients::AmqpError;
use tokio::time::Instant;

use super::broker::{OpenedChannel, RabbitChannel};
use super::ledger::Ledger;
use crate::source::Demand;

/// As AWS has it, as far as anybody knows: one batch runs, the next is here.
const AHEAD: u64 = 2;
/// A batch of AWS's default size for a mapping that has not told what it can hold.
const RECORDS_UNTOLD: u64 = 100;
/// What a message is taken to weigh before any came.
const MESSAGE_BYTES_UNKNOWN: u64 = 16 << 10;
/// AMQP writes the prefetch in two bytes.
const PREFETCH_MAX: u64 = u16::MAX as u64;

/// The channel that is open.
#[derive(Clone)]
pub(super) struct OpenLine {
    pub(super) channel: Arc<dyn RabbitChannel>,
    pub(super) generation: Generation,
}

/// The books of all channels of a queue, of which one at the most is open.
#[derive(Default)]
pub(super) struct LineState {
    open: Option<OpenLine>,
    pub(super) ledger: Ledger,
    generation: u32,
    /// Those that died and were not told of.
    pub(super) lost: VecDeque<Generation>,
    /// Attempts to open one that are over, and how the last one failed.
    pub(super) n_attempts: u64,
    pub(super) failure: Option<AmqpError>,
    /// Queues that are not consumed, with the reason.
    pub(super) missing: BTreeMap<usize, AmqpError>,
    pub(super) tended: Option<Instant>,
    pub(super) prefetch: u16,
    pub(super) demand: Option<Demand>,
    weight: MessageWeight,
}

impl LineState {
    pub(super) fn open(&self) -> Option<OpenLine> {
        self.open.clone()
    }

    /// Whether a generation is the one that lives.
    pub(super) fn is_open(&self, generation: Generation) -> bool {
        self.open.as_ref().is_some_and(|it| it.generation == generation)
    }

    pub(super) fn handle_opened(&mut self, opened: OpenedChannel, prefetch: u16, now: Instant) -> OpenLine {
        self.generation += 1;
        let line = OpenLine { channel: opened.channel, generation: Generation(self.generation) };
        self.open = Some(line.clone());
        self.ledger = Ledger::default();
        (self.missing, self.prefetch) = (opened.missing.into_iter().collect(), prefetch);
        (self.failure, self.tended) = (None, Some(now));
        line
    }

    /// A channel died: what it brought is void. False where that is known already.
    pub(super) fn lose(&mut self, generation: Generation) -> bool {
        if !self.is_open(generation) {
            return false;
        }
        self.open = None;
        self.ledger = Ledger::default();
        self.lost.push_back(generation);
        true
    }

    /// Messages came: each is given out and owed an answer.
    pub(super) fn give(&mut self, tags_and_bytes: impl Iterator<Item = (u64, u64)>) {
        for (tag, n_bytes) in tags_and_bytes {
            self.ledger.give(tag);
            self.weight.add(n_bytes);
        }
    }

    /// How many deliveries may be owed: enough for what runs and what runs next, and no more bytes than those
    /// who read can hold.
    pub(super) fn wanted_prefetch(&self) -> u16 {
        let records = self.demand.map_or(RECORDS_UNTOLD, |it| it.records).max(1).saturating_mul(AHEAD);
        let bytes = self.demand.map_or(u64::MAX, |it| it.bytes);
        let wanted = records.min(bytes / self.weight.of_one()).clamp(1, PREFETCH_MAX);
        u16::try_from(wanted).expect("it was clamped")
    }
}

/// What messages weigh, newer ones more than older ones.
#[derive(Debug, Default)]
struct MessageWeight {
    mean: Option<u64>,
}

impl MessageWeight {
    fn add(&mut self, n_bytes: u64) {
        self.mean = Some(self.mean.map_or(n_bytes, |mean| (mean.saturating_mul(31) + n_bytes).div_ceil(32)));
    }

    fn of_one(&self) -> u64 {
        self.mean.unwrap_or(MESSAGE_BYTES_UNKNOWN).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_is_pushed_as_runs_and_runs_next_within_the_bytes_that_there_are() {
        let mut state = LineState::default();
        assert_eq!(state.wanted_prefetch(), 200);
        let demand = |records, bytes| Some(Demand { records, bytes });
        for (demand, prefetch) in [
            (demand(50, 64 << 20), 100),
            (demand(0, 64 << 20), 2),
            (demand(10_000, 16 << 20), 1_024),
            (demand(10_000, 1), 1),
            (demand(1 << 40, u64::MAX), u16::MAX),
        ] {
            state.demand = demand;
            assert_eq!(state.wanted_prefetch(), prefetch, "{demand:?}");
        }
        state.demand = demand(100, 1 << 20);
        (0..200).for_each(|tag| state.give(std::iter::once((tag, 256 << 10))));
        assert_eq!(state.wanted_prefetch(), 4, "what came is heavy");
        (0..400).for_each(|tag| state.give(std::iter::once((tag, 100))));
        assert_eq!(state.wanted_prefetch(), 200);
    }
}
