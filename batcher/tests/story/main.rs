//! Stories of a machine: inputs as lines, actions as a snapshot.

mod lapses;
mod queues;
mod script;
mod tracks;
