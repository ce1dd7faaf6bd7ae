//! The performance log of a server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cupola_serving::PerformanceLogger;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::state::ServerState;

/// Files of the performance log.
pub(crate) struct PerformanceFiles {
    pub folder: PathBuf,
    pub interval: Duration,
    pub keep_days: u32,
}

/// Task that writes the performance log.
pub(crate) struct PerformanceTask {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl PerformanceFiles {
    /// Writes what happens from now on, after each interval.
    pub fn start(self, state: &ServerState) -> PerformanceTask {
        let Self { folder, interval, keep_days } = self;
        let (telemetry, pipeline) = (Arc::clone(&state.telemetry), Arc::clone(&state.pipeline));
        let mut logger = PerformanceLogger::new(folder, keep_days, telemetry, pipeline);
        let (stop, mut stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            loop {
                let ended = tokio::select! {
                    () = tokio::time::sleep(interval) => false,
                    _ = stopped.wait_for(|stopped| *stopped) => true,
                };
                let written = tokio::task::spawn_blocking(move || {
                    logger.write();
                    logger
                });
                match written.await {
                    Ok(back) if !ended => logger = back,
                    _ => return,
                }
            }
        });
        PerformanceTask { stop, task }
    }
}

impl PerformanceTask {
    /// Writes the last interval and ends.
    pub async fn finish(self) {
        let _ = self.stop.send(true);
        let _ = self.task.await;
    }
}
