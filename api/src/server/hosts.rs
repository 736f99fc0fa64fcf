//! The names by which requests may call a listener, so that no web page can reach it through a name of its
//! own.

use std::net::IpAddr;

/// The names by which requests may call: those of loopback always, and these.
#[derive(Debug, Clone, Default)]
pub struct Hosts {
    allowed: Vec<String>,
}

impl Hosts {
    /// These besides those of loopback; in lower case, without ports.
    pub fn new(allowed: Vec<String>) -> Self {
        Self { allowed }
    }

    /// Whether a `Host` header names one of them, with a port or without.
    pub fn allow(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit()) => name,
            Some(_) | None => host,
        };
        is_loopback(name) || self.allowed.iter().any(|it| it.eq_ignore_ascii_case(name))
    }
}

fn is_loopback(name: &str) -> bool {
    let bare = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    name.eq_ignore_ascii_case("localhost")
        || bare.unwrap_or(name).parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_what_is_allowed_is_answered() {
        let none = Hosts::default();
        for host in ["127.0.0.1", "127.0.0.1:9471", "localhost:1", "LOCALHOST", "[::1]", "[::1]:9471"] {
            assert!(none.allow(host), "{host}");
        }
        let others = [
            "",
            "example.com",
            "127.0.0.1.example.com:9471",
            "10.0.0.1:9471",
            "[::2]:1",
            "localhost.evil:80",
            "[localhost",
            "localhost:",
        ];
        for host in others {
            assert!(!none.allow(host), "{host}");
        }
        let hosts = Hosts::new(vec!["lambda.example.com".to_owned(), "[::2]".to_owned()]);
        assert!(hosts.allow("Lambda.Example.Com:443") && hosts.allow("[::2]:1") && hosts.allow("localhost"));
        assert!(!hosts.allow("example.com") && !hosts.allow("x.lambda.example.com"));
    }
}
