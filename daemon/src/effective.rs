//! The effective settings of mappings: what holds, and where each comes from.

use forebay_config::{mapping_node, settings};
use tracing::info;

use crate::compiled::CompiledConfig;
use crate::config_files::Loaded;

/// The effective settings of a mapping.
pub(crate) fn rows(
    loaded: &Loaded,
    compiled: &CompiledConfig,
    mapping: &str,
) -> Option<Vec<settings::Explained>> {
    let profile = compiled.mappings.iter().find(|it| it.mapping.name.as_str() == mapping)?.profile;
    let of_source = forebay_pollers::kinds()
        .iter()
        .find(|it| it.profile().kind == profile.kind)
        .map_or(&[][..], |it| it.settings());
    Some(settings::explain(mapping_node(&loaded.documents, mapping)?, profile, of_source))
}

/// One mapping's effective settings on one line of the log.
pub(crate) struct EffectiveLine {
    pub(crate) mapping: String,
    source: &'static str,
    settings: String,
}

impl EffectiveLine {
    /// Writes it.
    pub(crate) fn tell(&self) {
        let Self { mapping, source, settings } = self;
        info!(mapping, source, settings, "effective settings");
    }
}

/// The effective settings of every mapping, one line each.
pub(crate) fn lines(loaded: &Loaded, compiled: &CompiledConfig) -> Vec<EffectiveLine> {
    let line = |name: &str, source| {
        let rows = rows(loaded, compiled, name).unwrap_or_default();
        let settings: Vec<_> = rows
            .iter()
            .filter(|it| !it.value.is_empty())
            .map(|it| format!("{}={}", it.path, it.value))
            .collect();
        EffectiveLine { mapping: name.to_owned(), source, settings: settings.join(" ") }
    };
    compiled.mappings.iter().map(|it| line(it.mapping.name.as_str(), it.profile.kind)).collect()
}
