//! What another process has taken: CPU time of all its threads together, memory.

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

/// The most memory that a process has had so far, in MB.
pub(crate) fn peak_megabytes(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = text.lines().find_map(|it| it.strip_prefix("VmHWM:")).expect("Linux tells it");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("it is a number");
    kilobytes / 1_000
}
