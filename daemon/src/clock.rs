//! The two clocks of the process as one value; the only place that reads them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use forebay_batcher::{Now, Tick, UnixMillis};
use tokio::time::Instant;

/// Turns tokio's monotonic clock and the wall clock into the core's [`Now`].
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
    wall: Wall,
}

#[derive(Debug, Clone, Copy)]
enum Wall {
    System,
    /// The wall clock read this at the origin and runs with the monotonic clock; for tests on tokio's paused
    /// clock.
    Since(UnixMillis),
}

impl Clock {
    /// A clock whose ticks begin now.
    pub fn start() -> Self {
        Self { origin: Instant::now(), wall: Wall::System }
    }

    /// A clock whose wall time is `unix` now and runs with tokio's clock from here, paused or not.
    pub fn start_at(unix: UnixMillis) -> Self {
        Self { origin: Instant::now(), wall: Wall::Since(unix) }
    }

    /// Both clocks at this moment.
    pub fn now(&self) -> Now {
        let elapsed = self.origin.elapsed();
        Now { tick: Tick::default().after(elapsed), unix: self.unix_after(elapsed) }
    }

    /// The monotonic clock alone.
    pub fn tick(&self) -> Tick {
        Tick::default().after(self.origin.elapsed())
    }

    /// The wall clock alone.
    pub fn unix(&self) -> UnixMillis {
        match self.wall {
            Wall::System => unix_now(),
            Wall::Since(_) => self.unix_after(self.origin.elapsed()),
        }
    }

    fn unix_after(&self, elapsed: Duration) -> UnixMillis {
        match self.wall {
            Wall::System => unix_now(),
            Wall::Since(start) => UnixMillis(start.0.saturating_add(millis(elapsed.as_millis()))),
        }
    }

    /// The moment of tick zero, for what counts ticks by itself.
    pub fn zero(&self) -> Instant {
        self.origin
    }

    /// The moment of a tick, for timers.
    pub fn instant(&self, tick: Tick) -> Instant {
        let span = Tick::default().until(tick);
        // A tick centuries ahead stands for "never": a timer far away serves as well.
        self.origin.checked_add(span).unwrap_or_else(|| self.origin + Duration::from_secs(60 * 60 * 24 * 365))
    }
}

/// The wall clock, for what is shown to people and measured by nothing.
pub(crate) fn unix_now() -> UnixMillis {
    UnixMillis(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| millis(it.as_millis())))
}

fn millis(span: u128) -> i64 {
    i64::try_from(span).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn both_clocks_run_with_tokios_when_started_at_a_time() {
        let clock = Clock::start_at(UnixMillis(1_000));
        tokio::time::advance(Duration::from_millis(1_500)).await;
        let now = clock.now();
        assert_eq!((now.tick, now.unix), (Tick(1_500_000), UnixMillis(2_500)));
        assert_eq!((clock.tick(), clock.unix()), (now.tick, now.unix));
        assert_eq!(clock.instant(Tick(1_500_000)), Instant::now());
        assert!(clock.instant(Tick(u64::MAX)) > Instant::now());
    }
}
