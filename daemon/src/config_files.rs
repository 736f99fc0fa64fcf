//! Finds and reads config files: files, folders, standard input, variables.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use forebay_clients::Mark;
use forebay_config::{Config, Document, Finding, Format, Lookup};

use crate::built_in::BuiltIn;

/// The variable that names a config file when no flag does.
pub const VARIABLE: &str = "FOREBAY_CONFIG";
/// Where a config is looked for when nobody says where.
const DEFAULT_PATHS: [&str; 2] = ["forebay.yaml", "/etc/forebay/config.yaml"];
/// The largest file that is read; the config crate refuses smaller ones already.
const BYTES_MAX: u64 = 16 << 20;

/// A config to begin with.
pub const STARTER: &str = "\
functions:
  hello:
    executor: { process: { runtime: python3, handler: app.handler, code: ./code } }
event_source_mappings:
  - name: lines
    source: { file: { path: \"data/*.ndjson\" } }
    function_name: hello
    starting_position: TRIM_HORIZON
    batch_size: 100
    destination_config: { on_failure: { file: { path: dead.ndjson } } }
";

/// A config that was found, whatever is inside.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The documents, in the order given.
    pub documents: Vec<Document>,
    /// The texts by the names of their files, for drawing findings.
    pub texts: BTreeMap<String, String>,
    /// What is wrong with their syntax and placeholders.
    findings: Vec<Finding>,
    /// The files that their placeholders name, with their marks before they were read.
    named_files: BTreeMap<PathBuf, Option<Mark>>,
}

/// A config that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Nobody said where, and the usual places have none.
    #[error(
        "there is no config: say -c FILE, set {VARIABLE}, or write ./forebay.yaml; to begin with:\n\n{STARTER}"
    )]
    Nowhere,
    /// A file, folder or variable cannot be read.
    #[error("{what} cannot be read: {why}")]
    Unreadable {
        /// What was asked for.
        what: String,
        /// Why.
        why: String,
    },
}

impl LoadError {
    /// The code that an operator looks up.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Nowhere => "FB-0509",
            Self::Unreadable { .. } => "FB-0510",
        }
    }
}

impl Loaded {
    /// Reads what the flags name; without any, what the variable names; else the usual places.
    ///
    /// # Errors
    /// The first thing that cannot be read. What is wrong inside comes later, all at once.
    pub fn read(flags: &[String]) -> Result<Self, LoadError> {
        Self::read_named(&chosen(flags)?)
    }

    /// Reads these and nothing else.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_named(names: &[String]) -> Result<Self, LoadError> {
        let mut loaded = Self::default();
        for name in names {
            loaded.take(name)?;
        }
        Ok(loaded)
    }

    /// The files that placeholders name, whether they could be read or not, with their marks before that.
    pub fn named_files(&self) -> &BTreeMap<PathBuf, Option<Mark>> {
        &self.named_files
    }

    fn take(&mut self, name: &str) -> Result<(), LoadError> {
        let unreadable = |why: String| LoadError::Unreadable { what: name.to_owned(), why };
        if name == "-" {
            let text = text_of(io::stdin().lock()).map_err(unreadable)?;
            self.add(name, text, Format::Yaml, Path::new("."));
        } else if let Some(variable) = name.strip_prefix("env:") {
            let text = env::var(variable).map_err(|error| unreadable(error.to_string()))?;
            self.add(name, text, Format::Yaml, Path::new("."));
        } else if Path::new(name).is_dir() {
            let files = files_in(Path::new(name)).map_err(|error| unreadable(error.to_string()))?;
            if files.is_empty() {
                return Err(unreadable(
                    "the folder holds no file that ends in .yaml, .yml, .json or .toml; names that begin with a dot are left out"
                        .to_owned(),
                ));
            }
            for path in files {
                self.take_file(&path)?;
            }
        } else {
            self.take_file(Path::new(name))?;
        }
        Ok(())
    }

    fn take_file(&mut self, path: &Path) -> Result<(), LoadError> {
        let name = path.display().to_string();
        let text = fs::File::open(path).map_err(|error| error.to_string()).and_then(text_of);
        let text = text.map_err(|why| LoadError::Unreadable { what: name.clone(), why })?;
        self.add(&name, text, Format::of_path(path), path.parent().unwrap_or_else(|| Path::new(".")));
        Ok(())
    }

    /// A config that stands in no file.
    #[cfg(test)]
    pub(crate) fn of_text(name: &str, text: &str, format: Format) -> Self {
        let mut loaded = Self::default();
        loaded.add(name, text.to_owned(), format, Path::new("."));
        loaded
    }

    fn add(&mut self, name: &str, text: String, format: Format, base: &Path) {
        // Relative paths keep their meaning whatever becomes of the working directory.
        let base = std::path::absolute(if base.as_os_str().is_empty() { Path::new(".") } else { base });
        let base = base.unwrap_or_else(|_| PathBuf::from("/"));
        match Document::parse(name, &text, format, &base) {
            Ok(mut document) => {
                let machine = MachineInputs::default();
                self.findings.extend(document.expand(&machine));
                for (file, mark) in machine.named_files.into_inner() {
                    // Another document may have named it first, and the mark before the first reading counts.
                    self.named_files.entry(file).or_insert(mark);
                }
                self.documents.push(document);
            }
            Err(findings) => self.findings.extend(findings),
        }
        self.texts.insert(name.to_owned(), text);
    }

    /// Checks everything together.
    ///
    /// # Errors
    /// All findings at once.
    pub fn check(&self) -> Result<Config, Vec<Finding>> {
        let checked = Config::check(&self.documents, &BuiltIn);
        match checked {
            Ok(config) if self.findings.is_empty() => Ok(config),
            Ok(_) => Err(self.findings.clone()),
            // A document that cannot be read leaves gaps that are no mistakes of their own.
            Err(_) if self.documents.len() < self.texts.len() => Err(self.findings.clone()),
            Err(more) => Err(self.findings.iter().cloned().chain(more).collect()),
        }
    }

    /// The folder from which a file's relative paths are taken.
    pub fn base_of(&self, file: &str) -> &Path {
        let document = self.documents.iter().find(|it| &*it.root.place.file == file);
        document.map_or_else(|| Path::new("/"), |it| &it.base)
    }
}

/// What is read: what the flags name; without any, what the variable names; else the usual places.
///
/// # Errors
/// Nobody said where, and the usual places have none.
pub fn chosen(flags: &[String]) -> Result<Vec<String>, LoadError> {
    if !flags.is_empty() {
        return Ok(flags.to_vec());
    }
    if let Some(name) = env::var(VARIABLE).ok().filter(|it| !it.is_empty()) {
        return Ok(vec![name]);
    }
    // The first that is there, readable or not: one that cannot be read is not passed over in silence.
    let usual = DEFAULT_PATHS.iter().find(|it| Path::new(it).exists()).ok_or(LoadError::Nowhere)?;
    Ok(vec![(*usual).to_owned()])
}

/// The config files of a folder, by name; folders inside it are not looked into. Names that begin with a dot
/// are left out: they are what editors, macOS (`._a.yaml`) and mounts leave beside the files that people
/// mean.
pub(crate) fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_config = path
            .extension()
            .is_some_and(|it| ["yaml", "yml", "json", "toml"].iter().any(|known| it == *known));
        let is_hidden = path.file_name().is_some_and(|it| it.as_encoded_bytes().starts_with(b"."));
        if is_config && !is_hidden && path.is_file() {
            files.push(path);
        }
    }
    // The order of a folder is the file system's; which of two files comes first must not change between
    // machines.
    files.sort();
    Ok(files)
}

fn text_of(from: impl Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    // One byte more tells what is too large from what just fits, and ends a device that never does.
    from.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(format!("it is larger than {BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes)
        .map_err(|error| format!("it is not UTF-8 from byte {} on", error.utf8_error().valid_up_to()))
}

/// Placeholders are filled from the variables and files of this machine.
#[derive(Default)]
struct MachineInputs {
    named_files: RefCell<BTreeMap<PathBuf, Option<Mark>>>,
}

impl Lookup for MachineInputs {
    fn env(&self, name: &str) -> Option<String> {
        env::var(name).ok()
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        // Before it is read, and the first time counts: a change in between is found by whoever watches it.
        self.named_files.borrow_mut().entry(path.to_owned()).or_insert_with(|| Mark::of(path));
        fs::File::open(path).map_err(|error| error.to_string()).and_then(text_of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_starter_is_a_valid_config_of_ten_lines() {
        let mut loaded = Loaded::default();
        loaded.add("starter", STARTER.to_owned(), Format::Yaml, Path::new("."));
        assert_eq!(
            loaded.check().map(|it| it.mappings.len()).map_err(|findings| format!("{findings:?}")),
            Ok(1)
        );
        assert_eq!(STARTER.lines().count(), 10);
    }

    #[test]
    fn a_folder_gives_its_config_files_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.toml", "a.yaml", "notes.txt", "c.json"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join("d.yaml")).unwrap();
        let names: Vec<_> =
            files_in(folder.path()).unwrap().iter().map(|it| it.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["a.yaml", "b.toml", "c.json"]);
    }

    #[test]
    fn what_editors_macs_and_mounts_leave_in_a_folder_is_no_config() {
        let folder = tempfile::tempdir().unwrap();
        // A mounted ConfigMap: the files are links into a folder that a link names.
        let data = folder.path().join("..2026_01_01");
        fs::create_dir(&data).unwrap();
        fs::write(data.join("a.yaml"), STARTER).unwrap();
        std::os::unix::fs::symlink("..2026_01_01", folder.path().join("..data")).unwrap();
        std::os::unix::fs::symlink("..data/a.yaml", folder.path().join("a.yaml")).unwrap();
        for name in [
            "._a.yaml",
            ".a.yaml.swp",
            ".#a.yaml",
            ".a.yaml",
            "a.yaml~",
            "#a.yaml#",
            "a.yaml.bak",
            "a.yaml.orig",
            ".hidden.json",
        ] {
            fs::write(folder.path().join(name), b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X").unwrap();
        }
        assert_eq!(files_in(folder.path()).unwrap(), [folder.path().join("a.yaml")]);
        assert!(Loaded::read(&[folder.path().display().to_string()]).unwrap().check().is_ok());
    }

    #[test]
    fn files_are_checked_together_and_a_broken_one_is_not_blamed_on_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let (functions, mappings) = STARTER.split_at(STARTER.find("event_source").unwrap());
        fs::write(folder.path().join("1.yaml"), functions).unwrap();
        fs::write(folder.path().join("2.yaml"), mappings).unwrap();
        let flags = [folder.path().display().to_string()];
        assert!(Loaded::read(&flags).unwrap().check().is_ok());
        fs::write(folder.path().join("1.yaml"), "functions: [").unwrap();
        let findings = Loaded::read(&flags).unwrap().check().unwrap_err();
        assert!(findings.iter().all(|it| it.place.file.ends_with("1.yaml")), "{findings:?}");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let error = Loaded::read(&["/nowhere/at/all.yaml".to_owned()]).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/at/all.yaml cannot be read"), "{error}");
        let empty = tempfile::tempdir().unwrap();
        let error = Loaded::read(&[empty.path().display().to_string()]).unwrap_err();
        assert!(error.to_string().contains("holds no file that ends in .yaml"), "{error}");
        let error = Loaded::read(&["env:FOREBAY_TEST_OF_NOTHING".to_owned()]).unwrap_err();
        assert_eq!(error.code(), "FB-0510");
    }
}
