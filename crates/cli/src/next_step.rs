//! Commands that the output proposes as the next step.

use std::path::Path;

use cupola_deploy::shell_word;
use cupola_registry::Home;

use crate::args::{DEFAULT_HOME, HOME_VARIABLE};

/// Shell command that runs `cupola` with `words` in `home`, quoted where a shell needs it.
///
/// `--home` is left out where the next process finds the same folder without it.
pub fn next_command<'a>(home: &Home, words: impl IntoIterator<Item = &'a str>) -> String {
    let without_flag = std::env::var_os(HOME_VARIABLE).unwrap_or_else(|| DEFAULT_HOME.into());
    let location = home.location();
    let flag = (Path::new(&without_flag) != location).then(|| location.to_string_lossy());
    command(flag.as_deref(), words)
}

/// Command that trains the config that `words` name.
pub fn train_command(home: &Home, words: &[String]) -> String {
    next_command(home, ["train"].into_iter().chain(words.iter().map(String::as_str)))
}

fn command<'a>(home: Option<&str>, words: impl IntoIterator<Item = &'a str>) -> String {
    let home = home.into_iter().flat_map(|home| ["--home".to_owned(), shell_word(home)]);
    let program = std::iter::once("cupola".to_owned());
    program.chain(home).chain(words.into_iter().map(shell_word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_a_shell_reads_them() {
        let words = ["train", "--set", "name=it's", "--set", "inputs=[]", "--set", "train.epochs=5", ""];
        let text = command(Some("/my home"), words);
        let expected =
            r"cupola --home '/my home' train --set 'name=it'\''s' --set 'inputs=[]' --set train.epochs=5 ''";
        assert_eq!(text, expected);
        let output = std::process::Command::new("sh")
            .args(["-c", &text.replacen("cupola", "printf '%s\\n'", 1)])
            .output()
            .unwrap();
        let lines: Vec<String> =
            String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        assert_eq!(lines, ["--home", "/my home"].into_iter().chain(words).collect::<Vec<_>>());
    }

    #[test]
    fn the_home_is_left_out_where_it_is_the_default() {
        assert_eq!(command(None, ["serve", "--model", "digits"]), "cupola serve --model digits");
    }
}
