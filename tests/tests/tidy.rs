//! The house checks itself: floors, first lines, error pages, the shape of folders, stubs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/names.rs"]
mod names;

/// What each package may import of the house. An edge that is not here needs an ADR.
const FLOORS: &[(&str, &[&str])] = &[
    ("forebay-config", &[]),
    ("forebay-batcher", &["forebay-config"]),
    ("forebay-clients", &["forebay-config"]),
    ("forebay-lifecycle", &[]),
    ("forebay-pollers", &["forebay-config", "forebay-batcher", "forebay-clients", "forebay-models"]),
    ("forebay-invoker", &["forebay-config", "forebay-batcher", "forebay-clients"]),
    ("forebay-checkpoints", &["forebay-config", "forebay-clients"]),
    ("forebay-api", &["forebay-config", "forebay-clients"]),
    (
        "forebay-daemon",
        &[
            "forebay-config",
            "forebay-batcher",
            "forebay-clients",
            "forebay-pollers",
            "forebay-invoker",
            "forebay-checkpoints",
            "forebay-api",
            "forebay-lifecycle",
        ],
    ),
    (
        "forebay-fake-kind",
        &["forebay-config", "forebay-batcher", "forebay-clients", "forebay-pollers", "forebay-daemon"],
    ),
    ("forebay-models", &["forebay-config", "forebay-batcher"]),
    ("forebay-sim", &["forebay-config", "forebay-batcher", "forebay-models"]),
    ("forebay-tests", &["forebay-models"]),
    ("forebay-bench", &["forebay-clients", "forebay-models", "forebay-tests"]),
];

/// What the pure crates may import beside the house: no runtime, no file, no socket, no clock, no
/// randomness, no logging.
const PURE: &[(&str, &[&str])] = &[
    (
        "forebay-config",
        &[
            "annotate-snippets",
            "http",
            "jiff",
            "saphyr-parser",
            "serde",
            "serde_json",
            "strsim",
            "thiserror",
            "toml",
            "bytes",
        ],
    ),
    ("forebay-batcher", &["bytes", "serde", "serde_json", "thiserror"]),
    ("forebay-lifecycle", &[]),
];

#[test]
fn no_crate_imports_sideways_or_up() {
    let mut wrong = Vec::new();
    for (name, dependencies) in manifests() {
        let allowed = FLOORS.iter().find(|(it, _)| *it == name).map_or(&[][..], |(_, allowed)| allowed);
        assert!(FLOORS.iter().any(|(it, _)| *it == name), "{name} stands on no floor: add it to FLOORS");
        let house = dependencies.iter().filter(|it| it.starts_with("forebay-"));
        wrong.extend(
            house.filter(|it| !allowed.contains(&it.as_str())).map(|it| format!("{name} imports {it}")),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_pure_crates_import_nothing_that_acts() {
    for (name, dependencies) in manifests() {
        let Some((_, allowed)) = PURE.iter().find(|(it, _)| *it == name) else { continue };
        let wrong: Vec<_> = dependencies
            .iter()
            .filter(|it| !it.starts_with("forebay-") && !allowed.contains(&it.as_str()))
            .collect();
        assert!(wrong.is_empty(), "{name} imports {wrong:?}: a further one needs an ADR");
    }
}

#[test]
fn the_pure_crates_name_no_clock_file_socket_or_thread() {
    const BANNED: &[&str] = &[
        "std::fs",
        "std::net",
        "std::thread",
        "std::env",
        "Instant::now",
        "SystemTime",
        "Timestamp::now",
        "Zoned::now",
        "HashMap",
        "HashSet",
        "println!",
        "std::process",
    ];
    let mut wrong = Vec::new();
    let is_pure = |path: &PathBuf| {
        ["config/src", "batcher/src", "lifecycle/src"].iter().any(|it| path.starts_with(root().join(it)))
    };
    for path in sources().into_iter().filter(is_pure) {
        let text = code_of(&fs::read_to_string(&path).expect("a source file can be read"));
        wrong.extend(
            BANNED
                .iter()
                .filter(|word| text.contains(**word))
                .map(|word| format!("{}: {word}", shown(&path))),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_tests_turn_the_fakes_of_the_pollers_on() {
    let mut wrong = Vec::new();
    for path in files_below(&root(), "toml")
        .into_iter()
        .filter(|it| it.ends_with("Cargo.toml") && !it.starts_with(root().join("tests")))
    {
        let manifest = manifest(&path);
        let dependency = manifest.get("dependencies").and_then(|it| it.get("forebay-pollers"));
        let features = dependency
            .and_then(|it| it.get("features"))
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten();
        wrong.extend(features.filter(|it| it.as_str() == Some("fakes")).map(|_| shown(&path)));
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn every_file_opens_with_a_sentence() {
    let without: Vec<String> = sources()
        .into_iter()
        .filter(|path| !fs::read_to_string(path).expect("a source file can be read").starts_with("//! "))
        .map(|path| shown(&path))
        .collect();
    assert!(without.is_empty(), "these files do not open with `//! `: {without:#?}");
}

#[test]
fn every_file_is_named_by_a_module() {
    let texts: BTreeMap<PathBuf, String> =
        sources().into_iter().map(|path| (path.clone(), fs::read_to_string(&path).unwrap())).collect();
    let is_root = |path: &Path| {
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
        let stem = path.file_stem().unwrap_or_default();
        // What cargo finds by itself.
        ["tests", "benches", "examples", "bin"].iter().any(|it| folder == *it)
            || ["lib", "main", "build"].iter().any(|it| stem == *it)
    };
    for path in texts.keys().filter(|it| !is_root(it)) {
        let is_folders_own = path.ends_with("mod.rs");
        let module = if is_folders_own { path.parent().unwrap() } else { path };
        let (name, folder) = (module.file_stem().unwrap().to_str().unwrap(), module.parent().unwrap());
        let word = format!("mod {name};");
        // Beside it, or above in the file that has the folder's name.
        let is_declared = texts.iter().any(|(it, text)| {
            (it.parent() == Some(folder) || *it == folder.with_extension("rs")) && text.contains(&word)
        });
        let file = module.file_name().unwrap().to_str().unwrap();
        let at_path = ["\"", "/"].map(|before| format!("{before}{file}\"]"));
        let is_named = is_declared
            || texts
                .values()
                .any(|text| text.contains("#[path") && at_path.iter().any(|it| text.contains(it.as_str())));
        assert!(is_named, "{}: no module names it, so nothing compiles it", shown(path));
    }
}

#[test]
fn nothing_is_left_to_do() {
    // Put together here, so that this file does not name them.
    let words = [
        ["to", "do!("].concat(),
        ["unimple", "mented!("].concat(),
        ["#[ig", "nore"].concat(),
        ["FIX", "ME"].concat(),
    ];
    let mut wrong = Vec::new();
    for path in sources() {
        let text = fs::read_to_string(&path).expect("a source file can be read");
        wrong.extend(
            words
                .iter()
                .filter(|word| text.contains(word.as_str()))
                .map(|word| format!("{}: {word}", shown(&path))),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_error_code_has_a_page_and_every_page_a_code() {
    let mut used = BTreeSet::new();
    for path in sources().into_iter().filter(|path| !path.components().any(|it| it.as_os_str() == "tests")) {
        used.extend(codes_in(&fs::read_to_string(&path).expect("a source file can be read")));
    }
    let pages: BTreeSet<String> = files_below(&root().join("docs/errors"), "md")
        .iter()
        .filter_map(|path| path.file_stem()?.to_str().map(str::to_owned))
        .filter(|name| name.starts_with("FB-"))
        .collect();
    let without_page: Vec<_> = used.difference(&pages).collect();
    let without_code: Vec<_> = pages.difference(&used).collect();
    assert!(
        without_page.is_empty() && without_code.is_empty(),
        "without a page: {without_page:?}; pages without a code: {without_code:?}"
    );
}

/// A code stands beside a text. One that is looked for in it is found in the name of a queue, too.
#[test]
fn nothing_looks_for_a_code_in_a_text() {
    const LOOKS: &[&str] = &[
        "find(\"FB-",
        "contains(\"FB-",
        "starts_with(\"FB-",
        "strip_prefix(\"FB-",
        "split(\"FB-",
        "split_once(\"FB-",
        "matches(\"FB-",
    ];
    let mut wrong = Vec::new();
    for path in sources().into_iter().filter(|path| !path.components().any(|it| it.as_os_str() == "tests")) {
        let text = code_of(&fs::read_to_string(&path).expect("a source file can be read"));
        let is_test = path.file_stem().is_some_and(|it| it.to_string_lossy().ends_with("tests"));
        wrong.extend(
            LOOKS
                .iter()
                .filter(|look| !is_test && text.contains(**look))
                .map(|look| format!("{}: {look}", shown(&path))),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_source_is_one_folder_of_the_same_shape_and_one_feature() {
    let pollers = root().join("pollers");
    let manifest = manifest(&pollers.join("Cargo.toml"));
    for kind in kinds() {
        let folder = pollers.join("src").join(&kind);
        for file in ["mod.rs", "settings.rs", "client.rs", "reader.rs", "event.rs", "fake.rs"] {
            assert!(folder.join(file).exists(), "{} has no {file}", shown(&folder));
        }
        let mut code = String::new();
        for path in sources().into_iter().filter(|it| it.starts_with(&folder)) {
            code.push_str(&fs::read_to_string(path).expect("a source file can be read"));
        }
        let runs_suite =
            ["check(|| ", "check_endless(|| ", "check_queue(|| "].iter().any(|it| code.contains(it));
        assert!(runs_suite, "no test of {kind} runs the contract suite over its fake");
        assert!(
            manifest.get("features").and_then(|it| it.get(&kind)).is_some(),
            "pollers has no feature {kind}"
        );
        assert!(root().join(format!("docs/sources/{kind}.md")).exists(), "docs/sources/{kind}.md is missing");
    }
}

/// A kind of source is known to its own folder and to the catalog, so that the next one is a folder and a
/// line; the services of AWS's that it calls are declared there, too. Destinations that are called alike are
/// something else, and stand in these places.
#[test]
fn no_kind_of_source_is_named_outside_its_folder() {
    const OTHERS: &[&str] = &[
        // Destinations.
        "config/src/destination",
        "config/src/settings/mapping.rs",
        "invoker/src/destinations",
        // URLs of queues, at AWS and elsewhere, for destinations too.
        "config/src/aws/queue.rs",
        // What AWS names over its API and is not made there.
        "api/src/mapping/unbuilt.rs",
        // Members of AWS's requests, and how a person writes them.
        "api/src/model/tables.rs",
        "daemon/src/cli/mappings/",
        // The way to brokers, for whoever reads from them or writes to them.
        "clients/src/amqp",
        "clients/src/brokers",
        "clients/src/lib.rs",
        // A member of a diagnostic: the file that it is about.
        "config/src/diagnostic.rs",
        // The catalog, and the modules behind it.
        "pollers/src/catalog.rs",
        "pollers/src/lib.rs",
    ];
    let kinds = kinds();
    assert!(kinds.len() >= 2, "the folders of {kinds:?}");
    let mut wrong = Vec::new();
    for path in product_sources() {
        let shown = shown(&path);
        if OTHERS.iter().any(|it| shown.starts_with(it)) {
            continue;
        }
        let code = code_of(&fs::read_to_string(&path).expect("a source file can be read"));
        for kind in kinds.iter().filter(|kind| !shown.starts_with(&format!("pollers/src/{kind}/"))) {
            wrong.extend(
                names_of(kind)
                    .into_iter()
                    .filter(|name| code.contains(name))
                    .map(|name| format!("{shown}: {name}")),
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The folders of the kinds of source.
fn kinds() -> Vec<String> {
    let folders =
        fs::read_dir(root().join("pollers/src")).expect("pollers has sources").flatten().map(|it| it.path());
    let names = folders.filter(|it| it.is_dir()).filter_map(|it| Some(it.file_name()?.to_str()?.to_owned()));
    let mut kinds: Vec<String> = names
        .filter(|it| !["feed", "contract", "schemas", "shards", "source"].contains(&it.as_str()))
        .collect();
    kinds.sort();
    kinds
}

/// What code calls a kind by: its word, its settings, its module, its types, and AWS's name for it where that
/// is no word of English.
fn names_of(kind: &str) -> Vec<String> {
    let camel = format!("{}{}", kind[..1].to_uppercase(), &kind[1..]);
    let mut names = vec![
        format!("\"{kind}\""),
        format!("source.{kind}"),
        format!("endpoints.{kind}"),
        format!("forebay_pollers::{kind}"),
        format!("{camel}Kind"),
        format!("{camel}Source"),
    ];
    if kind != "file" {
        names.extend([
            kind.to_uppercase(),
            format!("\"{kind}:"),
            format!("//{kind}."),
            format!("SourceType::{camel}"),
        ]);
    }
    names
}

#[test]
fn the_project_stands_alone() {
    let words = [["../sha", "red"].concat(), ["/work/sha", "red"].concat()];
    let mut wrong = Vec::new();
    for extension in ["rs", "md", "toml", "yaml", "py", "sh", "mjs"] {
        for path in files_below(&root(), extension) {
            let text = fs::read_to_string(&path).unwrap_or_default();
            wrong.extend(
                words
                    .iter()
                    .filter(|word| text.contains(word.as_str()))
                    .map(|word| format!("{}: {word}", shown(&path))),
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_readme_names_its_two_commands_and_what_it_links_to_exists() {
    let readme = fs::read_to_string(root().join("README.md")).expect("there is a README");
    assert!(readme.contains("make demo") && readme.contains("make test"));
    for page in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = fs::read_to_string(root().join(page)).expect("the page is there");
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|it| it.split(')').next())
            .filter(|it| !it.contains("://") && !it.starts_with('#'))
        {
            let path = link.split('#').next().expect("split gives one part");
            assert!(root().join(path).exists(), "{page} links to {link}, which is not there");
        }
    }
}

#[test]
fn architecture_names_a_test_for_each_promise_and_the_test_is_there() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("there is an ARCHITECTURE");
    let rows: Vec<&str> = text
        .lines()
        .filter(|line| {
            line.strip_prefix("| P").is_some_and(|rest| rest.starts_with(|it: char| it.is_ascii_digit()))
        })
        .collect();
    let readme = fs::read_to_string(root().join("README.md")).expect("there is a README");
    let promised: BTreeSet<&str> =
        readme.lines().filter_map(|line| line.strip_prefix("| P")?.split(' ').next()).collect();
    let backed: BTreeSet<&str> =
        rows.iter().filter_map(|line| line.strip_prefix("| P")?.split(' ').next()).collect();
    assert!(
        !promised.is_empty() && promised.is_subset(&backed),
        "README promises {promised:?}, ARCHITECTURE backs {backed:?}"
    );
    let code: String =
        sources().iter().map(|path| fs::read_to_string(path).expect("a source file can be read")).collect();
    for row in rows {
        let tests: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test in {row}");
        for test in tests {
            let name = test.rsplit("::").next().expect("split gives one part");
            assert!(code.contains(&format!("fn {name}(")), "{row} names {test}, which is not there");
        }
    }
}

/// Asked at run time: a target folder shared by two checkouts keeps what was compiled for the other.
fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo tells a test its package");
    Path::new(&package).parent().expect("tests/ is in the project").to_owned()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Every Rust file of the house; clients that others' tools build are not of the house.
fn sources() -> Vec<PathBuf> {
    files_below(&root(), "rs")
        .into_iter()
        .filter(|path| !path.starts_with(root().join("tests/clients")))
        .collect()
}

/// Those of what is shipped, without tests.
fn product_sources() -> Vec<PathBuf> {
    const CRATES: &[&str] =
        &["config", "batcher", "pollers", "invoker", "checkpoints", "api", "clients", "lifecycle", "daemon"];
    let is_product = |path: &PathBuf| {
        let shown = shown(path);
        CRATES.iter().any(|it| shown.starts_with(&format!("{it}/src/")))
            && !shown.ends_with("tests.rs")
            && !shown.contains("/tests/")
    };
    sources().into_iter().filter(is_product).collect()
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).into_iter().flatten().flatten().map(|it| it.path()) {
            let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default().to_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn manifest(path: &Path) -> toml::Table {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Each package of the workspace with what it depends on, for some platforms or for its build too;
/// dev-dependencies are the tests' business.
fn manifests() -> BTreeMap<String, Vec<String>> {
    let workspace = manifest(&root().join("Cargo.toml"));
    let members = workspace["workspace"]["members"].as_array().expect("members is a list");
    let folders = members.iter().map(|it| it.as_str().expect("a member is a path"));
    folders
        .map(|folder| {
            let manifest = manifest(&root().join(folder).join("Cargo.toml"));
            let name = manifest["package"]["name"].as_str().expect("a package has a name").to_owned();
            let tables = manifest
                .get("target")
                .and_then(toml::Value::as_table)
                .into_iter()
                .flat_map(toml::Table::values);
            let tables = tables.filter_map(toml::Value::as_table).chain([&manifest]);
            let tables = tables.flat_map(|it| [it.get("dependencies"), it.get("build-dependencies")]);
            let dependencies =
                tables.flatten().filter_map(toml::Value::as_table).flat_map(|it| it.keys().cloned());
            (name, dependencies.collect())
        })
        .collect()
}

/// The text without comments and without its tests.
fn code_of(text: &str) -> String {
    without_comments(text.split("#[cfg(test)]").next().expect("split gives one part"))
}

/// The text before the tests at its foot.
fn before_tests(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod tests {").next().expect("split gives one part")
}

fn without_comments(code: &str) -> String {
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn codes_in(text: &str) -> Vec<String> {
    let digits = |it: &str| it.len() >= 4 && it.as_bytes()[..4].iter().all(u8::is_ascii_digit);
    text.split("FB-").skip(1).filter(|rest| digits(rest)).map(|rest| format!("FB-{}", &rest[..4])).collect()
}
