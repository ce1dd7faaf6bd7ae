//! One plan for several models: their inputs side by side, and the part of an example that each of them takes.

use std::ops::Range;

use cupola_spec::{Block, TargetList};

use super::{InputColumn, Plan};
use crate::error::Error;
use crate::examples::{Examples, Layout};
use crate::target::{FittedTarget, NumberOutputs};
use crate::transform::FittedInput;

/// Plan of several models, and the inputs that each of them has in it.
#[derive(Debug, Clone, PartialEq)]
pub struct JoinedPlan {
    /// Plan that transforms rows for all members.
    pub plan: Plan,
    /// Indices among the plan's inputs of the inputs of each member, in the member's order.
    pub members: Vec<Vec<usize>>,
}

/// Places of one member's values in the examples of a [`JoinedPlan`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberPlaces {
    layout: Layout,
    dense: Vec<Range<usize>>,
    indices: Vec<Range<usize>>,
}

/// Places of one input's values in an example as the network sees it.
#[derive(Debug, Clone, Default)]
struct InputPlaces {
    numbers: Range<usize>,
    encoded: Range<usize>,
    table_indices: Range<usize>,
    dense: Range<usize>,
    tokens: Range<usize>,
}

impl Plan {
    /// Joins plans that were fitted to rows of the same columns. Inputs that are fitted alike are shared, all others stand
    /// side by side; the scale of numbers is that of the first plan. Calibrations, thresholds and intervals are left out,
    /// since they belong to one member.
    ///
    /// # Errors
    /// [`Error::Join`] with the first difference that a common plan cannot have.
    pub fn join(plans: &[&Plan]) -> Result<JoinedPlan, Error> {
        let [first, others @ ..] = plans else {
            return Err(join_error(0, "expected at least one member"));
        };
        let mut plan = (*first).clone();
        plan.uncertainty = None;
        plan.targets = first.targets.map(FittedTarget::without_decisions);
        plan.targets.iter().try_for_each(|target| check_kind(target).map_err(|why| join_error(0, &why)))?;
        let mut members = vec![(0..plan.inputs.len()).collect::<Vec<_>>()];
        for (index, other) in others.iter().enumerate() {
            check_same(&plan, other).map_err(|why| join_error(index + 1, &why))?;
            if let Some(column) = plan.values.differing_column(&other.values) {
                return Err(join_error(index + 1, &format!("it reads `{column}` in another way")));
            }
            plan.values = plan.values.joined(&other.values);
            members.push(other.inputs.iter().map(|input| place_input(&mut plan, input)).collect());
        }
        Ok(JoinedPlan { plan, members })
    }

    /// Plan of one member: these inputs of the joined plan, with the member's own targets.
    ///
    /// # Errors
    /// [`Error::Join`] for an input that the plan does not have, and targets other than the plan's.
    pub fn member(&self, inputs: &[usize], targets: TargetList<FittedTarget>) -> Result<Self, Error> {
        let input = |index: &usize| {
            let found = self.inputs.get(*index).cloned();
            found.ok_or_else(|| join_error(0, &format!("the plan has no input {index}")))
        };
        let inputs = inputs.iter().map(input).collect::<Result<_, _>>()?;
        check_targets(&self.targets, &targets).map_err(|why| join_error(0, &why))?;
        Ok(Self { inputs, targets, uncertainty: None, ..self.clone() })
    }

    /// Places of the values of a member with these inputs, whose plan is [`Self::member`].
    ///
    /// # Errors
    /// [`Error::Join`] for an input that the plan does not have.
    pub fn member_places(&self, inputs: &[usize]) -> Result<MemberPlaces, Error> {
        let member = self.member(inputs, self.targets.clone())?;
        let all = self.input_places();
        let own: Vec<&InputPlaces> = inputs.iter().filter_map(|index| all.get(*index)).collect();
        let ranges = |of: fn(&InputPlaces) -> &Range<usize>| own.iter().map(move |places| of(places).clone());
        let dense = ranges(|own| &own.numbers).chain(ranges(|own| &own.encoded));
        let indices = ranges(|own| &own.table_indices).chain(ranges(|own| &own.tokens));
        Ok(MemberPlaces {
            layout: member.layout(),
            dense: connected(dense.chain(ranges(|own| &own.dense))),
            indices: connected(indices),
        })
    }

    /// Places of the values of each input: the table's numbers, its encodings, then the other blocks in order.
    fn input_places(&self) -> Vec<InputPlaces> {
        let blocks = self.layout().blocks;
        let table = blocks.first().filter(|block| matches!(block, Block::Table { .. }));
        let numbers = match table {
            Some(Block::Table { numbers, .. }) => *numbers,
            _ => 0,
        };
        let [mut number, mut encoded, mut index] = [0, numbers, 0];
        let mut dense = table.map_or(0, Block::dense_width);
        let mut token = table.map_or(0, Block::index_width);
        let each = self.inputs.iter().map(|input| match (input.table_columns(), input.block()) {
            (Some(own), _) => InputPlaces {
                numbers: take(&mut number, own.numbers),
                encoded: take(&mut encoded, own.encoded.iter().map(|columns| columns.width()).sum()),
                table_indices: take(&mut index, own.indices.len()),
                ..InputPlaces::default()
            },
            (None, Some(block)) => InputPlaces {
                dense: take(&mut dense, block.dense_width()),
                tokens: take(&mut token, block.index_width()),
                ..InputPlaces::default()
            },
            (None, None) => InputPlaces::default(),
        });
        each.collect()
    }
}

impl MemberPlaces {
    /// Layout of the member's examples.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The member's part of examples of the joined plan.
    pub fn examples(&self, joined: &Examples) -> Examples {
        let [dense, indices] = [joined.layout.dense_width(), joined.layout.index_width()];
        Examples {
            layout: self.layout.clone(),
            rows: joined.rows,
            dense: ranges_of(&joined.dense, dense, &self.dense),
            indices: ranges_of(&joined.indices, indices, &self.indices),
        }
    }
}

/// Values at `ranges` of each row of `values`, `[rows, width]`.
fn ranges_of<T: Copy>(values: &[T], width: usize, ranges: &[Range<usize>]) -> Vec<T> {
    let own: usize = ranges.iter().map(Range::len).sum();
    if own == width {
        let in_order = ranges.iter().try_fold(0, |at, range| (range.start == at).then_some(range.end));
        if in_order == Some(width) {
            return values.to_vec();
        }
    }
    let mut out = Vec::with_capacity(values.len() / width.max(1) * own);
    for row in values.chunks_exact(width.max(1)) {
        for range in ranges {
            out.extend_from_slice(&row[range.clone()]);
        }
    }
    out
}

/// The next `width` places from `at` on.
fn take(at: &mut usize, width: usize) -> Range<usize> {
    *at += width;
    *at - width..*at
}

/// Ranges without empty ones, with those that follow each other as one.
fn connected(ranges: impl Iterator<Item = Range<usize>>) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    for range in ranges.filter(|range| !range.is_empty()) {
        match out.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => out.push(range),
        }
    }
    out
}

/// Index of an input in the plan, which gets it under a free name unless it has the same one.
fn place_input(plan: &mut Plan, input: &FittedInput) -> usize {
    let same = |own: &FittedInput| own.clone().named(input.name()) == *input;
    if let Some(index) = plan.inputs.iter().position(same) {
        return index;
    }
    let is_taken = |name: &str| plan.inputs.iter().any(|own| own.name() == name);
    let names = (2..).map(|number| format!("{}_{number}", input.name()));
    let mut free = std::iter::once(input.name().to_owned()).chain(names).filter(|name| !is_taken(name));
    let name = free.next().unwrap_or_default();
    plan.inputs.push(input.clone().named(&name));
    plan.inputs.len() - 1
}

/// Checks that both plans read, clean and compute columns alike and predict the same.
fn check_same(plan: &Plan, other: &Plan) -> Result<(), String> {
    let differs = [
        (plan.null_texts != other.null_texts, "`data.null`"),
        (plan.query != other.query, "`data.query`"),
        (plan.format != other.format, "the spelling of the files in `[data]`"),
        (plan.derive.clean != other.derive.clean, "`[clean]`"),
        (plan.derive.features != other.derive.features, "`[[features]]`"),
        (plan.series != other.series, "`[series]`"),
    ];
    if let Some((_, what)) = differs.into_iter().find(|(differs, _)| *differs) {
        return Err(format!("{what} differs from that of the first"));
    }
    if plan.window() != other.window() {
        return Err("its window has another length".to_owned());
    }
    check_columns(plan, other)?;
    check_targets(&plan.targets, &other.targets)
}

/// Checks that a column has one type in both plans.
fn check_columns(plan: &Plan, other: &Plan) -> Result<(), String> {
    let columns = |plan: &Plan| plan.inputs.iter().flat_map(InputColumn::of).collect::<Vec<_>>();
    let own = columns(plan);
    for column in columns(other) {
        if own.iter().any(|own| own.name == column.name && own.kind != column.kind) {
            return Err(format!("it takes `{}` as another kind of input", column.name));
        }
    }
    Ok(())
}

fn check_targets(
    targets: &TargetList<FittedTarget>,
    others: &TargetList<FittedTarget>,
) -> Result<(), String> {
    if targets.iter().map(FittedTarget::name).ne(others.iter().map(FittedTarget::name)) {
        return Err("it has other targets".to_owned());
    }
    targets.iter().zip(others).try_for_each(|(own, other)| {
        check_kind(other)?;
        if own.predicts_like(other) { Ok(()) } else { Err(format!("it has another target `{}`", own.name())) }
    })
}

/// Refuses targets whose predictions have no average.
fn check_kind(target: &FittedTarget) -> Result<(), String> {
    let kind = match target {
        FittedTarget::Category { .. } | FittedTarget::Number { .. } | FittedTarget::Forecast { .. } => {
            return Ok(());
        }
        FittedTarget::Reconstruct { .. } => "an autoencoder",
        FittedTarget::Embedding { .. } => "an embedding",
        FittedTarget::Rank { .. } => "a ranking",
        FittedTarget::NextToken { .. } => "a language model",
    };
    Err(format!("{kind} has no predictions to average"))
}

fn join_error(member: usize, why: &str) -> Error {
    Error::Join { member: member + 1, why: why.to_owned() }
}

impl FittedTarget {
    /// The target without calibration, threshold and the outputs of intervals.
    fn without_decisions(&self) -> Self {
        let mut target = self.clone();
        match &mut target {
            Self::Category { calibration, threshold, .. } => (*calibration, *threshold) = (None, None),
            Self::Number { outputs, .. } => *outputs = NumberOutputs::Value,
            _ => {}
        }
        target
    }

    /// `true` if predictions of both mean the same, whatever their scale and decisions.
    fn predicts_like(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Category { column, classes, numeric, .. },
                Self::Category { column: column_b, classes: classes_b, numeric: numeric_b, .. },
            ) => column == column_b && classes == classes_b && numeric == numeric_b,
            (Self::Number { column, .. }, Self::Number { column: other, .. }) => column == other,
            (
                Self::Forecast { column, horizon, .. },
                Self::Forecast { column: column_b, horizon: horizon_b, .. },
            ) => column == column_b && horizon == horizon_b,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
