//! The CPU time of another process, all its threads together.

use std::fs;
use std::time::Duration;

/// Ticks of `/proc` in a second: 100 on every Linux that there is.
const TICKS_PER_SECOND: u64 = 100;

/// User and system time of a process so far.
pub(crate) fn of(pid: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // The name stands in parentheses and may hold blanks; what follows does not.
    let (_, rest) = text.rsplit_once(')').expect("a name stands in parentheses");
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |idx: usize| fields[idx].parse::<u64>().expect("ticks are a number");
    Duration::from_millis((ticks(11) + ticks(12)) * 1_000 / TICKS_PER_SECOND)
}
