//! Stories of a machine: inputs as lines, actions as a snapshot.

mod lapses;
mod queues;
mod reads;
mod script;
mod tracks;
