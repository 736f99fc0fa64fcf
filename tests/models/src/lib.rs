//! Forebay: tests/models.

pub mod file;
