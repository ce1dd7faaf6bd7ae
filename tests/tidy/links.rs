//! Links of the documentation: files that are there, headings that are there.

use cupola_testkit::root;
use pulldown_cmark::{Event, Parser, Tag, TagEnd};
use std::path::{Path, PathBuf};

#[test]
fn links_of_the_documentation_lead_somewhere() {
    let mut broken = Vec::new();
    for page in pages(&root()) {
        let text = std::fs::read_to_string(&page).unwrap();
        for event in Parser::new(&text) {
            let Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) = event else {
                continue;
            };
            // Addresses of other places need a network.
            if dest_url.contains("://") || dest_url.starts_with("mailto:") {
                continue;
            }
            let (file, heading) = dest_url.split_once('#').unwrap_or((&dest_url, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let there =
                target.exists() && (heading.is_empty() || headings(&target).iter().any(|h| h == heading));
            if !there {
                broken.push(format!("{}: {dest_url}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

/// Markdown files of the project, those of build folders and downloads left out.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() && !name.starts_with('.') && name != "target" && name != "downloads" {
            found.extend(pages(&path));
        } else if path.extension().is_some_and(|end| end == "md") {
            found.push(path);
        }
    }
    found
}

/// Anchors of a page as code hosts make them: lower case, spaces as hyphens, punctuation left out.
fn headings(page: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(page).unwrap();
    let (mut found, mut heading) = (Vec::new(), None);
    for event in Parser::new(&text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => found.extend(heading.take()),
            Event::Text(words) | Event::Code(words) => {
                if let Some(heading) = &mut heading {
                    let kept = words.to_lowercase().replace(' ', "-");
                    heading.extend(kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')));
                }
            }
            _ => {}
        }
    }
    found
}

/// `prep/plan/fit.rs` in ARCHITECTURE.md is `crates/prep/src/plan/fit.rs`.
#[test]
fn files_that_the_architecture_names_exist() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let quoted = text.split('`').skip(1).step_by(2);
    let mut missing = Vec::new();
    for path in quoted
        .filter(|path| Path::new(path).extension().is_some_and(|end| end == "rs") || path.ends_with('/'))
    {
        let inside =
            path.split_once('/').map(|(name, rest)| root().join("crates").join(name).join("src").join(rest));
        if !root().join(path).exists() && !inside.is_some_and(|inside| inside.exists()) {
            missing.push(path);
        }
    }
    assert!(missing.is_empty(), "ARCHITECTURE.md names files that are not there: {missing:?}");
}
