//! The simulator: worlds of one machine or of several engines and all that can go wrong around them, driven by
//! a stream of choices and judged by rules.

pub mod choices;
pub mod coverage;
pub mod options;
pub mod oracle;
mod panics;
pub mod report;
pub mod seeds;
mod shapes;
pub mod shrink;
pub mod trace;
mod world;

use choices::Choices;
pub use shapes::Shape;
use trace::Keep;
pub use world::Report;

/// Runs the world of a seed.
pub fn run_seed(seed: u64, keep: Keep) -> Report {
    run(Choices::seeded(seed), keep)
}

/// Runs the world of these choices.
pub fn run_choices(choices: &[u32], keep: Keep) -> Report {
    run(Choices::replayed(choices.to_vec()), keep)
}

/// The shape of the source in the world of a seed; `None` for files and for a queue that is received from.
pub fn shape_of_seed(seed: u64) -> Option<Shape> {
    Shape::draw(&mut Choices::seeded(seed))
}

fn run(mut choices: Choices, keep: Keep) -> Report {
    match Shape::draw(&mut choices) {
        Some(shape) => shapes::run(choices, shape, keep),
        None => world::World::run(choices, keep),
    }
}
