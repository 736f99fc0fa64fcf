//! Stories of a machine: inputs as lines, actions as a snapshot.

mod crowds;
mod cuts;
mod lapses;
mod parts;
mod pauses;
mod poison;
mod queues;
mod reads;
mod recorded;
mod retries;
mod revocations;
mod script;
mod stops;
mod tracks;
mod turns;
mod unreadable;
mod waits;
mod windows;
