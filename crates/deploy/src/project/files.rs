//! Files of a project.

use super::ci::{bitbucket_pipelines, dependabot, gitlab_pipeline, model_workflow, pre_commit_config};
use super::error::ProjectError;
use super::shell::shell_word;

/// Model of one's own, as its project needs it.
#[derive(Debug, Clone)]
pub struct ProjectRequest {
    /// Name of the model.
    pub name: String,
    /// Column or task that the model predicts, for people.
    pub target: String,
    /// Text of `run.toml`.
    pub config: String,
    /// Folder or file of the data in the project; `None` for data elsewhere.
    pub data: Option<String>,
    /// Further words of `cupola train` that make a training short.
    pub short: Vec<String>,
    /// Rows with known targets; `None` for data without such rows.
    pub tests: Option<ProjectTests>,
}

/// Rows that a model has to predict well.
#[derive(Debug, Clone)]
pub struct ProjectTests {
    /// JSON lines with the target.
    pub rows: String,
    /// TOML with the table `[gate]` that judges the predictions.
    pub gate: String,
}

/// File of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectFile {
    /// Path in the project.
    pub path: &'static str,
    /// Content.
    pub text: String,
    /// `true` for a program.
    pub executable: bool,
}

/// All files of a project apart from its data.
///
/// # Errors
/// Values that YAML cannot express.
pub fn project_files(request: &ProjectRequest) -> Result<Vec<ProjectFile>, ProjectError> {
    let file = |path, text| ProjectFile { path, text, executable: false };
    let mut files = vec![
        file("run.toml", request.config.clone()),
        ProjectFile { path: "check", text: script(request), executable: true },
        file("README.md", readme(request)),
        file("tests/invalid.jsonl", "{}\n".to_owned()),
        file(".github/workflows/model.yml", model_workflow()?),
        file(".github/dependabot.yml", dependabot()?),
        file(".gitlab-ci.yml", gitlab_pipeline()?),
        file("bitbucket-pipelines.yml", bitbucket_pipelines()?),
        file(".pre-commit-config.yaml", pre_commit_config()?),
        file(".gitignore", include_str!("templates/gitignore").to_owned()),
    ];
    if let Some(tests) = &request.tests {
        files.push(file("tests/known.jsonl", tests.rows.clone()));
        files.push(file("tests/gate.toml", tests.gate.clone()));
    }
    Ok(files)
}

fn script(request: &ProjectRequest) -> String {
    let words: Vec<String> = request.short.iter().map(|word| shell_word(word)).collect();
    include_str!("templates/check.sh")
        .replace("@NAME@", &shell_word(&request.name))
        .replace("@SHORT@", &words.join(" "))
}

fn readme(request: &ProjectRequest) -> String {
    let data = request.data.as_ref().map(|data| format!("| `{data}` | the rows |\n"));
    let tests = if request.tests.is_some() {
        "`known.jsonl`: rows with their targets, which the model has to predict as `gate.toml` says; add those that it once got \
         wrong. `invalid.jsonl`: rows that it has to refuse"
    } else {
        "`invalid.jsonl`: rows that the model has to refuse"
    };
    include_str!("templates/README.md")
        .replace("@NAME@", &request.name)
        .replace("@TARGET@", &plain(&request.target))
        .replace("@DATA@", &data.unwrap_or_default())
        .replace("@TESTS@", tests)
}

/// Text within backquotes of one line of Markdown.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || c == '`' { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
