//! All that runs the daemon: the real binary, real processes, kill and restart, as a user runs it.

mod aws;
mod aws_credentials;
mod demo;
mod front;
mod hostile;
mod kills;
mod neighbours;
mod operator;
mod queues;
mod reload;
mod reload_queues;
mod scene;
mod sqs;
mod sqs_choices;
mod sqs_groups;
mod sqs_hostile;
mod sqs_models;
mod sqs_neighbours;
mod sqs_shared;
mod sqs_slow;
mod sqs_stops;
mod sqs_throttled;
mod sqs_whole;
mod sqs_world;
mod steering;
mod stops;
