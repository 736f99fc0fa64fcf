//! what the queue itself thinks of the receipts that the machine holds. The machine's belief
//! counts nowhere here.

use forebay_batcher::{ReadOrder, Redelivery, Rule, Settle, Settlement};
use forebay_models::queue::{Handle, Queue};

use super::truth::handle_number;
use super::{Oracle, Violation, holds};

/// A message is hidden for longer this long before it lapses at the latest, so what has less left was not the
/// machine's to save: a tenth of the visibility, by which an extension that failed puts off the next, and
/// what a call takes.
pub(crate) const CALL_US: u64 = 1_000_000;

impl Oracle {
    /// an attempt begins only with receipts that the queue still honours. What a queue hands out twice
    /// nobody can know of.
    pub(crate) fn q2_the_queue_honours_every_receipt(
        &self,
        queue: &Queue<u32>,
        entries: &[usize],
        now_us: u64,
    ) -> Result<(), Violation> {
        for entry in entries.iter().filter(|entry| !self.entries[**entry].repeated) {
            let honoured = queue.honours(Handle(*entry as u64), now_us);
            holds(Rule::Q2, honoured.is_ok(), || {
                format!(
                    "record {} is tried with receipt {entry}, which is {honoured:?}",
                    self.entries[*entry].uid
                )
            })?;
        }
        Ok(())
    }

    /// no message comes again, nor is seen by others, while the machine holds it, unless its extensions
    /// failed or came too late.
    pub(crate) fn q3_what_is_held_stays_hidden(&self, entry: usize, what: &str) -> Result<(), Violation> {
        let held = &self.entries[entry];
        holds(Rule::Q3, !self.is_owed(entry) || held.excused, || {
            let doing = if held.in_flight { "its attempt runs" } else { "it is held" };
            format!("record {} {what} while {doing} with receipt {entry}", held.uid)
        })
    }

    /// each earlier message of the group is gone, goes along, or was finished and nobody said that its
    /// receipt was lost.
    pub(crate) fn q4_nothing_goes_on_behind_a_lost_message(
        &self,
        queue: &Queue<u32>,
        entries: &[usize],
    ) -> Result<(), Violation> {
        self.each_earlier(entries, |entry, earlier| {
            // Messages are numbered as they are sent.
            let latest = queue.latest(earlier as usize).map(|handle| &self.entries[handle.0 as usize]);
            let is_done =
                latest.is_some_and(|latest| latest.life == self.life && latest.finished && !latest.lost);
            let group = self.truths[earlier as usize].key;
            holds(Rule::Q4, is_done, || {
                let uid = self.entries[entry].uid;
                format!("record {uid} of group {group:?} goes on behind record {earlier}: {latest:?}")
            })
        })
    }

    /// Judges each message beside the earlier ones of its group that its queue still has, back to one that
    /// goes along with it.
    fn each_earlier(
        &self,
        entries: &[usize],
        judge: impl Fn(usize, u32) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        for (at, entry) in entries.iter().enumerate() {
            let uid = self.entries[*entry].uid;
            let mut before = self.truths[uid as usize].before;
            while let Some(earlier) = before {
                let truth = &self.truths[earlier as usize];
                before = truth.before;
                if truth.gone || !truth.wanted {
                    continue;
                }
                if entries[..at].iter().any(|other| self.entries[*other].uid == earlier) {
                    break;
                }
                judge(*entry, earlier)?;
            }
        }
        Ok(())
    }

    /// nor is anything told to a destination behind a message of its group whose end, as the machine was
    /// told, did not take effect. What was tried before anybody said so runs on, and what came again behind
    /// that message, which came again too, is in order.
    pub(crate) fn q4_nothing_is_told_behind_a_lost_message(
        &self,
        entries: &[usize],
    ) -> Result<(), Violation> {
        self.each_earlier(entries, |entry, earlier| {
            let mut of_life = (self.first_of_life..self.entries.len()).rev();
            let ended = of_life.find(|at| self.entries[*at].uid == earlier && self.entries[*at].finished);
            let came_again = |ended: usize| {
                (ended + 1..entry).any(|at| self.entries[at].uid == earlier && self.entries[at].handed)
            };
            let is_lost = ended.is_some_and(|ended| self.entries[ended].lost && !came_again(ended));
            let (uid, last) = (self.entries[entry].uid, ended.map(|ended| &self.entries[ended]));
            let group = self.truths[earlier as usize].key;
            holds(Rule::Q4, !is_lost, || {
                format!("record {uid} of group {group:?} is told of behind record {earlier}: {last:?}")
            })
        })
    }

    /// what has not started is given back in the very moment of a close, and whatever stops running
    /// later too. Only a message that a receive may bring once more, and that its queue would take away for
    /// it, stays hidden until the receives are back. Tells whether one did.
    pub(crate) fn q5_a_close_gives_back_what_does_not_run(
        &self,
        queue: &Queue<u32>,
        n_open: usize,
        now_us: u64,
    ) -> Result<bool, Violation> {
        let mut any_kept = false;
        for entry in self.first_of_life..self.entries.len() {
            let held = &self.entries[entry];
            let runs = held.in_flight || held.noticing;
            let is_hidden = held.believed_us > now_us && queue.honours(Handle(entry as u64), now_us).is_ok();
            if runs || !is_hidden || !self.is_owed(entry) {
                continue;
            }
            let left = held.receives_left;
            holds(Rule::Q5, left.is_some_and(|left| left as usize <= n_open), || {
                format!(
                    "record {} stays hidden behind a close; {left:?} receives left, {n_open} open",
                    held.uid
                )
            })?;
            any_kept = true;
        }
        Ok(any_kept)
    }

    /// after a clean stop nothing stays hidden that the machine held and did not leave on purpose.
    pub(crate) fn q5_nothing_stays_hidden_after_a_clean_stop(
        &self,
        queue: &Queue<u32>,
        now_us: u64,
    ) -> Result<(), Violation> {
        for entry in self.first_of_life..self.entries.len() {
            let held = &self.entries[entry];
            if held.held && !held.left && !held.void && held.believed_us > now_us {
                let hidden = queue.honours(Handle(entry as u64), now_us);
                holds(Rule::Q5, hidden.is_err(), || {
                    format!("record {} is hidden until {hidden:?} after a clean stop", held.uid)
                })?;
            }
        }
        Ok(())
    }

    /// a message that an open receive may bring once more, and that its queue would take away for it, is
    /// not shown before they are back.
    pub(crate) fn q5_nothing_is_shown_to_be_taken_away(
        &self,
        n_open: usize,
        settlements: &[Settlement],
    ) -> Result<(), Violation> {
        for settlement in settlements.iter().filter(|it| n_open > 0 && it.how == Settle::Release) {
            let held = &self.entries[handle_number(&settlement.receipt.handle)];
            let left = held.receives_left;
            // One that is sent again was allowed when it was sent first.
            holds(Rule::Q5, held.asked || left.is_none_or(|left| left as usize > n_open), || {
                format!("record {} is shown with {left:?} receives left and {n_open} open", held.uid)
            })?;
        }
        Ok(())
    }

    /// with a queue that redelivers by itself what failed is left, and nothing else is.
    pub(crate) fn q7_what_failed_is_left(&self, settlements: &[Settlement]) -> Result<(), Violation> {
        for settlement in settlements {
            let held = &self.entries[handle_number(&settlement.receipt.handle)];
            let failed = held.spent > 0 || held.too_large;
            let by_source = self.plan().retry.redelivery == Redelivery::BySource;
            let fits = match settlement.how {
                Settle::Delete => true,
                Settle::Leave => by_source && failed && held.asked_us.is_none(),
                Settle::ShowAfter(wait) => {
                    by_source
                        && failed
                        && held.asked_us.is_some_and(|asked_us| u128::from(asked_us) == wait.as_micros())
                }
                Settle::Release | Settle::Nack => !by_source || !failed,
            };
            holds(Rule::Q7, fits, || {
                format!(
                    "record {} is settled by {:?} after {} attempts",
                    held.uid, settlement.how, held.spent
                )
            })?;
        }
        Ok(())
    }

    /// what is held and what is asked for can be started: a batch for each that may be out, no more.
    pub(crate) fn q6_no_more_is_received_than_can_start(
        &self,
        open: u64,
        order: &ReadOrder,
    ) -> Result<(), Violation> {
        let batches = self.plans.iter().filter_map(|plan| {
            let queue = plan.queue.as_ref()?;
            Some(plan.concurrency_max.map_or(queue.batches_max, |max| max.min(queue.batches_max)).get())
        });
        let records = self.plans.iter().map(|plan| plan.batch.records_max.get()).max().unwrap_or(1);
        let most = u64::from(batches.max().unwrap_or(1)) * u64::from(records);
        let n_held =
            (self.first_of_life..self.entries.len()).filter(|entry| self.is_owed(*entry)).count() as u64;
        let excused = (self.first_of_life..self.entries.len())
            .filter(|entry| self.entries[*entry].excused)
            .count() as u64;
        let asked = u64::from(order.records_max);
        holds(Rule::Q6, n_held + open + asked <= most + excused, || {
            format!("{n_held} messages held, {open} asked for and {asked} more, where {most} can start")
        })
    }

    /// while nothing is held a receive is open, unless the last one failed.
    pub(crate) fn q6_an_idle_machine_receives(&self) -> Result<(), Violation> {
        let is_held = |held: &super::Entry| held.held && !held.asked && !held.void;
        let holds_any = self.entries[self.first_of_life..].iter().any(is_held);
        let is_idle = !holds_any && self.flights.is_empty() && self.notices.is_empty();
        holds(Rule::Q6, !is_idle, || "nothing is held and no receive is open".to_owned())
    }

    /// an empty queue is asked by as few receives as may be, once every receive that was open has found
    /// it empty.
    pub(crate) fn q6_an_empty_queue_is_asked_by_few(
        &self,
        n_open: usize,
        n_empty: u32,
    ) -> Result<(), Violation> {
        let Some(queue) = &self.plan().queue else { return Ok(()) };
        let is_empty = n_empty > 2 * queue.pollers_max.get();
        let most = queue.pollers_min.get() as usize;
        holds(Rule::Q6, !is_empty || n_open <= most, || {
            format!("{n_open} receives are open after {n_empty} that brought nothing")
        })
    }

    /// A message is held that neither runs nor is on its way to a destination.
    pub(crate) fn holds_what_has_not_started(&self) -> bool {
        let rests = |entry: usize| {
            !self.entries[entry].in_flight && !self.entries[entry].noticing && self.is_owed(entry)
        };
        (self.first_of_life..self.entries.len()).any(rests)
    }

    /// The machine was given this message and has neither asked to settle it nor been told that its receipt
    /// is void.
    fn is_owed(&self, entry: usize) -> bool {
        let held = &self.entries[entry];
        held.held && held.life == self.life && !held.asked && !held.void && !held.repeated
    }

    /// The machine is given what a receive brought. What has hardly any time left, counted from before the
    /// receive was sent as the machine must count, lapses whatever it does.
    pub(crate) fn hold(&mut self, entry: usize, believed_us: u64, is_late: bool) {
        let held = &mut self.entries[entry];
        held.held = true;
        (held.believed_us, held.believed_most_us) = (believed_us, believed_us);
        held.excused |= is_late;
    }

    /// what was finished after its receipt had lapsed, as the machine must believe, comes again.
    pub(crate) fn lose_what_lapsed_meanwhile(&mut self, entries: &[usize], now_us: u64) {
        for entry in entries {
            let held = &mut self.entries[*entry];
            held.lost |= held.finished && held.believed_most_us <= now_us;
        }
    }

    /// The process stands still until then: neither what lapses meanwhile, or just after, is its fault, nor
    /// what it then believes wrongly of an extension whose answer waits. Tells whether anything that it holds
    /// lapses.
    pub(crate) fn excuse_what_lapses(&mut self, queue: &Queue<u32>, now_us: u64, until_us: u64) -> bool {
        let mut any_lapses = false;
        for entry in self.first_of_life..self.entries.len() {
            let handle = Handle(entry as u64);
            if queue.honours(handle, now_us).is_ok_and(|until| until < u64::MAX) {
                self.entries[entry].excused = true;
                any_lapses |= self.is_owed(entry) && queue.honours(handle, until_us).is_err();
            }
        }
        any_lapses
    }
}
