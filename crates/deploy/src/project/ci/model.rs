//! Workflow of GitHub Actions that judges each change of a model and publishes what was merged.

use std::collections::BTreeMap;

use serde::Serialize;

use super::actions::{CHECKOUT, DOWNLOAD_ARTIFACT, UPLOAD_ARTIFACT};
use super::github::{
    GithubAccess, GithubConcurrency, GithubEvents, GithubInput, GithubJob, GithubPermissions, GithubRunner,
    GithubStep, GithubTrigger, GithubWorkflow,
};
use super::yaml::to_yaml;
use super::{IMAGE, JUDGING, RELEASING, REPORTS, STORE_VARIABLES};
use crate::project::error::ProjectError;

const ABOUT: &str = "\
Judges each pull request with a short training, and publishes and deploys what is merged. Every step is `./check STEP`.

Variables of the repository (Settings, Secrets and variables, Actions, Variables):
  CUPOLA_URL     address of a release of cupola for Linux on x86-64, a .tar.gz with the binary at its top
  CUPOLA_SHA256  SHA-256 digest of that archive; the job ends where it differs
  CUPOLA_HOME    registry of the published versions, such as s3://bucket/cupola; without it they end with the job, and
                 the image is all that is left
Secrets of the environment `production`, for an S3 registry: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY; its variables:
AWS_REGION, AWS_ENDPOINT_URL.";

const RUNNER: &str = "ubuntu-24.04";

/// Pull requests from a fork have a token that cannot comment.
const COMMENTS: &str = "!cancelled() && github.event_name == 'pull_request' && needs.check.outputs.report == 'success' && \
                        github.event.pull_request.head.repo.full_name == github.repository";

/// YAML of the workflow.
pub(in crate::project) fn model_workflow() -> Result<String, ProjectError> {
    let on_main = GithubTrigger { branches: vec!["main".to_owned()] };
    let text = |text: &str| GithubInput::Text(text.to_owned());
    let workflow = GithubWorkflow {
        name: "model".to_owned(),
        events: GithubEvents {
            pull_request: Some(GithubTrigger::default()),
            push: Some(on_main),
            ..GithubEvents::default()
        },
        permissions: GithubPermissions::default(),
        concurrency: GithubConcurrency {
            group: "model-${{ github.ref }}".to_owned(),
            cancel_in_progress: text("${{ github.event_name == 'pull_request' }}"),
        },
        env: variables(["CUPOLA_URL", "CUPOLA_SHA256"], "vars"),
        jobs: vec![
            ("check".to_owned(), check()),
            ("comment".to_owned(), comment()),
            ("publish".to_owned(), publish()),
        ],
    };
    to_yaml(".github/workflows/model.yml", ABOUT, &workflow)
}

/// Environment variables of the same names from a context.
fn variables(names: impl IntoIterator<Item = &'static str>, context: &str) -> BTreeMap<String, String> {
    names.into_iter().map(|name| (name.to_owned(), format!("${{{{ {context}.{name} }}}}"))).collect()
}

fn job(steps: Vec<GithubStep>) -> GithubJob {
    GithubJob {
        name: None,
        needs: None,
        condition: None,
        runs_on: GithubRunner::Hosted(RUNNER.to_owned()),
        timeout_minutes: 60,
        environment: None,
        permissions: Some(GithubPermissions {
            contents: Some(GithubAccess::Read),
            ..GithubPermissions::default()
        }),
        outputs: BTreeMap::new(),
        env: BTreeMap::new(),
        steps,
    }
}

fn prepared() -> Vec<GithubStep> {
    let checkout = GithubStep::action(CHECKOUT, [("persist-credentials", GithubInput::Flag(false))]);
    vec![checkout, GithubStep::script("setup", "./check setup")]
}

fn upload(name: &str, paths: impl IntoIterator<Item = &'static str>) -> GithubStep {
    let step = GithubStep::action(
        UPLOAD_ARTIFACT,
        [
            ("name", GithubInput::Text(name.to_owned())),
            ("path", GithubInput::Lines(paths.into_iter().map(str::to_owned).collect())),
            ("if-no-files-found", GithubInput::Text("ignore".to_owned())),
        ],
    );
    GithubStep { condition: Some("!cancelled()".to_owned()), ..step }
}

/// Job with a short training of the change.
fn check() -> GithubJob {
    let mut steps = prepared();
    steps.extend(JUDGING.map(|step| GithubStep {
        id: (step == "report").then(|| step.to_owned()),
        ..GithubStep::script(step, format!("./check {step}"))
    }));
    steps.push(upload("report", REPORTS));
    GithubJob {
        condition: Some("github.event_name == 'pull_request'".to_owned()),
        outputs: BTreeMap::from([("report".to_owned(), "${{ steps.report.outcome }}".to_owned())]),
        ..job(steps)
    }
}

/// Job that comments. It runs no code of the change, since its token may write.
fn comment() -> GithubJob {
    let download = GithubStep::action(DOWNLOAD_ARTIFACT, [("name", GithubInput::Text("report".to_owned()))]);
    let comment = GithubStep::script(
        "comment",
        "gh pr comment \"$PULL_REQUEST\" --body-file report.md --edit-last --create-if-none",
    );
    let env = [
        ("GH_TOKEN", "${{ github.token }}"),
        ("GH_REPO", "${{ github.repository }}"),
        ("PULL_REQUEST", "${{ github.event.pull_request.number }}"),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let write =
        GithubPermissions { pull_requests: Some(GithubAccess::Write), ..GithubPermissions::default() };
    GithubJob {
        needs: Some("check".to_owned()),
        condition: Some(COMMENTS.to_owned()),
        timeout_minutes: 5,
        permissions: Some(write),
        ..job(vec![download, GithubStep { env: env.into(), ..comment }])
    }
}

/// Job with the whole training of what was merged.
fn publish() -> GithubJob {
    let mut steps = prepared();
    steps.extend(
        JUDGING
            .iter()
            .chain(&RELEASING)
            .map(|step| GithubStep::script(*step, format!("./check --full {step}"))),
    );
    steps.push(upload("model", REPORTS.into_iter().chain([IMAGE])));
    let (secrets, settings) = STORE_VARIABLES.split_at(2);
    let mut env = variables(secrets.iter().copied(), "secrets");
    env.extend(variables(settings.iter().copied().chain(["CUPOLA_HOME"]), "vars"));
    GithubJob {
        condition: Some("github.event_name == 'push'".to_owned()),
        timeout_minutes: 360,
        environment: Some("production".to_owned()),
        env,
        ..job(steps)
    }
}

/// Settings of Dependabot, which renews the pinned actions.
#[derive(Serialize)]
struct Dependabot {
    version: u32,
    updates: [DependabotUpdate; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct DependabotUpdate {
    package_ecosystem: &'static str,
    directory: &'static str,
    schedule: DependabotSchedule,
    cooldown: DependabotCooldown,
}

#[derive(Serialize)]
struct DependabotSchedule {
    interval: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct DependabotCooldown {
    default_days: u32,
}

/// YAML of the settings of Dependabot.
pub(in crate::project) fn dependabot() -> Result<String, ProjectError> {
    let update = DependabotUpdate {
        package_ecosystem: "github-actions",
        directory: "/",
        schedule: DependabotSchedule { interval: "weekly" },
        cooldown: DependabotCooldown { default_days: 7 },
    };
    let about = "Renews the pinned actions, a week after their release.";
    to_yaml(".github/dependabot.yml", about, &Dependabot { version: 2, updates: [update] })
}
