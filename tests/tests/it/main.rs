//! All that runs the daemon: the real binary, real processes, kill and restart, as a user runs it.

mod demo;
mod hostile;
mod kills;
mod neighbours;
mod operator;
mod scene;
mod sqs;
mod sqs_choices;
mod sqs_hostile;
mod sqs_models;
mod sqs_world;
mod stops;
