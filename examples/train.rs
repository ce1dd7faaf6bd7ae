//! Trains `configs/digits.toml` and publishes the package `digits` in `.cupola`, as `cupola train` does.
//!
//! ```sh
//! cargo run --release --example train
//! ```

#![allow(clippy::print_stdout, reason = "an example shows its results")]

use std::error::Error;

use cupola_registry::Home;
use cupola_workflow::{ConfigSource, JobOutcome, Session, StopSignal, TrainJob, WorkflowEvent};

fn main() -> Result<(), Box<dyn Error>> {
    // Every stage reports what happens as events; an observer is a closure or a type of your own.
    let observer = |event: &WorkflowEvent<'_>| match event {
        WorkflowEvent::DeviceChosen(device) => println!("training on {device}"),
        WorkflowEvent::Training(cupola_train::Event::Epoch { epoch, train_loss, .. }) => {
            println!("epoch {epoch}: loss {train_loss:.4}");
        }
        WorkflowEvent::Evaluated { split, metrics } => println!("{split}: {:?}", metrics.values),
        _ => {}
    };
    let session = Session::new(Home::new(".cupola".into()), &observer);
    let config = ConfigSource::file("configs/digits.toml").with_overrides(["train.epochs=5".to_owned()]);
    // Set from a signal handler or another thread, this ends the run with a checkpoint.
    let stop = StopSignal::new();
    match TrainJob::new(config).run(&session, &stop)? {
        JobOutcome::Published(run) => println!("published {} in {}", run.package, run.path.display()),
        JobOutcome::Stopped { run, step } => {
            println!("{run} stopped at step {step:?}; TrainJob::resume continues it");
        }
        JobOutcome::Follower => {}
    }
    Ok(())
}
