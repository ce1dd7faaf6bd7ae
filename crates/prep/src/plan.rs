//! Fitted plan: everything between a raw row and an example, and between logits and predictions, as one value that
//! is stored with the model.

mod augment;
mod check;
mod fit;
mod members;
mod places;
mod pretrained;
mod series;
mod series_points;
mod signature;
mod uncertainty;

use cupola_budget::{Budget, Exceeded};
use cupola_spec::{Block, Data, SourceFormat, Target, TargetList};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::examples::{CompactLayout, ExampleBuilder, Examples, ExamplesWithTargets, Layout};
use crate::features::{Derivation, ResolvedInput};
use crate::frame::Frame;
use crate::frame::meaning::{ExactColumns, ValueRules};
use crate::frame::parallel::map_ranges;
use crate::split::{Frequency, SeriesOrder};
use crate::target::{FittedTarget, Predictions};
use crate::text::FittedTokenizer;
use crate::transform::{FittedInput, folds};

pub use self::augment::Augmenter;
pub(crate) use self::fit::PlanFit;
pub use self::members::{JoinedPlan, MemberPlaces};
pub use self::places::ColumnPlaces;
pub use self::pretrained::TreeColumn;
pub use self::series::SeriesLabel;
pub use self::series_points::SeriesPoints;
pub use self::signature::{ColumnType, InputColumn, OutputColumn, Signature};
pub use self::uncertainty::{GroupScores, SealedUncertainty, TargetScores};

/// Rows of a request that are transformed between two looks at its deadline.
const ROWS_BETWEEN_CHECKS: usize = 512;
/// Bytes of a value of a derived column, and of the texts and lists that its transform makes.
const DERIVED_VALUE: usize = 32;

/// Fitted plan, `plan.json` of a package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of the file format.
    pub format_version: u32,
    /// Texts that mean a missing value, from the config of the run.
    pub null_texts: Vec<String>,
    /// Meaning of the values of raw columns.
    #[serde(default, skip_serializing_if = "ValueRules::is_empty")]
    pub values: ValueRules,
    /// `data.query` of the run, whose result has the raw columns; it is not run again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Declared spelling of the training files: files that lack the columns of the model are read with it.
    #[serde(default, skip_serializing_if = "SourceFormat::is_default")]
    pub format: SourceFormat,
    /// Cleaning and computed columns.
    #[serde(default, skip_serializing_if = "Derivation::is_empty")]
    pub derive: Derivation,
    /// Columns of time and key of windowed rows; `None` if the rows are one series in their order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<SeriesOrder>,
    /// Usual step between two rows of a series; `None` without a column of times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency: Option<Frequency>,
    /// Inputs in the order of their values in an example.
    pub inputs: Vec<FittedInput>,
    /// Targets in the order of their logits.
    #[serde(flatten)]
    pub targets: TargetList<FittedTarget>,
    /// Scores of the rows that intervals and sets are calibrated on; `None` for a model without them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncertainty: Option<SealedUncertainty>,
}

impl Plan {
    /// Version of `plan.json` that this code writes and reads.
    pub const FORMAT_VERSION: u32 = 2;

    /// Fits transforms to the training rows, and the classes of the targets to `all` rows. The rows were derived
    /// before.
    ///
    /// # Errors
    /// [`Error::Value`] or [`Error::Input`] for values that do not fit their kind, [`Error::Target`] for a target that
    /// cannot be learned.
    pub fn fit(
        inputs: &[ResolvedInput],
        targets: &TargetList<Target>,
        all: &[&Frame],
        train: &Frame,
    ) -> Result<Self, Error> {
        let mut fit = PlanFit::new(inputs, targets.first(), train, true)?;
        fit.observe(train)?;
        fit.finish(targets, all, train)
    }

    /// Sets what was decided before the fit; only rules of columns that the plan uses are kept.
    pub(crate) fn seal(&mut self, derive: Derivation, values: ValueRules, data: &Data) {
        self.null_texts.clone_from(&data.null);
        self.query.clone_from(&data.query);
        self.format = data.format();
        self.derive = derive;
        let inputs = Signature::of(self).inputs;
        let targets: Vec<&str> = self.targets.iter().flat_map(FittedTarget::evaluated_columns).collect();
        let is_used = |name: &str| targets.contains(&name) || inputs.iter().any(|input| input.name == name);
        self.values = values.of_columns(is_used);
    }

    /// Removes the ranges of targets that were fitted to a part of the rows.
    pub(crate) fn forget_target_ranges(&mut self) {
        for target in &mut self.targets {
            if let FittedTarget::Number { range, .. } = target {
                *range = None;
            }
        }
    }

    /// Sets the score above which a row counts as an anomaly. Other models than reconstructions have none.
    pub fn set_threshold(&mut self, score: f64) {
        if let FittedTarget::Reconstruct { threshold, .. } = self.targets.first_mut() {
            *threshold = Some(score);
        }
    }

    /// Number of logits of one example.
    pub fn width(&self) -> usize {
        self.targets.iter().map(FittedTarget::width).sum()
    }

    /// Decodes the logits of one row. `dense` are the real values of its example.
    pub fn decode(&self, logits: &[f32], dense: &[f32]) -> Predictions {
        let mut rest = logits;
        let each = self.targets.iter().map(|target| {
            let (logits, after) = rest.split_at(target.width().min(rest.len()));
            rest = after;
            (target.name().to_owned(), target.decode(logits, dense))
        });
        each.collect()
    }

    /// Layout of an example as the network sees it: numbers and categories as one table, then the other inputs in
    /// their order.
    pub fn layout(&self) -> Layout {
        self.compact_layout().layout
    }

    /// Layout of an example in compact form, and its expansion to what the network sees.
    pub fn compact_layout(&self) -> CompactLayout {
        let (mut numbers, mut columns, mut indices) = (0, Vec::new(), Vec::new());
        for table in self.inputs.iter().filter_map(FittedInput::table_columns) {
            numbers += table.numbers;
            columns.extend(table.encoded);
            indices.extend(table.indices);
        }
        let encoded = columns.iter().map(|columns| columns.width()).sum();
        let has_table = numbers + encoded + indices.len() > 0;
        let table = has_table.then_some(Block::Table { numbers, encoded, indices });
        let blocks = table.into_iter().chain(self.inputs.iter().filter_map(FittedInput::block)).collect();
        CompactLayout::new(Layout { blocks }, columns)
    }

    /// Names of the layout's blocks: `table`, or the name of the input.
    pub fn block_names(&self) -> Vec<&str> {
        let table = self.inputs.iter().any(|input| input.table_columns().is_some());
        let own = self.inputs.iter().filter(|input| input.block().is_some()).map(FittedInput::name);
        table.then_some("table").into_iter().chain(own).collect()
    }

    /// Tokenizer of the first text; `None` without a text.
    pub fn tokenizer(&self) -> Option<&FittedTokenizer> {
        self.inputs.iter().find_map(|input| match input {
            FittedInput::Text { tokenizer, .. } => Some(tokenizer),
            _ => None,
        })
    }

    /// Number of rows that form one example; `None` if rows are not steps of a series.
    pub fn window(&self) -> Option<usize> {
        self.inputs.iter().find_map(|input| input.window().map(|(window, _)| window))
    }

    /// Transforms all rows to examples as the network sees them. With a window, an example ends at each row of a series
    /// but its first `window - 1`; see [`Self::window_ends`]. The columns of the targets may be missing.
    ///
    /// # Errors
    /// [`Error::Column`] for a missing column, [`Error::Value`] for the first value that does not fit,
    /// [`Error::Input`] for fewer rows than a window.
    pub fn apply(&self, frame: &Frame) -> Result<Examples, Error> {
        self.apply_within(frame, &Budget::unlimited())
    }

    /// [`Self::apply`] within the memory and time of a request. What the examples take stays charged to it.
    ///
    /// # Errors
    /// The errors of [`Self::apply`], and [`Error::Exceeded`].
    pub fn apply_within(&self, frame: &Frame, budget: &Budget) -> Result<Examples, Error> {
        let layout = self.compact_layout();
        self.charge_examples(&layout, frame, budget)?;
        let derived = self.derived(frame).map_err(|error| self.all_missing(error, frame))?;
        budget.check()?;
        let compact = if self.window().is_some() {
            self.encode_series(&derived, budget)
        } else {
            self.encode_rows(&layout, &derived, None, budget)
        };
        Ok(layout.expand(compact.map_err(|error| self.all_missing(error, frame))?))
    }

    /// The error with every column that rows lack, if it is about one of several.
    pub(crate) fn all_missing(&self, error: Error, frame: &Frame) -> Error {
        let Error::Column { column, remedy, .. } = &error else { return error };
        let (column, remedy) = (column.clone(), *remedy);
        let inputs = Signature::of(self).inputs.into_iter().map(|input| input.name);
        let mut columns: Vec<String> = inputs.filter(|name| frame.get(name).is_none()).collect();
        if !columns.contains(&column) {
            columns.push(column);
        }
        if columns.len() < 2 {
            return error;
        }
        Error::Columns { columns, found: frame.listed_names(), remedy }
    }

    /// Charges the derived columns, the compact examples, which may grow by doubling, and the expanded ones.
    fn charge_examples(
        &self,
        layout: &CompactLayout,
        frame: &Frame,
        budget: &Budget,
    ) -> Result<(), Exceeded> {
        let width = |layout: &Layout| layout.dense_width() + layout.index_width();
        let values = 2 * width(&layout.compact) + width(&layout.layout);
        let columns = frame.names().count() + self.inputs.len();
        let row = values.saturating_mul(size_of::<f32>()).saturating_add(columns * DERIVED_VALUE);
        budget.charge_each(frame.rows(), row)
    }

    /// Rows with canonical values, cleaned, with the computed columns. Rows that were derived before stay as they are.
    ///
    /// # Errors
    /// [`Error::Value`] for a text that is not a number, [`Error::Column`] for a missing column of an expression.
    pub(crate) fn derived(&self, frame: &Frame) -> Result<Frame, Error> {
        self.derive.apply(&self.values.apply(frame, &self.null_texts)?)
    }

    /// Columns that are read as texts, because their exact text or its canonical form counts.
    pub fn exact_columns(&self) -> ExactColumns {
        let inputs = Signature::of(self).inputs.into_iter().filter(|input| input.kind != ColumnType::Number);
        let is_class = |target: &&FittedTarget| {
            !matches!(
                target,
                FittedTarget::Number { .. } | FittedTarget::Forecast { .. } | FittedTarget::Rank { .. }
            )
        };
        let classes =
            self.targets.iter().filter(is_class).filter_map(|target| target.column().map(str::to_owned));
        let groups = self.targets.iter().filter_map(|target| target.group().map(str::to_owned));
        ExactColumns::named(inputs.map(|input| input.name).chain(classes).chain(groups).collect())
    }

    /// Transforms derived rows to compact examples. If `training`, target encoding leaves out the fold of each row.
    ///
    /// # Errors
    /// The errors of [`Self::apply`].
    pub(crate) fn encode(&self, frame: &Frame, training: bool) -> Result<Examples, Error> {
        let layout = self.compact_layout();
        let folds = (training && self.uses_folds()).then(|| folds(frame));
        if self.window().is_some() {
            return self.encode_series(frame, &Budget::unlimited());
        }
        self.encode_rows(&layout, frame, folds.as_deref(), &Budget::unlimited())
    }

    /// Transforms each row to one example, many rows by several threads.
    fn encode_rows(
        &self,
        layout: &CompactLayout,
        frame: &Frame,
        folds: Option<&[usize]>,
        budget: &Budget,
    ) -> Result<Examples, Error> {
        let encode_slice = |start: usize, rows: usize| {
            let mut out = ExampleBuilder::new(layout, rows).with_budget(budget);
            let (rows, folds) = (frame.slice(start, rows), folds.map(|folds| &folds[start..start + rows]));
            self.inputs.iter().try_for_each(|input| input.apply(&rows, folds, &mut out))?;
            Ok::<_, Error>(out.finish())
        };
        let encode_range = |start: usize, rows: usize| {
            if budget.deadline().is_none() || rows <= ROWS_BETWEEN_CHECKS {
                return encode_slice(start, rows);
            }
            let mut all = Examples::zeros(layout.compact.clone(), 0);
            for at in (0..rows).step_by(ROWS_BETWEEN_CHECKS) {
                budget.check()?;
                let slice = encode_slice(start + at, ROWS_BETWEEN_CHECKS.min(rows - at));
                all.append(slice.map_err(|error| error.offset_row(at))?);
            }
            Ok(all)
        };
        let mut all = Examples::zeros(layout.compact.clone(), 0);
        for (start, examples) in map_ranges(frame.rows(), encode_range) {
            all.append(examples.map_err(|error: Error| error.offset_row(start))?);
        }
        Ok(all)
    }

    /// Transforms derived rows to compact examples with their targets. If `training`, target encoding leaves out the
    /// fold of each row.
    ///
    /// # Errors
    /// The errors of [`Self::apply`] and [`FittedTarget::apply`].
    pub(crate) fn encode_with_targets(
        &self,
        frame: &Frame,
        training: bool,
    ) -> Result<ExamplesWithTargets, Error> {
        let targets = self.targets.try_map(|target| target.apply(frame))?;
        Ok(ExamplesWithTargets { examples: self.encode(frame, training)?, targets })
    }

    /// `true` if training rows are encoded by the values of their fold.
    pub(crate) fn uses_folds(&self) -> bool {
        self.inputs.iter().any(FittedInput::uses_folds)
    }

    /// The rows among `rows` that no input drops as outliers from training.
    pub(crate) fn without_dropped(&self, frame: &Frame, rows: Vec<usize>) -> Result<Vec<usize>, Error> {
        let dropping: Vec<&FittedInput> = self.inputs.iter().filter(|input| input.drops_rows()).collect();
        if dropping.is_empty() {
            return Ok(rows);
        }
        let mut drop = vec![false; frame.rows()];
        for input in dropping {
            drop.iter_mut().zip(input.dropped_rows(frame)?).for_each(|(drop, own)| *drop |= own);
        }
        Ok(rows.into_iter().filter(|row| !drop[*row]).collect())
    }
}

#[cfg(test)]
mod tests;
