//! All that runs the daemon: the real binary, real processes, kill and restart, as a user runs it.

mod aws;
mod aws_credentials;
mod demo;
mod hostile;
mod kills;
mod neighbours;
mod operator;
mod scene;
mod sqs;
mod stops;
