//! Lambda's API over HTTP: from a socket to the service that keeps the mappings, and back.
//!
//! | what | where |
//! | --- | --- |
//! | connections: TCP, TLS, the Unix socket, their bounds | [`Listener`], [`Tls`], [`Socket`] |
//! | who comes in: bounds, hosts, signatures and tokens, rates, roles, the audit | [`Guard`], [`Policy`], [`Access`], [`Hosts`], [`CallerRate`] |
//! | the calls about mappings, and the others, which are passed on | [`Front`], [`PassOn`] |
//!
//! The order of a request: its size, its host, the web page that sent it, its signature as far as the head
//! tells, its body, the whole signature, how many its key or address sent, the role, whether it came before,
//! then the call.

mod access;
mod answer;
mod audit;
mod bounds;
mod front;
mod guard;
mod hosts;
mod in_time;
mod pass_on;
mod rate;
mod request_id;
mod routes;
mod serve;
mod socket;
mod tls;
mod tokens;

pub use access::{Access, Via};
pub use answer::of_error;
pub use bounds::{HEADER_BYTES_MAX, HEADERS_MAX, PASSED_BYTES_MAX, URI_BYTES_MAX};
pub use front::Front;
pub use guard::{Guard, Policy};
pub use hosts::Hosts;
pub use pass_on::PassOn;
pub use rate::CallerRate;
pub use request_id::RequestId;
pub use routes::{Needs, RouteRule};
pub use serve::{CONNECTIONS_MAX, Listener, Server};
pub use socket::{SOCKET_FILE, Socket};
pub use tls::{Certificate, CertificateError, Tls};
pub use tokens::Token;
