//! Which files a pattern leaves out: archives that a rotation makes, what editors keep beside a file, and
//! what an operator names.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use super::settings::PathPattern;

/// What is left out when nothing is written.
pub(super) const DEFAULT: &[&str] =
    &["*.gz", "*.zst", "*.bz2", "*.xz", "*.zip", "*~", ".*.swp", "#*#", ".#*"];

/// A name may begin with a dot here, as it is asked for.
const NAMES: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// Patterns for what is left out. Cheap to clone: a thousand mappings most often have the same ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exclude(Arc<[ExcludeRule]>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum ExcludeRule {
    /// Without a `/`: of a file's name, in whatever folder.
    Name(glob::Pattern),
    /// Of a whole path.
    Path(PathPattern),
}

impl Exclude {
    /// What is left out when nothing is written.
    pub(super) fn default() -> Self {
        static PATTERNS: LazyLock<Exclude> = LazyLock::new(|| {
            let parse = |it: &&str| {
                ExcludeRule::parse(it, Path::new("")).expect("the defaults are patterns, as a test sees")
            };
            Exclude(DEFAULT.iter().map(parse).collect())
        });
        PATTERNS.clone()
    }

    /// Patterns that were read.
    pub(super) fn of(patterns: Vec<ExcludePattern>) -> Self {
        Self(patterns.into_iter().map(|it| it.0).collect())
    }

    /// Whether a path that a pattern found is left out.
    pub(super) fn leaves_out(&self, path: &Path) -> bool {
        self.0.iter().any(|pattern| match pattern {
            ExcludeRule::Name(name) => {
                path.file_name().is_some_and(|it| name.matches_with(&it.to_string_lossy(), NAMES))
            }
            ExcludeRule::Path(PathPattern::One(one)) => one == path,
            ExcludeRule::Path(PathPattern::Glob { pattern, .. }) => {
                pattern.matches_with(&path.to_string_lossy(), NAMES)
            }
        })
    }
}

impl std::fmt::Display for Exclude {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|pattern| match pattern {
                ExcludeRule::Name(name) => name.to_string(),
                ExcludeRule::Path(path) => path.to_string(),
            }))
            .finish()
    }
}

/// One pattern that was read.
#[derive(Debug)]
pub(super) struct ExcludePattern(ExcludeRule);

impl ExcludePattern {
    /// A pattern of names, or of paths below `base`.
    pub(super) fn parse(text: &str, base: &Path) -> Result<Self, String> {
        ExcludeRule::parse(text, base).map(Self)
    }
}

impl ExcludeRule {
    fn parse(text: &str, base: &Path) -> Result<Self, String> {
        if text.contains('/') {
            return PathPattern::parse(text, base).map(Self::Path);
        }
        glob::Pattern::new(text)
            .map(Self::Name)
            .map_err(|error| format!("is no valid pattern: {}", error.msg))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_and_what_editors_keep_are_left_out_by_default_and_logs_are_not() {
        let exclude = Exclude::default();
        for out in [
            "app.log.1.gz",
            "a.zst",
            "a.bz2",
            "a.xz",
            "a.zip",
            "a.log~",
            ".a.log~",
            ".a.log.swp",
            "#a.log#",
            ".#a.log",
            ".gz",
        ] {
            assert!(exclude.leaves_out(Path::new("/var/log").join(out).as_path()), "{out}");
        }
        for read in ["app.log", "app.log.1", "gz", "a.gz.log", "a#1.log", "swp", "~a", "2026-01-01", "b.GZ"] {
            assert!(!exclude.leaves_out(Path::new("/var/x.gz").join(read).as_path()), "{read}");
        }
    }

    #[test]
    fn a_pattern_with_a_slash_is_one_of_paths() {
        let exclude =
            |text| Exclude::of(vec![ExcludePattern::parse(text, Path::new("/etc/fore[bay]")).unwrap()]);
        assert!(exclude("old/*").leaves_out(Path::new("/etc/fore[bay]/old/a.log")));
        assert!(!exclude("old/*").leaves_out(Path::new("/etc/fore[bay]/old/deep/a.log")));
        assert!(exclude("/var/**/debug.log").leaves_out(Path::new("/var/log/x/debug.log")));
        assert!(exclude("logs/a.log").leaves_out(Path::new("/etc/fore[bay]/logs/a.log")));
        assert!(!exclude("logs/a.log").leaves_out(Path::new("/var/logs/a.log")));
        assert!(exclude("debug.log").leaves_out(Path::new("/any/where/debug.log")));
        assert!(!Exclude::of(Vec::new()).leaves_out(Path::new("/a.gz")));
        assert!(ExcludePattern::parse("a[b", Path::new("/")).unwrap_err().starts_with("is no valid pattern"));
    }
}
