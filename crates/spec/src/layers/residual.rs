//! `residual`: two branches whose outputs are added.

use crate::layers::contract::{LayerContract, Misfit, probability};

/// The sum of two branches that return `body` and `shortcut`.
pub(super) fn residual(
    input: &[usize],
    body: &[usize],
    shortcut: &[usize],
    drop_path: f64,
) -> Result<LayerContract, Misfit> {
    probability(input, drop_path)?;
    if body != shortcut {
        let needs = "both branches to return the same shape";
        return Err(Misfit::new(body, needs, "add a `shortcut` that changes the shape too"));
    }
    Ok(LayerContract::elementwise(body.to_vec(), 1))
}
