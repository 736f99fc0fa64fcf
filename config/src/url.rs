//! URLs that requests are sent to: one rule for who reads them from a config, who checks them and who calls
//! them.

use http::Uri;

use crate::address::{ForbiddenAddress, judge_host};

/// What is wrong with a URL. The text does not repeat the URL, which may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each text says it")]
pub enum UrlMistake {
    #[error("must begin with `http://` or `https://`")]
    Scheme,
    #[error("a URL holds printable ASCII only")]
    NotAscii,
    #[error("a URL here has no fragment")]
    Fragment,
    #[error("a URL here carries no user and password")]
    Credentials,
    #[error("the URL names no host")]
    NoHost,
    #[error("the URL's port is none")]
    Port,
    #[error("a URL has at most {max} characters")]
    TooLong { max: usize },
    #[error("the URL holds a character that has no place in a URL")]
    Character,
    #[error(transparent)]
    Forbidden(#[from] ForbiddenAddress),
    #[error("an endpoint has no path and no query")]
    NotBare,
}

/// What fits into the first line of a request, before every server.
const URL_BYTES_MAX: usize = 8_000;

impl UrlMistake {
    /// What to do about it.
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Scheme => "write the whole URL",
            Self::NotAscii | Self::Character => "encode other characters as `%XX`",
            Self::Fragment => "remove `#` and what follows",
            Self::Credentials => "send them as a header: `authorization: ${file:…}`",
            Self::NoHost => "write `http://host:port/path`",
            Self::Port => "choose from 1 to 65535",
            Self::TooLong { .. } => "send what is long as a header",
            Self::Forbidden(_) => "name another host: this address hands out the machine's own credentials",
            Self::NotBare => "write `http://host:port`",
        }
    }
}

/// Reads a URL that a request can be sent to.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn parse(text: &str) -> Result<Uri, UrlMistake> {
    let lower = text.to_ascii_lowercase();
    let rest =
        lower.strip_prefix("http://").or_else(|| lower.strip_prefix("https://")).ok_or(UrlMistake::Scheme)?;
    if text.len() > URL_BYTES_MAX {
        return Err(UrlMistake::TooLong { max: URL_BYTES_MAX });
    }
    if !text.is_ascii() || text.bytes().any(|it| it.is_ascii_control() || it == b' ') {
        return Err(UrlMistake::NotAscii);
    }
    if rest.contains('#') {
        return Err(UrlMistake::Fragment);
    }
    // Some take a backslash for a slash: what stands before it must be judged as the host.
    let authority = rest.split(['/', '?', '\\']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(UrlMistake::Credentials);
    }
    let (host, port) = match authority.rsplit_once(':') {
        // The last colon of an address in brackets is no port's.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (authority, None),
    };
    let is_address = host
        .strip_prefix('[')
        .and_then(|it| it.strip_suffix(']'))
        .is_some_and(|it| it.parse::<core::net::Ipv6Addr>().is_ok());
    let is_name =
        !host.is_empty() && host.bytes().all(|it| it.is_ascii_alphanumeric() || b"-._~".contains(&it));
    if !is_address && !is_name {
        return Err(UrlMistake::NoHost);
    }
    if port.is_some_and(|it| !it.bytes().all(|it| it.is_ascii_digit()) || it.parse::<u16>().unwrap_or(0) == 0)
    {
        return Err(UrlMistake::Port);
    }
    judge_host(host)?;
    // What calls it takes no other; a path may hold what the rules above do not look at.
    text.parse().map_err(|_| UrlMistake::Character)
}

/// Reads the URL of a server, with nothing behind host and port; gives it back without the last `/`, too.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn endpoint(text: &str) -> Result<(Uri, &str), UrlMistake> {
    let url = parse(text)?;
    let bare = text.strip_suffix('/').unwrap_or(text);
    if bare.splitn(4, ['/', '?', '\\']).nth(3).is_some() {
        return Err(UrlMistake::NotBare);
    }
    Ok((url, bare))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_checked_without_being_repeated() {
        for url in [
            "http://h",
            "https://h.example:8443/a/b?c=d",
            "HTTP://[::1]:9000/",
            "http://127.0.0.1:1",
            "http://h?x=a@b",
            "http://a_b-c.d/",
            "http://h/a%3Cb/{c}",
        ] {
            assert_eq!(parse(url).map(|_| ()), Ok(()), "{url}");
        }
        let long = format!("http://h/{}", "x".repeat(URL_BYTES_MAX));
        for (url, part) in [
            ("ftp://h", "must begin"),
            ("h:80", "must begin"),
            ("http://", "no host"),
            ("http:///x", "no host"),
            ("http://user:pw@h/", "no user"),
            ("http://user:pw@h\\@x", "no user"),
            ("http://h#x", "fragment"),
            ("http://h h", "printable"),
            ("http://é", "printable"),
            ("http://h\n", "printable"),
            ("http://h:0", "port"),
            ("http://h:65536", "port"),
            ("http://h:", "port"),
            ("http://h:+80", "port"),
            ("http://[::1", "no host"),
            ("http://a%b", "no host"),
            ("http://h\\x", "no place in a URL"),
            ("http://h/<x>", "no place in a URL"),
            ("http://h/`", "no place in a URL"),
            ("http://169.254.169.254/latest", "nothing is ever sent"),
            ("https://[fd00:ec2::254]", "nothing is ever sent"),
            ("http://[::ffff:169.254.169.254]:80/", "nothing is ever sent"),
            (&long, "at most"),
        ] {
            let mistake = parse(url).map(|it| it.to_string()).unwrap_err();
            assert!(mistake.to_string().contains(part), "{url}: {mistake}");
            assert!(!mistake.to_string().contains("pw") && !mistake.fix().contains("pw"));
        }
    }

    #[test]
    fn an_endpoint_is_bare() {
        for (url, bare) in
            [("http://h:1", "http://h:1"), ("https://h/", "https://h"), ("http://[::1]:9/", "http://[::1]:9")]
        {
            assert_eq!(endpoint(url).map(|(_, it)| it), Ok(bare), "{url}");
        }
        for url in ["http://h/x", "http://h//", "http://h?", "http://h/?x", "http://h?x=/"] {
            assert_eq!(endpoint(url).map(|_| ()), Err(UrlMistake::NotBare), "{url}");
        }
    }
}
