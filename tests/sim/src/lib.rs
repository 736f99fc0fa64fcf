//! The simulator: worlds of one machine and all that can go wrong around it, driven by a stream of choices
//! and judged by rules.

pub mod choices;
pub mod coverage;
pub mod options;
pub mod oracle;
mod panics;
pub mod report;
pub mod seeds;
pub mod shrink;
pub mod trace;
mod world;

use choices::Choices;
use trace::Keep;
pub use world::Report;

/// Runs the world of a seed.
pub fn run_seed(seed: u64, keep: Keep) -> Report {
    world::World::run(Choices::seeded(seed), keep)
}

/// Runs the world of these choices.
pub fn run_choices(choices: &[u32], keep: Keep) -> Report {
    world::World::run(Choices::replayed(choices.to_vec()), keep)
}
