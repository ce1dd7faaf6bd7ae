//! The performance log of a server as a table.

use cupola_operate::{ServiceChunk, ServiceLog};

use crate::draw::Ui;
use crate::draw::numbers::{grouped, metric};

/// Columns before those of the targets.
const HEADER: [&str; 9] =
    ["chunk", "version", "requests", "refused", "failed", "p50 ms", "p99 ms", "processors", "memory MB"];

/// Columns of the GPU, of a server that computes on one.
const GPU: [&str; 2] = ["GPU", "GPU memory MB"];

/// Shows the chunks of a log.
pub fn show_service_log(ui: Ui, found: &ServiceLog) {
    let mut targets: Vec<&String> =
        found.chunks.iter().flat_map(|chunk| chunk.interval.targets.keys()).collect();
    targets.sort();
    targets.dedup();
    let several = targets.len() > 1;
    let gpu = found.chunks.iter().any(|chunk| {
        let process = &chunk.interval.process;
        process.gpu.is_some() || process.gpu_memory_bytes.is_some()
    });
    let mut header: Vec<String> = HEADER.map(str::to_owned).to_vec();
    if gpu {
        header.extend(GPU.map(str::to_owned));
    }
    for target in &targets {
        let of = if several { format!("{target} ") } else { String::new() };
        header
            .extend(["known", "right", "calibration error", "mean error"].map(|name| format!("{of}{name}")));
    }
    let titles: Vec<&str> = header.iter().map(String::as_str).collect();
    let right: Vec<usize> = (2..header.len()).collect();
    ui.table(&titles, &right, found.chunks.iter().map(|chunk| row(chunk, &targets, gpu)).collect());
    if found.damaged > 0 {
        Ui::warning(&format!("{} lines of the log are damaged and left out", found.damaged));
    }
}

fn row(chunk: &ServiceChunk, targets: &[&String], gpu: bool) -> Vec<String> {
    let own = &chunk.interval;
    let count = |value: u64| grouped(usize::try_from(value).unwrap_or(usize::MAX));
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), metric);
    let short = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    let megabytes =
        |bytes: Option<u64>| bytes.map_or_else(|| "-".to_owned(), |bytes| count(bytes / 1_000_000));
    let versions: Vec<String> = chunk.versions.iter().map(u64::to_string).collect();
    let mut cells = vec![
        chunk.key.clone(),
        versions.join(", "),
        count(own.requests),
        count(own.client_errors),
        count(own.server_errors),
        short(own.p50.map(|seconds| seconds * 1e3)),
        short(own.p99.map(|seconds| seconds * 1e3)),
        short(own.process.cpu),
        megabytes(own.process.memory_bytes),
    ];
    if gpu {
        let percent = own.process.gpu.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 1e2));
        cells.extend([percent, megabytes(own.process.gpu_memory_bytes)]);
    }
    for target in targets {
        let outcome = own.targets.get(*target).cloned().unwrap_or_default();
        cells.extend([
            count(outcome.right + outcome.wrong + outcome.measured),
            number(outcome.accuracy()),
            number(outcome.calibration_error()),
            number(outcome.mean_error()),
        ]);
    }
    cells
}
