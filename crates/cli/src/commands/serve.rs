//! `cupola serve`

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use cupola_infer::Predictor;
use cupola_registry::{Home, Reference};
use cupola_serve::{Limits, Server, Settings};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::ServeArgs;
use crate::device;
use crate::ui::Ui;

pub fn run(home: &Home, ui: Ui, args: &ServeArgs) -> Result<()> {
    let device = device::choose(args.device.device)?;
    ui.line(format!("device  {device}"));
    let settings = Settings {
        limits: Limits { queue: args.queue as usize, batch_rows: args.batch_rows as usize },
        body_bytes: (args.body_mib as usize) << 20,
        timeout: Duration::from_secs(u64::from(args.timeout)),
        ..Settings::default()
    };
    let mut server = Server::new(settings);
    let mut first = String::new();
    for text in &args.models {
        let package = Reference::parse(text)?.resolve(home)?;
        let predictor = Predictor::load(&package, args.engine, &device)?;
        let report = &predictor.report;
        let times = match (report.burn_us, report.candle_us) {
            (Some(burn), Some(candle)) => format!(": burn {burn:.0} us, candle {candle:.0} us"),
            _ => String::new(),
        };
        ui.line(format!("model   {} by {} ({}{times})", package.label(), report.engine, report.why));
        if first.is_empty() {
            first.clone_from(&package.manifest.name);
        }
        server.add(package.manifest, predictor)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let address = SocketAddr::new(args.host, args.port);
    runtime.block_on(async {
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let stop = async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            ui.line("draining: no new work, open requests are finished");
        };
        let ready = |address: SocketAddr| {
            ui.line(format!("ready   http://{address}"));
            ui.line(format!("next    curl -s http://{address}/v1/models/{first}"));
        };
        Ok(server.run(address, ready, stop).await?)
    })
}
