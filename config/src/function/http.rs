//! Reads an HTTP endpoint: of a function or of a destination.

use std::collections::BTreeMap;
use std::path::Path;

use super::HttpSettings;
use crate::document::Value;
use crate::error::Code;
use crate::fields::Item;
use crate::settings::{SettingSpec, SettingsReader};
use crate::{header, url};

/// Reads an endpoint by the specs of its URL, headers and trusted roots.
pub(crate) fn read_http(
    it: Item<'_, '_>,
    specs: [&'static SettingSpec; 3],
    base: &Path,
) -> Option<HttpSettings> {
    let [url, headers, ca_file] = specs;
    it.fields(|fields| {
        let mut reader = SettingsReader { fields };
        let url = reader.required(url, read_url);
        let headers = reader.written(headers, read_headers).unwrap_or_default();
        let ca_file = reader.written(ca_file, |it| it.file_path(base));
        Some(HttpSettings { url: url?, headers, ca_file })
    })
}

/// A URL that a request can be sent to.
fn read_url(mut it: Item<'_, '_>) -> Option<String> {
    let url = it.again().text()?;
    match url::parse(&url) {
        Ok(_) => Some(url),
        Err(mistake) => {
            it.wrong(Code::NOT_ALLOWED, mistake.to_string(), Some(mistake.fix().to_owned()));
            None
        }
    }
}

fn read_headers(mut it: Item<'_, '_>) -> Option<BTreeMap<String, String>> {
    let mut seen = Vec::new();
    if let Value::Map(entries) = &it.node().value {
        for (key, _) in entries {
            match header::name(&key.name) {
                Err(mistake) => {
                    it.wrong_key(key, Code::NOT_ALLOWED, mistake.to_string(), Some(mistake.fix().to_owned()))
                }
                // Case does not count in names, so the document's own look for keys that stand twice misses
                // it.
                Ok(name) if seen.contains(&name) => {
                    let message = format!("the header `{name}` is written twice");
                    it.wrong_key(key, Code::DUPLICATE_KEY, message, Some("keep one of them".to_owned()));
                }
                Ok(name) => seen.push(name),
            }
        }
    }
    it.entries(|_, mut it| {
        let value = it.again().string()?;
        if let Err(mistake) = header::value(&value) {
            it.wrong(Code::NOT_ALLOWED, mistake.to_string(), Some(mistake.fix().to_owned()));
            return None;
        }
        Some(value)
    })
}
