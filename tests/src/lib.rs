//! Forebay: tests.
