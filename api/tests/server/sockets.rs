//! The Unix socket and TLS.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use forebay_api::server::{Certificate, Listener, PassOn, Socket, Tls, Via};
use forebay_config::TlsFiles;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::service::PATH;
use crate::signed::Request;
use crate::wire::{Answer, World, bytes_of, create_body, exchange, keyed};

#[tokio::test]
async fn the_owner_of_the_socket_may_do_everything_without_a_key() {
    let world = World::start(keyed(), PassOn::new(None), Router::new()).await;
    let folder = tempfile::tempdir().unwrap();
    let socket = Socket::bind(folder.path()).unwrap();
    let path = socket.path.clone();
    let server = Listener::Unix(socket).serve(Via::Socket, world.front.router(Router::new()));
    let send = async |request: &Request| {
        exchange(UnixStream::connect(&path).await.unwrap(), &bytes_of(request)).await
    };
    assert_eq!(send(&Request::new("POST", PATH, &create_body("f"))).await.status, 202);
    let mut other_host = Request::new("GET", PATH, "");
    other_host.headers[0].1 = b"forebay".to_vec();
    assert_eq!(send(&other_host).await.status, 200);
    assert_eq!(world.call("GET", PATH, "").await.status, 403, "TCP asks");
    server.stop(crate::wire::LONG).await;
    assert!(UnixStream::connect(&path).await.is_err());
}

fn write(folder: &Path, name: &str) -> TlsFiles {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = TlsFiles {
        cert_file: folder.join(format!("{name}.pem")),
        key_file: folder.join(format!("{name}.key")),
    };
    std::fs::write(&files.cert_file, cert.pem()).unwrap();
    std::fs::write(&files.key_file, signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&files.key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    files
}

/// A list over TLS that trusts one certificate; `None` when the handshake fails.
async fn list(
    address: std::net::SocketAddr,
    trusted: &TlsFiles,
    version: &'static SupportedProtocolVersion,
) -> Option<Answer> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&trusted.cert_file).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.ok()?;
    Some(exchange(stream, &bytes_of(&Request::new("GET", PATH, ""))).await)
}

#[tokio::test]
async fn tls_is_spoken_in_both_versions_and_a_new_certificate_holds_for_new_connections() {
    let world = World::open().await;
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (write(folder.path(), "first"), write(folder.path(), "second"));
    let tls = Tls::default();
    tls.set(Some(Certificate::read(&first).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Listener::Tcp(listener, tls.clone()).serve(Via::Api, world.front.router(Router::new()));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        assert_eq!(list(address, &first, version).await.map(|it| it.status), Some(200));
    }
    assert!(list(address, &second, &rustls::version::TLS13).await.is_none());
    tls.set(Some(Certificate::read(&second).unwrap()));
    assert_eq!(list(address, &second, &rustls::version::TLS13).await.map(|it| it.status), Some(200));
    assert!(list(address, &first, &rustls::version::TLS13).await.is_none());
    server.stop(crate::wire::LONG).await;
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_refused_by_their_codes() {
    let folder = tempfile::tempdir().unwrap();
    let (good, other) = (write(folder.path(), "good"), write(folder.path(), "other"));
    let code = |files: &TlsFiles| Certificate::read(files).map(|_| "").unwrap_or_else(|it| it.code());
    assert_eq!(code(&good), "");
    assert_eq!(code(&TlsFiles { key_file: other.key_file, ..good.clone() }), "FB-0519");
    assert_eq!(code(&TlsFiles { cert_file: folder.path().join("none"), ..good.clone() }), "FB-0519");
    assert_eq!(code(&TlsFiles { cert_file: good.key_file.clone(), ..good.clone() }), "FB-0519");
    assert_eq!(code(&TlsFiles { key_file: folder.path().join("none"), ..good.clone() }), "FB-0365");
    std::fs::set_permissions(&good.key_file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(code(&good), "FB-0366");
}
