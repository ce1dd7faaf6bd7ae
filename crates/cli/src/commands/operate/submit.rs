//! `cupola submit`: jobs on a cluster.

pub mod jobs;

use std::path::{Path, PathBuf};

use anyhow::Result;
use cupola_operate::{
    ClusterEngine, ClusterJob, JobCommand, JobFolder, JobResources, JobWork, PodOptions, PodStore,
    SharedPaths, SlurmOptions, SubmitError, apply_manifest, manifest, new_job_id, sbatch_script,
    submit_script,
};
use cupola_registry::{Home, now, write_file};
use cupola_spec::{NAME_RULE, is_name};
use cupola_workflow::{ConfigSource, Silent};
use serde_json::json;

use crate::args::{SubmitArgs, SubmitCommand, SubmitEngine, SubmitJobArgs};
use crate::commands::session;
use crate::draw::Ui;
use crate::failure::{UserError, of_output};
use crate::next_step::next_command;

pub fn run(home: &Home, ui: Ui, args: &SubmitArgs) -> Result<()> {
    match &args.command {
        None => submit(home, ui, &args.job),
        Some(SubmitCommand::List) => jobs::list(home, ui),
        Some(SubmitCommand::Status { job }) => jobs::status(home, ui, job),
        Some(SubmitCommand::Cancel { job }) => jobs::cancel(home, ui, job),
        Some(SubmitCommand::Resume { job }) => jobs::resume(home, ui, job),
        Some(SubmitCommand::Logs { job, follow }) => jobs::logs(home, ui, job, *follow),
    }
}

/// Files of a job before it is submitted.
struct NewJob {
    folder: JobFolder,
    record: ClusterJob,
    /// Script or manifest.
    text: String,
    /// Place of the text.
    file: PathBuf,
}

fn submit(home: &Home, ui: Ui, args: &SubmitJobArgs) -> Result<()> {
    // clap requires both unless there is a subcommand.
    let (Some(config), Some(engine)) = (&args.config, args.engine) else {
        return Err(UserError::new("nothing to submit", "give --config and --engine").into());
    };
    home.check_writable()?;
    let home = if home.remote().is_some() { home.clone() } else { Home::new(absolute(home.root())?) };
    let command = command(&home, args, config)?;
    let job = match engine {
        SubmitEngine::Slurm => slurm(&home, args, config, &command)?,
        SubmitEngine::Kubernetes => kubernetes(&home, args, config, &command)?,
    };
    let prints = engine == SubmitEngine::Kubernetes && !args.kubernetes.apply && args.out.is_none();
    if args.dry_run || prints {
        ui.line(job.text.trim_end());
        return ui.result(&json!({ "job": job.record, "text": job.text }));
    }
    if let Some(out) = &args.out {
        let name = job.file.file_name().unwrap_or_default();
        let file = absolute(out)?.join(name);
        // The log of a job that is submitted by hand.
        job.folder.create()?;
        write_file(&file, job.text.as_bytes()).map_err(of_output("--out"))?;
        ui.line(format!("written  {}", file.display()));
        return ui.result(&json!({ "job": job.record, "file": file }));
    }
    started(&home, ui, job)
}

/// Records and submits a job.
fn started(home: &Home, ui: Ui, mut job: NewJob) -> Result<()> {
    job.folder.create()?;
    write_file(&job.file, job.text.as_bytes())?;
    let submitted = match job.record.engine {
        ClusterEngine::Slurm => submit_script(&job.folder).map(|number| job.record.cluster_ids.push(number)),
        ClusterEngine::Kubernetes => apply_manifest(&job.text),
    };
    if let Err(error) = submitted {
        // A job that the cluster did not take is not listed.
        let _ = std::fs::remove_dir_all(job.folder.path());
        return Err(error.into());
    }
    job.folder.save(&job.record)?;
    let number = job.record.cluster_id().unwrap_or_default();
    ui.line(format!("job      {} ({} {number})", job.record.id, job.record.engine.name()));
    ui.line(format!("files    {}", job.folder.path().display()));
    let next = next_command(home, ["submit", "logs", &job.record.id, "-f"]);
    ui.line(format!("next     {next}"));
    ui.result(&json!({ "job": job.record, "folder": job.folder.path(), "next": [next] }))
}

fn command(home: &Home, args: &SubmitJobArgs, config: &Path) -> Result<JobCommand> {
    // Mistakes in the config show up here and not on a node.
    let source = ConfigSource::file(config).with_overrides(args.set.clone());
    let run = session(home, &Silent).run_config(&source)?;
    let work = if args.tune {
        let study = args.study.clone().unwrap_or_else(|| run.name.clone());
        if !is_name(&study) {
            return Err(UserError::new(
                format!("invalid name of a study `{study}`"),
                format!("use {NAME_RULE}"),
            )
            .into());
        }
        JobWork::Tune { study, trials: args.trials, workers: args.workers }
    } else if args.workers > 1 {
        let why = "--workers is for the trials of a study";
        return Err(UserError::new(why, "add --tune, or leave --workers out").into());
    } else {
        JobWork::Train
    };
    let name = if let JobWork::Tune { study, .. } = &work { study } else { &run.name };
    let devices = if args.tune { 1 } else { args.gpus.max(1) };
    let device = args.device.device.name().to_owned();
    Ok(JobCommand { id: new_job_id(name), work, set: args.set.clone(), device, devices })
}

fn record(args: &SubmitJobArgs, engine: ClusterEngine, config: PathBuf, command: &JobCommand) -> ClusterJob {
    ClusterJob {
        id: command.id.clone(),
        engine,
        work: command.work.clone(),
        config,
        resources: resources(args),
        created: now(),
        cluster_ids: Vec::new(),
        namespace: None,
    }
}

fn resources(args: &SubmitJobArgs) -> JobResources {
    JobResources { seconds: args.time, gpus: args.gpus, cpus: args.cpus, memory_mib: args.memory }
}

fn slurm(home: &Home, args: &SubmitJobArgs, config: &Path, command: &JobCommand) -> Result<NewJob> {
    let program = match &args.slurm.program {
        Some(program) => absolute(program)?,
        None => std::env::current_exe()?,
    };
    let config = absolute(config)?;
    let paths = SharedPaths {
        program,
        folder: std::env::current_dir()?,
        home: absolute(home.root())?,
        store: home.remote().map(|remote| remote.url().to_owned()),
        config: config.clone(),
    };
    let folder = JobFolder::at(home, &command.id);
    let options = SlurmOptions { sbatch: args.slurm.sbatch.clone(), restarts: args.slurm.restarts };
    let text = sbatch_script(command, &resources(args), &paths, &options, &folder)?;
    let record = record(args, ClusterEngine::Slurm, config, command);
    Ok(NewJob { file: folder.script(), folder, record, text })
}

fn kubernetes(home: &Home, args: &SubmitJobArgs, config: &Path, command: &JobCommand) -> Result<NewJob> {
    let own = &args.kubernetes;
    if own.claim.is_none() {
        if home.remote().is_none() {
            let message = "a job of Kubernetes needs a volume for the home folder";
            return Err(UserError::new(message, "give --claim, or a --home in an object store").into());
        }
        Ui::warning(
            "without --claim, checkpoints are lost with their pod: a pod that is evicted or fails begins anew",
        );
    }
    let options = PodOptions {
        image: own.image.clone().unwrap_or_default(),
        claim: own.claim.clone(),
        store: pod_store(home, own.secret.as_ref())?,
        namespace: own.namespace.clone(),
        user: own.user,
        retries: own.retries,
    };
    let text = std::fs::read_to_string(config).map_err(|error| UserError::config(config, &error))?;
    let (name, text) = manifest(command, &resources(args), &options, &text)?;
    let folder = JobFolder::at(home, &command.id);
    let mut record = record(args, ClusterEngine::Kubernetes, absolute(config)?, command);
    record.cluster_ids.push(name);
    record.namespace.clone_from(&own.namespace);
    Ok(NewJob { file: folder.manifest(), folder, record, text })
}

/// Environment variables of stores that are no secrets: a job gets those of this process.
const STORE_VARIABLES: [&str; 8] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AZURE_STORAGE_ACCOUNT_NAME",
    "AZURE_STORAGE_ACCOUNT",
    "AZURE_STORAGE_ENDPOINT",
    "STORAGE_EMULATOR_HOST",
];

/// Object store of a home as a pod reaches it; `None` for a folder.
fn pod_store(home: &Home, secret: Option<&String>) -> Result<Option<PodStore>> {
    let Some(remote) = home.remote() else { return Ok(None) };
    let address = remote.url().to_owned();
    if address.starts_with("file://") {
        let message = format!("a pod does not have the folder of `{address}`");
        return Err(
            UserError::new(message, "use s3://, gs:// or az://, or a home in a folder with --claim").into()
        );
    }
    let set = |name| Some((name, std::env::var(name).ok().filter(|value| !value.is_empty())?));
    let variables = STORE_VARIABLES.into_iter().filter_map(set).collect();
    Ok(Some(PodStore { address, secret: secret.cloned(), variables }))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|source| SubmitError::Io { path: path.to_owned(), source }.into())
}
