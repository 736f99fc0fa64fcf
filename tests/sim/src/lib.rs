//! Forebay: tests/sim.
