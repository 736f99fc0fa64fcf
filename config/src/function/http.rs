//! Reads an HTTP endpoint: of a function or of a destination.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::HttpSettings;
use crate::document::Value;
use crate::error::Code;
use crate::fields::Item;
use crate::settings::{Reader, SettingSpec};

/// Headers that the connection sets by itself.
const OWN_HEADERS: &[&str] = &["connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// Reads an endpoint by the specs of its URL, headers and trusted roots.
pub(crate) fn read_http(it: Item<'_, '_>, specs: [&'static SettingSpec; 3], base: &Path) -> Option<HttpSettings> {
    let [url, headers, ca_file] = specs;
    it.fields(|fields| {
        let mut reader = Reader { fields, profile: None };
        let url = reader.required(url, read_url);
        let headers = reader.written(headers, read_headers).unwrap_or_default();
        let ca_file = reader.written(ca_file, |it| it.file_path(base));
        Some(HttpSettings { url: url?, headers, ca_file })
    })
}

/// A URL that a request can be sent to.
pub(crate) fn read_url(mut it: Item<'_, '_>) -> Option<String> {
    let url = it.again().text()?;
    match url_mistake(&url) {
        None => Some(url),
        Some((message, fix)) => {
            it.wrong(Code::NOT_ALLOWED, message, Some(fix.to_owned()));
            None
        }
    }
}

/// What is wrong with a URL and the fix; neither repeats the URL, which may hold a secret.
fn url_mistake(url: &str) -> Option<(&'static str, &'static str)> {
    let lower = url.to_ascii_lowercase();
    let Some(rest) = lower.strip_prefix("http://").or_else(|| lower.strip_prefix("https://")) else {
        return Some(("must begin with `http://` or `https://`", "write the whole URL"));
    };
    if !url.is_ascii() || url.bytes().any(|it| it.is_ascii_control() || it == b' ') {
        return Some(("a URL holds printable ASCII only", "encode other characters as `%XX`"));
    }
    if rest.contains('#') {
        return Some(("a URL here has no fragment", "remove `#` and what follows"));
    }
    let authority = rest.split(['/', '?', '\\']).next().unwrap_or_default();
    if authority.contains('@') {
        return Some(("a URL here carries no user and password", "send them as a header: `authorization: ${file:…}`"));
    }
    let (host, port) = match authority.rsplit_once(':') {
        // The last colon of an address in brackets is no port's.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (authority, None),
    };
    let is_address = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).is_some_and(|it| it.parse::<core::net::Ipv6Addr>().is_ok());
    let is_name = !host.is_empty() && host.bytes().all(|it| it.is_ascii_alphanumeric() || b"-._~".contains(&it));
    if !is_address && !is_name {
        return Some(("the URL names no host", "write `http://host:port/path`"));
    }
    if port.is_some_and(|it| !it.bytes().all(|it| it.is_ascii_digit()) || it.parse::<u16>().unwrap_or(0) == 0) {
        return Some(("the URL's port is none", "choose from 1 to 65535"));
    }
    None
}

fn read_headers(mut it: Item<'_, '_>) -> Option<BTreeMap<String, String>> {
    let mut seen = BTreeSet::new();
    if let Value::Map(entries) = &it.node().value {
        for (key, _) in entries {
            let lower = key.name.to_ascii_lowercase();
            let is_token = !lower.is_empty() && lower.bytes().all(|it| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&it));
            if !is_token {
                it.wrong_key(key, Code::NOT_ALLOWED, format!("`{}` is no name for a header", key.name.escape_debug()), None);
            } else if OWN_HEADERS.contains(&lower.as_str()) {
                it.wrong_key(
                    key,
                    Code::NOT_ALLOWED,
                    format!("the header `{lower}` is set by the connection"),
                    Some("remove it".to_owned()),
                );
            } else if seen.contains(&lower) {
                it.wrong_key(
                    key,
                    Code::DUPLICATE_KEY,
                    format!("the header `{lower}` is written twice"),
                    Some("keep one of them".to_owned()),
                );
            }
            seen.insert(lower);
        }
    }
    it.entries(|_, mut it| {
        let value = it.again().string()?;
        if value.chars().any(|it| it.is_control() && it != '\t') {
            it.wrong(Code::NOT_ALLOWED, "the value of a header holds no control characters", None);
            return None;
        }
        Some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_checked_without_being_repeated() {
        for url in
            ["http://h", "https://h.example:8443/a/b?c=d", "HTTP://[::1]:9000/", "http://127.0.0.1:1", "http://h?x=a@b", "http://a_b-c.d/"]
        {
            assert_eq!(url_mistake(url), None, "{url}");
        }
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
        ] {
            let (message, fix) = url_mistake(url).unwrap_or_else(|| panic!("{url} was taken"));
            assert!(message.contains(part), "{url}: {message}");
            assert!(!message.contains("pw") && !fix.contains("pw"));
        }
    }
}
