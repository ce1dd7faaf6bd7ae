//! Folders, files and modules: how many, how long, and who imports whom.

use super::{crates, in_tests, sources};
use cupola_testkit::root;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Files that one folder may hold.
const SIDE_BY_SIDE: usize = 12;

/// Lines that one file may have.
const LINES: usize = 450;

#[test]
fn no_folder_holds_too_many_files() {
    let mut found = Vec::new();
    for name in crates() {
        survey(&root().join("crates").join(name).join("src"), &mut found);
    }
    assert!(
        found.is_empty(),
        "folders with more than {SIDE_BY_SIDE} files side by side:\n{}",
        found.join("\n")
    );
}

fn survey(folder: &Path, found: &mut Vec<String>) {
    let entries: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    let files = entries.iter().filter(|path| path.extension().is_some_and(|end| end == "rs")).count();
    if files > SIDE_BY_SIDE {
        found.push(format!("{}: {files}", folder.display()));
    }
    for path in entries.iter().filter(|path| path.is_dir()) {
        survey(path, found);
    }
}

#[test]
fn no_file_is_too_long() {
    let all = sources(&root().join("crates"));
    let long: Vec<String> = all
        .iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LINES)
        .map(|(path, lines)| format!("{path}: {lines}"))
        .collect();
    assert!(long.is_empty(), "files of more than {LINES} lines:\n{}", long.join("\n"));
}

/// A module may import its parent, its children and whatever stands below it; what it imports never imports it back.
#[test]
fn modules_import_each_other_in_one_direction() {
    let mut found = Vec::new();
    for name in crates() {
        let folder = root().join("crates").join(&name).join("src");
        let modules: BTreeMap<String, String> = sources(&folder)
            .into_iter()
            .filter(|(path, _)| !in_tests(path))
            .map(|(path, text)| (module(&folder, &path), text))
            .collect();
        let arrows: BTreeMap<&str, BTreeSet<&str>> =
            modules.iter().map(|(module, text)| (module.as_str(), imports(module, text, &modules))).collect();
        for (from, to) in arrows.iter().flat_map(|(from, all)| all.iter().map(move |to| (*from, *to))) {
            if from < to && reaches(to, from, &arrows) && reaches(from, to, &arrows) {
                found.push(format!("{name}: {from} <-> {to}"));
            }
        }
    }
    assert!(found.is_empty(), "{} circles between modules:\n{}", found.len(), found.join("\n"));
}

/// `a::b` of `src/a/b.rs`; the empty name for `src/lib.rs`.
fn module(folder: &Path, path: &str) -> String {
    let relative = Path::new(path).strip_prefix(folder).unwrap().with_extension("");
    let name = relative.to_string_lossy().replace('/', "::");
    if name == "lib" || name == "main" { String::new() } else { name }
}

/// Modules of the same crate that `use` lines name, relatives in a straight line left out.
fn imports<'a>(module: &str, text: &str, modules: &'a BTreeMap<String, String>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    // A file's own test module is not part of the structure.
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    for line in code.lines().map(str::trim_start) {
        let Some(rest) = line.strip_prefix("use ").or_else(|| line.strip_prefix("pub(crate) use ")) else {
            continue;
        };
        let path = rest.trim_end_matches(';');
        let absolute = if let Some(rest) = path.strip_prefix("crate::") {
            rest.to_owned()
        } else if let Some(rest) = path.strip_prefix("super::") {
            let parent = module.rsplit_once("::").map_or("", |(parent, _)| parent);
            if parent.is_empty() { rest.to_owned() } else { format!("{parent}::{rest}") }
        } else {
            continue;
        };
        // `a::{b, c}` names a; the longest part that is a module counts.
        let plain = absolute.split('{').next().unwrap_or_default().trim_end_matches("::");
        let parts: Vec<&str> = plain.split("::").collect();
        let named =
            (1..=parts.len()).rev().map(|n| parts[..n].join("::")).find(|name| modules.contains_key(name));
        let Some((to, _)) = named.and_then(|name| modules.get_key_value(&name)) else { continue };
        let inside = |a: &str, b: &str| a == b || b.starts_with(&format!("{a}::"));
        if !inside(to, module) && !inside(module, to) {
            found.insert(to.as_str());
        }
    }
    found
}

fn reaches(from: &str, to: &str, arrows: &BTreeMap<&str, BTreeSet<&str>>) -> bool {
    let (mut seen, mut left) = (BTreeSet::new(), vec![from]);
    while let Some(at) = left.pop() {
        if at == to {
            return true;
        }
        if seen.insert(at) {
            left.extend(arrows.get(at).into_iter().flatten());
        }
    }
    false
}
