//! The way to one mapping's keeper.

use std::sync::Arc;

use forebay_batcher::{Close, Plan};
use forebay_lifecycle::DesiredState;
use tokio::sync::watch;

use super::keeper::Keeper;
use super::wired::{CommonGround, How, LastDesired};

/// The way to a mapping's keeper.
pub struct MappingHandle {
    told: watch::Sender<LastDesired>,
    /// The last of its orders whose end has come: to be gone, and nothing was left.
    n_vanished: watch::Receiver<u64>,
}

impl MappingHandle {
    /// A place for a new mapping, which others see from here on; the future keeps it until the end.
    pub fn new(
        ground: &Arc<CommonGround>,
        name: &str,
        order: DesiredState<How>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (told, orders) = watch::channel(LastDesired { order, end: Close::Finish, n_told: 0 });
        let (vanished, n_vanished) = watch::channel(u64::MAX);
        let keeper = Keeper::new(ground, name, orders, vanished);
        (Self { told, n_vanished }, keeper.keep_on())
    }

    /// Replaces what it was told last.
    pub fn tell(&self, order: DesiredState<How>) {
        self.told.send_modify(|told| (told.order, told.n_told) = (order, told.n_told + 1));
    }

    /// It ends with the process, in this way.
    pub fn end(&self, how: Close) {
        self.told.send_modify(|told| {
            *told = LastDesired { order: DesiredState::End, end: how, n_told: told.n_told + 1 };
        });
    }

    /// Changes the limits of what it was told to run.
    pub(super) fn replan(&self, plan: Plan) {
        // No order: its number stays, and the life that runs hears of it by the plan's own channel.
        if let DesiredState::Run(How::Run(wired)) = &self.told.borrow().order {
            wired.wiring.plan.send_replace(plan);
        }
    }

    /// It was told to be gone and nothing of it is left.
    pub(super) fn is_gone(&self) -> bool {
        let told = self.told.borrow();
        matches!(told.order, DesiredState::Gone { .. }) && *self.n_vanished.borrow() == told.n_told
    }
}
