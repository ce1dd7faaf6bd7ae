//! The mechanical rules of CONTRIBUTING.md's "Language" section.

use super::{crates, in_tests, sources};
use cupola_testkit::root;
use std::collections::BTreeMap;

/// Words that leave a comment without a subject when they open it.
const BARE: &[&str] = &["What", "Whether", "Which", "How", "Of", "Those", "That", "By"];

/// Type names that several crates may have, because each means the same in its crate.
const SHARED: &[&str] = &["Error"];

#[test]
fn no_comment_opens_with_a_bare_question_word() {
    let mut found = Vec::new();
    for (path, text) in all_sources() {
        let mut in_block = false;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_start();
            let comment =
                line.strip_prefix("//").map(|rest| rest.trim_start_matches(['/', '!']).trim_start());
            // An empty comment line starts a new paragraph.
            let opens = comment.is_some_and(|words| !words.is_empty()) && !in_block;
            in_block = comment.is_some_and(|words| !words.is_empty());
            let first = comment.unwrap_or_default().split([' ', ',', '\'']).next().unwrap_or_default();
            if opens && BARE.contains(&first) {
                found.push(format!("{path}:{}: {line}", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{} comments open without a subject:\n{}", found.len(), found.join("\n"));
}

#[test]
fn no_message_says_that_something_is_no_such_thing() {
    let mut found = Vec::new();
    for (path, text) in all_sources() {
        for (number, line) in text.lines().enumerate() {
            let code = line.trim_start();
            let quoted = code
                .split('"')
                .skip(1)
                .step_by(2)
                .any(|text| text.contains("` is no ") || text.contains(" cannot be\""));
            if quoted && !code.starts_with("//") {
                found.push(format!("{path}:{}: {code}", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "messages of the form \"X is no Y\":\n{}", found.join("\n"));
}

#[test]
fn no_text_is_an_error_across_a_module() {
    let mut found = Vec::new();
    for (path, text) in all_sources() {
        for (number, line) in text.lines().enumerate() {
            let code = line.trim_start();
            let public = code.starts_with("pub ") || code.starts_with("pub(crate) ");
            let texts = [", String>", ", &'static str>", ", &str>"];
            if public && code.contains("-> Result<") && texts.iter().any(|end| code.contains(end)) {
                found.push(format!("{path}:{}: {code}", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "errors that are texts:\n{}", found.join("\n"));
}

#[test]
fn no_two_crates_share_a_type_name() {
    let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in crates() {
        for (path, text) in sources(&root().join("crates").join(&name).join("src")) {
            for line in text.lines().filter(|_| !in_tests(&path)) {
                let Some(rest) = line.trim_start().strip_prefix("pub ") else { continue };
                let kinds = ["struct ", "enum ", "trait ", "union "];
                let Some(rest) = kinds.iter().find_map(|kind| rest.strip_prefix(kind)) else { continue };
                let found = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
                let list = owners.entry(found.to_owned()).or_default();
                if !list.contains(&name) {
                    list.push(name.clone());
                }
            }
        }
    }
    let shared: Vec<String> = owners
        .iter()
        .filter(|(name, list)| list.len() > 1 && !SHARED.contains(&name.as_str()))
        .map(|(name, list)| format!("{name}: {}", list.join(", ")))
        .collect();
    assert!(shared.is_empty(), "{} type names stand in several crates:\n{}", shared.len(), shared.join("\n"));
}

fn all_sources() -> Vec<(String, String)> {
    let mut found = sources(&root().join("crates"));
    for folder in ["tests", "benches", "examples"] {
        let folder = root().join(folder);
        if folder.is_dir() {
            found.extend(sources(&folder));
        }
    }
    // The rules quote what they forbid.
    found.retain(|(path, _)| !path.contains("tests/tidy"));
    found
}
