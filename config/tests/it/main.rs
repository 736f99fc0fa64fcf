//! The tests of whole documents and configs, in one program.

#![allow(clippy::unwrap_used, reason = "a helper of tests may fail the test")]

mod api;
mod aws;
mod common;
mod documents;
mod draft;
mod mapping;
mod mistakes;
mod pages;
mod table;
