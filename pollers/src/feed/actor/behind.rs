//! Receives that are still open when nobody wants what they bring any more. They are awaited behind the back
//! of whoever ordered them, and what comes is shown to others at once.
//!
//! A message that is shown may come once more with each of them. One that its queue would take away for that,
//! untried, stays hidden until so few are open that it can be shown.

use std::collections::BTreeMap;

use forebay_batcher::{Read, Receipt, Settle, SettleId, Settled, Settlement};

use super::Actor;
use super::queue::Called;
use crate::feed::FeedEvent;
use crate::feed::inbox::SubscriberId;
use crate::source::{Message, SourceError};

/// Of so many messages that are out it is known how often their queue still gives them; the oldest are
/// forgotten.
const KNOWN_MAX: usize = 20_000;

/// The books of what nobody waits for.
#[derive(Default)]
pub(super) struct Behind {
    /// Receives that nobody waits for.
    n_open: usize,
    /// Messages that are to be shown, and how often their queue still gives them.
    held_back: Vec<(Receipt, u32)>,
    left: ReceivesLeft,
}

/// How often its queue still gives each message that is out; empty where it never takes one away.
#[derive(Default)]
struct ReceivesLeft {
    by_receipt: BTreeMap<Receipt, (u64, u32)>,
    by_age: BTreeMap<u64, Receipt>,
    next: u64,
}

impl ReceivesLeft {
    fn insert(&mut self, receipt: &Receipt, left: u32) {
        self.remove(receipt);
        self.next += 1;
        self.by_receipt.insert(receipt.clone(), (self.next, left));
        self.by_age.insert(self.next, receipt.clone());
        if self.by_age.len() > KNOWN_MAX
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.by_receipt.remove(&oldest);
        }
    }

    fn of(&self, receipt: &Receipt) -> Option<u32> {
        self.by_receipt.get(receipt).map(|(_, left)| *left)
    }

    fn remove(&mut self, receipt: &Receipt) {
        if let Some((age, _)) = self.by_receipt.remove(receipt) {
            self.by_age.remove(&age);
        }
    }
}

impl Actor {
    /// Messages came: how often their queue still gives each of them is kept until they are settled.
    pub(super) fn note_receives_left(&mut self, messages: &[Message]) {
        for it in messages {
            if let Some(left) = it.receives_left {
                self.behind.left.insert(&it.receipt, left);
            }
        }
    }

    /// Nobody waits for these receives any more.
    pub(super) fn leave_behind(&mut self, n_receives: usize) {
        self.behind.n_open += n_receives;
    }

    /// A receive of a subscriber that wants nothing more, or is gone, has come back.
    pub(super) fn received_behind(&mut self, result: Result<Vec<Message>, SourceError>) {
        self.behind.n_open -= 1;
        // Nobody asks why it failed, and what it might have brought shows itself.
        self.hand_back(result.unwrap_or_default());
    }

    /// A subscriber wants nothing more: its receives are answered for and go on without it.
    pub(super) fn rest_receives(&mut self, who: SubscriberId) {
        let Some(member) = self.members.get_mut(&who) else { return };
        member.is_resting = true;
        let orders = std::mem::take(&mut member.receives);
        self.leave_behind(orders.len());
        for order in orders {
            self.tell(who, FeedEvent::Read(order, Ok(Read::default())));
        }
    }

    /// Shows at once what nobody wants any more.
    pub(super) fn hand_back(&mut self, messages: Vec<Message>) {
        let back =
            messages.into_iter().map(|it| Settlement { receipt: it.receipt, how: Settle::Release }).collect();
        let (back, _) = self.hold_back(back);
        self.show(back);
    }

    /// Takes out what must not be shown yet: it will be, and for whoever asked that is as good as done.
    pub(super) fn hold_back(&mut self, settlements: Vec<Settlement>) -> (Vec<Settlement>, Vec<Receipt>) {
        let n_open = self.n_bouncing();
        let (mut go, mut held) = (Vec::new(), Vec::new());
        for settlement in settlements {
            let is_shown = matches!(settlement.how, Settle::Release | Settle::Nack);
            match self
                .behind
                .left
                .of(&settlement.receipt)
                .filter(|left| is_shown && !may_be_shown(*left, n_open))
            {
                Some(left) => {
                    self.behind.held_back.push((settlement.receipt.clone(), left));
                    held.push(settlement.receipt);
                }
                None => go.push(settlement),
            }
        }
        (go, held)
    }

    /// Shows what was held back and may be shown, now that fewer receives are open.
    pub(super) fn show_held_back(&mut self) {
        if self.behind.held_back.is_empty() {
            return;
        }
        let n_open = self.n_bouncing();
        let (go, stay) = std::mem::take(&mut self.behind.held_back)
            .into_iter()
            .partition(|(_, left)| may_be_shown(*left, n_open));
        self.behind.held_back = stay;
        let go: Vec<(Receipt, u32)> = go;
        self.show(go.into_iter().map(|(receipt, _)| Settlement { receipt, how: Settle::Release }).collect());
    }

    /// Settlements took effect, or their receipts are void.
    pub(super) fn forget_receives_left(&mut self, answers: &[(Receipt, Settled)]) {
        for (receipt, answer) in answers {
            match answer {
                Settled::Done | Settled::Lost => self.behind.left.remove(receipt),
                Settled::Failed => {}
            }
        }
    }

    /// Settles what is a subscriber's own, but for what is held back.
    pub(super) fn settle_own(&mut self, who: SubscriberId, id: SettleId, settlements: Vec<Settlement>) {
        let (go, held) = self.hold_back(settlements);
        let held: Vec<(Receipt, Settled)> = held.into_iter().map(|it| (it, Settled::Done)).collect();
        if go.is_empty() {
            return self.tell(who, FeedEvent::Settled(id, held));
        }
        self.call(|queue| {
            Box::pin(async move {
                let mut answers = queue.settle(go).await;
                answers.extend(held);
                Called::Settled(who, id, answers)
            })
        });
    }

    /// Receives that are open and whose messages nobody will start.
    fn n_bouncing(&self) -> usize {
        let shared = self
            .shared_queue
            .as_ref()
            .filter(|shared_queue| self.stops() || !shared_queue.has_takers())
            .map_or(0, |shared_queue| shared_queue.n_receives);
        self.behind.n_open + shared
    }

    fn show(&mut self, back: Vec<Settlement>) {
        if back.is_empty() {
            return;
        }
        self.call(|queue| {
            // Whatever fails shows itself when its visibility is over.
            Box::pin(async move { Called::HandedBack(queue.settle(back).await) })
        });
    }
}

/// Whether a message can be shown though so many receives may bring it for nothing.
fn may_be_shown(left: u32, n_open: usize) -> bool {
    n_open == 0 || usize::try_from(left).unwrap_or(usize::MAX) > n_open
}
