//! Values of a column in at most 256 bins: numbers by quantiles, categories by frequency, and missing values.

/// Bins of a column, including the one of missing values.
pub(crate) const MAX_BINS: usize = 256;
/// Fewest sampled rows of a bin of several values.
const MIN_BIN_ROWS: usize = 3;
/// Share of the rows whose categories get bins of their own; the rarest ones share a bin.
const COMMON_SHARE: f64 = 0.99;

/// Bins of one column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ColumnBins {
    rule: BinRule,
}

#[derive(Debug, Clone, PartialEq)]
enum BinRule {
    /// Ascending edges; a value belongs to the bin of the number of edges that are not above it.
    Number(Vec<f32>),
    /// Categories of the bins, and the bin of each category. Categories without a bin share the last one.
    Category { categories: Vec<u32>, bins: Vec<u8> },
}

impl ColumnBins {
    /// Bins of a column of numbers. `sample` holds some of its values, without missing ones.
    #[allow(clippy::float_cmp, reason = "the values are exact")]
    pub fn of_numbers(mut sample: Vec<f32>, max_bins: usize) -> Self {
        sample.sort_unstable_by(f32::total_cmp);
        let mut distinct: Vec<(f32, usize)> = Vec::new();
        for value in sample {
            match distinct.last_mut() {
                Some((last, count)) if *last == value => *count += 1,
                _ => distinct.push((value, 1)),
            }
        }
        let edges = edges(&distinct, max_bins.clamp(2, MAX_BINS - 1));
        Self { rule: BinRule::Number(edges) }
    }

    /// Bins of a column of categories from the number of rows of each.
    pub fn of_categories(rows: &[usize], max_bins: usize) -> Self {
        let mut order: Vec<usize> = (0..rows.len()).filter(|&category| rows[category] > 0).collect();
        order.sort_by_key(|&category| std::cmp::Reverse(rows[category]));
        let all: usize = rows.iter().sum();
        let (mut covered, most) = (0, max_bins.clamp(2, MAX_BINS - 1) - 1);
        let few = order.len() <= most;
        let mut categories = Vec::new();
        for category in order.into_iter().take(most) {
            // A category of few rows beside many others is noise.
            if !few && covered as f64 > COMMON_SHARE * all as f64 {
                break;
            }
            covered += rows[category];
            categories.push(u32::try_from(category).unwrap_or(u32::MAX));
        }
        let other = narrow(categories.len());
        let mut bins = vec![other; rows.len()];
        categories.iter().enumerate().for_each(|(bin, &category)| bins[category as usize] = narrow(bin));
        Self { rule: BinRule::Category { categories, bins } }
    }

    /// Bin of a value.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
    pub fn bin(&self, value: f32) -> u8 {
        if value.is_nan() {
            return self.missing();
        }
        match &self.rule {
            BinRule::Number(edges) => narrow(edges.partition_point(|edge| *edge <= value)),
            BinRule::Category { categories, bins } => {
                let known = (0.0..bins.len() as f32).contains(&value);
                if known { bins[value as usize] } else { narrow(categories.len()) }
            }
        }
    }

    /// Number of bins without that of missing values.
    pub fn values(&self) -> usize {
        match &self.rule {
            BinRule::Number(edges) => edges.len() + 1,
            BinRule::Category { categories, .. } => categories.len() + 1,
        }
    }

    /// Bin of missing values: the one after all others.
    pub fn missing(&self) -> u8 {
        narrow(self.values())
    }

    /// Number of bins.
    pub fn count(&self) -> usize {
        self.values() + 1
    }

    /// Number of categories with a bin of their own; `None` for numbers.
    pub fn categories(&self) -> Option<usize> {
        match &self.rule {
            BinRule::Number(_) => None,
            BinRule::Category { categories, .. } => Some(categories.len()),
        }
    }

    /// Least value above a bin; infinite for the last one.
    pub fn edge(&self, bin: u8) -> f32 {
        match &self.rule {
            BinRule::Number(edges) => edges.get(usize::from(bin)).copied().unwrap_or(f32::INFINITY),
            BinRule::Category { .. } => f32::NAN,
        }
    }

    /// Categories of a set of bins as bits, 32 a word.
    pub fn words(&self, set: &BinSet) -> Vec<u32> {
        let BinRule::Category { categories, .. } = &self.rule else { return Vec::new() };
        let mut words = Vec::new();
        for (_, &category) in categories.iter().enumerate().filter(|(bin, _)| set.contains(narrow(*bin))) {
            let word = category as usize / 32;
            if words.len() <= word {
                words.resize(word + 1, 0);
            }
            words[word] |= 1 << (category % 32);
        }
        words
    }
}

/// Set of bins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct BinSet([u64; 4]);

impl BinSet {
    pub fn insert(&mut self, bin: u8) {
        self.0[usize::from(bin >> 6)] |= 1 << (bin & 63);
    }

    pub fn contains(&self, bin: u8) -> bool {
        self.0[usize::from(bin >> 6)] >> (bin & 63) & 1 == 1
    }
}

/// Bin numbers are below [`MAX_BINS`].
fn narrow(bin: usize) -> u8 {
    u8::try_from(bin).unwrap_or(u8::MAX)
}

/// Edges between the bins of sorted distinct values with their counts: one bin each if there are few of them, else
/// bins of nearly equal counts, where a value with more rows than that has a bin to itself.
fn edges(distinct: &[(f32, usize)], max_bins: usize) -> Vec<f32> {
    let between = |at: usize| middle(distinct[at].0, distinct[at + 1].0);
    let last = distinct.len().saturating_sub(1);
    if distinct.len() <= max_bins {
        return (0..last).map(between).collect();
    }
    let mut rest_rows: usize = distinct.iter().map(|(_, count)| count).sum();
    let mut rest_bins = max_bins;
    let mean = rest_rows as f64 / max_bins as f64;
    let is_heavy = |count: usize| count as f64 >= mean;
    for (_, count) in distinct.iter().filter(|(_, count)| is_heavy(*count)) {
        rest_bins -= 1;
        rest_rows -= count;
    }
    let (mut size, mut own, mut edges) = (target(rest_rows, rest_bins), 0, Vec::new());
    for at in 0..last {
        let count = distinct[at].1;
        own += count;
        let heavy = is_heavy(count);
        if !heavy {
            rest_rows -= count;
        }
        let next_is_heavy = is_heavy(distinct[at + 1].1) && own as f64 >= (size * 0.5).max(1.0);
        if heavy || own as f64 >= size || next_is_heavy {
            edges.push(between(at));
            if edges.len() + 1 >= max_bins {
                break;
            }
            own = 0;
            if !heavy {
                rest_bins = rest_bins.saturating_sub(1);
                size = target(rest_rows, rest_bins);
            }
        }
    }
    edges
}

/// Rows of one of the remaining bins.
fn target(rows: usize, bins: usize) -> f64 {
    (rows as f64 / bins.max(1) as f64).max(MIN_BIN_ROWS as f64)
}

/// Number above `low` and at most `high`, halfway if possible.
fn middle(low: f32, high: f32) -> f32 {
    let middle = low + (high - low) / 2.0;
    if middle > low && middle <= high { middle } else { high }
}

/// Rows of each category; values below 0 and NaN are missing.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 0")]
pub(crate) fn count_categories(values: impl Iterator<Item = f32>) -> Vec<usize> {
    let mut rows = Vec::new();
    for category in values.filter(|value| *value >= 0.0).map(|value| value as usize) {
        if rows.len() <= category {
            rows.resize(category + 1, 0);
        }
        rows[category] += 1;
    }
    rows
}
