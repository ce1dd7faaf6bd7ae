//! Progress of collecting: a bar on a terminal, a plain line now and then in a pipe.

use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cupola_sources::{ProgressSink, ProgressUnit};
use cupola_workflow::{Observer, WorkflowEvent};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Ui, grouped};

/// Work that takes less time is not shown.
const DELAY: Duration = Duration::from_secs(1);
/// Time between two lines in a pipe.
const INTERVAL: Duration = Duration::from_secs(5);

/// Progress of one collection after another.
pub struct CollectionProgress {
    ui: Ui,
    current: Mutex<Option<Collection>>,
}

struct Collection {
    what: String,
    unit: ProgressUnit,
    total: Option<u64>,
    done: u64,
    began: Instant,
    shown: Instant,
    bar: Option<ProgressBar>,
}

impl CollectionProgress {
    pub fn new(ui: Ui) -> Self {
        Self { ui, current: Mutex::new(None) }
    }

    fn current(&self) -> MutexGuard<'_, Option<Collection>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProgressSink for CollectionProgress {
    fn begin(&self, what: &str, unit: ProgressUnit, total: Option<u64>) {
        let began = Instant::now();
        let work = Collection { what: what.to_owned(), unit, total, done: 0, began, shown: began, bar: None };
        if let Some(before) = self.current().replace(work)
            && let Some(bar) = before.bar
        {
            bar.finish_and_clear();
        }
    }

    fn advance(&self, by: u64) {
        let mut current = self.current();
        let Some(work) = current.as_mut() else { return };
        work.done += by;
        if work.began.elapsed() < DELAY {
            return;
        }
        if std::io::stderr().is_terminal() {
            let bar = work.bar.get_or_insert_with(|| bar(&work.what, work.unit, work.total));
            bar.set_position(work.done);
        } else if work.shown.elapsed() >= INTERVAL {
            work.shown = Instant::now();
            self.ui.line(work.line());
        }
    }

    fn end(&self) {
        if let Some(bar) = self.current().take().and_then(|work| work.bar) {
            bar.finish_and_clear();
        }
    }
}

impl Observer for CollectionProgress {
    fn observe(&self, event: &WorkflowEvent<'_>) {
        match event {
            WorkflowEvent::CollectionStarted { what, unit, total } => self.begin(what, *unit, *total),
            WorkflowEvent::CollectionAdvanced { by } => self.advance(*by),
            WorkflowEvent::CollectionFinished => self.end(),
            _ => {}
        }
    }
}

impl Collection {
    #[allow(clippy::cast_precision_loss)]
    fn line(&self) -> String {
        let rate = self.done as f64 / self.began.elapsed().as_secs_f64();
        let amount = |n: u64| match self.unit {
            ProgressUnit::Bytes => format!("{:.1} MB", n as f64 / 1e6),
            ProgressUnit::Rows => format!("{} rows", grouped(usize::try_from(n).unwrap_or_default())),
            ProgressUnit::Files => format!("{n} files"),
            ProgressUnit::Pages => format!("{n} pages"),
        };
        let per = match self.unit {
            ProgressUnit::Bytes => format!("{:.1} MB/s", rate / 1e6),
            _ => format!("{rate:.0}/s"),
        };
        match self.total.filter(|total| *total > 0) {
            Some(total) => {
                let left = total.saturating_sub(self.done) as f64 / rate.max(1e-9);
                format!("{}: {} of {}, {per}, ETA {left:.0} s", self.what, amount(self.done), amount(total))
            }
            None => format!("{}: {}, {per}", self.what, amount(self.done)),
        }
    }
}

fn bar(what: &str, unit: ProgressUnit, total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    let amount = match unit {
        ProgressUnit::Bytes => "{bytes}/{total_bytes}, {bytes_per_sec}",
        _ => "{human_pos}/{human_len}, {per_sec}",
    };
    let alone = match unit {
        ProgressUnit::Bytes => "{bytes}, {bytes_per_sec}",
        _ => "{human_pos}, {per_sec}",
    };
    let style = match total {
        Some(_) => format!("{{spinner}} {{msg}} {{wide_bar}} {amount}, ETA {{eta}}"),
        None => format!("{{spinner}} {{msg}} {alone}"),
    };
    if let Ok(style) = ProgressStyle::with_template(&style) {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar
}
