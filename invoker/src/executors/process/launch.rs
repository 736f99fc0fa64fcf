//! How a function's process is started: which program with which arguments, found and checked before the first invoke.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use forebay_config::function::{ProcessSettings, Runtime};

use super::error::ProcessError;
use super::interpreters::Interpreters;

/// The bootstrap of `python3`.
const PYTHON_BOOTSTRAP: &str = include_str!("bootstraps/bootstrap.py");
/// The bootstrap of `nodejs`.
const NODE_BOOTSTRAP: &str = include_str!("bootstraps/bootstrap.mjs");

/// How a function's process is started.
#[derive(Debug)]
pub(super) struct Launch {
    /// The program, as an absolute path.
    pub(super) program: PathBuf,
    /// Its arguments.
    pub(super) arguments: Vec<String>,
    /// The code folder, as an absolute path.
    pub(super) folder: PathBuf,
    /// `AWS_EXECUTION_ENV`; none for a program of one's own.
    pub(super) execution_env: Option<String>,
    function: String,
    runtime: Runtime,
    handler: String,
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
        let folder = base.join(&settings.code);
        let folder = fs::canonicalize(&folder).and_then(|it| fs::read_dir(&it).map(|_| it)).map_err(|cause| {
            let unusable = |cause| ProcessError::CodeFolder { function: function.to_owned(), folder, cause };
            ProcessError::short(function, cause).unwrap_or_else(unusable)
        })?;
        let mut launch = Self {
            program: PathBuf::new(),
            arguments: Vec::new(),
            folder,
            execution_env: None,
            function: function.to_owned(),
            runtime: settings.runtime,
            handler: settings.handler.clone(),
        };
        match settings.runtime {
            Runtime::Python3 => {
                launch.check_handler_file()?;
                let (program, version) = launch.interpreter(&PYTHON, interpreters).await?;
                launch.program = program;
                launch.arguments = vec!["-c".to_owned(), PYTHON_BOOTSTRAP.to_owned()];
                launch.execution_env = Some(format!("AWS_Lambda_python{version}"));
            }
            Runtime::Nodejs => {
                launch.check_handler_file()?;
                let (program, version) = launch.interpreter(&NODE, interpreters).await?;
                let major = version.split('.').next().unwrap_or_default();
                launch.execution_env = Some(format!("AWS_Lambda_nodejs{major}.x"));
                launch.program = program;
                launch.arguments = vec!["--input-type=module".to_owned(), "--eval".to_owned(), NODE_BOOTSTRAP.to_owned()];
            }
            Runtime::Provided => launch.program = launch.find_bootstrap()?,
        }
        Ok(launch)
    }

    /// Whether what was found is still there; asked before each start of a process.
    pub(super) fn check(&self) -> Result<(), ProcessError> {
        match self.runtime {
            Runtime::Python3 | Runtime::Nodejs => self.check_handler_file(),
            Runtime::Provided => self.find_bootstrap().map(drop),
        }
    }

    /// `bootstrap` in the code folder, or the handler as a program.
    fn find_bootstrap(&self) -> Result<PathBuf, ProcessError> {
        let mut tried = vec![self.folder.join("bootstrap")];
        if !["", "bootstrap"].contains(&self.handler.as_str()) {
            tried.push(self.folder.join(&self.handler));
        }
        let found = tried.iter().find(|it| is_program(it)).cloned();
        found.ok_or_else(|| ProcessError::NoBootstrap { function: self.function.clone(), tried })
    }

    /// `pkg/file.function` and `pkg.file.function` name a file in the code folder, whatever its ending.
    fn check_handler_file(&self) -> Result<(), ProcessError> {
        let form = || ProcessError::HandlerForm { function: self.function.clone(), handler: self.handler.clone() };
        let (module, ending) = match self.runtime {
            Runtime::Python3 => {
                let (module, _) = self.handler.rsplit_once('.').ok_or_else(form)?;
                (module.replace('.', "/"), "py")
            }
            Runtime::Nodejs | Runtime::Provided => {
                let (folder, name) = self.handler.rsplit_once('/').map_or(("", self.handler.as_str()), |(folder, name)| (folder, name));
                let (file, _) = name.split_once('.').ok_or_else(form)?;
                (Path::new(folder).join(file).to_string_lossy().into_owned(), "js")
            }
        };
        let stem = self.folder.join(&module);
        let (Some(parent), Some(name)) = (stem.parent(), stem.file_name().and_then(|it| it.to_str())) else { return Err(form()) };
        let dotted = format!("{name}.");
        let is_there = match fs::read_dir(parent).map_err(|cause| ProcessError::short(&self.function, cause)) {
            Ok(mut entries) => {
                entries.any(|entry| entry.is_ok_and(|it| it.file_name().to_str().is_some_and(|it| it == name || it.starts_with(&dotted))))
            }
            // What cannot be looked for is not gone.
            Err(Ok(short)) => return Err(short),
            Err(Err(_)) => false,
        };
        let wanted = stem.with_file_name(format!("{name}.{ending}"));
        let missing = || ProcessError::HandlerFile { function: self.function.clone(), handler: self.handler.clone(), wanted };
        if is_there { Ok(()) } else { Err(missing()) }
    }

    /// The interpreter's own path, past version managers' shims, and its version.
    async fn interpreter(&self, interpreter: &Interpreter, interpreters: &Interpreters) -> Result<(PathBuf, String), ProcessError> {
        let Interpreter { program, package, version_min, probe } = *interpreter;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).map(|it| it.join(program)).find(|it| is_program(it));
        let function = self.function.clone();
        let Some(path) = found else { return Err(ProcessError::InterpreterMissing { function, program, package }) };
        let unfit = |said| ProcessError::InterpreterUnfit { function, program, version_min, path: path.clone(), said };
        match interpreters.ask(&path, &self.folder, probe).await.as_deref().map(|it| it.trim().split_once('\n')) {
            Ok(Some((program, version))) if version_of(version) >= version_of(version_min) => {
                Ok((PathBuf::from(program.trim()), version.trim().to_owned()))
            }
            Ok(Some((_, version))) => Err(unfit(format!("it is {}", version.trim()))),
            Ok(None) => Err(unfit("it does not tell its version".to_owned())),
            Err(said) => Err(unfit(said.to_owned())),
        }
    }
}

fn version_of(text: &str) -> Vec<u32> {
    text.trim().split('.').map_while(|it| it.parse().ok()).take(2).collect()
}

/// A file that somebody may execute.
fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(folder: &Path, runtime: Runtime, handler: &str) -> Launch {
        Launch {
            program: PathBuf::new(),
            arguments: Vec::new(),
            folder: folder.to_owned(),
            execution_env: None,
            function: "f".to_owned(),
            runtime,
            handler: handler.to_owned(),
        }
    }

    #[test]
    fn a_handler_leads_to_its_file_or_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("pkg")).unwrap();
        for file in ["app.py", "pkg/mod.py", "index.mjs", "pkg/idx.js"] {
            fs::write(folder.path().join(file), "").unwrap();
        }
        let cases = [
            (Runtime::Python3, "app.handler", None),
            (Runtime::Python3, "pkg/mod.handler", None),
            (Runtime::Python3, "pkg.mod.handler", None),
            (Runtime::Python3, "pkg.handler", None),
            (Runtime::Nodejs, "index.handler", None),
            (Runtime::Nodejs, "pkg/idx.nested.handler", None),
            (Runtime::Python3, "handler", Some("FB-0302")),
            (Runtime::Nodejs, "pkg/idx", Some("FB-0302")),
            (Runtime::Python3, "ap.handler", Some("FB-0302")),
            (Runtime::Nodejs, "pkg/index.handler", Some("FB-0302")),
            (Runtime::Provided, "anything", Some("FB-0305")),
        ];
        for (runtime, handler, code) in cases {
            let found = launch(folder.path(), runtime, handler).check().map_err(|it| it.code().0).err();
            assert_eq!(found, code, "{runtime:?} {handler}");
        }
    }

    #[test]
    fn versions_compare_by_number() {
        assert!(version_of("3.11") > version_of("3.8"));
        assert!(version_of("20.20.2") > version_of("18.0"));
        assert!(version_of("16.4.1") < version_of("18.0"));
        assert!(version_of("garbage") < version_of("3.8"));
    }
}
