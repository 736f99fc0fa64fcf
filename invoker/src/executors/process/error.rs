//! Why a function cannot be run as a process on this machine: found before the first invoke, each with a code
//! and a page.

use std::io;
use std::path::PathBuf;

use forebay_config::Code;
use rustix::io::Errno;

/// A function cannot be run as a process on this machine.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The code folder is not there.
    #[error("{}: code folder {} of function {function} cannot be used", self.code().0, folder.display())]
    CodeFolder {
        /// Which function.
        function: String,
        /// The folder, as an absolute path.
        folder: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The handler is not written as `file.function`.
    #[error("{}: handler {handler} of function {function} is not of the form file.function", self.code().0)]
    HandlerForm {
        /// Which function.
        function: String,
        /// The handler as written.
        handler: String,
    },
    /// The handler's file is not in the code folder.
    #[error("{}: handler {handler} of function {function} needs {}, which is not there", self.code().0, wanted.display())]
    HandlerFile {
        /// Which function.
        function: String,
        /// The handler as written.
        handler: String,
        /// The file that was looked for.
        wanted: PathBuf,
    },
    /// The interpreter is not on this machine.
    #[error("{}: function {function} needs {program}, which is not in PATH; on Debian: apt-get install {package}", self.code().0)]
    InterpreterMissing {
        /// Which function.
        function: String,
        /// The program, such as `python3`.
        program: &'static str,
        /// Debian's package that brings it.
        package: &'static str,
    },
    /// The interpreter does not start or is too old.
    #[error("{}: function {function} needs {program} {version_min} or newer, and {}: {said}", self.code().0, path.display())]
    InterpreterUnfit {
        /// Which function.
        function: String,
        /// The program, such as `python3`.
        program: &'static str,
        /// The oldest version that works.
        version_min: &'static str,
        /// Where it was found.
        path: PathBuf,
        /// What is wrong with it.
        said: String,
    },
    /// A function that brings its own program has none that can be run.
    #[error("{}: function {function} has no program: none of these is an executable file: {tried:?}", self.code().0)]
    NoBootstrap {
        /// Which function.
        function: String,
        /// The files that were looked for.
        tried: Vec<PathBuf>,
    },
    /// The guard that ends functions when the daemon dies could not be started.
    #[error("{}: /bin/sh could not be started to guard the processes of function {function}", self.code().0)]
    Guard {
        /// Which function.
        function: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The process or the machine has nothing left of what a start needs; later it may.
    #[error("{}: there are no {lack} to start function {function} with", self.code().0)]
    Short {
        /// Which function.
        function: String,
        /// What there is none of, and which limit says so.
        lack: &'static str,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// What the system has none left of, when that is what an error says.
pub(super) fn lack_of(error: &io::Error) -> Option<&'static str> {
    match Errno::from_raw_os_error(error.raw_os_error()?) {
        Errno::MFILE => Some("file descriptors left in this process (`ulimit -n`, `LimitNOFILE=`)"),
        Errno::NFILE => Some("file descriptors left on this machine (`fs.file-max`)"),
        Errno::AGAIN => Some("processes or threads left (`ulimit -u`, `TasksMax=`)"),
        Errno::NOMEM => Some("bytes of memory left"),
        _ => None,
    }
}

impl ProcessError {
    /// The error of a start that failed for want of something; `Err` gives back one that did not.
    pub(super) fn short(function: &str, cause: io::Error) -> Result<Self, io::Error> {
        match lack_of(&cause) {
            Some(lack) => Ok(Self::Short { function: function.to_owned(), lack, cause }),
            None => Err(cause),
        }
    }

    /// Whether it may heal by itself.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Short { .. } => true,
            Self::CodeFolder { .. }
            | Self::HandlerForm { .. }
            | Self::HandlerFile { .. }
            | Self::InterpreterMissing { .. }
            | Self::InterpreterUnfit { .. }
            | Self::NoBootstrap { .. }
            | Self::Guard { .. } => false,
        }
    }

    /// The code of its page under `docs/errors/`.
    pub fn code(&self) -> Code {
        Code(match self {
            Self::CodeFolder { .. } => "FB-0301",
            Self::HandlerForm { .. } | Self::HandlerFile { .. } => "FB-0302",
            Self::InterpreterMissing { .. } => "FB-0303",
            Self::InterpreterUnfit { .. } => "FB-0304",
            Self::NoBootstrap { .. } => "FB-0305",
            Self::Guard { .. } => "FB-0306",
            Self::Short { .. } => "FB-0313",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_lacks_is_named_and_heals_and_is_no_fault_of_the_program() {
        for (errno, word) in [
            (Errno::MFILE, "ulimit -n"),
            (Errno::NFILE, "fs.file-max"),
            (Errno::AGAIN, "ulimit -u"),
            (Errno::NOMEM, "memory"),
        ] {
            let error = ProcessError::short("f", errno.into()).unwrap();
            assert!(error.is_transient() && error.to_string().contains(word), "{error}");
            assert_eq!(error.code().0, "FB-0313");
        }
        assert!(ProcessError::short("f", Errno::NOENT.into()).is_err());
        assert!(!ProcessError::HandlerForm { function: "f".into(), handler: "x".into() }.is_transient());
    }
}
