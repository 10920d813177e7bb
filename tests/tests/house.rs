//! The house rules that the compiler doesn't hold: which crates and modules may name which.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The floors of `core/src`, the lowest first. A module names those of its own floor and of lower ones, and modules of
/// one floor don't name each other, but for the ground floor.
const FLOORS: [&[&str]; 12] = [
    &["error", "jobs", "memory", "parallel"],
    &["volume"],
    &["table"],
    &["program"],
    &["io"],
    &["picture", "algorithms"],
    &["measure"],
    &["ops"],
    &["blocks"],
    &["labels"],
    &["recipe"],
    &["results"],
];

/// Crates that the engine must never come to know, whatever it depends on.
const NOT_IN_CORE: [&str; 7] = ["wgpu", "egui", "eframe", "winit", "tokio", "async-std", "datafusion"];

fn tree(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", package, "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    text.lines().filter_map(|l| l.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn the_engine_knows_no_gpu_no_window_and_no_async_runtime() {
    let crates = tree("voxelry-core");
    assert!(crates.iter().any(|c| c == "ndarray"), "the list is of the wrong crate");
    for unwanted in NOT_IN_CORE {
        assert!(!crates.iter().any(|c| c == unwanted), "voxelry-core depends on {unwanted}");
    }
    assert_eq!(
        crates.iter().filter(|c| c.starts_with("voxelry")).count(),
        1,
        "core knows nobody of the house"
    );
}

/// Sources below a folder, without those of unit tests.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    const TESTS: [&str; 5] = ["tests.rs", "testing.rs", "golden.rs", "check.rs", "roundtrip.rs"];
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the sources are there").flatten() {
        let path = entry.path();
        let name = entry.file_name().into_string().expect("sources have plain names");
        if path.is_dir() {
            found.append(&mut sources(&path));
        } else if name.ends_with(".rs") && !TESTS.contains(&name.as_str()) {
            let text = std::fs::read_to_string(&path).expect("sources are UTF-8");
            let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            found.push((path, product.to_owned()));
        }
    }
    found
}

/// The module of a folder that a path `crate::…` names, for each such path of a source. Comments don't count.
fn modules_named(text: &str) -> impl Iterator<Item = &str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.match_indices("crate::").map(move |(at, word)| &line[at + word.len()..]))
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
}

#[test]
fn no_floor_of_the_engine_names_a_higher_one() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../core/src"));
    let floor = |module: &str| FLOORS.iter().position(|floor| floor.contains(&module));
    let (mut checked, mut wrong) = (0, Vec::new());
    for (path, text) in sources(root) {
        let inside = path.strip_prefix(root).expect("below it");
        let first = inside.iter().next().and_then(|part| part.to_str()).expect("a plain name");
        let own = first.trim_end_matches(".rs");
        if own == "lib" {
            continue;
        }
        let Some(own_floor) = floor(own) else {
            wrong.push(format!("{} is on no floor", inside.display()));
            continue;
        };
        for named in modules_named(&text) {
            let Some(other) = floor(named) else { continue };
            checked += 1;
            if other > own_floor || other == own_floor && own_floor > 0 && named != own {
                wrong.push(format!("{} names {named}", inside.display()));
            }
        }
    }
    assert!(checked > 500, "only {checked} paths were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_path_to_a_higher_floor_is_seen() {
    let text = "use crate::{Error, Result};\n// crate::ops in a comment\nlet a = crate::blocks::Engine;\n";
    assert_eq!(modules_named(text).collect::<Vec<_>>(), ["", "blocks"]);
}

#[test]
fn the_shaders_know_the_engine_and_no_window() {
    let crates = tree("voxelry-shaders");
    assert!(crates.iter().any(|c| c == "wgpu"), "the list is of the wrong crate");
    for unwanted in ["egui", "eframe", "winit", "tokio"] {
        assert!(!crates.iter().any(|c| c == unwanted), "voxelry-shaders depends on {unwanted}");
    }
    assert_eq!(
        crates.iter().filter(|c| c.starts_with("voxelry")).collect::<std::collections::BTreeSet<_>>().len(),
        2
    );
}

#[test]
fn analysis_knows_tables_and_no_voxels() {
    let crates = tree("voxelry-analysis");
    assert!(crates.iter().any(|c| c.starts_with("arrow")), "the list is of the wrong crate");
    for unwanted in ["wgpu", "egui", "eframe", "winit", "ballista", "voxelry-core", "voxelry-shaders"] {
        assert!(!crates.iter().any(|c| c.starts_with(unwanted)), "voxelry-analysis depends on {unwanted}");
    }
}

#[test]
fn only_the_window_knows_egui() {
    fn walk(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("the sources are there").flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if std::fs::read_to_string(&path).is_ok_and(|text| text.contains("egui")) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../app/src")), &mut found);
    assert!(!found.is_empty(), "the folder is the wrong one");
    let outside: Vec<_> =
        found.iter().filter(|p| !p.components().any(|c| c.as_os_str() == "window")).collect();
    assert!(outside.is_empty(), "{outside:?}");
}

#[test]
fn the_program_carries_no_distributed_engine() {
    let crates = tree("voxelry");
    for unwanted in ["ballista", "voxelry-pool"] {
        assert!(!crates.iter().any(|c| c.starts_with(unwanted)), "voxelry depends on {unwanted}");
    }
}

#[test]
fn the_stores_know_nobody_of_the_house() {
    let crates = tree("voxelry-stores");
    assert!(crates.iter().any(|c| c == "object_store"), "the list is of the wrong crate");
    assert_eq!(crates.iter().filter(|c| c.starts_with("voxelry")).count(), 1);
}

/// Private words that the window's code once had for things that the field has words for.
const PRIVATE_WORDS: [&str; 23] = [
    "Anew", "Bench", "Board", "Deed", "Desk", "Ending", "Filed", "Grip", "Hand", "Homeless", "Ink", "Keeper",
    "Kit", "Lightbox", "Paper", "Papers", "Reel", "Studio", "deeds", "desks", "filing", "grips", "lightbox",
];

/// Phrases that aren't English for what they stand for.
const PRIVATE_PHRASES: [&str; 6] =
    ["gone on with", "goes on with", "hangs on", "on the desk", "label in hand", "tool in hand"];

/// Sources in a folder of the workspace, which are there.
fn sources_in(folder: &str) -> Vec<(PathBuf, String)> {
    let found = sources(&Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(folder));
    assert!(found.len() > 50, "{folder} is the wrong one");
    found
}

#[test]
fn the_window_has_the_words_of_the_field() {
    for (path, text) in sources_in("app/src") {
        for (number, line) in text.lines().enumerate() {
            let place = format!("{}:{}: {line}", path.display(), number + 1);
            let words: Vec<&str> = line.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
            if let Some(word) = PRIVATE_WORDS.iter().find(|word| words.contains(word)) {
                panic!("{place}\n\"{word}\" is a private word: see the glossary in ARCHITECTURE.md");
            }
            if let Some(phrase) = PRIVATE_PHRASES.iter().find(|phrase| line.contains(*phrase)) {
                panic!("{place}\n\"{phrase}\" isn't plain English");
            }
        }
    }
}

#[test]
fn documentation_begins_with_a_noun_or_a_verb() {
    for (path, text) in ["app/src", "analysis/src"].into_iter().flat_map(sources_in) {
        let mut before = "";
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_start();
            let doc = line.strip_prefix("/// ").or_else(|| line.strip_prefix("//! "));
            let continued = before.starts_with("///") || before.starts_with("//!");
            if let Some(doc) = doc.filter(|_| !continued) {
                let first = doc.split(' ').next().unwrap_or_default();
                let place = format!("{}:{}: {line}", path.display(), number + 1);
                assert!(!["How", "What", "Where", "Whether"].contains(&first), "{place}");
            }
            before = line;
        }
    }
}

/// Words of an earlier private language of the engine, of which none is the field's.
const ENGINE_PRIVATE_WORDS: [&str; 8] =
    ["Shelf", "Census", "SPOILT", "gone on with", "goes on with", "hangs on", "find_twin", "TWINS"];

#[test]
fn the_engine_speaks_the_words_of_its_field() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let (mut checked, mut wrong) = (0, Vec::new());
    for folder in ["core/src", "stores/src", "shaders/src", "cluster/src"] {
        for (path, text) in sources(&root.join(folder)) {
            checked += 1;
            for word in ENGINE_PRIVATE_WORDS {
                if text.contains(word) {
                    wrong.push(format!("{}: {word}", path.display()));
                }
            }
        }
    }
    assert!(checked > 200, "only {checked} files were found");
    assert!(wrong.is_empty(), "see the glossary in ARCHITECTURE.md:\n{}", wrong.join("\n"));
}

/// Licences under which a dependency may be used, as SPDX names them.
const LICENCES: [&str; 17] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "bzip2-1.0.6",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "OFL-1.1",
    "Ubuntu-font-1.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Tells whether an SPDX expression can be met with [`LICENCES`]. `AND` binds tighter than `OR`; a slash is an old `OR`.
fn is_allowed(expression: &str) -> bool {
    fn split<'a>(expression: &'a str, by: &str) -> Vec<&'a str> {
        let (mut parts, mut depth, mut from) = (Vec::new(), 0, 0);
        for (at, c) in expression.char_indices() {
            depth += i32::from(c == '(') - i32::from(c == ')');
            if depth == 0 && at >= from && expression[at..].starts_with(by) {
                parts.push(&expression[from..at]);
                from = at + by.len();
            }
        }
        parts.push(&expression[from..]);
        parts
    }
    let expression = expression.trim();
    for (by, all) in [(" OR ", false), ("/", false), (" AND ", true)] {
        let parts = split(expression, by);
        if parts.len() > 1 {
            return if all { parts.into_iter().all(is_allowed) } else { parts.into_iter().any(is_allowed) };
        }
    }
    match expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => is_allowed(inner),
        None => LICENCES.contains(&expression),
    }
}

#[test]
fn dependencies_come_from_the_registry_under_licences_that_are_allowed() {
    for good in ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR GPL-2.0) AND Unicode-3.0"] {
        assert!(is_allowed(good), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "", "(GPL-3.0 OR LGPL-2.1) AND MIT"] {
        assert!(!is_allowed(bad), "{bad}");
    }
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("there are packages");
    assert!(packages.len() > 300, "only {} packages", packages.len());
    let mut wrong = Vec::new();
    for package in packages {
        let (name, version) = (&package["name"], &package["version"]);
        match package["source"].as_str() {
            None => {}
            Some(source) if source.starts_with("registry+https://github.com/rust-lang/crates.io-index") => {}
            Some(source) => wrong.push(format!("{name} {version} comes from {source}")),
        }
        let licence = package["license"].as_str().unwrap_or_default();
        if !is_allowed(licence) {
            wrong.push(format!("{name} {version} has the licence \"{licence}\""));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
