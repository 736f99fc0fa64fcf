//! Ways to run a function, one folder each.

pub mod http;
pub mod lambda;
pub mod process;
mod retry_after;
mod words;
