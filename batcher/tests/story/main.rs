//! Stories of a machine: inputs as lines, actions as a snapshot.

mod crowds;
mod lapses;
mod queues;
mod script;
mod tracks;
