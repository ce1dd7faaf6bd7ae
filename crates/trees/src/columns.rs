//! Examples as the libraries of trees take them.

use cupola_prep::{Examples, Targets};
use cupola_spec::Block;

use crate::error::Error;

/// Refuses what trees cannot split.
pub(crate) fn check(examples: &Examples) -> Result<(), Error> {
    if examples.layout.blocks.iter().any(|block| matches!(block, Block::Text { .. })) {
        return Err(Error::Block { kind: "text" });
    }
    Ok(())
}

/// Refuses examples of other columns than those of the fit.
pub(crate) fn expect(columns: usize, examples: &Examples) -> Result<(), Error> {
    match width_of(examples) {
        found if found == columns => Ok(()),
        found => Err(Error::Columns { expected: columns, found }),
    }
}

/// For each output of targets of these widths, whether it stands for one of several classes.
pub(crate) fn one_of_many(widths: &[usize]) -> Vec<bool> {
    widths.iter().flat_map(|&width| std::iter::repeat_n(width > 1, width)).collect()
}

/// Columns: real numbers, then indices.
pub(crate) fn width_of(examples: &Examples) -> usize {
    examples.layout.dense_width() + examples.layout.index_width()
}

/// All values, column after column: real numbers, then indices, which trees split as ranks of
/// their names: the boosting library's own splits of categories were far worse (RMSE 1,446 for 562 on
/// diamonds, with perpetual 3.0.0-rc.2).
pub(crate) fn by_column(examples: &Examples) -> Vec<f64> {
    let (d, k) = (examples.layout.dense_width(), examples.layout.index_width());
    let mut values = Vec::with_capacity(examples.rows * (d + k));
    for column in 0..d {
        values.extend(examples.dense.iter().skip(column).step_by(d).map(|&x| f64::from(x)));
    }
    for column in 0..k {
        values.extend(examples.indices.iter().skip(column).step_by(k).map(|&x| f64::from(x)));
    }
    values
}

/// Whether one output asks for a class, and its targets.
pub(crate) fn question(targets: &Targets, width: usize, output: usize) -> (bool, Vec<f64>) {
    match targets {
        Targets::Number(y) => (false, y.iter().map(|&y| f64::from(y)).collect()),
        Targets::Vector { width, values } => {
            (false, values.iter().skip(output).step_by(*width).map(|&y| f64::from(y)).collect())
        }
        Targets::Class(class) => {
            let wanted = if width == 1 { 1 } else { output };
            let is = |class: &i32| f64::from(u8::from(usize::try_from(*class) == Ok(wanted)));
            (true, class.iter().map(is).collect())
        }
        // The config gives trees no text.
        Targets::Reconstruction { .. } | Targets::Tokens { .. } => (false, Vec::new()),
    }
}
