//! What a verifier reads of a request: its head as it came over the wire. The body comes later, by its hash.

/// The head of a request, nothing of it decoded or put in order.
#[derive(Debug, Clone)]
pub struct Head<'a> {
    /// `GET`, `POST` and the like.
    pub method: &'a str,
    /// The path as on the wire, percent-encoded.
    pub path: &'a str,
    /// What follows the `?`, as on the wire.
    pub query: Option<&'a str>,
    /// Every header in the order of the wire, those that repeat too. Case does not matter.
    pub headers: Vec<(&'a str, &'a [u8])>,
}

impl<'a> Head<'a> {
    /// All values of a header; `name` in lower case.
    pub(super) fn values<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'a [u8]> + 'b {
        self.headers.iter().filter(move |(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}
