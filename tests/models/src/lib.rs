//! Strict models of a file, of a stream's track and of a visibility queue, without IO: for the simulator, the fakes and the test servers.

pub mod file;
pub mod queue;
pub mod stream;
