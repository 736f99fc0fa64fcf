//! The HTTP of a strict model: reads calls of AWS JSON, writes answers.

use std::io::{BufReader, Write as _};
use std::net::TcpStream;

use crate::loopback::{Request, Serves};

/// What answers the calls.
pub(crate) trait Answers: Send + Sync + 'static {
    /// The answer; `None` when it is lost on its way. `is_closed` tells whoever waits that the server ends.
    fn answer(&self, request: &Request, is_closed: &dyn Fn() -> bool) -> Option<Answer>;
}

/// An answer to write.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// What the header for clients of the older protocol says.
    pub(crate) query_error: Option<String>,
    pub(crate) body: String,
}

impl<T: Answers> Serves for T {
    fn serve(&self, mut stream: &TcpStream, is_closed: &dyn Fn() -> bool) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(request) = Request::read(&mut reader)? {
            // An answer that is lost closes the connection, as a broken network does.
            let Some(Answer { status, query_error, body }) = self.answer(&request, is_closed) else {
                return Ok(());
            };
            let query_error =
                query_error.map(|it| format!("x-amzn-query-error: {it}\r\n")).unwrap_or_default();
            let head = format!(
                "HTTP/1.1 {status} x\r\ncontent-type: application/x-amz-json-1.0\r\n{query_error}content-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
            if request.is_last() {
                return Ok(());
            }
        }
        Ok(())
    }
}
