//! Columns that the values of an example belong to.

use cupola_prep::{FittedInput, Plan};
use cupola_spec::{Block, Encoding, Unseen};

/// Bytes of a column's share with its name, and of its text.
const COLUMN: usize = 160;
/// Bytes of a pixel's share and of its text.
const PIXEL: usize = 24;
/// Bytes of a token's share with its text.
const TOKEN: usize = 240;
/// Bytes of the share of a range of lags and of its text.
const LAGS: usize = 96;
/// Most ranges of lags of all columns, unless there are more columns.
const MOST_RANGES: usize = 128;

/// Name of the flag of outlying rows, which no column has.
const FLAG: &str = "(outlier)";

/// Owner of each value of an example, and the values of the reference.
pub(super) struct ColumnGroups {
    /// Names of the columns in the order of the inputs: raw ones, and computed ones that depend on several.
    pub names: Vec<String>,
    /// Index of the owner of each real value.
    pub dense: Vec<usize>,
    /// Index of the owner of each index.
    pub indices: Vec<usize>,
    /// Reference of each real value.
    pub dense_reference: Vec<f32>,
    /// Reference of each index for methods that take no embeddings.
    pub index_reference: Vec<i32>,
    pub images: Vec<ImagePlace>,
    pub texts: Vec<TextPlace>,
    pub windows: Vec<WindowPlace>,
}

/// Image among the real values.
pub(super) struct ImagePlace {
    pub group: usize,
    pub start: usize,
    /// `[channels, height, width]`
    pub shape: [usize; 3],
}

/// Text among the indices.
pub(super) struct TextPlace {
    pub group: usize,
    pub start: usize,
    pub length: usize,
    /// Index of the input in the plan.
    pub input: usize,
}

/// Column of a window among the real values.
pub(super) struct WindowPlace {
    pub group: usize,
    /// Place of each step, the oldest first.
    pub steps: Vec<usize>,
}

/// Consecutive steps of a window. The lag of a step counts from the last row of the window, which has lag 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LagRange {
    /// Smallest lag.
    pub from: usize,
    /// Largest lag.
    pub to: usize,
}

impl LagRange {
    /// Places of its steps.
    pub fn steps(self, window: &WindowPlace) -> &[usize] {
        let length = window.steps.len();
        &window.steps[length - self.to..=length - self.from]
    }
}

impl ColumnGroups {
    /// Ranges of lags of about equal length that the steps of a window's column are divided into, the newest first:
    /// eight, or fewer where there are many columns.
    pub fn lag_ranges(&self, window: &WindowPlace) -> impl Iterator<Item = LagRange> + use<> {
        let length = window.steps.len();
        let count = (MOST_RANGES / self.windows.len().max(1)).clamp(1, 8).min(length);
        (0..count)
            .map(move |index| LagRange { from: index * length / count + 1, to: (index + 1) * length / count })
    }

    /// Groups of a plan's examples.
    pub fn of(plan: &Plan) -> Self {
        let layout = plan.layout();
        let (dense, indices) = (layout.dense_width(), layout.index_width());
        let mut groups = Self {
            names: Vec::new(),
            dense: vec![usize::MAX; dense],
            indices: vec![usize::MAX; indices],
            dense_reference: vec![0.0; dense],
            index_reference: vec![0; indices],
            images: Vec::new(),
            texts: Vec::new(),
            windows: Vec::new(),
        };
        for places in plan.column_places() {
            let group = groups.group(raw_name(plan, &places.column));
            if plan.window() == Some(places.dense.len()) && is_of_window(plan, &places.column) {
                groups.windows.push(WindowPlace { group, steps: places.dense.clone() });
            }
            places.dense.iter().for_each(|at| set(&mut groups.dense, *at, group));
            places.indices.iter().for_each(|at| set(&mut groups.indices, *at, group));
        }
        // Members of an ensemble may know other values of the same column.
        for (at, other) in other_indices(plan).enumerate() {
            set(&mut groups.index_reference, at, other);
        }
        groups.add_blocks(plan, &layout.blocks);
        if groups.dense.contains(&usize::MAX) {
            let flag = groups.group(FLAG);
            groups.dense.iter_mut().filter(|owner| **owner == usize::MAX).for_each(|owner| *owner = flag);
        }
        groups
    }

    /// Index of the group of this name.
    fn group(&mut self, name: &str) -> usize {
        self.names.iter().position(|other| other == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        })
    }

    /// Adds images, series in rows and texts.
    fn add_blocks(&mut self, plan: &Plan, blocks: &[Block]) {
        let (mut dense, mut index) = (0, 0);
        for (block, name) in blocks.iter().zip(plan.block_names()) {
            let (start, first) = (dense, index);
            (dense, index) = (dense + block.dense_width(), index + block.index_width());
            let found = plan.inputs.iter().enumerate().find(|(_, input)| input.name() == name);
            let Some((at, input)) = found.filter(|_| !matches!(block, Block::Table { .. })) else { continue };
            match input {
                FittedInput::Image { columns, shape, shift, factor, .. } => {
                    let group = self.group(only(columns).unwrap_or(name));
                    self.dense[start..dense].fill(group);
                    #[allow(clippy::cast_possible_truncation, reason = "examples have 32 bits")]
                    self.dense_reference[start..dense].fill((-shift * factor) as f32);
                    self.images.push(ImagePlace { group, start, shape: *shape });
                }
                FittedInput::Series { columns, .. } => {
                    let group = self.group(only(columns).unwrap_or(name));
                    self.dense[start..dense].fill(group);
                }
                FittedInput::Text { column, length, .. } => {
                    let group = self.group(raw_name(plan, column));
                    self.indices[first..index].fill(group);
                    self.texts.push(TextPlace { group, start: first, length: *length, input: at });
                }
                // The plan has the places of the columns of windows and of the table.
                _ => {}
            }
        }
    }

    /// Bytes of the explanation of one row.
    pub fn answer_bytes(&self) -> usize {
        let pixels: usize = self.images.iter().map(|image| image.shape[1] * image.shape[2]).sum();
        let tokens: usize = self.texts.iter().map(|text| text.length).sum();
        let lags: usize = self.windows.iter().map(|window| self.lag_ranges(window).count()).sum();
        self.names.len() * COLUMN + pixels * PIXEL + tokens * TOKEN + lags * LAGS
    }
}

fn is_of_window(plan: &Plan, column: &str) -> bool {
    plan.inputs.iter().any(|input| match input {
        FittedInput::Window { columns, .. } => columns.iter().any(|series| series.column == column),
        _ => false,
    })
}

fn set<T>(all: &mut [T], at: usize, value: T) {
    if let Some(place) = all.get_mut(at) {
        *place = value;
    }
}

fn only(columns: &[String]) -> Option<&str> {
    match columns {
        [column] => Some(column),
        _ => None,
    }
}

/// Raw column that a column is computed from, if it is one.
fn raw_name<'a>(plan: &'a Plan, column: &'a str) -> &'a str {
    let feature = plan.derive.features.iter().find(|feature| feature.name == column);
    match feature.map(|feature| feature.needs.as_slice()) {
        Some([(raw, _)]) => raw,
        _ => column,
    }
}

/// Index of an unseen value of each category that is one, in their order in the table; 0 for a category that accepts none.
fn other_indices(plan: &Plan) -> impl Iterator<Item = i32> {
    let columns = plan.inputs.iter().filter_map(|input| match input {
        FittedInput::Category { columns, .. } => Some(columns),
        _ => None,
    });
    let indexed = columns.flatten().filter(|category| category.encode == Encoding::Index);
    indexed.map(|category| {
        let has_other = category.unseen == Unseen::Other && category.buckets.is_none();
        if has_other { i32::try_from(category.size() - 1).unwrap_or_default() } else { 0 }
    })
}
