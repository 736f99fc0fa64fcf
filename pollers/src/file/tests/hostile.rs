//! Files that nobody should write.
