//! The task pages of the documentation, run as they are printed, and the commands of all pages.
//!
//! A comment `<!-- test -->` before a block of README.md or `docs/tasks/*.md` marks it. The `sh` blocks of a page run one after the
//! other in one shell. The lines of a `text` or `json` block must appear in the output of the blocks before it, in their
//! order: words as they are, anything with a digit as anything with a digit, and `...` as anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Command;

use cupola_testkit::root;
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use crate::support::TestHome;

/// `cupola` of the pages: on the CPU, with a server that is ready when the command returns.
const CUPOLA: &str = r#"#!/usr/bin/env bash
case "$1" in
  serve)
    "$CUPOLA_BINARY" "$@" --port "$CUPOLA_TEST_PORT" --device flex > serve.log 2>&1 &
    echo $! >> servers
    for _ in $(seq 600); do
      if grep -q '^ready' serve.log; then exit 0; fi
      if ! kill -0 $! 2> /dev/null; then break; fi
      sleep 0.1
    done
    cat serve.log
    exit 1 ;;
  train) exec "$CUPOLA_BINARY" "$@" --device flex ;;
  *) exec "$CUPOLA_BINARY" "$@" ;;
esac
"#;

/// `curl` of the pages, which asks the server of the test.
const CURL: &str = r#"#!/usr/bin/env bash
"$CURL_BINARY" --max-time 60 "${@//localhost:8080/localhost:$CUPOLA_TEST_PORT}" || exit
# Bodies have no line break at their end.
echo
"#;

#[test]
fn the_first_page_holds() {
    run_page("README");
}

#[test]
fn the_page_of_tables_holds() {
    run_page("docs/tasks/tables");
}

#[test]
fn the_page_of_numbers_holds() {
    run_page("docs/tasks/regression");
}

#[test]
fn the_page_of_pictures_holds() {
    run_page("docs/tasks/pictures");
}

#[test]
fn the_page_of_texts_holds() {
    run_page("docs/tasks/texts");
}

#[test]
fn the_page_of_forecasts_holds() {
    run_page("docs/tasks/forecasts");
}

#[test]
fn the_page_of_anomalies_holds() {
    run_page("docs/tasks/anomalies");
}

#[test]
fn the_page_of_language_models_holds() {
    run_page("docs/tasks/language-models");
}

#[test]
fn the_page_of_data_versions_holds() {
    run_page("docs/tasks/data-versions");
}

/// Every option of a `cupola` command in README and docs is in the help of that command.
#[test]
fn commands_of_the_documentation_exist() {
    let home = TestHome::new();
    let mut help: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let blocks = blocks(&text).into_iter().filter(|block| block.language == "sh");
        let commands = blocks.flat_map(|block| commands(&block.text));
        for command in commands {
            seen += 1;
            let (path, mut options) = command_path(&command);
            let known = help.entry(path.clone()).or_insert_with(|| {
                let words: Vec<&str> = path.split_whitespace().chain(["--help"]).collect();
                let output = home.run(&words);
                if output.code == Some(0) { flags(&output.stdout) } else { BTreeSet::new() }
            });
            if known.is_empty() {
                wrong.push(format!("{}: unknown command: {}", page.display(), command.join(" ")));
            } else if let Some(option) = options.find(|option| !known.contains(*option)) {
                wrong.push(format!("{}: unknown option `{option}`: {}", page.display(), command.join(" ")));
            }
        }
    }
    assert!(seen > 50, "{seen} commands");
    assert!(wrong.is_empty(), "commands that the binary does not have:\n{}", wrong.join("\n"));
}

/// A fenced block of a page.
struct Block {
    language: String,
    text: String,
    is_marked: bool,
}

fn blocks(page: &str) -> Vec<Block> {
    let (mut found, mut is_marked) = (Vec::new(), false);
    let mut open: Option<Block> = None;
    for event in Parser::new(page) {
        match event {
            Event::Html(html) if html.trim() == "<!-- test -->" => is_marked = true,
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                open = Some(Block { language: language.to_string(), text: String::new(), is_marked });
                is_marked = false;
            }
            Event::Text(text) => {
                if let Some(block) = &mut open {
                    block.text.push_str(&text);
                }
            }
            Event::End(TagEnd::CodeBlock) => found.extend(open.take()),
            _ => {}
        }
    }
    found
}

fn pages() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.md")];
    for folder in ["docs", "docs/tasks"] {
        let entries = fs::read_dir(root().join(folder)).unwrap().flatten().map(|entry| entry.path());
        found.extend(entries.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    found
}

/// Runs the marked blocks of a page in a temporary folder that has the data and pages of the project.
fn run_page(name: &str) {
    let curl = Command::new("sh").args(["-c", "command -v curl"]).output().unwrap();
    if !curl.status.success() {
        eprintln!("skipped: curl is not installed");
        return;
    }
    let page = fs::read_to_string(root().join(format!("{name}.md"))).unwrap();
    let marked: Vec<Block> = blocks(&page).into_iter().filter(|block| block.is_marked).collect();
    assert!(!marked.is_empty(), "{name}.md has no marked commands");
    let home = TestHome::new();
    for folder in ["data", "docs"] {
        symlink(root().join(folder), home.path(folder)).unwrap();
    }
    fs::create_dir(home.path("bin")).unwrap();
    for (file, text) in [("bin/cupola", CUPOLA), ("bin/curl", CURL)] {
        home.write(file, text);
        fs::set_permissions(home.path(file), fs::Permissions::from_mode(0o755)).unwrap();
    }
    home.write("page.sh", script(&marked));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("bash")
        .arg("page.sh")
        .current_dir(home.path("."))
        .env("PATH", format!("{}:{path}", home.path("bin").display()))
        .env("CUPOLA_BINARY", env!("CARGO_BIN_EXE_cupola"))
        .env("CURL_BINARY", String::from_utf8_lossy(&curl.stdout).trim())
        .env("CUPOLA_TEST_PORT", port.to_string())
        .env_remove("CUPOLA_HOME")
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}.md: {}\n{stderr}", home.read("output"));
    let mut printed = home.read("output").lines().map(shape).collect::<Vec<_>>().into_iter();
    for block in marked.iter().filter(|block| block.language != "sh") {
        for line in block.text.lines().filter(|line| !line.trim().is_empty()) {
            let found = printed.by_ref().any(|printed| matches(&shape(line), &printed));
            assert!(found, "{name}.md: `{line}` is not in the rest of the output:\n{}", home.read("output"));
        }
    }
}

/// Script of a page, whose servers end with it. The output of all commands goes to the file `output`.
fn script(marked: &[Block]) -> String {
    let stop = "trap 'test ! -f servers || kill $(cat servers) 2> /dev/null' EXIT";
    let commands = marked.iter().filter(|block| block.language == "sh").map(|block| block.text.as_str());
    format!("set -eu\n{stop}\nexec > output 2>&1\n{}", commands.collect::<String>())
}

/// Line with `#` in place of each word that has a digit, and single blanks.
fn shape(line: &str) -> String {
    let letters: Vec<char> = line.trim().chars().chain(['\n']).collect();
    let is_digit = |at: usize| letters.get(at).is_some_and(char::is_ascii_digit);
    let (mut found, mut word) = (String::new(), String::new());
    for (at, &c) in letters.iter().enumerate() {
        let in_number = c == ',' && at > 0 && is_digit(at - 1) && is_digit(at + 1);
        if c.is_alphanumeric() || matches!(c, '.' | '-' | '+' | '_') || in_number {
            word.push(c);
            continue;
        }
        // A dot may end a sentence.
        let (inner, dots) = word.split_at(word.trim_end_matches('.').len());
        found.push_str(if inner.contains(|c: char| c.is_ascii_digit()) { "#" } else { inner });
        found.push_str(dots);
        word.clear();
        if !(c.is_whitespace() && found.ends_with(' ')) {
            found.push(if c.is_whitespace() { ' ' } else { c });
        }
    }
    found.trim().to_owned()
}

/// `true` if `printed` is `expected` with anything in place of each `...`.
fn matches(expected: &str, printed: &str) -> bool {
    let mut parts = expected.split("...").map(str::trim);
    let Some(mut rest) = parts.next().and_then(|first| printed.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

/// Words of each `cupola` command of a block, quotes removed.
fn commands(block: &str) -> Vec<Vec<String>> {
    let joined = block.replace("\\\n", " ");
    let mut found = Vec::new();
    for line in joined.lines() {
        for part in parts(line) {
            if part.first().is_some_and(|word| word == "cupola") {
                found.push(part[1..].to_vec());
            }
        }
    }
    found
}

/// Words of the commands of a line, which `;`, `|` and `&` separate. A comment ends the line.
fn parts(line: &str) -> Vec<Vec<String>> {
    let mut found = vec![Vec::new()];
    let (mut word, mut quote) = (String::new(), None);
    let end_word = |word: &mut String, found: &mut Vec<Vec<String>>| {
        if !word.is_empty() {
            found.last_mut().unwrap().push(std::mem::take(word));
        }
    };
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '#') if word.is_empty() => break,
            (None, ';' | '|' | '&') => {
                end_word(&mut word, &mut found);
                found.push(Vec::new());
            }
            (None, c) if c.is_whitespace() => end_word(&mut word, &mut found),
            (_, c) => word.push(c),
        }
    }
    end_word(&mut word, &mut found);
    found
}

/// Names of a command and its subcommand, and the long options behind them.
fn command_path(words: &[String]) -> (String, impl Iterator<Item = &str>) {
    const GROUPS: &[&str] = &["data", "deploy", "models", "monitor", "runs", "keys", "worker"];
    // Commands that also do something without a further one.
    const BOTH: &[&str] = &["submit", "watch"];
    // Options before the command, such as `--home DIR`.
    let start = words.iter().position(|word| !word.starts_with("--")).unwrap_or(words.len());
    let start = if words.first().is_some_and(|word| word == "--home") { start + 1 } else { start };
    let is_group = words.get(start).is_some_and(|word| {
        let further = words.get(start + 1).is_some_and(|next| !next.starts_with('-'));
        GROUPS.contains(&word.as_str()) || BOTH.contains(&word.as_str()) && further
    });
    let end = words.len().min(start + 1 + usize::from(is_group));
    let options =
        words.iter().filter(|word| word.starts_with("--")).map(|word| word.split('=').next().unwrap_or(word));
    (words[start.min(end)..end].join(" "), options)
}

/// Long options of a help page.
fn flags(help: &str) -> BTreeSet<String> {
    let words = help.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words.filter(|word| word.starts_with("--")).map(str::to_owned).collect()
}
