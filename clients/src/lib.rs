//! Forebay: clients.
