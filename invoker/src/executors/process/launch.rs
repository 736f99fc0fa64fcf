//! How a function's process is started: which program with which arguments, found and checked before the
//! first invoke, and again before each start: the paths of the settings may be links that lead elsewhere by
//! then.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use forebay_clients::Mark;
use forebay_config::function::{ProcessSettings, Runtime};

use super::error::ProcessError;
use super::handler::{self, NoFile};
use super::interpreters::{Interpreters, Unsaid};

/// The bootstrap of `python3`: three files, read as one.
const PYTHON_BOOTSTRAP: &str = concat!(
    include_str!("bootstraps/python/imports.py"),
    include_str!("bootstraps/python/encoder.py"),
    include_str!("bootstraps/python/bootstrap.py")
);
/// The bootstrap of `nodejs`.
const NODE_BOOTSTRAP: &str = include_str!("bootstraps/bootstrap.mjs");

/// How a function's process is started.
#[derive(Debug)]
pub(super) struct Launch {
    /// Its arguments.
    pub(super) arguments: Vec<String>,
    /// `AWS_EXECUTION_ENV`; none for a program of one's own.
    pub(super) execution_env: Option<String>,
    /// The code folder as an absolute path, links in it and all.
    code: PathBuf,
    /// What interprets the code; none for a program of one's own.
    interpreter: Option<FoundInterpreter>,
    function: String,
    runtime: Runtime,
    handler: String,
    /// What stood there when it was found.
    marks: CodeMarks,
}

/// An interpreter of this machine.
#[derive(Debug)]
struct FoundInterpreter {
    /// Where `PATH` led to, which may be a version manager's shim.
    by_path: PathBuf,
    /// The interpreter itself.
    program: PathBuf,
}

/// Where one process is started.
#[derive(Debug)]
pub(super) struct Spot {
    /// The code folder without any link in it: an environment keeps the release that it began with.
    pub(super) folder: PathBuf,
    /// The program, as an absolute path.
    pub(super) program: PathBuf,
}

/// What the paths of a function lead to: it runs something else once they lead elsewhere.
#[derive(Debug, PartialEq, Eq)]
struct CodeMarks {
    folder: Option<Mark>,
    handler: Option<Mark>,
    interpreter: Option<(Option<Mark>, Option<Mark>)>,
}

/// What differs between the interpreters.
struct Interpreter {
    program: &'static str,
    package: &'static str,
    version_min: &'static str,
    /// Makes it print its real path, past any shim, and its version.
    probe: [&'static str; 2],
}

const PYTHON: Interpreter = Interpreter {
    program: "python3",
    package: "python3",
    version_min: "3.8",
    probe: ["-c", "import sys; print(sys.executable); print('%d.%d' % sys.version_info[:2])"],
};
const NODE: Interpreter = Interpreter {
    program: "node",
    package: "nodejs",
    version_min: "18.0",
    probe: ["-p", "process.execPath + '\\n' + process.versions.node"],
};

impl Launch {
    /// Finds what the function needs on this machine.
    pub(super) async fn find(
        function: &str,
        settings: &ProcessSettings,
        base: &Path,
        interpreters: &Interpreters,
    ) -> Result<Self, ProcessError> {
        let mut launch = Self {
            arguments: Vec::new(),
            execution_env: None,
            code: base.join(&settings.code),
            interpreter: None,
            function: function.to_owned(),
            runtime: settings.runtime,
            handler: settings.handler.clone(),
            marks: CodeMarks { folder: None, handler: None, interpreter: None },
        };
        let folder = launch.folder()?;
        launch.entry(&folder)?;
        match settings.runtime {
            Runtime::Python3 => {
                let version = launch.interpreter(&PYTHON, &folder, interpreters).await?;
                launch.arguments = vec!["-c".to_owned(), PYTHON_BOOTSTRAP.to_owned()];
                launch.execution_env = Some(format!("AWS_Lambda_python{version}"));
            }
            Runtime::Nodejs => {
                let version = launch.interpreter(&NODE, &folder, interpreters).await?;
                let major = version.split('.').next().unwrap_or_default();
                launch.execution_env = Some(format!("AWS_Lambda_nodejs{major}.x"));
                launch.arguments =
                    vec!["--input-type=module".to_owned(), "--eval".to_owned(), NODE_BOOTSTRAP.to_owned()];
            }
            Runtime::Provided => {}
        }
        // Last, for the interpreter is one of them.
        launch.marks = launch.marks()?;
        Ok(launch)
    }

    /// Where a process is started now; what is missing is named. Asked before each start.
    pub(super) fn spot(&self) -> Result<Spot, ProcessError> {
        let folder = self.folder()?;
        let entry = self.entry(&folder)?;
        let program = self.interpreter.as_ref().map_or(entry, |it| it.program.clone());
        Ok(Spot { folder, program })
    }

    /// Whether the paths of the settings lead to what they led to when it was found: the same code folder,
    /// the same file of the handler, the same interpreter. Other files in the folder are not looked at.
    pub(super) fn is_current(&self) -> bool {
        match self.marks() {
            Ok(marks) => marks == self.marks,
            // What cannot be looked at now is not something else.
            Err(error) => error.is_transient(),
        }
    }

    fn marks(&self) -> Result<CodeMarks, ProcessError> {
        let folder = self.folder()?;
        let handler = self.entry(&folder)?;
        let interpreter = |it: &FoundInterpreter| (Mark::of(&it.by_path), Mark::of(&it.program));
        Ok(CodeMarks {
            folder: Mark::of(&folder),
            handler: Mark::of(&handler),
            interpreter: self.interpreter.as_ref().map(interpreter),
        })
    }

    /// Where the code folder is now.
    fn folder(&self) -> Result<PathBuf, ProcessError> {
        // What a path leads to may still be a file, or a folder that must not be read.
        fs::canonicalize(&self.code)
            .and_then(|it| fs::read_dir(&it).map(|_| it))
            .map_err(|cause| self.unseen(self.code.clone(), cause))
    }

    /// What cannot be looked into for want of descriptors is not gone.
    fn unseen(&self, folder: PathBuf, cause: io::Error) -> ProcessError {
        let unusable = |cause| ProcessError::CodeFolder { function: self.function.clone(), folder, cause };
        ProcessError::short(&self.function, cause).unwrap_or_else(unusable)
    }

    /// The file that a process begins with: the program, or the file of the handler.
    fn entry(&self, folder: &Path) -> Result<PathBuf, ProcessError> {
        let form =
            || ProcessError::HandlerForm { function: self.function.clone(), handler: self.handler.clone() };
        let missing = |no_file| match no_file {
            NoFile::Missing(wanted) => ProcessError::HandlerFile {
                function: self.function.clone(),
                handler: self.handler.clone(),
                wanted,
            },
            NoFile::Unseen(folder, cause) => self.unseen(folder, cause),
        };
        match self.runtime {
            Runtime::Python3 => handler::of_python(folder, &self.handler).ok_or_else(form)?.map_err(missing),
            Runtime::Nodejs => handler::of_node(folder, &self.handler).ok_or_else(form)?.map_err(missing),
            Runtime::Provided => self.find_bootstrap(folder),
        }
    }

    /// `bootstrap` in the code folder, or the handler as a program.
    fn find_bootstrap(&self, folder: &Path) -> Result<PathBuf, ProcessError> {
        let mut tried = vec![folder.join("bootstrap")];
        // An empty handler would name the folder itself.
        if !["", "bootstrap"].contains(&self.handler.as_str()) {
            tried.push(folder.join(&self.handler));
        }
        let found = tried.iter().find(|it| is_program(it)).cloned();
        found.ok_or_else(|| ProcessError::NoBootstrap { function: self.function.clone(), tried })
    }

    /// Finds the interpreter's own path, past version managers' shims; gives its version.
    async fn interpreter(
        &mut self,
        interpreter: &Interpreter,
        folder: &Path,
        interpreters: &Interpreters,
    ) -> Result<String, ProcessError> {
        let Interpreter { program, package, version_min, probe } = *interpreter;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).map(|it| it.join(program)).find(|it| is_program(it));
        let function = self.function.clone();
        let Some(path) = found else {
            return Err(ProcessError::InterpreterMissing { function, program, package });
        };
        let unfit = |said| ProcessError::InterpreterUnfit {
            function,
            program,
            version_min,
            path: path.clone(),
            said,
        };
        let said = match interpreters.ask(&path, folder, probe).await {
            Ok(said) => said,
            Err(Unsaid::Ever(said)) => return Err(unfit(said)),
            Err(Unsaid::Now(cause)) => {
                return Err(ProcessError::short(&self.function, cause)
                    .unwrap_or_else(|cause| unfit(cause.to_string())));
            }
        };
        // The probes print two lines: the path behind any shim, and the version.
        match said.trim().split_once('\n') {
            Some((program, version)) if version_of(version) >= version_of(version_min) => {
                self.interpreter =
                    Some(FoundInterpreter { program: PathBuf::from(program.trim()), by_path: path });
                Ok(version.trim().to_owned())
            }
            Some((_, version)) => Err(unfit(format!("it is {}", version.trim()))),
            None => Err(unfit("it does not tell its version".to_owned())),
        }
    }
}

fn version_of(text: &str) -> Vec<u32> {
    // What is no number ends it, so that garbage is older than any version.
    text.trim().split('.').map_while(|it| it.parse().ok()).take(2).collect()
}

/// A file that somebody may execute.
fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn launch(code: &Path, runtime: Runtime, handler: &str) -> Launch {
        let mut launch = Launch {
            arguments: Vec::new(),
            execution_env: None,
            code: code.to_owned(),
            interpreter: None,
            function: "f".to_owned(),
            runtime,
            handler: handler.to_owned(),
            marks: CodeMarks { folder: None, handler: None, interpreter: None },
        };
        if let Ok(marks) = launch.marks() {
            launch.marks = marks;
        }
        launch
    }

    #[test]
    fn a_folder_behind_a_link_is_the_one_that_the_link_leads_to_now() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for release in ["1", "2"] {
            fs::create_dir(path(release)).unwrap();
            fs::write(path(release).join("app.py"), release).unwrap();
        }
        symlink("1", path("current")).unwrap();
        let launch = launch(&path("current"), Runtime::Python3, "app.handler");
        let real = |release: &str| fs::canonicalize(path(release)).unwrap();
        assert_eq!((launch.spot().unwrap().folder, launch.is_current()), (real("1"), true));
        symlink("2", path("next")).unwrap();
        fs::rename(path("next"), path("current")).unwrap();
        assert_eq!((launch.spot().unwrap().folder, launch.is_current()), (real("2"), false));
        fs::remove_dir_all(path("2")).unwrap();
        assert_eq!(launch.spot().unwrap_err().code().0, "FB-0301");
    }

    #[test]
    fn another_file_of_the_handler_and_another_folder_in_its_place_are_seen_and_a_file_beside_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let code = folder.path().join("code");
        let make = || {
            fs::create_dir(&code).unwrap();
            fs::write(code.join("app.py"), "one").unwrap();
        };
        make();
        let found = launch(&code, Runtime::Python3, "app.handler");
        fs::write(code.join("data.txt"), "beside").unwrap();
        assert!(found.is_current());
        fs::write(code.join("app.py"), "another").unwrap();
        assert!(!found.is_current());
        let found = launch(&code, Runtime::Python3, "app.handler");
        fs::rename(&code, folder.path().join("old")).unwrap();
        assert!(!found.is_current());
        make();
        assert!(!found.is_current());
    }

    #[test]
    fn an_interpreter_that_was_replaced_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("python3");
        fs::write(folder.path().join("app.py"), "").unwrap();
        fs::write(&program, "one").unwrap();
        let mut found = launch(folder.path(), Runtime::Python3, "app.handler");
        found.interpreter = Some(FoundInterpreter { by_path: program.clone(), program: program.clone() });
        found.marks = found.marks().unwrap();
        assert!(found.is_current());
        fs::remove_file(&program).unwrap();
        assert!(!found.is_current());
    }

    /// Set in the process that has no descriptor left.
    const ALONE: &str = "FOREBAY_TEST_CODE_FOLDER";

    #[test]
    fn a_compiled_module_that_cannot_be_looked_for_is_not_missing() {
        if let Some(code) = std::env::var_os(ALONE) {
            return look_without_descriptors(Path::new(&code));
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("app.pyc"), "").unwrap();
        let (_, module) = module_path!().split_once("::").unwrap();
        let name = format!("{module}::a_compiled_module_that_cannot_be_looked_for_is_not_missing");
        let alone = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &name])
            .env(ALONE, folder.path())
            .output();
        let alone = alone.unwrap();
        let said = String::from_utf8_lossy(&alone.stdout);
        assert!(
            alone.status.success() && said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&alone.stderr)
        );
    }

    /// Takes every descriptor of its process.
    fn look_without_descriptors(code: &Path) {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let mut launch = launch(code, Runtime::Python3, "app.handler");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..getrlimit(Resource::Nofile) }).unwrap();
        let taken: Vec<fs::File> = std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect();
        let error = launch.entry(code).unwrap_err();
        assert_eq!(error.code().0, "FB-0313", "{error}");
        assert!(launch.is_current(), "nobody can tell that it is another");
        let error =
            runtime.block_on(launch.interpreter(&PYTHON, code, &Interpreters::default())).unwrap_err();
        assert_eq!(error.code().0, "FB-0313", "{error}");
        drop(taken);
        assert_eq!(launch.entry(code).unwrap(), code.join("app.pyc"));
    }

    #[test]
    fn versions_compare_by_number() {
        assert!(version_of("3.11") > version_of("3.8"));
        assert!(version_of("20.20.2") > version_of("18.0"));
        assert!(version_of("16.4.1") < version_of("18.0"));
        assert!(version_of("garbage") < version_of("3.8"));
    }
}
