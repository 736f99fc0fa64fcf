//! An HTTP endpoint of the config file, ready to be posted to: URL, headers and client checked once.

use std::fmt;
use std::future::Future;

use bytes::Bytes;
use forebay_clients::{Answer, ExchangeError, HttpClient, HttpClients, Limits, Pieces, TlsError};
use forebay_config::function::HttpSettings;
use forebay_config::header;
use forebay_config::url::{self, UrlMistake};
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request, Uri};

use crate::hand_off::N_FIELDS_MAX;

/// An endpoint of the config file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// FB-0330
    #[error("the url of an endpoint cannot be used")]
    Url(#[source] UrlMistake),
    /// FB-0332
    #[error("header {name} cannot be sent to {endpoint}")]
    Header {
        /// Where to.
        endpoint: String,
        /// Which one.
        name: String,
    },
    /// FB-0331
    #[error("TLS to {endpoint} cannot be set up")]
    Tls {
        /// Where to.
        endpoint: String,
        /// Why.
        #[source]
        cause: TlsError,
    },
}

impl EndpointError {
    /// The page that explains it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Url(_) => "FB-0330",
            Self::Header { .. } => "FB-0332",
            Self::Tls { cause, .. } => cause.code(),
        }
    }
}

/// So many headers of its own a request has, mostly: three of its invocation, and its hand-off.
const OWN_HEADERS: usize = 3 + N_FIELDS_MAX;

/// An HTTP endpoint, ready to be posted to.
pub(crate) struct Endpoint {
    client: HttpClient,
    url: Uri,
    headers: HeaderMap,
    label: String,
}

impl Endpoint {
    /// Checks the settings. Reads the CA file, so it is meant for start and reload.
    pub(crate) fn new(settings: &HttpSettings, clients: &HttpClients) -> Result<Self, EndpointError> {
        let url = url::parse(&settings.url).map_err(EndpointError::Url)?;
        // The query stays out of what people see: keys are often passed there.
        let label = format!(
            "{}://{}{}",
            url.scheme_str().unwrap_or_default(),
            url.authority().map_or("", |it| it.as_str()),
            url.path()
        );
        let headers = headers(settings, &url, &label)?;
        let client = clients
            .client(&url, settings.ca_file.as_deref())
            .map_err(|cause| EndpointError::Tls { endpoint: label.clone(), cause })?;
        Ok(Self { client, url, headers, label })
    }

    /// Scheme, host and path, for people.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// Posts once. `own` are headers of this request; those of the settings win over them.
    pub(crate) fn post(
        &self,
        own: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
        pieces: Vec<Bytes>,
        limits: Limits,
    ) -> impl Future<Output = Result<Answer, ExchangeError>> {
        let mut request = Request::new(Pieces::new(pieces));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        for (name, value) in own {
            headers.entry(name).or_insert(value);
        }
        self.client.exchange(request, limits)
    }
}

/// Keys stand in queries and headers, so neither is shown.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.label).finish()
    }
}

/// What is sent with every request: ours, then the operator's. What a client adds where it is missing stands
/// here already, made once.
fn headers(settings: &HttpSettings, url: &Uri, label: &str) -> Result<HeaderMap, EndpointError> {
    let mut headers = HeaderMap::new();
    headers.extend(forebay_clients::host(url).map(|host| (HOST, host)));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("forebay/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in &settings.headers {
        let refused = || EndpointError::Header { endpoint: label.to_owned(), name: name.clone() };
        let key = header::name(name).map_err(|_| refused())?;
        let mut value = header::value(value).map_err(|_| refused())?;
        // It may be a key: whoever prints the headers does not print it.
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    // A copy of it has the room, too, and so need not grow with each request.
    headers.reserve(OWN_HEADERS);
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str, header: &str, value: &str) -> Result<Endpoint, EndpointError> {
        let headers = [(header.to_owned(), value.to_owned())].into();
        Endpoint::new(&HttpSettings { url: url.to_owned(), headers, ca_file: None }, &HttpClients::new())
    }

    #[test]
    fn a_url_that_cannot_be_posted_to_is_refused() {
        for url in [
            "",
            "example",
            "/path",
            "ftp://a/",
            "http://",
            "http://user:secret@a/",
            "http://a b/",
            "mailto:a",
            "http://169.254.169.254/",
        ] {
            let error = endpoint(url, "x-key", "1").expect_err(url);
            assert_eq!(error.code(), "FB-0330", "{url}");
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn a_header_that_would_break_the_exchange_is_refused_by_name_and_never_by_value() {
        for (name, value) in [
            ("Content-Length", "1"),
            ("transfer-encoding", "chunked"),
            ("bad name", "1"),
            ("", "1"),
            ("x-key", "secret\r\nx: 1"),
        ] {
            let error = endpoint("http://a/", name, value).expect_err(name);
            assert_eq!(error.to_string(), format!("header {name} cannot be sent to http://a/"));
        }
    }

    #[test]
    fn the_label_keeps_the_query_to_itself() {
        let endpoint = endpoint("http://a:8080/take?key=secret", "x-key", "secret").unwrap();
        assert_eq!(endpoint.label(), "http://a:8080/take");
        assert!(!format!("{endpoint:?} {:?}", endpoint.headers).contains("secret"));
    }
}
