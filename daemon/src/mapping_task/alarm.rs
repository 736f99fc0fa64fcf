//! One timer for all deadlines of a mapping: made once, and set anew only when the next deadline is another.

use std::future::pending;
use std::pin::Pin;

use forebay_batcher::Tick;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::clock::Clock;

pub(super) struct Alarm {
    clock: Clock,
    timer: Pin<Box<Sleep>>,
    at: Option<Tick>,
}

impl Alarm {
    /// It is set for nothing.
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, timer: Box::pin(sleep_until(Instant::now())), at: None }
    }

    /// Sets it for this tick, or for nothing.
    pub(super) fn set(&mut self, at: Option<Tick>) {
        // Most turns of the loop leave the deadline where it was, and setting a timer takes the runtime's
        // lock.
        if let Some(tick) = at.filter(|_| at != self.at) {
            self.timer.as_mut().reset(self.clock.instant(tick));
        }
        self.at = at;
    }

    /// Waits for its tick, for ever when it is set for none. Can be dropped without losing anything: it stays
    /// set, and one that has rung rings again until it is set for another tick.
    pub(super) async fn rings(&mut self) {
        match self.at {
            Some(_) => self.timer.as_mut().await,
            None => pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_rings_at_its_tick_and_not_when_it_was_set_for_another_or_for_none() {
        let clock = Clock::start_at(forebay_batcher::UnixMillis(0));
        let mut alarm = Alarm::new(clock);
        let began = Instant::now();
        let after = |seconds| clock.now().tick.after(Duration::from_secs(seconds));
        let patience = Duration::from_secs(100);
        assert!(tokio::time::timeout(patience, alarm.rings()).await.is_err(), "it is set for nothing");
        alarm.set(Some(after(5)));
        alarm.set(Some(after(2)));
        alarm.rings().await;
        assert_eq!(began.elapsed().as_secs(), 102);
        alarm.rings().await;
        assert_eq!(began.elapsed().as_secs(), 102, "it was not set for another");
        alarm.set(None);
        assert!(tokio::time::timeout(patience, alarm.rings()).await.is_err());
    }
}
