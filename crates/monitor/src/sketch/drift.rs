//! Drift of a column: its sketch beside its reference.

use serde::{Deserialize, Serialize};

use super::column::ColumnSketch;
use super::distance::{chi_square, jensen_shannon, kolmogorov_smirnov, psi, wasserstein};
use super::layout::SketchColumn;
use super::number::NumberSketch;
use super::rules::SketchScore;
use crate::drift::{DriftMethod, score_of_counts, student};
use crate::profile::{NumberReference, ReferenceValues, SortedNumbers};

/// Largest p-value of the chi-square test at which a shift counts: with few rows a large index is chance.
const SIGNIFICANT: f64 = 0.01;
/// Smallest unit of a normed Wasserstein distance, for references that hardly vary (as Evidently has it).
const LEAST_DEVIATION: f64 = 1e-3;

/// Limits of a verdict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DriftLimits {
    /// Rows below which there is no verdict.
    pub rows: u64,
    /// Population stability index from which on a column has drifted.
    pub psi: f64,
    /// Change of the share of missing values from which on a column has drifted.
    pub missing: f64,
}

impl Default for DriftLimits {
    fn default() -> Self {
        Self { rows: 100, psi: 0.2, missing: 0.1 }
    }
}

/// Verdict on a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveVerdict {
    /// No shift beyond the limits.
    Stable,
    /// The distribution, or the share of missing values, has moved beyond the limits.
    Drift,
    /// Too few rows to tell.
    FewRows,
    /// No reference to compare with.
    NoReference,
}

impl LiveVerdict {
    /// Name as JSON has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Drift => "drift",
            Self::FewRows => "few_rows",
            Self::NoReference => "no_reference",
        }
    }
}

/// Comparison of a column's sketch with its reference. Distances are `None` without rows on either side.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LiveDrift {
    /// Verdict by the limits.
    pub verdict: LiveVerdict,
    /// Population stability index.
    pub psi: Option<f64>,
    /// Jensen-Shannon distance, with natural logarithms.
    pub jensen_shannon: Option<f64>,
    /// Kolmogorov-Smirnov statistic at the borders of the bins; `None` for categories.
    pub kolmogorov_smirnov: Option<f64>,
    /// Wasserstein distance in standard deviations of the reference; `None` for categories.
    pub wasserstein: Option<f64>,
    /// Chi-square statistic over the bins.
    pub chi_square: Option<f64>,
    /// Its p-value.
    pub p_value: Option<f64>,
    /// Share of rows without a value.
    pub missing: Option<f64>,
    /// Share of rows without a value in the training; `None` without a reference.
    pub reference_missing: Option<f64>,
    /// Share of values outside of the reference's range, or not among its categories; of texts the share of unknown words.
    pub outside: Option<f64>,
    /// Score of the statistic that was chosen for the column; `None` if the index decides.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<SketchScore>,
}

/// Counts of the reference and now over the same cells.
type Cells = (Vec<u64>, Vec<u64>);

impl LiveDrift {
    /// Compares a column's sketch with its reference.
    pub fn of(column: &SketchColumn, sketch: &ColumnSketch, limits: &DriftLimits) -> Self {
        let rows = sketch.rows();
        let missing = share(sketch.missing(), rows);
        let blank = Self {
            verdict: LiveVerdict::NoReference,
            psi: None,
            jensen_shannon: None,
            kolmogorov_smirnov: None,
            wasserstein: None,
            chi_square: None,
            p_value: None,
            missing,
            reference_missing: None,
            outside: outside(column, sketch),
            chosen: None,
        };
        let Some(reference) = &column.reference else { return blank };
        let compared = match (&reference.values, sketch) {
            (ReferenceValues::Number(reference), ColumnSketch::Number(sketch)) => {
                let compared = blank.with_numbers(reference, sketch);
                let of_numbers = |method| match method {
                    DriftMethod::Wasserstein => compared.wasserstein,
                    DriftMethod::TTest => Some(t_test(reference, sketch)),
                    _ => None,
                };
                compared.with_score(column, &number_cells(reference, sketch), of_numbers)
            }
            (ReferenceValues::Category(reference), ColumnSketch::Category(sketch)) => {
                let counts = reference.values.iter().map(|(_, count)| *count);
                let counts: Vec<u64> = counts.chain([reference.other]).collect();
                let current: Vec<u64> = sketch.counts.iter().copied().chain([sketch.other]).collect();
                let compared = blank.with_counts(&counts, &current);
                compared.with_score(column, &(counts, current), |_| None)
            }
            (ReferenceValues::Text(reference), ColumnSketch::Text(sketch)) => {
                let length = blank.with_numbers(&reference.length, &sketch.length);
                let known = blank.with_numbers(&reference.known_share, &sketch.known);
                if known.psi > length.psi { known } else { length }
            }
            _ => blank,
        };
        let reference_missing = reference.missing_share();
        let moved = if let Some(own) = compared.chosen {
            own.score.is_some_and(|score| own.method.is_drift(score, own.threshold))
        } else {
            let limit = column.rule.threshold.unwrap_or(limits.psi);
            compared.psi.is_some_and(|psi| psi >= limit) && compared.p_value.is_some_and(|p| p < SIGNIFICANT)
        };
        let lost = missing.is_some_and(|missing| (missing - reference_missing).abs() >= limits.missing);
        let verdict = match (rows < limits.rows, moved || lost) {
            (true, _) => LiveVerdict::FewRows,
            (false, true) => LiveVerdict::Drift,
            (false, false) => LiveVerdict::Stable,
        };
        Self { verdict, reference_missing: Some(reference_missing), ..compared }
    }

    /// Adds the score of the statistic that was chosen for the column, if one was: by `of_numbers`, or over the cells.
    fn with_score(
        self,
        column: &SketchColumn,
        (reference, current): &Cells,
        of_numbers: impl Fn(DriftMethod) -> Option<f64>,
    ) -> Self {
        let Some(method) = column.rule.method else { return self };
        let both = [reference, current].iter().all(|counts| counts.iter().any(|count| *count > 0));
        let score =
            both.then(|| of_numbers(method).unwrap_or_else(|| score_of_counts(method, reference, current)));
        let score = score.filter(|score| !score.is_nan());
        let threshold = column.rule.threshold.unwrap_or_else(|| method.threshold());
        Self { chosen: Some(SketchScore { method, score, threshold }), ..self }
    }

    fn with_counts(self, reference: &[u64], current: &[u64]) -> Self {
        let test = chi_square(reference, current);
        Self {
            psi: psi(reference, current),
            jensen_shannon: jensen_shannon(reference, current),
            chi_square: test.map(|(statistic, _)| statistic),
            p_value: test.map(|(_, p)| p),
            ..self
        }
    }

    /// Compares numbers over the reference's bins and one more on each side.
    fn with_numbers(self, reference: &NumberReference, sketch: &NumberSketch) -> Self {
        let [first, .., last] = reference.edges.as_slice() else { return self };
        let (counts, current) = number_cells(reference, sketch);
        let (low, high) = sketch.range.unwrap_or((*first, *last));
        let mut edges = vec![low.min(*first)];
        edges.extend_from_slice(&reference.edges);
        edges.push(high.max(*last));
        let deviation = reference.deviation.max(LEAST_DEVIATION);
        Self {
            kolmogorov_smirnov: kolmogorov_smirnov(&counts, &current),
            wasserstein: wasserstein(&edges, &counts, &current).map(|distance| distance / deviation),
            ..self.with_counts(&counts, &current)
        }
    }
}

/// Counts over the reference's bins and one more on each side.
fn number_cells(reference: &NumberReference, sketch: &NumberSketch) -> Cells {
    let framed = |inner: &[u64], below, above| [&[below], inner, &[above]].concat();
    (framed(&reference.counts, 0, 0), framed(&sketch.counts, sketch.below, sketch.above))
}

/// p-value of Student's t-test, by the moments of both sides.
fn t_test(reference: &NumberReference, sketch: &NumberSketch) -> f64 {
    let side = |count, mean, deviation| SortedNumbers {
        sorted: Vec::new(),
        count,
        mean,
        deviation,
        range: None,
        distinct: 0,
    };
    let before = side(reference.counts.iter().sum(), reference.mean, reference.deviation);
    student(&before, &side(sketch.quantiles.count(), sketch.mean, sketch.deviation()))
}

fn share(part: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| part as f64 / all as f64)
}

/// Share of values that the reference does not know.
fn outside(column: &SketchColumn, sketch: &ColumnSketch) -> Option<f64> {
    match sketch {
        ColumnSketch::Number(sketch) if column.edges().len() > 1 => {
            share(sketch.below + sketch.above, sketch.count)
        }
        ColumnSketch::Category(sketch) if !column.values().is_empty() => share(sketch.other, sketch.count()),
        ColumnSketch::Text(sketch) => sketch.unknown_share(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{CategoryReference, ColumnRole, ReferenceColumn};
    use crate::sketch::{SketchKind, SketchLayout, SketchTable};

    fn reference(values: ReferenceValues) -> SketchColumn {
        let (name, role, class) = ("x".to_owned(), ColumnRole::Input, None);
        SketchColumn::with_reference(&ReferenceColumn { name, role, class, rows: 1000, missing: 0, values })
    }

    fn numbers() -> SketchColumn {
        reference(ReferenceValues::Number(NumberReference {
            deviation: 2.0,
            edges: vec![0.0, 1.0, 2.0, 3.0, 4.0],
            counts: vec![250; 4],
            ..NumberReference::default()
        }))
    }

    fn observed(column: &SketchColumn, values: impl Iterator<Item = Option<f64>>) -> LiveDrift {
        let mut sketch = ColumnSketch::new(column);
        values.for_each(|value| sketch.add_number(column, value));
        LiveDrift::of(column, &sketch, &DriftLimits::default())
    }

    #[test]
    fn a_shift_beyond_the_range_is_drift_and_few_rows_are_no_verdict() {
        let column = numbers();
        let even = |rows: u32, shift: f64| (0..rows).map(move |at| Some(shift + f64::from(at % 400) / 100.0));
        let same = observed(&column, even(800, 0.0));
        assert_eq!((same.verdict, same.outside), (LiveVerdict::Stable, Some(0.0)));
        assert!(same.wasserstein.unwrap() < 0.01);
        let moved = observed(&column, even(800, 2.0));
        assert_eq!(moved.verdict, LiveVerdict::Drift);
        // A shift by 2 is one standard deviation of the reference.
        assert!((moved.wasserstein.unwrap() - 1.0).abs() < 0.05, "{moved:?}");
        assert!((moved.kolmogorov_smirnov.unwrap() - 0.5).abs() < 0.01);
        assert_eq!(observed(&column, even(50, 2.0)).verdict, LiveVerdict::FewRows);
        let nothing = observed(&column, std::iter::empty());
        assert_eq!((nothing.verdict, nothing.psi, nothing.missing), (LiveVerdict::FewRows, None, None));
    }

    #[test]
    fn chance_among_few_rows_and_many_bins_is_no_drift() {
        let column = reference(ReferenceValues::Number(NumberReference {
            edges: (0..=30).map(f64::from).collect(),
            counts: vec![100; 30],
            ..NumberReference::default()
        }));
        // 100 rows over 30 bins: a large index by chance alone.
        let found = observed(&column, (0..100u32).map(|at| Some(f64::from((at * at * 7 + at) % 300) / 10.0)));
        assert_eq!(found.verdict, LiveVerdict::Stable, "{found:?}");
    }

    #[test]
    fn values_that_go_missing_are_drift() {
        let column = numbers();
        let found = observed(&column, (0..200u32).map(|at| (at % 2 == 0).then(|| f64::from(at % 40) / 10.0)));
        assert_eq!((found.verdict, found.missing), (LiveVerdict::Drift, Some(0.5)));
    }

    #[test]
    fn categories_that_training_has_not_seen_are_drift() {
        let values = vec![("a".to_owned(), 600), ("b".to_owned(), 400)];
        let column =
            reference(ReferenceValues::Category(CategoryReference { values, other: 0, distinct: 2 }));
        let mut sketch = ColumnSketch::new(&column);
        for at in 0..300 {
            sketch.add_text(&column, Some(["a", "b", "new"][at % 3]), false);
        }
        let found = LiveDrift::of(&column, &sketch, &DriftLimits::default());
        assert_eq!(found.verdict, LiveVerdict::Drift);
        assert!((found.outside.unwrap() - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn tables_of_one_layout_merge_also_through_json_and_others_are_refused() {
        let layout = SketchLayout::new(vec![numbers()], false);
        let other = vec![SketchColumn::without_reference("x", ColumnRole::Input, SketchKind::Number, &[])];
        let other = SketchTable::new(&SketchLayout::new(other, false));
        let mut table = SketchTable::new(&layout);
        table.columns[0].add_number(&layout.columns[0], Some(1.5));
        table.rows = 1;
        let json = serde_json::to_string(&table).unwrap();
        let mut back: SketchTable = serde_json::from_str(&json).unwrap();
        back.check(&layout).unwrap();
        back.merge(&table).unwrap();
        assert_eq!((back.rows, back.columns[0].rows()), (2, 2));
        assert!(table.merge(&other).unwrap_err().to_string().contains("merge those of one version"));
        let wrong = json.replace("\"count\":1", "\"count\":0");
        assert!(serde_json::from_str::<SketchTable>(&wrong).unwrap().check(&layout).is_err());
    }

    #[test]
    fn a_hundred_columns_stay_within_their_bytes_however_many_rows() {
        let column = |at: usize| {
            let mut column = numbers();
            column.name = format!("{at}");
            column
        };
        let layout = SketchLayout::new((0..100).map(column).collect(), false);
        let mut table = SketchTable::new(&layout);
        for (column, sketch) in layout.columns.iter().zip(&mut table.columns) {
            (0..3000u32).for_each(|row| sketch.add_number(column, Some(f64::from(row * 7 % 997) / 100.0)));
        }
        assert!(table.heap_bytes() < 100 * 5000, "{}", table.heap_bytes());
        table.seal();
        assert!(table.heap_bytes() < 100 * 800, "{}", table.heap_bytes());
    }
}
