//! Filter patterns from outside: the rules as tables, a slow reference to differ from, hostile input and the
//! bound of the work.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod filter;
mod hostile;
mod reasons;
mod reference;
mod rules;
mod work;
