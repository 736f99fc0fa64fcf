//! A resolver that judges every address before a connection is made to exactly that one.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::BoxError;
pub use forebay_config::address::ForbiddenAddress;
use forebay_config::address::is_forbidden;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

/// The system's resolver, with every answer judged.
#[derive(Debug, Clone)]
pub struct JudgingResolver {
    inner: GaiResolver,
}

impl JudgingResolver {
    /// The system's resolver.
    pub fn new() -> Self {
        Self { inner: GaiResolver::new() }
    }
}

impl Default for JudgingResolver {
    fn default() -> Self {
        Self::new()
    }
}

impl Service<Name> for JudgingResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let host = name.as_str().to_owned();
        let answer = self.inner.call(name);
        Box::pin(async move { Ok(judge_all(&host, answer.await?.collect())?.into_iter()) })
    }
}

/// One forbidden address condemns the name: the next lookup could bring only that one.
pub(crate) fn judge_all(host: &str, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, ForbiddenAddress> {
    match addresses.iter().find(|address| is_forbidden(address.ip())) {
        Some(address) => Err(ForbiddenAddress { host: host.to_owned(), address: address.ip() }),
        None => Ok(addresses),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_forbidden_address_condemns_the_whole_name() {
        let good: SocketAddr = "10.0.0.1:80".parse().unwrap();
        let bad: SocketAddr = "169.254.169.254:80".parse().unwrap();
        assert_eq!(judge_all("a", vec![good]).unwrap(), [good]);
        assert!(judge_all("a", vec![good, bad]).is_err());
    }
}
