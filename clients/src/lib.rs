//! Shared IO: one HTTP client and one trust store for everything that goes out. It decides nothing.

pub mod address;
pub mod aws;
pub mod exchange;
pub mod http;
pub mod pieces;
pub mod tls;

pub use aws::{Aws, AwsClient, AwsError, AwsTarget};
pub use exchange::{Answer, BodyError, ExchangeError, Limits};
pub use http::{HttpClient, HttpClients};
pub use pieces::{Pieces, Sent};
pub use tls::TlsError;
