//! What `source: { file: … }` may say. These doc comments are the manual.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use forebay_clients::Clients;
use forebay_config::settings::{DefaultValue, SettingSpec, Shape};
use forebay_config::{Code, Fields, Finding, Item, Node};

use super::FileSource;
use super::client::LocalFiles;
use super::exclude::{self, Exclude, ExcludePattern};
use crate::source::{BoxFuture, Source, SourceError, SourceSettings};

const LINE_BYTES_MAX: u64 = 1_000_000;
const LINE_BYTES_LIMIT: u64 = 6_000_000;
/// A pattern is none.
const BAD_PATTERN: Code = Code("FB-0207");
const ROTATE_WAIT: Duration = Duration::from_secs(30);
const ROTATE_WAIT_LIMIT: Duration = Duration::from_secs(86_400);

/// The same for `explain`, the schema and the manual.
pub(super) static SPECS: [SettingSpec; 5] = [
    SettingSpec::new(
        "event_source_mappings[].source.file.path",
        Shape::Text,
        DefaultValue::Required,
        "A file, or a pattern with `*`, `?`, `[…]` and `**`; relative to the config file. Files that match later are read from their first byte.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.file.exclude",
        Shape::TextList,
        DefaultValue::Texts(exclude::DEFAULT),
        "Patterns of files that a pattern under `path` leaves out: of names, or of whole paths when they hold a `/`. A path that names one file is never left out; `[]` leaves nothing out.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.file.line_bytes_max",
        Shape::Integer { min: 1, max: LINE_BYTES_LIMIT.cast_signed() },
        DefaultValue::Integer(LINE_BYTES_MAX.cast_signed()),
        "The part of a longer line that its record carries, in bytes.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.file.rotate_wait",
        Shape::Seconds { min_ms: 0, max_ms: ROTATE_WAIT_LIMIT.as_secs() * 1_000 },
        DefaultValue::Millis(ROTATE_WAIT.as_secs() * 1_000),
        "How long a file that was renamed away or deleted must stay at its end before it counts as finished.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.file.order",
        Shape::Word(&["file", "path"]),
        DefaultValue::Word("file"),
        "What keeps its order: with `file` the lines of each file; with `path` all lines that were ever written under one path, so that the file after a rotation waits until the one before it is finished, `rotate_wait` included.",
    ),
];

/// Settings of the file source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileSettings {
    /// `path`, required: a file, or a pattern with `*`, `?`, `[…]` and `**`; relative to the folder of the
    /// config file. A `*` matches no `/`; `[[]` matches the character `[`. Files that match later are read
    /// from their first byte.
    pub(super) path: PathPattern,
    /// `exclude`: patterns of files that a pattern under `path` leaves out. One without a `/` is matched with
    /// a file's name, one with a `/` with its path, relative to the folder of the config file. The default
    /// leaves out archives that a rotation makes and what editors keep beside a file; what is written takes
    /// its place, and `[]` leaves nothing out. A path without special characters is never left out.
    pub(super) exclude: Exclude,
    /// `line_bytes_max`, 1 to 6,000,000, default 1,000,000: the part of a longer line that its record
    /// carries. The default leaves room for the worst JSON escaping within Lambda's 6 MB; a line that does
    /// not fit even so is given up as too large.
    pub(super) line_bytes_max: usize,
    /// `rotate_wait`, in seconds with fractions, 0 to 86,400, default 30: how long a file that was renamed
    /// away or deleted must stay at its end before it counts as finished. Raise it when a writer keeps its
    /// old file open for longer after a rotation.
    pub(super) rotate_wait: Duration,
    /// `order`, `file` or `path`, default `file`: with `path` the file that takes a path begins when those
    /// that stood there before it are finished, which they are `rotate_wait` after their last line. Otherwise
    /// its lines may overtake theirs.
    pub(super) by_path: bool,
}

/// Which files are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PathPattern {
    /// One path, taken as it stands.
    One(PathBuf),
    /// All paths that match.
    Glob { text: String, pattern: glob::Pattern },
}

impl PathPattern {
    pub(super) const OPTIONS: glob::MatchOptions = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };

    /// A path or pattern below `base`.
    pub(super) fn parse(text: &str, base: &Path) -> Result<Self, String> {
        if !text.contains(['*', '?', '[']) {
            return Ok(Self::One(base.join(text)));
        }
        let text = if Path::new(text).is_absolute() || base.as_os_str().is_empty() {
            text.to_owned()
        } else {
            let base =
                base.to_str().ok_or("the folder of the config file is not UTF-8, which a pattern needs")?;
            format!("{}/{text}", glob::Pattern::escape(base.trim_end_matches('/')))
        };
        let pattern =
            glob::Pattern::new(&text).map_err(|error| format!("is no valid pattern: {}", error.msg))?;
        Ok(Self::Glob { text, pattern })
    }

    /// The folder below which everything lies that can match.
    pub(super) fn folder(&self) -> PathBuf {
        match self {
            Self::One(path) => path
                .parent()
                .filter(|it| !it.as_os_str().is_empty())
                .unwrap_or_else(|| Path::new("."))
                .to_owned(),
            Self::Glob { text, .. } => Self::folder_of(text),
        }
    }

    /// The same for a pattern's text: what stands before the last `/` ahead of its first special character.
    pub(super) fn folder_of(glob: &str) -> PathBuf {
        let fixed = &glob[..glob.find(['*', '?', '[']).unwrap_or(glob.len())];
        PathBuf::from(fixed.rfind('/').map_or(".", |end| &fixed[..end.max(1)]))
    }
}

impl std::fmt::Display for PathPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::One(path) => path.display().fmt(f),
            Self::Glob { text, .. } => f.write_str(text),
        }
    }
}

impl FileSettings {
    /// All defaults, for a path.
    #[cfg(any(test, feature = "fakes"))]
    pub(super) fn for_path(path: PathPattern) -> Self {
        let line_bytes_max = usize::try_from(LINE_BYTES_MAX).expect("a megabyte fits");
        Self { path, exclude: Exclude::default(), line_bytes_max, rotate_wait: ROTATE_WAIT, by_path: false }
    }

    /// Reads them, without IO.
    pub(super) fn parse(settings: &Node, base: &Path) -> Result<Self, Vec<Finding>> {
        Fields::read(settings, "source.file", |fields| {
            let text = fields.required("path", |it| it.path_text());
            let place = fields.node("path").map(|it| it.place.clone());
            let exclude =
                fields.optional("exclude", |it| it.list(|it| read_exclude(it, base)).map(Exclude::of));
            let line_bytes_max = fields.optional("line_bytes_max", |it| it.integer(1..=LINE_BYTES_LIMIT));
            let rotate_wait =
                fields.optional("rotate_wait", |it| it.seconds(Duration::ZERO..=ROTATE_WAIT_LIMIT));
            let by_path = fields.optional("order", |it| it.word(&[("file", false), ("path", true)]));
            let path = match PathPattern::parse(&text?, base) {
                Ok(path) => path,
                Err(why) => {
                    let finding = Finding::new(
                        BAD_PATTERN,
                        format!("{}.path", fields.path()),
                        &place?,
                        format!("`path` {why}"),
                    );
                    fields.push(finding.fix("write `[[]` where the character `[` is meant"));
                    return None;
                }
            };
            let line_bytes_max = usize::try_from(line_bytes_max.unwrap_or(LINE_BYTES_MAX)).ok()?;
            let exclude = exclude.unwrap_or_else(Exclude::default);
            let rotate_wait = rotate_wait.unwrap_or(ROTATE_WAIT);
            Some(Self { path, exclude, line_bytes_max, rotate_wait, by_path: by_path.unwrap_or_default() })
        })
    }
}

fn read_exclude(mut it: Item<'_, '_>, base: &Path) -> Option<ExcludePattern> {
    let text = it.again().text()?;
    match ExcludePattern::parse(&text, base) {
        Ok(pattern) => Some(pattern),
        Err(why) => {
            it.wrong(
                BAD_PATTERN,
                format!("`exclude` {why}"),
                Some("write `[[]` where the character `[` is meant".to_owned()),
            );
            None
        }
    }
}

impl SourceSettings for FileSettings {
    fn identity(&self) -> String {
        let Self { path, exclude, line_bytes_max, rotate_wait, by_path } = self;
        let order = if *by_path { "path" } else { "file" };
        format!(
            "file:{path} exclude={exclude} line_bytes_max={line_bytes_max} rotate_wait={} order={order}",
            rotate_wait.as_secs_f64()
        )
    }

    fn connect<'a>(&'a self, _clients: &'a Clients) -> BoxFuture<'a, Result<Arc<dyn Source>, SourceError>> {
        let source = FileSource::start(self.clone(), Arc::new(LocalFiles));
        Box::pin(async move { source.map(|it| Arc::new(it) as Arc<dyn Source>) })
    }
}

#[cfg(test)]
mod tests {
    use forebay_config::SourceSpan;
    use forebay_config::document::{DocumentKey, Value};

    use super::*;
    use crate::file::FileKind;
    use crate::source::SourceKind;

    fn node(value: Value) -> Node {
        Node { value, place: SourceSpan { file: "test".into(), line: 1, column: 1, span: 0..0 } }
    }

    fn settings(entries: &[(&str, Value)]) -> Result<FileSettings, Vec<String>> {
        let entry = |(name, value): &(&str, Value)| {
            let value = node(value.clone());
            (DocumentKey { name: (*name).to_owned(), place: value.place.clone() }, value)
        };
        let node = node(Value::Map(entries.iter().map(entry).collect()));
        let told = |it: Finding| format!("{} {}: {}", it.code, it.path, it.message);
        FileSettings::parse(&node, Path::new("/etc/fore[bay]"))
            .map_err(|found| found.into_iter().map(told).collect())
    }

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    fn number(text: &str) -> Value {
        Value::Number(text.to_owned())
    }

    #[test]
    fn a_path_is_taken_from_the_folder_of_the_config_file_and_a_pattern_does_not_trip_over_it() {
        let path = |it: &str| settings(&[("path", text(it))]).unwrap().path;
        assert_eq!(path("a.log"), PathPattern::One("/etc/fore[bay]/a.log".into()));
        assert_eq!(path("/var/log/a.log").folder(), Path::new("/var/log"));
        let PathPattern::Glob { pattern, .. } = path("logs/*.log") else { panic!("it is a pattern") };
        assert!(pattern.matches_with("/etc/fore[bay]/logs/a.log", PathPattern::OPTIONS));
        assert!(!pattern.matches_with("/etc/fore[bay]/logs/deep/a.log", PathPattern::OPTIONS));
        assert_eq!(path("/var/log/app-*/x?.log").folder(), Path::new("/var/log"));
        assert_eq!(path("/*.log").folder(), Path::new("/"));
    }

    #[test]
    fn every_mistake_is_found_at_once() {
        let found =
            settings(&[("line_bytes_max", number("0")), ("rotate_wait", text("soon")), ("pth", text("x"))])
                .unwrap_err();
        // `pth` is taken for `path` misspelt, which is not said to be missing as well.
        assert_eq!(found.len(), 3, "{found:#?}");
        assert!(
            settings(&[("rotate_wait", text("soon"))])
                .unwrap_err()
                .iter()
                .any(|it| it.contains("source.file.path"))
        );
        let list = |it: &str| Value::List(vec![node(text("*.gz")), node(text(it))]);
        let found = settings(&[("path", text("a")), ("exclude", list("a["))]).unwrap_err();
        assert!(
            found[0].starts_with("FB-0207 source.file.exclude[1]: `exclude` is no valid pattern"),
            "{found:?}"
        );
        let found = settings(&[("path", text("a/[b"))]).unwrap_err();
        assert!(found[0].starts_with("FB-0207 source.file.path: `path` is no valid pattern"), "{found:?}");
    }

    #[test]
    fn the_limits_have_their_documented_defaults_and_ranges() {
        let parsed = settings(&[("path", text("a"))]).unwrap();
        assert_eq!((parsed.line_bytes_max, parsed.rotate_wait), (1_000_000, Duration::from_secs(30)));
        assert_eq!(parsed.exclude, Exclude::default());
        let parsed = settings(&[("path", text("a")), ("exclude", Value::List(Vec::new()))]).unwrap();
        assert_eq!(parsed.exclude, Exclude::of(Vec::new()));
        let parsed = settings(&[
            ("path", text("a")),
            ("line_bytes_max", number("6000000")),
            ("rotate_wait", number("0.25")),
        ])
        .unwrap();
        assert_eq!((parsed.line_bytes_max, parsed.rotate_wait), (6_000_000, Duration::from_millis(250)));
        assert!(settings(&[("path", text("a")), ("line_bytes_max", number("6000001"))]).is_err());
        assert!(settings(&[("path", text("a")), ("rotate_wait", number("86401"))]).is_err());
    }

    #[test]
    fn every_setting_is_in_the_table_and_in_the_manual_and_is_read() {
        let manual = include_str!("../../../docs/sources/file.md");
        for spec in &SPECS {
            assert!(
                manual.contains(&format!("`{}`", spec.key())),
                "{} is not in docs/sources/file.md",
                spec.key()
            );
            let path = ("path", text("a"));
            let wrong = (spec.key(), Value::Map(Vec::new()));
            let found =
                if spec.key() == "path" { settings(&[wrong]) } else { settings(&[path, wrong]) }.unwrap_err();
            assert!(found.iter().any(|it| it.contains(spec.key())), "{} is not read: {found:?}", spec.key());
        }
        assert!(
            settings(&[
                ("path", text("a")),
                ("line_bytes_max", number("6000000")),
                ("rotate_wait", number("86400"))
            ])
            .is_ok()
        );
    }

    #[test]
    fn mappings_share_a_feed_only_when_all_their_settings_agree() {
        let key = |name: &str| DocumentKey { name: name.to_owned(), place: node(Value::Null).place };
        let identity_of =
            |entries| FileKind.parse(&node(Value::Map(entries)), Path::new("/")).unwrap().identity();
        let identity = |path: &str, wait: &str| {
            identity_of(vec![(key("path"), node(text(path))), (key("rotate_wait"), node(number(wait)))])
        };
        let without = |exclude: Vec<Node>| {
            identity_of(vec![(key("path"), node(text("a"))), (key("exclude"), node(Value::List(exclude)))])
        };
        let all: Vec<Node> = exclude::DEFAULT.iter().map(|it| node(text(it))).collect();
        assert_eq!(without(all), identity("a", "30"));
        assert_ne!(without(Vec::new()), identity("a", "30"));
        assert_eq!(identity("a", "1"), identity("/a", "1.0"));
        assert_ne!(identity("a", "1"), identity("a", "2"));
        assert_ne!(identity("a", "1"), identity("b", "1"));
    }
}
