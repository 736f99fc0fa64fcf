//! Which file a handler stands for, by the rules of the bootstraps: what is refused here would not start, and
//! what is not is what they load.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// A handler leads to no file.
#[derive(Debug)]
pub(super) enum NoFile {
    /// This one would do, and is not there.
    Missing(PathBuf),
    /// Whether it is there cannot be told: the folder cannot be looked into.
    Unseen(PathBuf, io::Error),
}

/// The file of `pkg/file.function` or `pkg.file.function`: a module, or a package's `__init__`. `None` where
/// it has not that form, and what is missing where there is none.
pub(super) fn of_python(folder: &Path, handler: &str) -> Option<Result<PathBuf, NoFile>> {
    let (module, _) = handler.rsplit_once('.')?;
    let stem = folder.join(module.replace('.', "/"));
    let name = stem.file_name()?.to_str()?;
    let package = stem.join("__init__");
    // A package goes before a module of the same name, as Python's own finder has it.
    let found = match python_module(&package, "__init__") {
        Ok(None) => python_module(&stem, name),
        found => found,
    };
    Some(found.and_then(|it| it.ok_or_else(|| NoFile::Missing(with_ending(&stem, "py")))))
}

/// Source, or what a compiler made of it: `app.py`, `app.pyc`, `app.so`,
/// `app.cpython-311-x86_64-linux-gnu.so`.
fn python_module(stem: &Path, name: &str) -> Result<Option<PathBuf>, NoFile> {
    let source = with_ending(stem, "py");
    if source.is_file() {
        return Ok(Some(source));
    }
    let dotted = format!("{name}.");
    let is_compiled =
        |it: &str| it.starts_with(&dotted) && [".so", ".pyc"].iter().any(|ending| it.ends_with(ending));
    let folder = stem.parent().unwrap_or(stem);
    let find = || -> io::Result<Option<PathBuf>> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.file_name().and_then(|it| it.to_str()).is_some_and(is_compiled) {
                return Ok(Some(path));
            }
        }
        Ok(None)
    };
    find().or_else(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
        _ => Err(NoFile::Unseen(folder.to_owned(), error)),
    })
}

/// The file of `dir/file.function` or `dir/file.object.function`: with an ending of JavaScript or without
/// one, a folder with an `index.js` or a `package.json`, or a package of `node_modules` here or further up.
/// `None` where it has not that form, and what is missing where there is none.
pub(super) fn of_node(folder: &Path, handler: &str) -> Option<Result<PathBuf, NoFile>> {
    let (dir, name) = handler.rsplit_once('/').unwrap_or(("", handler));
    let (file, _) = name.split_once('.')?;
    let dir = folder.join(dir);
    let packages = dir.ancestors().map(|it| it.join("node_modules").join(file));
    let found = [dir.join(file)].into_iter().chain(packages).find_map(|it| node_module(&it));
    Some(found.ok_or_else(|| NoFile::Missing(dir.join(format!("{file}.js")))))
}

fn node_module(stem: &Path) -> Option<PathBuf> {
    let endings = ["js", "mjs", "cjs"].map(|ending| with_ending(stem, ending));
    let files = [stem.to_owned()].into_iter().chain(endings);
    files.chain(["index.js", "package.json"].map(|name| stem.join(name))).find(|it| it.is_file())
}

fn with_ending(stem: &Path, ending: &str) -> PathBuf {
    let mut path = stem.to_owned().into_os_string();
    path.push(".");
    path.push(ending);
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rule = fn(&Path, &str) -> Option<Result<PathBuf, NoFile>>;

    /// What a handler leads to: a file of the folder, what is missing of it, or nothing for want of form.
    #[track_caller]
    fn check(rule: Rule, files: &[&str], cases: &[(&str, &str)]) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        for (handler, leads_to) in cases {
            let short = |it: PathBuf| it.strip_prefix(folder.path()).unwrap().display().to_string();
            let told = match rule(folder.path(), handler) {
                Some(Ok(found)) => short(found),
                Some(Err(NoFile::Missing(wanted))) => format!("no {}", short(wanted)),
                Some(Err(NoFile::Unseen(folder, error))) => format!("{error} in {}", short(folder)),
                None => "no form".to_owned(),
            };
            assert_eq!(told, *leads_to, "{handler}");
        }
    }

    #[test]
    fn a_handler_of_python_is_a_module_or_a_package_that_begins() {
        let files = [
            "app.py",
            "pkg/mod.py",
            "whole/__init__.py",
            "whole.py",
            "fast.cpython-311-x86_64-linux-gnu.so",
            "notes.txt",
        ];
        let cases = [
            ("app.handler", "app.py"),
            ("pkg/mod.handler", "pkg/mod.py"),
            ("pkg.mod.handler", "pkg/mod.py"),
            ("whole.handler", "whole/__init__.py"),
            ("fast.handler", "fast.cpython-311-x86_64-linux-gnu.so"),
            ("pkg.handler", "no pkg.py"),
            ("ap.handler", "no ap.py"),
            ("notes.handler", "no notes.py"),
            ("handler", "no form"),
        ];
        check(of_python, &files, &cases);
    }

    #[test]
    fn a_handler_of_node_is_a_file_or_a_folder_that_can_be_required() {
        let files = [
            "index.mjs",
            "pkg/idx.js",
            "dir/index.js",
            "odd/index.mjs",
            "made/package.json",
            "node_modules/wrap/index.js",
            "bare",
            "notes.txt",
        ];
        let cases = [
            ("index.handler", "index.mjs"),
            ("pkg/idx.nested.handler", "pkg/idx.js"),
            ("dir.handler", "dir/index.js"),
            ("dir/index.handler", "dir/index.js"),
            ("made.handler", "made/package.json"),
            ("wrap.handler", "node_modules/wrap/index.js"),
            ("dir/wrap.handler", "node_modules/wrap/index.js"),
            ("bare.handler", "bare"),
            ("odd.handler", "no odd.js"),
            ("pkg/index.handler", "no pkg/index.js"),
            ("notes.handler", "no notes.js"),
            ("pkg/idx", "no form"),
        ];
        check(of_node, &files, &cases);
    }
}
