//! Slurm: a batch job that serves until its time limit and then starts again.

use super::host::{batch_program, path, word};
use crate::manifest::deployment::{GRACE, ModelDeployment, ServerPlaces};
use crate::manifest::error::ManifestError;
use crate::manifest::output::ManifestFile;

/// Time limit of one start in minutes, as Slurm writes a day.
const TIME: &str = "1-00:00:00";
/// Seconds before the time limit at which the server drains.
const NOTICE: u32 = GRACE + 10;

/// Files of the target.
///
/// The script runs the server as a child. Slurm sends USR1 to the script alone before the time limit: it drains the server
/// and goes back to the queue. Preemption and `scancel` send TERM to every process of the job, so that the script only waits.
/// `endpoint` in the folder of the job has the address while the server is ready to start. Without keys the server refuses
/// foreign host names, so that a config tells it the name of its node.
pub(super) fn script(deployment: &ModelDeployment) -> Result<Vec<ManifestFile>, ManifestError> {
    let (name, resources) = (&deployment.name, &deployment.resources);
    let program = word(&batch_program(deployment)?);
    let folder = path("--model", &deployment.package.folder)?;
    let open = deployment.options.keys.is_none();
    let places = ServerPlaces {
        home: "HOME_FOLDER",
        model: &folder,
        keys: deployment.options.keys.as_deref(),
        config: open.then_some("CONFIG_FILE"),
        host: "0.0.0.0",
        admin: true,
    };
    let home = "\"${CUPOLA_JOB:-$PWD}/home\"";
    let config = "\"${CUPOLA_JOB:-$PWD}/home/serve.toml\"";
    let quoted = |text: &String| match text.as_str() {
        "HOME_FOLDER" => home.to_owned(),
        "CONFIG_FILE" => config.to_owned(),
        other => word(other),
    };
    let arguments: Vec<String> = deployment.arguments(&places).iter().map(quoted).collect();
    let own_name = if open {
        format!("(umask 077 && mkdir -p {home})\nprintf 'hosts = [\"%s\"]\\n' \"$name\" >{config}\n")
    } else {
        String::new()
    };
    let gpus =
        if resources.gpus > 0 { format!("#SBATCH --gres=gpu:{}\n", resources.gpus) } else { String::new() };
    let text = format!(
        r#"#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --output={name}-%j.log
#SBATCH --open-mode=append
#SBATCH --ntasks=1
#SBATCH --cpus-per-task={cpus}
#SBATCH --mem={memory}M
{gpus}#SBATCH --time={TIME}
#SBATCH --requeue
#SBATCH --signal=B:USR1@{NOTICE}
# Serves {label}. The file `endpoint` beside the log has the address.
set -u
export RAYON_NUM_THREADS="${{SLURM_CPUS_PER_TASK:-1}}"
child='' limit='' signals=0
trap 'limit=1; signals=$((signals + 1)); [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' USR1
trap 'signals=$((signals + 1))' TERM
name=$(hostname -f)
{own_name}{program} {arguments} &
child=$!
echo "http://$name:{port}" >endpoint
# A signal ends `wait` before the server ends.
while seen=$signals; wait "$child"; code=$?; [ "$seen" != "$signals" ]; do :; done
rm -f endpoint
if [ -n "$limit" ]; then
  echo "back to the queue at the time limit"
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
"#,
        cpus = resources.threads(),
        memory = resources.memory_mib,
        label = deployment.label(),
        arguments = arguments.join(" "),
        port = deployment.options.port,
    );
    Ok(vec![ManifestFile::text("serve.sbatch", text)])
}
