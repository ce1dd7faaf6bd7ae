//! Settings of the server, from arguments and `--config`.

use std::time::Duration;

use anyhow::Result;
use cupola_budget::MemoryLimits;
use cupola_http::ServerSettings;
use cupola_serving::{MonitorSettings, SchedulerLimits};
use cupola_spec::{Serve, ServedModel, parse_serve};
use cupola_workflow::machine_memory;
use rustix::process::{Resource, getrlimit};

use crate::args::ServeArgs;
use crate::failure::UserError;

/// Settings of the server for up to `connections` connections.
///
/// # Errors
/// A statistic of `[monitor]` that the server does not compute.
pub fn settings(args: &ServeArgs, spec: &Serve, connections: usize) -> Result<ServerSettings> {
    let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
    let monitor = if spec.monitor.enabled { Some(MonitorSettings::new(&spec.monitor)?) } else { None };
    Ok(ServerSettings {
        limits: SchedulerLimits {
            queue: args.queue as usize,
            batch_rows: args.batch_rows as usize,
            replicas: args.replicas as usize,
            kv_cache_bytes: kv_cache_bytes(args, spec),
        },
        memory: memory_limits(args, spec),
        body_bytes: (args.body_mib as usize) << 20,
        timeout: seconds(args.timeout),
        lame_duck: seconds(args.lame_duck),
        connections,
        address_connections: args.address_connections.map(|most| most as usize),
        head_timeout: seconds(args.head_timeout),
        idle_timeout: seconds(args.idle_timeout),
        write_timeout: seconds(args.write_timeout),
        follow: args.follow,
        strict: spec.strict,
        cors: spec.cors.clone(),
        hosts: spec.hosts.clone(),
        trusted: spec.trusted.clone(),
        monitor,
        ..ServerSettings::default()
    })
}

/// Bytes that the process may have: the machine's memory, or a lower limit of address space or data (`ulimit`), beyond
/// which an allocation ends the process.
fn process_memory() -> u64 {
    let limits = [Resource::As, Resource::Data].map(|resource| getrlimit(resource).current);
    limits.into_iter().flatten().fold(machine_memory(), u64::min)
}

/// Memory for requests: as given, or a quarter of the machine's.
fn memory_limits(args: &ServeArgs, spec: &Serve) -> MemoryLimits {
    let given = args.memory_mib.or(spec.memory_mib).map(|mib| (mib as usize) << 20);
    let quarter = || usize::try_from(process_memory() / 4).unwrap_or(usize::MAX).max(64 << 20);
    MemoryLimits::of_server(given.unwrap_or_else(quarter))
}

/// Bytes of the KV caches of one engine: as given, or an equal share of a quarter of the memory.
fn kv_cache_bytes(args: &ServeArgs, spec: &Serve) -> usize {
    if let Some(mib) = args.kv_mib {
        return (mib as usize) << 20;
    }
    let quarter = usize::try_from(process_memory() / 4).unwrap_or(usize::MAX);
    quarter / (spec.models.len().max(1) * args.replicas as usize)
}

/// Models and settings of `--config`, then the models of `--model`, with the canaries of `--canary`.
pub fn spec(args: &ServeArgs) -> Result<Serve> {
    let mut spec = match &args.config {
        None => Serve::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| UserError::config(path, &error))?;
            parse_serve(&path.to_string_lossy(), &text)?
        }
    };
    let named =
        args.models.iter().map(|serve| ServedModel { serve: serve.clone(), canary: None, shadow: None });
    spec.models.extend(named);
    let mut names: Vec<&str> = Vec::new();
    for model in &spec.models {
        let name = plain_name(&model.serve);
        if names.contains(&name) {
            return Err(cupola_serving::Error::Duplicate { name: name.to_owned() }.into());
        }
        names.push(name);
    }
    for canary in &args.canaries {
        let name = plain_name(&canary.serve);
        let Some(model) = spec.models.iter_mut().find(|model| plain_name(&model.serve) == name) else {
            let message = format!("`--canary {}` is a version of a model that is not served", canary.serve);
            return Err(UserError::new(message, format!("add --model {name}:VERSION")).into());
        };
        model.canary = Some(canary.clone());
    }
    Ok(spec)
}

/// Name of a reference without its version or alias.
fn plain_name(reference: &str) -> &str {
    reference.split([':', '@']).next().unwrap_or_default()
}
