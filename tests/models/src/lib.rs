//! Strict models of a file, of a stream's track, of a visibility queue and of SQS, without IO: for the
//! simulator, the fakes and the test servers.

pub mod file;
pub mod queue;
pub mod sqs;
pub mod stream;
