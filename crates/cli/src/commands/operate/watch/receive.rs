//! Alerts that a running watch takes by webhook.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use anyhow::Result;
use cupola_http::{AlertReceiver, AlertSink, ReceivedAlert, SenderProof};
use cupola_operate::{AlertInbox, WatchJob};
use cupola_registry::Home;
use cupola_workflow::Session;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::draw::Ui;
use crate::failure::UserError;

/// Listener for alerts. It ends when this is dropped.
pub struct ReceivedAlerts {
    new: Arc<AtomicBool>,
    _stop: watch::Sender<bool>,
    _runtime: Runtime,
}

impl ReceivedAlerts {
    /// `true` if an alert has come since the last call.
    pub fn taken(&self) -> bool {
        self.new.swap(false, Ordering::AcqRel)
    }
}

/// File of alerts, and the flag that ends the wait for the next pass.
struct InboxSink {
    inbox: AlertInbox,
    new: Arc<AtomicBool>,
    model: String,
}

impl AlertSink for InboxSink {
    fn store(&self, alerts: &[ReceivedAlert]) -> std::io::Result<()> {
        let each = alerts.iter().map(|alert| (alert.name.as_str(), alert.summary.as_str()));
        self.inbox.keep(each).map_err(|error| {
            Ui::warning(&format!("failed to keep an alert: {error}"));
            std::io::Error::other(error)
        })?;
        self.new.store(true, Ordering::Release);
        Ok(())
    }

    fn ignored(&self, models: &[String]) {
        Ui::warning(&format!("ignored alerts of {}; this process watches {}", models.join(", "), self.model));
    }
}

/// Listens for alerts as the config says; `None` if it says nothing of them.
pub fn listen(home: &Home, ui: Ui, job: &WatchJob, session: &Session<'_>) -> Result<Option<ReceivedAlerts>> {
    let Some((model, webhook)) = job.webhook(session)? else { return Ok(None) };
    let address: SocketAddr = webhook.listen.parse().map_err(|_| {
        UserError::new(format!("invalid address `{}`", webhook.listen), "check `watch.on.webhook.listen`")
    })?;
    let new = Arc::new(AtomicBool::new(false));
    let sink = InboxSink { inbox: AlertInbox::of(home, &model), new: Arc::clone(&new), model: model.clone() };
    let proof = SenderProof { token: webhook.token, secret: webhook.secret };
    let receiver = AlertReceiver::new(model, proof, Arc::new(sink));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (stop, stopped) = watch::channel(false);
    let (bound, result) = mpsc::channel();
    let failed = bound.clone();
    runtime.spawn(async move {
        let ready = move |address| drop(bound.send(Ok(address)));
        if let Err(error) = receiver.run(address, ready, stopped).await {
            drop(failed.send(Err(error)));
        }
    });
    let address = result.recv()??;
    ui.line(format!("alerts      POST http://{address}/"));
    Ok(Some(ReceivedAlerts { new, _stop: stop, _runtime: runtime }))
}
