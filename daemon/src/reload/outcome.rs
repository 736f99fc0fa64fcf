//! What became of a reload, for who asked: as JSON over the admin listener, as text for people.

use std::collections::BTreeMap;

use forebay_config::Finding;
use forebay_config::diagnostic::{self, Style};
use serde::{Deserialize, Serialize};

use crate::build_error::BuildError;
use crate::fleet::Changes;
use crate::front::FrontError;
use crate::sentence::chain;

/// What became of a reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum ReloadOutcome {
    /// It holds; this is what differs.
    Applied(Changes),
    /// The former config stays in use.
    Rejected(RefusedConfig),
}

/// Why a config was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedConfig {
    /// The code of the first mistake.
    pub code: String,
    /// All in one line.
    pub message: String,
    /// Every mistake.
    pub details: Vec<Detail>,
    /// The mistakes drawn over their lines, as `forebay validate` does.
    pub drawn: String,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// Its page.
    pub code: String,
    /// File, line and column; empty where it stands nowhere.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

impl RefusedConfig {
    /// It could not be read at all.
    pub(super) fn unreadable(code: &str, message: impl Into<String>) -> Self {
        Self::of(vec![Detail { code: code.to_owned(), place: String::new(), message: message.into() }], None)
    }

    /// Mistakes in the files.
    pub(super) fn findings(findings: &[Finding], texts: &BTreeMap<String, String>) -> Self {
        let detail = |it: &Finding| {
            let fix = it.fix.as_ref().map(|fix| format!("; {fix}")).unwrap_or_default();
            Detail {
                code: it.code.0.to_owned(),
                place: format!("{}:{}:{}", it.place.file, it.place.line, it.place.column),
                message: format!("{}: {}{fix}", it.path, it.message),
            }
        };
        Self::of(findings.iter().map(detail).collect(), Some(diagnostic::draw(findings, texts, Style::Plain)))
    }

    /// Settings that hold from the start.
    pub(super) fn needs_restart(settings: &[&str]) -> Self {
        let detail = |name: &&str| Detail {
            code: "FB-0516".to_owned(),
            place: String::new(),
            message: format!(
                "`{name}` cannot change while the process runs: restart it, or write what was there"
            ),
        };
        Self::of(settings.iter().map(detail).collect(), None)
    }

    /// Something of it cannot be built.
    pub(super) fn build(error: &BuildError) -> Self {
        let detail =
            |it: &BuildError| Detail { code: it.code().to_owned(), place: String::new(), message: chain(it) };
        let details = match error {
            // One by one, so that all are mended before the next try.
            BuildError::Functions(all) => all.iter().map(detail).collect(),
            other => vec![detail(other)],
        };
        Self::of(details, None)
    }

    /// The API cannot be served as it says.
    pub(super) fn front(error: &FrontError) -> Self {
        Self::of(
            vec![Detail { code: error.code().to_owned(), place: String::new(), message: chain(error) }],
            None,
        )
    }

    fn of(details: Vec<Detail>, drawn: Option<String>) -> Self {
        let one = |it: &Detail| {
            let place = if it.place.is_empty() { String::new() } else { format!("{}: ", it.place) };
            format!("{}: {place}{}", it.code, it.message)
        };
        let first = details.first().map(one).unwrap_or_default();
        let message = match details.len() {
            0 | 1 => first,
            n => format!("{first} (and {} more)", n - 1),
        };
        // What stands in no file has no line to be drawn over.
        let drawn = drawn.unwrap_or_else(|| {
            details.iter().map(|it| format!("error[{}]: {}\n", it.code, it.message)).collect()
        });
        let code = details.first().map(|it| it.code.clone()).unwrap_or_default();
        Self { code, message, details, drawn }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_read_back_as_it_was_written() {
        let applied =
            ReloadOutcome::Applied(Changes { added: vec!["a".into()], n_unchanged: 2, ..Changes::default() });
        let rejected = ReloadOutcome::Rejected(RefusedConfig::needs_restart(&["admin.listen", "data_dir"]));
        for outcome in [applied, rejected] {
            let text = serde_json::to_string(&outcome).unwrap();
            assert_eq!(serde_json::from_str::<ReloadOutcome>(&text).unwrap(), outcome, "{text}");
        }
    }

    #[test]
    fn one_line_names_the_first_mistake_and_counts_the_others() {
        let refused = RefusedConfig::needs_restart(&["admin.listen", "data_dir"]);
        assert!(
            refused.message.starts_with("FB-0516: `admin.listen`")
                && refused.message.ends_with("(and 1 more)"),
            "{}",
            refused.message
        );
        assert_eq!(refused.drawn.lines().count(), 2);
    }
}
