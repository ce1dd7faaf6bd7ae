//! Time of a row and memory of the sketches of 1,000 features in 10 versions, for BENCHMARKS.md:
//! `cargo run --release -p cupola-monitor --example sketch_cost`.
#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "figures for people")]

use std::sync::Arc;
use std::time::Instant;

use cupola_monitor::sketch::{DriftLimits, LiveDrift, SketchColumn, SketchLayout};
use cupola_monitor::window::{WindowLimits, WindowRing};
use cupola_monitor::{ColumnRole, NumberReference, ReferenceColumn, ReferenceValues};

const HOUR: i64 = 3_600_000;

fn layout(columns: usize) -> Arc<SketchLayout> {
    let column = |at: usize| {
        let values = ReferenceValues::Number(NumberReference {
            edges: (0..=20).map(f64::from).collect(),
            counts: vec![100; 20],
            deviation: 6.0,
            ..NumberReference::default()
        });
        let (name, role, class) = (format!("column {at}"), ColumnRole::Input, None);
        SketchColumn::with_reference(&ReferenceColumn { name, role, class, rows: 2000, missing: 0, values })
    };
    Arc::new(SketchLayout::new((0..columns).map(column).collect(), false))
}

/// Adds `rows` rows to the window at `now`.
fn fill(ring: &mut WindowRing, now: i64, rows: u64, seed: &mut u64) {
    let layout = Arc::clone(ring.layout());
    let table = &mut ring.open_at(now).table;
    table.rows += rows;
    for (column, sketch) in layout.columns.iter().zip(&mut table.columns) {
        for _ in 0..rows {
            // Multiplier of Knuth's MMIX generator.
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sketch.add_number(column, Some((*seed >> 40) as f64 / f64::from(1 << 24) * 21.0));
        }
    }
}

fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

fn main() {
    let mut seed = 1;
    for columns in [1, 10, 100, 1000] {
        let limits = WindowLimits { period: HOUR, rows: None, kept: 24 };
        let mut ring = WindowRing::new(layout(columns), limits, 0);
        let requests = 400_000 / columns as u64;
        let began = Instant::now();
        for _ in 0..requests {
            fill(&mut ring, 1, 1, &mut seed);
        }
        let each = began.elapsed().as_secs_f64() * 1e6 / requests as f64;
        let began = Instant::now();
        let table = &ring.open().table;
        let compared = ring.layout().columns.iter().zip(&table.columns);
        let drifted = compared.map(|(column, sketch)| LiveDrift::of(column, sketch, &DriftLimits::default()));
        let drifted = drifted.filter(|drift| drift.psi.is_some()).count();
        let judged = began.elapsed().as_secs_f64() * 1e6 / drifted as f64;
        println!(
            "{columns} columns: {each:.2} us a request of one row, {judged:.1} us a verdict of one column"
        );
    }
    for windows in [2, 11, 24] {
        let before = resident_mib();
        let limits = WindowLimits { period: HOUR, rows: None, kept: windows };
        let layout = layout(1000);
        let mut rings: Vec<WindowRing> =
            (0..10).map(|_| WindowRing::new(Arc::clone(&layout), limits, 0)).collect();
        for ring in &mut rings {
            for hour in 0..=windows {
                fill(ring, HOUR * i64::try_from(hour).unwrap_or_default() + 1, 1000, &mut seed);
            }
        }
        let counted = rings.iter().map(WindowRing::heap_bytes).sum::<usize>() as f64 / f64::from(1 << 20);
        let resident = resident_mib() - before;
        println!(
            "10 versions of 1,000 columns, {windows} closed windows: {counted:.0} MiB counted, {resident:.0} MiB more resident"
        );
    }
}
