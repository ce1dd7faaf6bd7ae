use std::collections::BTreeSet;
use std::fs;

use cupola_testkit::root;

mod language;
mod layout;
mod links;

/// Forbidden dependencies of each crate; ARCHITECTURE.md gives the reasons.
const NEVER: &[(&str, &[&str])] = &[
    ("spec", &["burn", "candle-core", "datafusion", "tokio", "clap", "axum", "sqlx", "cupola-"]),
    ("values", &["burn", "candle-core", "arrow", "axum", "clap", "tokio", "cupola-"]),
    ("budget", &["burn", "candle-core", "arrow", "axum", "clap", "tokio", "cupola-"]),
    ("store", &["burn", "candle-core", "axum", "clap", "sqlx", "arrow", "datafusion"]),
    ("kernels", &["burn", "candle-core", "axum", "clap", "cupola-"]),
    ("sources", &["burn", "candle-core", "axum", "clap", "cupola-datasets"]),
    ("datasets", &["burn", "candle-core", "axum", "clap"]),
    ("prep", &["burn", "candle-core", "datafusion", "axum", "clap", "tokio"]),
    (
        "nn",
        &[
            "clap",
            "datafusion",
            "axum",
            "arrow",
            "cupola-datasets",
            "cupola-sources",
            "cupola-prep",
            "cupola-registry",
        ],
    ),
    (
        "trees",
        &[
            "burn",
            "candle-core",
            "clap",
            "datafusion",
            "axum",
            "arrow",
            "cupola-datasets",
            "cupola-sources",
            "cupola-registry",
        ],
    ),
    (
        "train",
        &[
            "axum",
            "candle-core",
            "clap",
            "datafusion",
            "cupola-datasets",
            "cupola-sources",
            "cupola-serving",
            "cupola-http",
            "cupola-runtime",
        ],
    ),
    ("eval", &["burn", "candle-core", "axum", "clap", "cupola-"]),
    ("registry", &["burn", "candle-core", "axum", "clap", "cupola-nn", "cupola-train"]),
    ("import", &["axum", "clap", "cupola-train", "datafusion"]),
    ("runtime", &["axum", "datafusion", "clap", "cupola-train", "cupola-datasets", "cupola-sources"]),
    ("report", &["burn", "candle-core", "axum", "clap", "arrow", "datafusion", "tokio"]),
    (
        "tune",
        &[
            "burn",
            "candle-core",
            "axum",
            "clap",
            "arrow",
            "datafusion",
            "cupola-prep",
            "cupola-nn",
            "cupola-workflow",
        ],
    ),
    (
        "monitor",
        &[
            "burn",
            "candle-core",
            "axum",
            "clap",
            "arrow",
            "datafusion",
            "tokio",
            "reqwest",
            "cupola-prep",
            "cupola-workflow",
        ],
    ),
    ("deploy", &["clap", "indicatif", "axum", "anyhow", "candle-core", "burn", "datafusion", "arrow"]),
    ("operate", &["clap", "indicatif", "axum", "anyhow", "candle-core", "burn", "comfy-table"]),
    ("workflow", &["clap", "indicatif", "axum", "anyhow", "candle-core", "comfy-table"]),
    (
        "serving",
        &[
            "burn",
            "candle-core",
            "clap",
            "datafusion",
            "axum",
            "hyper",
            "tonic",
            "cupola-train",
            "cupola-datasets",
            "cupola-sources",
            "cupola-nn",
        ],
    ),
    ("http", &["burn", "candle-core", "clap", "datafusion", "cupola-train", "cupola-nn", "cupola-trees"]),
    ("cli", &["burn", "candle-core", "datafusion", "axum", "sqlx"]),
];

fn dependencies(name: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&text).unwrap();
    manifest["dependencies"].as_table().unwrap().keys().cloned().collect()
}

fn crates() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root().join("crates"))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn no_crate_has_a_forbidden_dependency() {
    for (name, never) in NEVER {
        for found in dependencies(name) {
            let wrong = never.iter().find(|banned| match banned.strip_suffix('-') {
                Some(prefix) => found.starts_with(&format!("{prefix}-")),
                None => found == **banned,
            });
            assert!(wrong.is_none(), "`{name}` imports `{found}`");
        }
    }
}

#[test]
fn every_crate_is_listed_and_dependencies_have_no_cycle() {
    let mut done: BTreeSet<String> = BTreeSet::new();
    let mut left: BTreeSet<String> = crates().into_iter().collect();
    for name in left.iter().filter(|name| *name != "testkit") {
        assert!(NEVER.iter().any(|(listed, _)| listed == name), "`{name}` is not in the list above");
    }
    while !left.is_empty() {
        let free: Vec<String> = left
            .iter()
            .filter(|name| {
                dependencies(name).iter().filter_map(|d| d.strip_prefix("cupola-")).all(|d| done.contains(d))
            })
            .cloned()
            .collect();
        assert!(!free.is_empty(), "a circle among {left:?}");
        for name in free {
            left.remove(&name);
            done.insert(name);
        }
    }
}

#[test]
fn only_the_command_line_prints_or_exits() {
    for name in crates().iter().filter(|name| *name != "cli" && *name != "testkit") {
        for (path, text) in sources(&root().join("crates").join(name).join("src")) {
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                for word in ["println!(", "eprintln!(", "process::exit(", "todo!(", "dbg!("] {
                    assert!(
                        !code.contains(word) || path.contains("tests.rs"),
                        "{path}:{}: {word}",
                        number + 1
                    );
                }
            }
        }
    }
}

fn sources(folder: &std::path::Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(sources(&entry.path()));
        } else if entry.path().extension().is_some_and(|e| e == "rs") {
            found.push((
                entry.path().to_string_lossy().into_owned(),
                fs::read_to_string(entry.path()).unwrap(),
            ));
        }
    }
    found
}

/// `true` for files of tests beside the code.
fn in_tests(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("/tests/")
}
