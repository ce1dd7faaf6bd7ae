//! `cupola models families`: the families of `[model]` with their defaults and cost.

use anyhow::Result;
use cupola_spec::{FamilyInfo, families};
use serde_json::Value;

use crate::draw::Ui;

pub fn run(ui: Ui) -> Result<()> {
    let all = families();
    let rows = all.iter().map(|info| {
        vec![
            info.family.to_owned(),
            info.purpose.to_owned(),
            defaults(info),
            cost(info),
            info.example.to_owned(),
        ]
    });
    ui.table(&["family", "for", "defaults", "multiply-adds", "of"], &[3], rows.collect());
    ui.line("write `[model]` with `family = \"...\"`; each default is a key that you may set");
    ui.result(&all)
}

/// Defaults as in TOML.
fn defaults(info: &FamilyInfo) -> String {
    let shown = |value: &Value| value.to_string().replace(',', ", ");
    let each = info.defaults.iter().map(|(key, value)| format!("{key} = {}", shown(value)));
    each.collect::<Vec<_>>().join(", ")
}

/// Multiply-adds with a unit: `74 k`, `1.5 M`.
fn cost(info: &FamilyInfo) -> String {
    let Some(number) = info.multiply_adds else { return "no epochs".to_owned() };
    #[allow(clippy::cast_precision_loss, reason = "shown with two digits")]
    let number = number as f64;
    match number {
        0.0..1e3 => format!("{number:.0}"),
        1e3..1e6 => format!("{:.0} k", number / 1e3),
        1e6..1e8 => format!("{:.1} M", number / 1e6),
        _ => format!("{:.0} M", number / 1e6),
    }
}
