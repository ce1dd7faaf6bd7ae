//! Resolution of the inputs of a config to columns.

use cupola_spec::{
    ColumnDefaults, Encoding, Feature, Fill, Input, Kind, Run, TableStem, Target, TargetKind, TreesSpec,
    matches_pattern,
};

use super::inference::{InferredColumn, infer};
use super::nature::ValueCounts;
use super::products::{TIMES, products};
use super::resolved::ResolvedInput;
use crate::error::Error;
use crate::frame::meaning::{ValueRule, ValueRules};
use crate::frame::{Column, Frame};
use crate::text::FittedTokenizer;

/// Finds the columns of each input of `run`. If the config declares no inputs, they are inferred from all columns
/// but the targets, and the second result describes each column. `rules` give the format of dates. Texts reuse `tokenizer` if there is one.
///
/// # Errors
/// [`Error::Column`] for a missing column, [`Error::Input`] for an image whose columns do not fill its shape or if
/// no column can be used.
#[allow(clippy::needless_for_each, reason = "it ends a chain of iterators")]
pub fn resolve(
    run: &Run,
    frame: &Frame,
    rules: &ValueRules,
    tokenizer: Option<&FittedTokenizer>,
) -> Result<(Vec<ResolvedInput>, Vec<InferredColumn>), Error> {
    // The target of a reconstruction may have no column.
    let mut targets: Vec<&str> = run.targets.iter().filter_map(Target::column).collect();
    for target in &targets {
        frame.require(target, "check `[[targets]]`")?;
    }
    // New groups have names that were never seen.
    for group in run.targets.iter().filter_map(Target::group) {
        frame.require(group, "check `group` under `[[targets]]`")?;
        targets.push(group);
    }
    let (mut resolved, mut inferred) = if run.inputs.is_empty() {
        // New rows do not have the column of the split.
        let split = run.split.column.as_deref();
        infer(frame, rules, &targets.iter().copied().chain(split).collect::<Vec<_>>())?
    } else {
        let declared = run.inputs.iter().map(|input| declared(input, frame, &targets));
        (declared.collect::<Result<_, _>>()?, Vec::new())
    };
    for input in &mut resolved {
        input.tokenizer = tokenizer.cloned();
        set_date_format(input, rules);
    }
    if matches!(run.trees, Some(TreesSpec::Boosted(_))) {
        resolved.iter_mut().for_each(|resolved| leave_to_trees(&mut resolved.input));
        let categories = inferred.iter_mut().filter(|column| column.kind == "category");
        categories.for_each(|column| "split by sets of values".clone_into(&mut column.note));
    }
    for resolved in &mut resolved {
        encode_for(&run.design.columns, resolved, frame, run.inputs.is_empty());
    }
    let categories = resolved.iter_mut().filter(|resolved| resolved.input.kind == Kind::Category);
    for ResolvedInput { input, .. } in categories {
        // A tokenized table has one token per column, so a category is one column.
        if matches!(run.design.table, TableStem::Tokens { .. }) {
            input.encode.get_or_insert(Encoding::Index);
        }
        // Only real values can be reconstructed.
        if run.targets.first().kind == TargetKind::Reconstruct {
            input.encode = Some(Encoding::OneHot);
        }
    }
    Ok((resolved, inferred))
}

/// Encodes numbers and categories as the network expects them, unless the config says otherwise.
fn encode_for(defaults: &ColumnDefaults, resolved: &mut ResolvedInput, frame: &Frame, inferred: bool) {
    let input = &mut resolved.input;
    match (input.kind, defaults.scale, defaults.one_hot) {
        (Kind::Number, Some(scale), _) if input.bins.is_none() => {
            input.scale.get_or_insert(scale);
        }
        (Kind::Category, _, Some(most)) if inferred || input.encode.is_none() => {
            let columns = resolved.columns.iter().filter_map(|name| frame.get(name));
            let few = columns.map(ValueCounts::of).all(|counts| counts.distinct <= most);
            input.encode = Some(if few { Encoding::OneHot } else { Encoding::Index });
        }
        _ => {}
    }
}

/// Boosted trees split categories by sets and learn where missing numbers go, unless the config says otherwise.
fn leave_to_trees(input: &mut Input) {
    match input.kind {
        Kind::Category => {
            input.encode.get_or_insert(Encoding::Index);
        }
        // Bins have no place for a missing value.
        Kind::Number if input.bins.is_none() => {
            input.fill.get_or_insert_with(|| Fill::Name("none".to_owned()));
        }
        _ => {}
    }
}

/// Gives dates without a declared format the one that was recognised.
fn set_date_format(resolved: &mut ResolvedInput, rules: &ValueRules) {
    if resolved.input.kind != Kind::Date || resolved.input.format.is_some() {
        return;
    }
    if let Some(ValueRule::Date { format }) = resolved.columns.first().and_then(|column| rules.get(column)) {
        resolved.input.format.clone_from(format);
    }
}

fn declared(input: &Input, frame: &Frame, targets: &[&str]) -> Result<ResolvedInput, Error> {
    let patterns = input.column_patterns();
    // The text of a language model is also its target, and the past of a series may be used. Products are added
    // below, to the input that declares them.
    let eligible = |name: &str| {
        !name.contains(TIMES)
            && (!targets.contains(&name) || input.kind == Kind::Text || input.window.is_some())
    };
    let mut columns = Vec::new();
    for pattern in patterns {
        if !pattern.contains('*') {
            frame.require(pattern, "check `[[inputs]]`")?;
        }
        let matching = frame.names().filter(|name| eligible(name) && matches_pattern(pattern, name));
        let before = columns.len();
        columns.extend(matching.map(str::to_owned));
        if columns.len() == before {
            let remedy = "check `[[inputs]]`; the column of a target is never an input";
            return Err(Error::Column { column: pattern.clone(), near: String::new(), remedy });
        }
    }
    if input.interact == Some(true) {
        columns.extend(products(&columns).into_iter().map(|feature| feature.name));
    }
    check_shape(input, &columns, frame)?;
    Ok(ResolvedInput::new(input.clone(), columns))
}

/// Checks that the columns of an image or a series fill its shape.
fn check_shape(input: &Input, columns: &[String], frame: &Frame) -> Result<(), Error> {
    let image = input.shape.map(|shape| shape.to_vec());
    let Some(shape) = image.or(input.steps.map(|steps| steps.to_vec())) else { return Ok(()) };
    let expected: usize = shape.iter().product();
    // One column of files holds all values.
    let reads_files = columns.len() == 1 && !matches!(frame.get(&columns[0]), Some(Column::Number { .. }));
    if expected == columns.len() || reads_files {
        return Ok(());
    }
    let why = format!(
        "shape {shape:?} requires {expected} columns, found {}; change the shape or `columns`",
        columns.len()
    );
    Err(Error::Input { input: input.name.clone(), why })
}

/// Products that the config asks for, as computed columns. Missing columns are reported by [`resolve`].
pub(super) fn interactions(run: &Run, frame: &Frame) -> Vec<Feature> {
    let mut features: Vec<Feature> = Vec::new();
    for input in run.inputs.iter().filter(|input| input.interact == Some(true)) {
        let alone = Input { interact: None, ..input.clone() };
        let Ok(resolved) = declared(&alone, frame, &[]) else { continue };
        for product in products(&resolved.columns) {
            if !features.contains(&product) {
                features.push(product);
            }
        }
    }
    features
}
