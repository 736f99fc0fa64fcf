//! Ways to run a function, one folder each.

pub mod http;
pub mod process;
