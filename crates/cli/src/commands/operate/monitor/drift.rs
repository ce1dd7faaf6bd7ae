//! `cupola monitor report` and `cupola monitor check`: drift of data from that of the training.

use anyhow::Result;
use cupola_monitor::embedding::EmbeddingMethod;
use cupola_monitor::{DriftMethod, DriftOptions};
use cupola_operate::{DriftOutcome, DriftRequest, drift_page, measure_drift};
use cupola_registry::Home;

use super::write_files;
use crate::args::{DriftArgs, MonitorCheckArgs, MonitorReportArgs};
use crate::commands::session;
use crate::draw::{CollectionProgress, Ui, show_drift};
use crate::failure::{Drifted, UserError};

pub fn report(home: &Home, ui: Ui, args: &MonitorReportArgs) -> Result<()> {
    let found = measured(home, ui, &args.drift)?;
    show_drift(ui, &found);
    if let Some(folder) = &args.out {
        write_files(ui, folder, "monitor", &found, &drift_page(&found))?;
    }
    ui.result(&found)
}

pub fn check(home: &Home, ui: Ui, args: &MonitorCheckArgs) -> Result<()> {
    let found = measured(home, ui, &args.drift)?;
    show_drift(ui, &found);
    ui.result(&found)?;
    if found.has_drifted() { Err(Drifted::of(&found).into()) } else { Ok(()) }
}

fn measured(home: &Home, ui: Ui, args: &DriftArgs) -> Result<DriftOutcome> {
    let is_share = |share: f64| share > 0.0 && share <= 1.0;
    if !is_share(args.max_share) {
        let hint = "give a share of the columns, above 0 and at most 1";
        return Err(UserError::new("`--max-share` is out of range", hint).into());
    }
    if args.threshold.is_some_and(|threshold| !threshold.is_finite() || threshold <= 0.0) {
        return Err(UserError::new("`--threshold` is out of range", "give a number above 0").into());
    }
    let methods = args.method.iter().map(|name| DriftMethod::parse(name)).collect::<Result<Vec<_>, _>>();
    let embeddings =
        args.embeddings.iter().map(|name| EmbeddingMethod::parse(name)).collect::<Result<Vec<_>, _>>();
    let chunking = args.chunks.parse().map_err(cupola_operate::Error::Monitor)?;
    let progress = CollectionProgress::new(ui);
    let request = DriftRequest {
        model: args.model.selection(),
        data: &args.data,
        reference: args.reference.as_deref(),
        predict: !args.no_predictions,
        options: DriftOptions {
            methods: methods.map_err(cupola_operate::Error::Monitor)?,
            threshold: args.threshold,
        },
        max_share: args.max_share,
        multivariate: args.multivariate.then_some(chunking),
        embeddings: embeddings.map_err(cupola_operate::Error::Monitor)?,
    };
    Ok(measure_drift(&session(home, &progress), &request)?)
}
