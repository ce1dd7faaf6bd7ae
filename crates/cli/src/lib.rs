//! Command line: parses arguments, calls the workflow, draws its events and results, and exits.
//!
//! Arguments are in `args`, commands in `commands`, terminal output in `draw`.

mod args;
mod commands;
mod draw;
mod failure;
mod home;
mod next_step;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use crate::args::{Command, MonitorArgs, MonitorCommand};
use crate::draw::Ui;
use crate::failure::ErrorCode;

/// Warnings, versions that a server swaps, and nothing of drivers that are tried and not used.
const DEFAULT_LOG: &str =
    "warn,cupola_serving::catalog=info,wgpu_hal=off,wgpu_core=off,naga=off,cubecl_wgpu=error";

/// Runs the command of the process's arguments. Exit code 0 is success, 1 a failure, 2 a user error.
pub fn main() -> ExitCode {
    quiet_panics();
    // With a handler, a file that reaches the limit of its size is an error of the write and not the end.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
    let cli = match args::parse() {
        Ok(cli) => cli,
        Err(error) => return args::report(&error),
    };
    let level = tracing_subscriber::EnvFilter::try_from_env("CUPOLA_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(DEFAULT_LOG));
    tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let ui = Ui { json: cli.json };
    let row_options = cli.command.row_options();
    // An uncaught panic is a bug: it gets a message and exit code 1 like any other failure.
    let done = cupola_nn::catch_panic(|| run(&home::open(&cli.home)?, ui, cli.command));
    let done = done.unwrap_or_else(|panic| {
        Err(anyhow::anyhow!("internal error: {panic}; please report it with the command that you ran"))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error = failure::with_option(error, &row_options);
            ui.error(&error, ErrorCode::of(&error));
            ExitCode::from(failure::exit_code(&error))
        }
    }
}

fn run(home: &cupola_registry::Home, ui: Ui, command: Command) -> anyhow::Result<()> {
    // These use no home, or report what is wrong with it.
    let without_home = matches!(
        command,
        Command::Doctor(_)
            | Command::Schema(_)
            | Command::Completions(_)
            | Command::Worker(_)
            | Command::Monitor(MonitorArgs { command: MonitorCommand::Export(_) })
            | Command::ProbeVulkan
    );
    if !without_home {
        home.check()?;
    }
    match command {
        Command::Init(args) => commands::training::init::run(home, ui, &args),
        Command::Train(args) => commands::training::train::run(home, ui, &args),
        Command::Cv(args) => commands::training::cv::run(home, ui, &args),
        Command::Ensemble(args) => commands::training::ensemble::run(home, ui, &args),
        Command::Tune(args) => commands::training::tune::run(home, ui, &args),
        Command::Watch(args) => commands::operate::watch::run(home, ui, &args),
        Command::Submit(args) => commands::operate::submit::run(home, ui, &args),
        Command::Rate(args) => commands::training::rate::run(home, ui, &args),
        Command::Check(args) => commands::training::check::run(home, ui, &args),
        Command::Evaluate(args) => commands::inference::evaluate::run(home, ui, &args),
        Command::Gate(args) => commands::inference::gate::run(home, ui, &args),
        Command::Predict(args) => commands::inference::predict::run(home, &args),
        Command::Generate(args) => commands::inference::generate::run(home, ui, &args),
        Command::Chat(args) => commands::inference::chat::run(home, ui, &args),
        Command::Serve(args) => commands::server::serve::run(home, ui, &args),
        Command::Monitor(args) => commands::operate::monitor::run(home, ui, &args),
        Command::Deploy(args) => commands::operate::deploy::run(home, ui, &args),
        Command::Keys(args) => commands::server::keys::run(home, ui, &args),
        Command::Worker(args) => commands::server::worker::run(&args),
        Command::Data(args) => commands::data::run(home, ui, &args),
        Command::Prepare(args) => commands::training::prepare::run(home, ui, &args),
        Command::Graph(args) => commands::training::graph::run(home, ui, &args),
        Command::Runs(args) => commands::record::runs::run(home, ui, &args),
        Command::Models(args) => commands::record::models::run(home, ui, &args),
        Command::Doctor(args) => commands::tools::doctor::run(home, ui, &args),
        Command::Schema(args) => commands::tools::schema::run(&args),
        Command::Completions(args) => commands::tools::completions::run(&args),
        Command::ProbeVulkan => commands::tools::doctor::probe(),
    }
}

/// Silences the panic hook on threads whose panics are caught and reported as errors: libraries panic if a
/// driver fails. `CUPOLA_PANICS=1` restores the hook.
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
