//! Files of a crate that import each other in a circle must be read all at once; there are none of more than
//! two.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::{before_tests, product_sources, root, without_comments};

/// A module by its path, the crate's folder first.
type Module = Vec<String>;

#[test]
fn no_circle_of_imports_has_more_than_two_files() {
    let read = |path: &PathBuf| fs::read_to_string(path).expect("a source file can be read");
    let files: BTreeMap<Module, String> = product_sources()
        .into_iter()
        .map(|path| (module_of(&path), without_comments(before_tests(&read(&path)))))
        .collect();
    let modules: BTreeSet<&Module> = files.keys().collect();
    let imports: BTreeMap<&Module, BTreeSet<Module>> =
        files.iter().map(|(module, code)| (module, imports_of(module, code, &modules))).collect();
    let found: Vec<Vec<String>> = circles(&imports)
        .into_iter()
        .filter(|circle| circle.len() > 2)
        .map(|circle| circle.iter().map(|module| module.join("/")).collect())
        .collect();
    assert!(found.is_empty(), "these files import each other in a circle: {found:#?}");
}

fn module_of(path: &Path) -> Module {
    let path = path.strip_prefix(root()).expect("it is of this project").with_extension("");
    let parts = path.components().filter_map(|it| match it {
        Component::Normal(part) => part.to_str(),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
    });
    let is_module = |it: &&str| !["src", "mod", "lib", "main"].contains(it);
    parts.filter(is_module).map(str::to_owned).collect()
}

/// The modules that a file names by `crate::`, `super::` or `self::`, but those that it stands in: a part may
/// know the whole, as the whole knows its parts.
fn imports_of(module: &Module, code: &str, modules: &BTreeSet<&Module>) -> BTreeSet<Module> {
    let mut found = BTreeSet::new();
    for path in paths_in(code) {
        let n_up = path.iter().take_while(|it| **it == "super").count();
        let mut at = match path[0] {
            "crate" => module[..1].to_vec(),
            "self" => module.clone(),
            _ => module[..module.len().saturating_sub(n_up).max(1)].to_vec(),
        };
        for part in &path[n_up.max(1)..] {
            at.push((*part).to_owned());
            if !modules.contains(&at) {
                at.pop();
                break;
            }
        }
        if modules.contains(&at) && !module.starts_with(&at) {
            found.insert(at);
        }
    }
    found
}

/// Each path that begins within the crate, part by part.
fn paths_in(code: &str) -> Vec<Vec<&str>> {
    code.split(|it: char| !it.is_alphanumeric() && it != '_' && it != ':')
        .map(|word| word.split("::").filter(|it| !it.is_empty()).collect::<Vec<_>>())
        .filter(|path| path.first().is_some_and(|it| ["crate", "super", "self"].contains(it)))
        .collect()
}

/// The circles: sets of modules that each reach each other, smallest names first.
fn circles(imports: &BTreeMap<&Module, BTreeSet<Module>>) -> Vec<Vec<Module>> {
    let reached: BTreeMap<&Module, BTreeSet<&Module>> =
        imports.keys().map(|module| (*module, reached_from(module, imports))).collect();
    let circle_of = |module: &Module| {
        let others = reached[module].iter().filter(|it| reached[**it].contains(module));
        others.map(|it| (*it).clone()).collect::<Vec<_>>()
    };
    let circles: BTreeSet<Vec<Module>> = imports.keys().map(|it| circle_of(it)).collect();
    circles.into_iter().filter(|it| it.len() > 1).collect()
}

fn reached_from<'a>(
    module: &Module,
    imports: &'a BTreeMap<&Module, BTreeSet<Module>>,
) -> BTreeSet<&'a Module> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&Module> = imports[module].iter().collect();
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(&imports[next]);
        }
    }
    reached
}

#[test]
fn a_circle_is_found_whichever_way_its_files_name_each_other() {
    let module = |it: &str| it.split('/').map(str::to_owned).collect::<Module>();
    let code = [
        ("c/a", "use super::b::{One, Two};"),
        ("c/b", "fn f() { crate::d::e::g() }"),
        ("c/d", "mod e;"),
        ("c/d/e", "use super::super::a::Three;\nuse super::Four;"),
        ("c/f", "use crate::a;"),
    ];
    let files: BTreeMap<Module, &str> = code.iter().map(|(it, code)| (module(it), *code)).collect();
    let modules: BTreeSet<&Module> = files.keys().collect();
    let imports = files.iter().map(|(it, code)| (it, imports_of(it, code, &modules))).collect();
    assert_eq!(circles(&imports), [["c/a", "c/b", "c/d/e"].map(module).to_vec()]);
}
