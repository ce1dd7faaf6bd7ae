//! The command line: wiring, progress and tables. The only place that prints or exits.

mod args;
mod bars;
mod commands;
mod device;
mod failure;
mod load;
mod memory;
mod pretrained;
mod progress;
mod stage;
mod ui;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};

/// Runs the command that was typed. Exit code 0 is success, 1 failure, 2 the user's mistake.
pub fn main() -> ExitCode {
    quiet_panics();
    let cli = Cli::parse();
    let level = tracing_subscriber::EnvFilter::try_from_env("CUPOLA_LOG").unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new("warn,wgpu_hal=off,wgpu_core=off,naga=off,cubecl_wgpu=error")
    });
    tracing_subscriber::fmt().with_env_filter(level).with_writer(std::io::stderr).init();
    let home = cupola_registry::Home::new(cli.home.clone());
    let ui = ui::Ui { json: cli.json, quiet: false };
    // A panic that nothing caught is a bug of ours: it gets a message too, and no other exit code.
    let done = cupola_nn::catch_panic(|| run(&home, ui, cli.command));
    let done = done.unwrap_or_else(|panic| {
        Err(anyhow::anyhow!("internal error: {panic}; please report it with the command that was typed"))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui::Ui::error(&error);
            ExitCode::from(failure::exit_code(&error))
        }
    }
}

fn run(home: &cupola_registry::Home, ui: ui::Ui, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Train(args) => commands::train::run(home, ui, &args),
        Command::Rate(args) => commands::rate::run(home, ui, &args),
        Command::Check(args) => commands::check::run(home, ui, &args),
        Command::Evaluate(args) => commands::evaluate::run(home, ui, &args),
        Command::Predict(args) => commands::predict::run(home, ui, &args),
        Command::Generate(args) => commands::generate::run(home, ui, &args),
        Command::Serve(args) => commands::serve::run(home, ui, &args),
        Command::Keys(args) => commands::keys::run(home, ui, &args),
        Command::Worker(args) => commands::worker::run(&args),
        Command::Data(args) => commands::data::run(home, ui, &args),
        Command::Prepare(args) => commands::prepare::run(home, ui, &args),
        Command::Graph(args) => commands::graph::run(home, ui, &args),
        Command::Runs(args) => commands::runs::run(home, ui, &args),
        Command::Models(args) => commands::models::run(home, ui, &args),
        Command::Doctor(args) => commands::doctor::run(home, ui, &args),
        Command::Schema(args) => commands::schema::run(&args),
        Command::Completions(args) => commands::completions::run(&args),
        Command::ProbeVulkan => commands::doctor::probe(),
    }
}

/// Libraries panic where a driver fails. On the main thread that is caught and told as an error, so
/// the hook's own report would only be noise; `CUPOLA_PANICS=1` brings it back.
fn quiet_panics() {
    if std::env::var_os("CUPOLA_PANICS").is_some() {
        return;
    }
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let name = std::thread::current().name().map(str::to_owned);
        let caught = name.is_some_and(|name| name == "main" || name.starts_with("engine-"));
        if !caught {
            report(info);
        }
    }));
}
