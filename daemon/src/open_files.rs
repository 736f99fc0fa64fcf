//! How many files the process may have open: as many as the system lets it, for functions and followed files
//! take several each.

use forebay_clients::Descriptors;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many there may be, and how many of them followed files may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenFileLimits {
    /// `None` is no limit.
    pub(crate) all: Option<u64>,
    /// So many stay open while they are followed; of more files those at their end are closed.
    pub(crate) followed: usize,
}

/// Raises the soft limit to the hard one, and divides what holds then. What cannot be raised stays as it is.
pub(crate) fn raise() -> OpenFileLimits {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    let all =
        if current == maximum || setrlimit(Resource::Nofile, raised).is_err() { current } else { maximum };
    OpenFileLimits { all, followed: Descriptors::of_process().divide(all) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(512), maximum }).unwrap();
        assert_eq!(raise().all, maximum);
        assert_eq!(getrlimit(Resource::Nofile).current, maximum);
    }
}
