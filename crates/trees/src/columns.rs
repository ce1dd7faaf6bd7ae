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
