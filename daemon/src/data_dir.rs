//! Where the data folder is when nobody says so.

use std::env;
use std::path::PathBuf;

/// The data folder: the flag or `FOREBAY_DATA_DIR`, else the config's, else the user's own. `None` when the
/// user has no home either.
pub fn choose(flag: Option<PathBuf>, config: Option<PathBuf>) -> Option<PathBuf> {
    flag.or(config).or_else(|| {
        default_of(rustix::process::geteuid().is_root(), variable("XDG_STATE_HOME"), variable("HOME"))
    })
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).map(PathBuf::from).filter(|it| it.is_absolute())
}

fn default_of(is_root: bool, state: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    // A service has no home; its folder is where the system looks for state.
    if is_root {
        return Some(PathBuf::from("/var/lib/forebay"));
    }
    let state = state.or_else(|| home.map(|it| it.join(".local/state")))?;
    Some(state.join("forebay"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_the_systems_folder_and_others_their_own() {
        let path = |it: &str| Some(PathBuf::from(it));
        assert_eq!(default_of(true, path("/s"), path("/h")), path("/var/lib/forebay"));
        assert_eq!(default_of(false, path("/s"), path("/h")), path("/s/forebay"));
        assert_eq!(default_of(false, None, path("/h")), path("/h/.local/state/forebay"));
        assert_eq!(default_of(false, None, None), None);
    }

    #[test]
    fn the_flag_goes_before_the_config() {
        assert_eq!(choose(Some("/flag".into()), Some("/config".into())), Some("/flag".into()));
        assert_eq!(choose(None, Some("/config".into())), Some("/config".into()));
    }
}
