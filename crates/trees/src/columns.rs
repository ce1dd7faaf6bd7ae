//! Columns of examples.

use cupola_prep::Examples;
use cupola_spec::Block;

use crate::error::Error;

/// Rejects examples with text inputs.
pub(crate) fn reject_text(examples: &Examples) -> Result<(), Error> {
    if examples.layout.blocks.iter().any(|block| matches!(block, Block::Text { .. })) {
        return Err(Error::Block { kind: "text" });
    }
    Ok(())
}

/// Rejects examples with another number of columns than those of the fit.
pub(crate) fn check_width(columns: usize, examples: &Examples) -> Result<(), Error> {
    match width_of(examples) {
        found if found == columns => Ok(()),
        found => Err(Error::Columns { expected: columns, found }),
    }
}

/// Number of columns: real numbers, then indices.
pub(crate) fn width_of(examples: &Examples) -> usize {
    examples.layout.dense_width() + examples.layout.index_width()
}

/// Features of `count` rows from `start` on, row-major: real numbers, then indices.
#[allow(clippy::cast_precision_loss, reason = "indices of categories stay far below 2^24")]
pub(crate) fn rows_of(examples: &Examples, start: usize, count: usize) -> Vec<f32> {
    let (dense, indices) = (examples.layout.dense_width(), examples.layout.index_width());
    let mut features = Vec::with_capacity(count * (dense + indices));
    for row in start..start + count {
        features.extend_from_slice(&examples.dense[row * dense..(row + 1) * dense]);
        let indices = &examples.indices[row * indices..(row + 1) * indices];
        features.extend(indices.iter().map(|&index| index as f32));
    }
    features
}
