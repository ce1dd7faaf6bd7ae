//! Remedies for what the programs of a cluster say.

/// Remedy for a program that is not installed.
pub(super) fn missing(program: &str) -> &'static str {
    match program {
        "kubectl" => "install it, or write the manifest with --out and apply it where kubectl is",
        _ => "submit from a login node of the cluster, or write the script with --out and submit it there",
    }
}

/// Parts of messages of Slurm 20 to 25 and of kubectl, with remedies. The first part that occurs counts.
const REMEDIES: [(&str, &str); 16] = [
    ("Invalid partition", "name one that `sinfo` lists with --sbatch --partition=NAME"),
    (
        "Invalid account",
        "name your account with --sbatch --account=NAME, as `sacctmgr show associations` lists it",
    ),
    ("Invalid qos", "name one that `sacctmgr show qos` lists with --sbatch --qos=NAME"),
    (
        "Invalid generic resource",
        "lower --gpus, or name the cluster's kind of GPU with --sbatch --gres=gpu:KIND:N",
    ),
    ("Requested time limit is invalid", "lower --time to what the partition allows, as `sinfo` lists it"),
    (
        "Memory specification can not be satisfied",
        "lower --memory to what a node has, as `sinfo -Nl` lists it",
    ),
    (
        "Requested node configuration is not available",
        "lower --cpus, --memory or --gpus to what a node has, as `sinfo -Nl` lists it",
    ),
    ("More processors requested than permitted", "lower --cpus to what a node has, as `sinfo -Nl` lists it"),
    ("CPU count per node can not be satisfied", "lower --cpus to what a node has, as `sinfo -Nl` lists it"),
    ("QOSMax", "lower the request to the limits of your account, or wait until other jobs end"),
    ("AssocMax", "lower the request to the limits of your account, or wait until other jobs end"),
    ("Invalid job array specification", "lower --workers to the cluster's MaxArraySize"),
    ("Invalid job id", "see its log with `cupola submit logs`, as it has left the queue"),
    ("Unable to contact slurm controller", "check that slurmctld runs and that SLURM_CONF names the cluster"),
    ("connection refused", "check that `kubectl cluster-info` reaches the cluster"),
    ("NotFound", "check the names of --namespace and --claim with `kubectl get pvc`"),
];

/// Remedy for the message of a program that failed.
pub(super) fn refused(program: &str, message: &str) -> &'static str {
    let message = message.to_lowercase();
    let known = REMEDIES.iter().find(|(part, _)| message.contains(&part.to_lowercase()));
    known.map_or_else(
        || match program {
            "kubectl" => "check that `kubectl cluster-info` reaches the cluster and that you may create jobs",
            _ => {
                "check the request against the limits of the cluster with `sinfo` and `scontrol show config`"
            }
        },
        |(_, remedy)| remedy,
    )
}

#[cfg(test)]
mod tests {
    use super::refused;

    #[test]
    fn messages_of_slurm_have_a_remedy() {
        let of = |text| refused("sbatch", text);
        let partition = "sbatch: error: invalid partition specified: gpuu, sbatch: error: Batch job submission failed: Invalid partition name specified";
        assert!(of(partition).contains("--partition"));
        let nodes =
            "sbatch: error: Batch job submission failed: Requested node configuration is not available";
        let memory = format!("sbatch: error: Memory specification can not be satisfied, {nodes}");
        assert!(of(&memory).starts_with("lower --memory"));
        assert!(of(nodes).contains("--memory"));
        assert!(of("sbatch: error: something new").contains("sinfo"));
    }
}
