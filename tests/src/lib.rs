//! Helpers for the tests of the whole: the binary as a user runs it, and waiting for a state.

pub mod aws_tools;
pub mod calendar;
pub mod daemon;
pub mod dynamodb_local;
pub mod elasticmq;
pub mod function;
pub mod gate;
pub mod http;
pub mod java_server;
mod json_server;
pub mod kafka;
pub mod kinesis_local;
pub mod lambda_api;
mod loopback;
pub mod ministack;
pub mod ports;
pub mod rabbitmq;
pub mod schema_registry;
pub mod seed;
pub mod sqs_calls;
pub mod strict_sqs;
pub mod strict_streams;
pub mod wait;
pub mod wire;
