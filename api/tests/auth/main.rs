//! Signed requests: those of others are let in, all else is not.

mod one_key;
mod refusals;
mod signatures;
mod signed;
