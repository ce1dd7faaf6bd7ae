//! Jobs of Slurm: one batch script, an array where there are several processes.

use std::fmt::Write;

use cupola_deploy::shell_word;

use super::command::run;
use super::error::SubmitError;
use super::record::JobFolder;
use super::{JobCommand, JobResources, SharedPaths};

/// Seconds before the time limit at which a job writes a checkpoint and goes back to the queue.
const NOTICE: u32 = 60;

/// Settings of a batch script besides its resources.
#[derive(Debug, Clone)]
pub struct SlurmOptions {
    /// Options of `sbatch` as they are, such as `--partition=gpu`.
    pub sbatch: Vec<String>,
    /// Starts after which a job that reaches its time limit is not requeued.
    pub restarts: u32,
}

/// Batch script of a job.
///
/// The script runs the program as a child and handles what ends it:
/// - Slurm sends USR1 to the script alone before the time limit. The script passes TERM on, the program writes a
///   checkpoint, and the job goes back to the queue.
/// - Preemption, `scontrol requeue` and `scancel` send TERM to every process of the job. The script only waits, since a
///   second TERM would end the program without a checkpoint.
/// - A program that is killed, such as for its memory, starts again in the same allocation, at most twice.
///
/// # Errors
/// [`SubmitError::Request`] for an option of `sbatch` that is none, or that takes the job from under the script.
pub fn sbatch_script(
    command: &JobCommand,
    resources: &JobResources,
    paths: &SharedPaths,
    options: &SlurmOptions,
    folder: &JobFolder,
) -> Result<String, SubmitError> {
    let directives = directives(command, resources, paths, options, folder)?;
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let (program, home) = (shell_word(&text(&paths.program)), shell_word(&text(&paths.home)));
    let arguments = command.arguments(&text(&paths.home), &text(&paths.config));
    let arguments: Vec<String> = arguments.iter().map(|word| shell_word(word)).collect();
    let arguments = arguments.join(" ");
    let restarts = options.restarts;
    // A cache knows its store, and keeps the checkpoints.
    let (store, remedy) = match &paths.store {
        Some(address) => (
            format!("\n# The home is {address}; the folder of --home is its cache, with the checkpoints."),
            "set XDG_CACHE_HOME to a folder that all nodes share before cupola submit",
        ),
        None => (String::new(), "give a --home that all nodes share"),
    };
    Ok(format!(
        r#"#!/bin/bash
{directives}
# Job {id} of Cupola. What it runs continues where an earlier start has stopped.{store}
[ -x {program} ] || {{ echo "error: no program "{program}" on $(hostname); put it on storage that all nodes share"; exit 2; }}
[ -d {home} ] || {{ echo "error: no folder "{home}" on $(hostname); {remedy}"; exit 2; }}
export RAYON_NUM_THREADS="${{SLURM_CPUS_PER_TASK:-1}}"
limit= ended= child= signals=0
# The number of an array stands for all of its tasks.
own=${{SLURM_ARRAY_JOB_ID:+${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID}}
own=${{own:-$SLURM_JOB_ID}}
# Shortly before the time limit, to this script alone.
trap 'limit=1; signals=$((signals + 1)); [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' USR1
# Preempted, requeued or cancelled: Slurm signals the program itself, too.
trap 'ended=1; signals=$((signals + 1))' TERM
echo "start ${{SLURM_RESTART_COUNT:-0}} of job $own on $(hostname)"
for attempt in 1 2 3; do
  {program} {arguments} &
  child=$!
  # A signal ends `wait` before the program ends.
  while seen=$signals; wait "$child"; code=$?; [ "$seen" != "$signals" ]; do :; done
  if [ -n "$limit$ended" ] || [ "$code" -lt 128 ]; then break; fi
  echo "killed ($code) at attempt $attempt of 3"
done
if [ -n "$limit" ] && [ "$code" -ne 0 ] && [ "$code" -ne 2 ]; then
  if [ "${{SLURM_RESTART_COUNT:-0}}" -ge {restarts} ]; then
    echo "error: the time limit was reached after {restarts} restarts; raise --time or --restarts"
  else
    # Slurm ends this script while it requeues the job.
    echo "back to the queue at the time limit"
    scontrol requeue "$own" || echo "error: the job was not requeued; continue it with cupola submit resume"
  fi
fi
exit "$code"
"#,
        id = command.id
    ))
}

fn directives(
    command: &JobCommand,
    resources: &JobResources,
    paths: &SharedPaths,
    options: &SlurmOptions,
    folder: &JobFolder,
) -> Result<String, SubmitError> {
    let workers = command.work.workers();
    let log = folder.log(if workers > 1 { "%a" } else { "0" });
    let mut text = String::new();
    let mut add = |directive: &str| writeln!(text, "#SBATCH {directive}");
    let mut all = vec![
        format!("--job-name={}", command.id),
        format!("--chdir={}", quoted(&paths.folder.to_string_lossy())?),
        format!("--output={}", quoted(&log.to_string_lossy())?),
        "--open-mode=append".to_owned(),
        "--requeue".to_owned(),
        format!("--signal=B:USR1@{NOTICE}"),
        "--ntasks=1".to_owned(),
    ];
    all.extend((workers > 1).then(|| format!("--array=0-{}", workers - 1)));
    all.extend(resources.minutes().map(|minutes| format!("--time={minutes}")));
    all.extend(resources.cpus.map(|cpus| format!("--cpus-per-task={cpus}")));
    all.extend(resources.memory_mib.map(|memory| format!("--mem={memory}M")));
    all.extend((resources.gpus > 0).then(|| format!("--gres=gpu:{}", resources.gpus)));
    for option in &options.sbatch {
        check(option)?;
        all.push(option.clone());
    }
    for directive in &all {
        // Writing into a text does not fail.
        let _ = add(directive);
    }
    Ok(text)
}

/// Value of a directive: in double quotes where Slurm would split it.
fn quoted(value: &str) -> Result<String, SubmitError> {
    if value.chars().any(|letter| letter.is_control() || letter == '"' || letter == '\\') {
        let remedy = "use a path without quotes, backslashes and line breaks";
        return Err(SubmitError::Request {
            why: format!("Slurm does not take the path {value:?}"),
            remedy: remedy.to_owned(),
        });
    }
    let plain = value.chars().all(|letter| !letter.is_whitespace() && letter != '#' && letter != '\'');
    Ok(if plain { value.to_owned() } else { format!("\"{value}\"") })
}

/// Checks an option of `sbatch` that is copied into the script.
fn check(option: &str) -> Result<(), SubmitError> {
    let name = option.split(['=', ' ']).next().unwrap_or_default();
    let own =
        ["--array", "--signal", "--output", "--open-mode", "--no-requeue", "--wrap", "--job-name", "--chdir"];
    let why = if !name.starts_with('-') || option.contains(['\n', '\r']) {
        format!("`{option}` is not an option of sbatch")
    } else if own.contains(&name) {
        format!("`{name}` is set by Cupola")
    } else {
        return Ok(());
    };
    let remedy = "write options as --sbatch --partition=gpu, one for each --sbatch";
    Err(SubmitError::Request { why, remedy: remedy.to_owned() })
}

/// Submits the script of a job; returns its number.
///
/// # Errors
/// [`SubmitError::NoProgram`] without Slurm, [`SubmitError::Refused`] with the message of `sbatch` and a remedy.
pub fn submit_script(folder: &JobFolder) -> Result<String, SubmitError> {
    let printed = run("sbatch", &["--parsable", &folder.script().to_string_lossy()], "")?;
    // "4711", or "4711;cluster".
    let number = printed.trim().split(';').next().unwrap_or_default();
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SubmitError::Refused {
            program: "sbatch".to_owned(),
            why: format!("expected the number of a job, found {:?}", printed.trim()),
            remedy: "look for the job with `squeue --me`",
        });
    }
    Ok(number.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use cupola_registry::Home;

    use super::*;
    use crate::submit::JobWork;

    fn script(work: JobWork, resources: &JobResources, sbatch: &[&str]) -> Result<String, SubmitError> {
        let home = Home::new(PathBuf::from("/shared/my home"));
        let command = JobCommand {
            id: "digits-1".to_owned(),
            work,
            set: vec!["name=it's".to_owned()],
            device: "flex".to_owned(),
            devices: 1,
        };
        let paths = SharedPaths {
            program: "/shared/cupola".into(),
            folder: "/shared/project".into(),
            home: home.root().to_owned(),
            store: None,
            config: "/shared/project/run.toml".into(),
        };
        let sbatch = sbatch.iter().map(|option| (*option).to_owned()).collect();
        let options = SlurmOptions { sbatch, restarts: 20 };
        sbatch_script(&command, resources, &paths, &options, &JobFolder::at(&home, "digits-1"))
    }

    #[test]
    fn a_training_is_one_job_that_can_be_requeued() {
        let resources =
            JobResources { seconds: Some(5400.0), gpus: 2, cpus: Some(8), memory_mib: Some(16384) };
        let text = script(JobWork::Train, &resources, &["--partition=gpu"]).unwrap();
        for line in [
            "#SBATCH --output=\"/shared/my home/jobs/digits-1/log-0.txt\"",
            "#SBATCH --requeue",
            "#SBATCH --signal=B:USR1@60",
            "#SBATCH --time=90",
            "#SBATCH --cpus-per-task=8",
            "#SBATCH --mem=16384M",
            "#SBATCH --gres=gpu:2",
            "#SBATCH --partition=gpu",
            r"  /shared/cupola --home '/shared/my home' train --config /shared/project/run.toml --run digits-1 --device flex --set 'name=it'\''s' &",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("--array"));
        let parsed = std::process::Command::new("bash").args(["-n", "-c", &text]).status().unwrap();
        assert!(parsed.success());
    }

    #[test]
    fn workers_of_a_study_are_an_array() {
        let work = JobWork::Tune { study: "s".to_owned(), trials: Some(9), workers: 4 };
        let text = script(work, &JobResources::default(), &[]).unwrap();
        assert!(text.contains("#SBATCH --array=0-3\n"), "{text}");
        assert!(
            text.contains("log-%a.txt\"\n") && text.contains("--study s --device flex --trials 9"),
            "{text}"
        );
        assert!(!text.contains("SBATCH --time") && !text.contains("SBATCH --mem"), "{text}");
    }

    #[test]
    fn options_that_break_the_script_are_refused() {
        for option in ["--array=0-9", "--signal=B:TERM@1", "partition=gpu", "--comment=a\nrm -rf /"] {
            assert!(script(JobWork::Train, &JobResources::default(), &[option]).is_err(), "{option}");
        }
    }
}
