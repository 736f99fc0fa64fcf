//! The one HTTP client: HTTP/1.1 on kept-alive connections, TLS by the trust store, no proxies, no redirects,
//! no forbidden addresses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Uri;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::ClientConfig;

use crate::address::JudgingResolver;
use crate::mark::Mark;
use crate::pool::Pool;
use crate::tls::{TlsError, TlsExtras, Trust};

/// The longest that one connection may take to be made.
pub const CONNECT_MAX: Duration = Duration::from_secs(10);
/// All HTTP clients of a process: one for each set of trusted roots, so that connections are shared wherever
/// they may be. Certificates are read when a client is first asked for: a reload of the configuration begins
/// with a new `HttpClients`.
#[derive(Debug, Default)]
pub struct HttpClients {
    trust: Trust,
    by_ca_file: Mutex<BTreeMap<(Option<PathBuf>, bool), HttpClient>>,
    ca_marks: Mutex<BTreeMap<PathBuf, Option<Mark>>>,
}

impl HttpClients {
    /// No client yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The client for a URL; `ca_file` adds trusted roots. Reads files: meant for start and reload.
    pub fn client(&self, url: &Uri, ca_file: Option<&Path>) -> Result<HttpClient, TlsError> {
        let needs_tls = url.scheme_str() == Some("https");
        let mut clients = self.by_ca_file.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (ca_file.map(Path::to_owned), needs_tls);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        // Before it is read: what is written meanwhile is another content.
        let mark = ca_file.map(|it| (it.to_owned(), Mark::of(it)));
        let client = HttpClient::new(self.trust.client_config(ca_file, needs_tls)?);
        clients.insert(key, client.clone());
        if let Some((path, mark)) = mark {
            self.ca_marks.lock().unwrap_or_else(PoisonError::into_inner).entry(path).or_insert(mark);
        }
        Ok(client)
    }

    /// A client with connections of its own, for a server that is shown a certificate or trusted by roots that
    /// are no file. `what` is whose those are, for people. Reads files: meant for start and reload.
    ///
    /// # Errors
    /// What of it cannot be used.
    pub fn own_client(
        &self,
        url: &Uri,
        extras: TlsExtras<'_>,
        what: &'static str,
    ) -> Result<HttpClient, TlsError> {
        let needs_tls = url.scheme_str() == Some("https");
        // Before it is read: what is written meanwhile is another content.
        let mark = extras.ca_file.map(|it| (it.to_owned(), Mark::of(it)));
        let client = HttpClient::new(self.trust.client_config_with(extras, needs_tls, what)?);
        if let Some((path, mark)) = mark {
            self.ca_marks.lock().unwrap_or_else(PoisonError::into_inner).entry(path).or_insert(mark);
        }
        Ok(client)
    }

    /// TLS for a connection that speaks something else, with roots and a certificate besides what all share.
    /// `what` is whose those are, for people. Reads files: meant for start and reload.
    ///
    /// # Errors
    /// What of it cannot be used.
    pub fn tls_with(&self, extras: TlsExtras<'_>, what: &'static str) -> Result<ClientConfig, TlsError> {
        self.trust.client_config_with(extras, true, what)
    }

    /// The CA files that were read, and what they were then.
    pub fn ca_marks(&self) -> BTreeMap<PathBuf, Option<Mark>> {
        self.ca_marks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One HTTP client with its connections; clones share them.
#[derive(Debug, Clone)]
pub struct HttpClient {
    pub(crate) pool: Arc<Pool>,
}

impl HttpClient {
    fn new(tls: ClientConfig) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(JudgingResolver::new());
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        tcp.set_connect_timeout(Some(CONNECT_MAX));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Self { pool: Pool::new(connector) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_ca_file_was_when_it_was_read_is_known_until_the_clients_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let write = || {
            std::fs::write(&path, rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap().cert.pem())
                .unwrap()
        };
        write();
        let clients = HttpClients::new();
        let url = Uri::from_static("https://a/");
        clients.client(&url, Some(&path)).unwrap();
        let is_current = || clients.ca_marks().iter().all(|(path, mark)| Mark::of(path) == *mark);
        assert!(is_current() && clients.ca_marks().len() == 1);
        write();
        assert!(!is_current());
        // Who asks again gets the connections that there are, and the mark stays that of what they trust.
        clients.client(&url, Some(&path)).unwrap();
        assert!(!is_current());
    }
}
