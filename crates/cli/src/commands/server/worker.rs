//! `cupola worker`: schedulers and executors of a cluster that prepares data.

use anyhow::Result;

use crate::args::WorkerArgs;

#[cfg(feature = "ballista")]
pub fn run(args: &WorkerArgs) -> Result<()> {
    use std::time::Duration;

    use cupola_sources::cluster::{ClusterScheduler, Executor};

    use crate::args::WorkerCommand;
    use crate::failure::UserError;

    match &args.command {
        WorkerCommand::Scheduler { listen, patience } => {
            let patience = Duration::from_secs(u64::from(*patience));
            ClusterScheduler { listen: *listen, patience }.run()?;
        }
        WorkerCommand::Executor { scheduler, listen, tasks, heartbeat } => {
            let wrong = || UserError::new(format!("invalid --scheduler {scheduler}"), "expected HOST:PORT");
            let (host, port) = scheduler.rsplit_once(':').ok_or_else(wrong)?;
            let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            Executor {
                listen: *listen,
                scheduler_host: host.to_owned(),
                scheduler_port: port.parse().map_err(|_| wrong())?,
                tasks: tasks.map_or(cores, |tasks| tasks as usize),
                heartbeat: Duration::from_secs(u64::from(*heartbeat)),
            }
            .run()?;
        }
    }
    Ok(())
}

#[cfg(not(feature = "ballista"))]
pub fn run(_: &WorkerArgs) -> Result<()> {
    Err(cupola_workflow::Error::MissingFeature { what: "cluster support", feature: "ballista" }.into())
}
