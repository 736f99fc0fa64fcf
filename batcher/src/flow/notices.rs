//! What was given up on: told to a destination until it is taken, or let go where a setting says so.

use super::*;

/// What is said of a message that no batch can hold.
const TOO_LARGE: &str = "it is larger than an event may be";

impl Machine {
    pub(super) fn has_taker(&self, told: &Told) -> bool {
        let is_dropped = self.plan.retry.drop_after_destination_failures.is_some_and(|max| told.n_refused >= max.get());
        self.plan.has_destination && !is_dropped
    }

    pub(super) fn discard_first(&mut self, id: ChainId) {
        let Some(chain) = self.chains.get_mut(id) else { return };
        let Some(Step { what: What::Tell(told), .. }) = chain.steps.pop_front() else { return };
        if told.condition == Condition::PayloadTooLarge && chain.limits.redelivery == Redelivery::BySource {
            // Nobody asked us to drop it: its queue's own limit of receives decides.
            self.leave(told.slice.records(), id, TOO_LARGE);
            self.after_pop(id);
            return;
        }
        self.counts.dropped += told.slice.n_records() as u64;
        let records = told.slice.clone();
        let Told { slice, condition, n_invokes, reply, .. } = told;
        self.actions.push_back(Action::Discarded(Discard { condition, slice, n_invokes, reply }));
        self.finish(id, records.records());
        self.after_pop(id);
    }

    pub(super) fn deliver(&mut self, id: ChainId) {
        if self.is_closing() {
            self.set_status(id, Status::New);
            return;
        }
        let notice_id = NoticeId(self.next_id());
        let Some(chain) = self.chains.get(id) else { return };
        let Some(step @ Step { what: What::Tell(told), .. }) = chain.steps.front() else { return };
        // N-4: told only when it is durable that it was given up.
        crate::rule!(N4, self.is_durable(chain, step));
        let Told { slice, condition, n_invokes, reply, n_refused, refused_since: _ } = told.clone();
        self.actions.push_back(Action::Deliver(Notice { id: notice_id, condition, slice, n_invokes, reply, n_refused }));
        self.notices.insert(notice_id, id);
        self.set_status(id, Status::Delivering { id: notice_id, since: self.now.tick });
    }

    pub(crate) fn delivered(&mut self, id: ChainId, answer: Delivery) {
        let now = self.now.tick;
        let seed = self.seed_of(id.number);
        let Some(chain) = self.chains.get_mut(id) else { return };
        let stopped = std::mem::take(&mut chain.stopped);
        match answer {
            Delivery::Taken => {
                let Some(Step { what: What::Tell(told), .. }) = chain.steps.pop_front() else { return };
                self.counts.delivered += told.slice.n_records() as u64;
                // What stopped meanwhile has gone back, and what came since stands behind the message that was lost.
                let lost = self.lost_groups(told.slice.records());
                self.finish(id, told.slice.records());
                self.set_status(id, Status::New);
                self.stop_groups(id, &lost);
                self.after_pop(id);
                self.advance(id);
            }
            Delivery::Refused { error } => {
                self.counts.delivery_failures += 1;
                let Some(Step { what: What::Tell(told), .. }) = chain.steps.front_mut() else { return };
                told.n_refused += 1;
                let (n_refused, since) = (told.n_refused, *told.refused_since.get_or_insert(now));
                let until = now.after(ask_again_delay(n_refused.saturating_sub(1), seed));
                self.set_status(id, Status::New);
                if self.is_closing() {
                    self.hand_back(id);
                }
                self.stop_groups(id, &stopped);
                // What was lost while it was told of is not told of again.
                self.drop_dead(id);
                let front = self.chains.get(id).and_then(|chain| chain.steps.front());
                if matches!(front, Some(Step { what: What::Tell(told), .. }) if told.n_refused == n_refused) {
                    self.set_status(id, Status::Redeliver { until, since, error });
                } else {
                    self.advance(id);
                }
            }
        }
    }
}
