//! Why a function cannot be run as a process on this machine: found before the first invoke, each with a code and a page.

use std::io;
use std::path::PathBuf;

use forebay_config::Code;

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
}

impl ProcessError {
    /// The code of its page under `docs/errors/`.
    pub fn code(&self) -> Code {
        Code(match self {
            Self::CodeFolder { .. } => "FB-0301",
            Self::HandlerForm { .. } | Self::HandlerFile { .. } => "FB-0302",
            Self::InterpreterMissing { .. } => "FB-0303",
            Self::InterpreterUnfit { .. } => "FB-0304",
            Self::NoBootstrap { .. } => "FB-0305",
            Self::Guard { .. } => "FB-0306",
        })
    }
}
