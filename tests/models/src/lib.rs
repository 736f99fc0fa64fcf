//! Forebay: tests/models.
