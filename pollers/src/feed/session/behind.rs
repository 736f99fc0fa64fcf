//! Receives that are still open when nobody wants what they bring any more. They are awaited behind the back
//! of whoever ordered them, and what comes is shown to others at once.
//!
//! A message that is shown may come once more with each of them. One that its queue would take away for that,
//! untried, stays hidden until so few are open that it can be shown.

use forebay_batcher::{Receipt, Settle, Settled, Settlement};

use super::receives_left::ReceivesLeft;
use crate::source::Message;

/// The books of what nobody waits for. How many receives are open for nobody is told by whoever sent them.
#[derive(Default)]
pub(in crate::feed) struct Behind {
    /// Messages that are to be shown, and how often their queue still gives them.
    held_back: Vec<(Receipt, u32)>,
    left: ReceivesLeft,
}

impl Behind {
    /// Messages came: how often their queue still gives each of them is kept until they are settled.
    pub(in crate::feed) fn note(&mut self, messages: &[Message]) {
        for it in messages {
            if let Some(left) = it.receives_left {
                self.left.insert(&it.receipt, left);
            }
        }
    }

    /// Messages that nobody wants any more, but for what must not be shown yet.
    pub(in crate::feed) fn hand_back(&mut self, messages: Vec<Message>, n_open: usize) -> Vec<Settlement> {
        let back =
            messages.into_iter().map(|it| Settlement { receipt: it.receipt, how: Settle::Release }).collect();
        self.hold_back(back, n_open).0
    }

    /// Takes out what must not be shown yet: it will be, and for whoever asked that is as good as done.
    pub(in crate::feed) fn hold_back(
        &mut self,
        settlements: Vec<Settlement>,
        n_open: usize,
    ) -> (Vec<Settlement>, Vec<Receipt>) {
        let (mut go, mut held) = (Vec::new(), Vec::new());
        for settlement in settlements {
            // What is left comes when its visibility is over: by then these receives are in.
            let is_shown = matches!(settlement.how, Settle::Release | Settle::Nack);
            match self.left.of(&settlement.receipt).filter(|left| is_shown && !may_be_shown(*left, n_open)) {
                Some(left) => {
                    self.held_back.push((settlement.receipt.clone(), left));
                    held.push(settlement.receipt);
                }
                None => go.push(settlement),
            }
        }
        (go, held)
    }

    /// What was held back and may be shown, now that fewer receives are open.
    pub(in crate::feed) fn take_shown(&mut self, n_open: usize) -> Vec<Settlement> {
        let show = |(receipt, _)| Settlement { receipt, how: Settle::Release };
        self.held_back.extract_if(.., |(_, left)| may_be_shown(*left, n_open)).map(show).collect()
    }

    /// Settlements took effect, or their receipts are void.
    pub(in crate::feed) fn forget(&mut self, answers: &[(Receipt, Settled)]) {
        for (receipt, answer) in answers {
            match answer {
                Settled::Done | Settled::Lost => self.left.remove(receipt),
                // It is asked again, and may then have to be held back still.
                Settled::Failed => {}
            }
        }
    }
}

/// Whether a message can be shown though so many receives may bring it for nothing.
fn may_be_shown(left: u32, n_open: usize) -> bool {
    n_open == 0 || usize::try_from(left).unwrap_or(usize::MAX) > n_open
}
