//! TLS as a whole: whom a client trusts, and what an exchange says when it trusts nobody.
#![allow(clippy::unwrap_used)] // a test

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_clients::{Answer, ExchangeError, HttpClients, Limits, Pieces};
use http::Request;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

struct Server {
    address: SocketAddr,
    ca_file: tempfile::NamedTempFile,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Answers one request a connection, under a certificate for these names.
    async fn start(names: &[&str]) -> Self {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let mut ca_file = tempfile::NamedTempFile::new().unwrap();
        ca_file.write_all(cert.pem().as_bytes()).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut buffer = vec![0; 4096];
                let n_read = stream.read(&mut buffer).await.unwrap();
                assert!(n_read > 0 && buffer.starts_with(b"POST / HTTP/1.1\r\n"));
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi")
                    .await
                    .unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        Self { address, ca_file, task }
    }

    async fn post(&self, host: &str, ca_file: Option<&Path>) -> Result<Answer, ExchangeError> {
        let url: http::Uri = format!("https://{host}:{}/", self.address.port()).parse().unwrap();
        // A machine without roots trusts nobody; then any certificate makes a client that does not trust this
        // server either.
        let other = Self::certificate_of_someone_else();
        let client = HttpClients::new().client(&url, Some(ca_file.unwrap_or_else(|| other.path()))).unwrap();
        let request = Request::post(url).body(Pieces::new(vec![Bytes::from_static(b"{}")])).unwrap();
        client.exchange(request, Limits { time: Duration::from_secs(10), answer_bytes: 100 }).await
    }

    fn certificate_of_someone_else() -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let other = generate_simple_self_signed(vec!["elsewhere.invalid".to_owned()]).unwrap();
        file.write_all(other.cert.pem().as_bytes()).unwrap();
        file
    }
}

#[tokio::test]
async fn a_server_whose_root_is_in_the_ca_file_is_trusted() {
    let server = Server::start(&["localhost"]).await;
    let answer = server.post("localhost", Some(server.ca_file.path())).await.unwrap();
    assert_eq!((answer.head.status.as_u16(), answer.body.unwrap()), (200, Bytes::from_static(b"hi")));
}

#[tokio::test]
async fn a_server_that_is_not_trusted_gets_nothing() {
    let server = Server::start(&["localhost"]).await;
    assert!(matches!(server.post("localhost", None).await, Err(ExchangeError::NotSent(_))));
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_enough() {
    let server = Server::start(&["elsewhere.invalid"]).await;
    assert!(matches!(
        server.post("localhost", Some(server.ca_file.path())).await,
        Err(ExchangeError::NotSent(_))
    ));
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_gets_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await
    });
    let url: http::Uri = format!("https://{address}/").parse().unwrap();
    let client = HttpClients::new().client(&url, Some(Server::certificate_of_someone_else().path())).unwrap();
    let request = Request::post(url).body(Pieces::new(vec![Bytes::from_static(b"{}")])).unwrap();
    let result = client.exchange(request, Limits { time: Duration::from_secs(10), answer_bytes: 100 }).await;
    assert!(matches!(result, Err(ExchangeError::NotSent(_))));
    task.abort();
}
