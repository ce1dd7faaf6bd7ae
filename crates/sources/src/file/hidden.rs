//! Files and folders that systems and editors put beside data.

use std::path::{Component, Path};

/// Names that are no data, though they do not begin with a dot.
const BY_SYSTEMS: [&str; 8] = [
    "__MACOSX",
    "Thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "@eaDir",
    "$RECYCLE.BIN",
    "System Volume Information",
    "__pycache__",
];

/// `true` for a name that begins with a dot, such as `.ipynb_checkpoints`, or that a system gives to its own files.
pub(crate) fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || BY_SYSTEMS.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// `true` if no hidden name stands in a path, but for those that the glob `pattern` asks for.
pub(super) fn is_asked_for(path: &Path, pattern: &str) -> bool {
    let asked: Vec<&str> = pattern.split(['/', '\\']).collect();
    path.components().all(|part| {
        let Component::Normal(name) = part else { return true };
        let name = name.to_string_lossy();
        let matches = |part: &str| glob::Pattern::new(part).is_ok_and(|pattern| pattern.matches(&name));
        !is_hidden(&name)
            || asked.iter().any(|part| *part == name || (part.starts_with('.') && matches(part)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_systems_and_editors_are_hidden() {
        for name in
            [".DS_Store", "._1.jpg", ".ipynb_checkpoints", "__MACOSX", "thumbs.db", "Desktop.ini", "@eaDir"]
        {
            assert!(is_hidden(name), "{name}");
        }
        for name in ["a.jpg", "_a", "Thumbs", "__init__", "a.b"] {
            assert!(!is_hidden(name), "{name}");
        }
    }

    #[test]
    fn a_glob_that_spells_a_dot_finds_hidden_files() {
        let found = |path: &str, pattern: &str| is_asked_for(Path::new(path), pattern);
        assert!(found("/home/x/.cupola/a.csv", "/home/x/.cupola/*.csv"));
        assert!(!found("/data/.a.csv", "/data/*.csv") && !found("/data/.old/a.csv", "/data/**/*.csv"));
        assert!(!found("/data/__MACOSX/a.csv", "/data/*/*.csv"));
        assert!(
            found("/data/.a.csv", "/data/.*.csv") && found("/data/__MACOSX/a.csv", "/data/__MACOSX/*.csv")
        );
    }
}
