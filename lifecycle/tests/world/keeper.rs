//! One mapping's shell in the world: does what its life asks for, and knows what is under way.

use forebay_lifecycle::{DesiredState, LifeEffect, LifeNews, MappingLife, OperatorRequestId};

use crate::disk::Spec;

/// What is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Task { is_told: bool },
    Jobs,
    Delay,
    Request(OperatorRequestId),
    Erase,
    EraseDelay,
}

#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) life: MappingLife<Spec>,
    /// What it was told last.
    pub(crate) order: DesiredState<Spec>,
    pub(crate) work: Option<Work>,
    pub(crate) shown: Option<Spec>,
    pub(crate) is_resting: bool,
    pub(crate) is_over: bool,
    pub(crate) has_vanished: bool,
    /// Lives that failed in a row, as the world counts them.
    pub(crate) n_failures: u32,
}

impl Keeper {
    pub(crate) fn new(order: DesiredState<Spec>) -> Self {
        Self {
            life: MappingLife::new(order.clone()),
            order,
            work: None,
            shown: None,
            is_resting: false,
            is_over: false,
            has_vanished: false,
            n_failures: 0,
        }
    }

    /// Tells it something else.
    pub(crate) fn tell(&mut self, order: DesiredState<Spec>) {
        self.order = order.clone();
        self.has_vanished = false;
        self.life.handle(LifeNews::Desired(order));
    }

    pub(crate) fn poll(&mut self) -> Option<LifeEffect<Spec>> {
        self.life.poll_effect()
    }

    pub(crate) fn has_task(&self) -> bool {
        matches!(self.work, Some(Work::Task { .. } | Work::Jobs))
    }
}
