//! Signed requests: those of others are let in, all else is not.

mod refusals;
mod signatures;
mod signed;
