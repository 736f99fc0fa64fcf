//! The top level's settings, whichever document holds each of them.

use core::net::SocketAddr;
use std::path::PathBuf;

use super::{Check, Settings};
use crate::api::{self, ApiSettings};
use crate::aws::AwsSettings;
use crate::document::{Node, SourceSpan, Value};
use crate::error::{Code, Finding};
use crate::fields::{Fields, Item};
use crate::settings::{self, DefaultValue, SettingsReader};

impl Check<'_> {
    /// The top level's settings, read as one map whichever document holds them.
    pub(super) fn settings(&mut self) -> Option<Settings> {
        let findings = &mut self.findings;
        let admin = self.written.get(settings::ADMIN.key());
        let listen = admin.map_or_else(default_listen, |node| {
            Item::new(node, settings::ADMIN.key(), findings).fields(|fields| {
                let written = SettingsReader { fields }.written(&settings::ADMIN_LISTEN, read_address);
                // What is written wrong gets no default in its place.
                if fields.has(settings::ADMIN_LISTEN.key()) { written } else { default_listen() }
            })
        });
        let nowhere = PathBuf::new();
        let base = |key: &str| self.bases.get(key).unwrap_or(&nowhere);
        let data_dir = self.written.get(settings::DATA_DIR.key());
        let data_dir = data_dir.and_then(|node| {
            Item::new(node, settings::DATA_DIR.key(), findings).file_path(base(settings::DATA_DIR.key()))
        });
        let aws = match self.written.get(settings::AWS.key()) {
            Some(node) => {
                let services = settings::services(self.sources.services());
                let item = Item::new(node, settings::AWS.key(), findings);
                AwsSettings::read_top(item, &services, base(settings::AWS.key()))
            }
            None => Some(AwsSettings::default()),
        };
        let api = self.written.get(settings::API.key());
        let mut api = match api {
            Some(node) => {
                ApiSettings::read(Item::new(node, settings::API.key(), findings), base(settings::API.key()))
            }
            None => Some(ApiSettings::default()),
        };
        let keys = self.written.get(settings::KEYS.key());
        let keys = match keys {
            Some(node) => {
                api::read_keys(Item::new(node, settings::KEYS.key(), findings), base(settings::KEYS.key()))
            }
            None => Some(Vec::new()),
        };
        let are_keys_read = keys.is_some();
        if let (Some(api), Some(keys)) = (&mut api, keys) {
            api.keys = keys;
            let place = self.written.get(settings::API.key()).map(|node| &node.place);
            findings.extend(place.and_then(|place| api.check_exposed(place)));
        }
        let top: Vec<_> = self.written.iter().collect();
        let find = |key: &str| top.iter().find(|(it, _)| **it == key).map(|(_, node)| **node);
        let commit_interval = one(&settings::COMMIT_INTERVAL, find("commit_interval"), findings, |reader| {
            reader.seconds(&settings::COMMIT_INTERVAL)
        });
        let grace = one(&settings::SHUTDOWN_GRACE, find("shutdown_grace"), findings, |reader| {
            reader.seconds(&settings::SHUTDOWN_GRACE)
        });
        let budget = one(&settings::MEMORY_BUDGET, find("memory_budget_mb"), findings, |reader| {
            reader.integer(&settings::MEMORY_BUDGET)
        });
        let share = one(&settings::MEMORY_SHARE, find("memory_share_mb"), findings, |reader| {
            reader.integer(&settings::MEMORY_SHARE)
        });
        let watch_config = one(&settings::WATCH_CONFIG, find("watch_config"), findings, |reader| {
            Some(reader.switch(&settings::WATCH_CONFIG))
        });
        let budget = u64::try_from(budget?).ok()?;
        let n_mappings = u64::try_from(self.n_mappings).ok()?.max(1);
        let share = share.and_then(|it| u64::try_from(it).ok());
        if let Some(share) = share.filter(|it| it.saturating_mul(n_mappings) > budget) {
            self.over_budget(budget, share, n_mappings);
        }
        Some(Settings {
            admin_listen: listen?,
            data_dir,
            commit_interval: commit_interval?,
            shutdown_grace: grace?,
            memory_budget_bytes: budget << 20,
            memory_share_bytes: share.map(|it| it << 20),
            watch_config: watch_config?,
            aws: aws?,
            // Keys that could not be read must not pass for none, which lets everybody in.
            api: api.filter(|_| are_keys_read)?,
        })
    }

    fn over_budget(&mut self, budget: u64, share: u64, n_mappings: u64) {
        let keys = [
            settings::MEMORY_BUDGET.key(),
            settings::MEMORY_SHARE.key(),
            settings::EVENT_SOURCE_MAPPINGS.key(),
        ];
        let Some((key, node)) = keys.iter().find_map(|key| self.written.get(key).map(|node| (*key, *node)))
        else {
            return;
        };
        let message = format!(
            "{n_mappings} mappings with {share} MB each need more memory than the budget of {budget} MB"
        );
        let finding = Finding::new(Code::CONFLICT, key, &node.place, message);
        self.findings.push(
            finding.fix(format!("write `memory_budget_mb: {}` or more", share.saturating_mul(n_mappings))),
        );
    }
}

/// Reads a single top-level setting, or its default.
fn one<T>(
    spec: &'static settings::SettingSpec,
    node: Option<&Node>,
    findings: &mut Vec<Finding>,
    read: impl FnOnce(&mut SettingsReader<'_, '_>) -> Option<T>,
) -> Option<T> {
    let nothing =
        Node { value: Value::Null, place: SourceSpan { file: "".into(), line: 1, column: 1, span: 0..0 } };
    let node = node.unwrap_or(&nothing);
    let key = crate::document::DocumentKey { name: spec.key().to_owned(), place: node.place.clone() };
    // As if it stood in a map of its own, so that what is wrong with it is told under its key.
    let map = Node { value: Value::Map(vec![(key, node.clone())]), place: node.place.clone() };
    let mut fields = Fields::new(&map, "");
    let value = read(&mut SettingsReader { fields: &mut fields });
    findings.extend(fields.finish());
    value
}

fn default_listen() -> Option<SocketAddr> {
    match settings::ADMIN_LISTEN.default {
        DefaultValue::Word(address) => address.parse().ok(),
        _ => None,
    }
}

fn read_address(mut it: Item<'_, '_>) -> Option<SocketAddr> {
    let text = it.again().text()?;
    let message = match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => return Some(address),
        Ok(_) => "must be on loopback: the listener asks nobody for a password",
        Err(_) => "must be an address and a port",
    };
    it.wrong(Code::NOT_ALLOWED, message, Some("write `127.0.0.1:9470` or `[::1]:9470`".to_owned()));
    None
}
