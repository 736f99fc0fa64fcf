//! Fills an event record by record and POSTs it when it is full, over one kept connection, one after the other.

use crate::http::KeptConnection;

const HEAD: &[u8] = b"{\"Records\":[";

/// An event that is being filled, and where it goes.
pub(crate) struct Poster {
    connection: KeptConnection,
    batch: usize,
    event: Vec<u8>,
    n_records: usize,
}

impl Poster {
    /// Events of so many records, for the function that listens there.
    pub(crate) fn new(address: &str, batch: usize) -> Self {
        Self { connection: KeptConnection::new(address), batch, event: HEAD.to_vec(), n_records: 0 }
    }

    /// Takes a record, which `render` appends as JSON.
    pub(crate) fn add(&mut self, render: impl FnOnce(&mut Vec<u8>)) {
        if self.n_records > 0 {
            self.event.push(b',');
        }
        render(&mut self.event);
        self.n_records += 1;
        if self.n_records == self.batch {
            self.send();
        }
    }

    /// Sends what is there, if anything is.
    pub(crate) fn send(&mut self) {
        if self.n_records == 0 {
            return;
        }
        self.event.extend_from_slice(b"]}");
        self.connection.post("content-type: application/json\r\n", &self.event);
        self.event.truncate(HEAD.len());
        self.n_records = 0;
    }
}
