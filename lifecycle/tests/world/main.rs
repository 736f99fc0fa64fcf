//! A world around the two machines: an operator at random, both owners, failures, and kills at any step. The
//! rules are judged at every step from what the world saw, never from what the machines say of themselves.

mod disk;
mod keeper;
mod model;
mod seed;
mod world;

use std::collections::BTreeMap;

use world::{Broken, World};

/// In `make test`; `FOREBAY_LONG` runs a million.
const N_SEEDS: u64 = 20_000;
const N_STEPS: usize = 120;

#[test]
fn no_rule_breaks_in_the_lives_of_mappings() {
    if let Some(seed) = std::env::var("FOREBAY_LIFE_SEED").ok().and_then(|it| it.parse().ok()) {
        let mut world = World::new(seed);
        let end = world.run(N_STEPS);
        panic!("{}\nends with {end:?}", world.told());
    }
    let n_seeds = if std::env::var_os("FOREBAY_LONG").is_some() { 1_000_000 } else { N_SEEDS };
    let mut seen: BTreeMap<&'static str, u64> = BTreeMap::new();
    for seed in 0..n_seeds {
        let mut world = World::new(seed);
        if let Err(Broken { rule, what }) = world.run(N_STEPS) {
            panic!(
                "seed {seed} breaks {rule}: {what}\n{}\nFOREBAY_LIFE_SEED={seed} shows all of it",
                world.told()
            );
        }
        world.seen().iter().for_each(|(what, n)| *seen.entry(what).or_default() += n);
    }
    // A world in which something never happens proves nothing about it.
    for what in world::POINTS {
        assert!(seen.get(what).is_some_and(|n| *n > n_seeds / 100), "{what} was seen too seldom: {seen:?}");
    }
}
