//! Data files in the card of a dataset: the block `configs` of its YAML header.
//!
//! Only the shapes that cards have are read: a list of mappings with `config_name`, `default`, `data_dir` and
//! `data_files`, which is one pattern, a list of patterns, or a list of mappings with `split` and `path`.

/// Pattern of the files of a split.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CardFiles {
    /// Name of the split; `None` if the names of the files decide.
    pub split: Option<String>,
    pub pattern: String,
}

#[derive(Debug, Default)]
struct CardConfig {
    name: String,
    default: bool,
    files: Vec<CardFiles>,
}

/// Files of the default configuration: the one that says so, the one of that name, or the first.
pub(super) fn default_files(card: &str) -> Vec<CardFiles> {
    let mut configs = configs(card);
    let chosen = configs
        .iter()
        .position(|config| config.default)
        .or_else(|| configs.iter().position(|config| config.name == "default"))
        .unwrap_or(0);
    if chosen < configs.len() { configs.swap_remove(chosen).files } else { Vec::new() }
}

fn configs(card: &str) -> Vec<CardConfig> {
    let mut lines = card.trim_start_matches('\u{feff}').lines();
    if lines.next().map(str::trim_end) != Some("---") {
        return Vec::new();
    }
    let header = lines.take_while(|line| line.trim_end() != "---");
    let block = header.skip_while(|line| line.trim_end() != "configs:").skip(1);
    let block = block.take_while(|line| line.is_empty() || line.starts_with([' ', '-', '#']));
    let mut found: Vec<CardConfig> = Vec::new();
    let (mut item_indent, mut split) = (None, None);
    for line in block {
        let text = line.trim();
        let indent = line.len() - line.trim_start().len();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let item = text.strip_prefix("- ").map(str::trim_start);
        if item.is_some() && *item_indent.get_or_insert(indent) == indent {
            found.push(CardConfig::default());
            split = None;
        }
        let Some(config) = found.last_mut() else { continue };
        let entry = item.unwrap_or(text);
        match entry.split_once(':').map(|(key, value)| (key.trim(), value.trim())) {
            Some(("config_name", value)) => config.name = unquoted(value),
            Some(("default", value)) => config.default = value == "true",
            Some(("split", value)) => split = Some(unquoted(value)),
            Some(("data_dir", value)) => {
                let pattern = format!("{}/**/*", unquoted(value).trim_end_matches('/'));
                config.files.push(CardFiles { split: None, pattern });
            }
            Some(("data_files", value)) => {
                split = None;
                config.files.extend(patterns(value).map(|pattern| CardFiles { split: None, pattern }));
            }
            Some(("path", value)) => {
                let each = patterns(value).map(|pattern| CardFiles { split: split.clone(), pattern });
                config.files.extend(each);
            }
            None if item.is_some() => {
                config.files.push(CardFiles { split: split.clone(), pattern: unquoted(entry) });
            }
            Some(_) | None => {}
        }
    }
    found
}

/// One pattern, or a list in brackets.
fn patterns(value: &str) -> impl Iterator<Item = String> {
    let inner = value.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(value);
    inner.split(',').map(unquoted).filter(|pattern| !pattern.is_empty())
}

fn unquoted(text: &str) -> String {
    text.trim().trim_matches(['"', '\'']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(block: &str) -> Vec<(Option<String>, String)> {
        let files = default_files(&format!("---\nlanguage: en\nconfigs:\n{block}task: x\n---\ntext\n"));
        files.into_iter().map(|files| (files.split, files.pattern)).collect()
    }

    #[test]
    fn each_shape_of_data_files_is_read() {
        let of = |split: Option<&str>, pattern: &str| (split.map(str::to_owned), pattern.to_owned());
        let splits = "  - config_name: default\n    data_files:\n      - split: train\n        path: data/train-*\n      - split: test\n        path: [\"a.csv\", 'b.csv']\n";
        let expected =
            [of(Some("train"), "data/train-*"), of(Some("test"), "a.csv"), of(Some("test"), "b.csv")];
        assert_eq!(found(splits), expected);
        assert_eq!(found("- config_name: x\n  data_files: \"*.csv\"\n"), [of(None, "*.csv")]);
        assert_eq!(found("- data_files:\n  - a.csv\n  - b.csv\n"), [of(None, "a.csv"), of(None, "b.csv")]);
        assert_eq!(found("- config_name: x\n  data_dir: one\n"), [of(None, "one/**/*")]);
        assert_eq!(
            found(
                "- config_name: a\n  data_files: a.csv\n- config_name: b\n  default: true\n  data_files: b.csv\n"
            ),
            [of(None, "b.csv")]
        );
        assert!(default_files("# no header\nconfigs:\n- data_files: a.csv\n").is_empty());
    }
}
