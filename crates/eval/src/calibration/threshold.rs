//! Thresholds of a probability for a stated goal.

/// Goal that a threshold is tuned for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TuningGoal {
    /// Largest F-beta: recall counts `beta` times as much as precision. A `beta` of 1 is F1.
    FBeta(f64),
    /// Largest recall among the thresholds whose precision is at least this.
    Precision(f64),
    /// Largest precision among the thresholds whose recall is at least this.
    Recall(f64),
    /// Least cost, with a cost for each false positive and each false negative.
    Cost {
        /// Cost of a row that is wrongly positive.
        false_positive: f64,
        /// Cost of a row that is wrongly negative.
        false_negative: f64,
    },
}

/// Threshold that was tuned, with the rates of the rows it was tuned on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TunedThreshold {
    /// Probability from which a row counts as positive.
    pub threshold: f64,
    /// Precision there; 0 if no row counts as positive.
    pub precision: f64,
    /// Recall there.
    pub recall: f64,
    /// F-beta or the cost per row, for these goals; else the rate that was maximised.
    pub value: f64,
}

/// Threshold that is best for a goal, among those half-way between two distinct probabilities, below all and above all.
/// Of equally good ones the largest. `None` unless there are rows of both classes, and where no threshold has the
/// requested precision.
#[allow(clippy::cast_precision_loss)]
pub fn tuned_threshold(probabilities: &[f64], positive: &[bool], goal: TuningGoal) -> Option<TunedThreshold> {
    let positives = positive.iter().filter(|own| **own).count();
    if positive.len() != probabilities.len() || positives == 0 || positives == positive.len() {
        return None;
    }
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_unstable_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
    let rates = |hits: usize, flagged: usize| {
        let precision = if flagged == 0 { 0.0 } else { hits as f64 / flagged as f64 };
        (precision, hits as f64 / positives as f64)
    };
    // No row counts as positive: of all goals only a cost can ask for that.
    let largest = probabilities[order[0]];
    let above_all = if largest < 1.0 { f64::midpoint(largest, 1.0) } else { 1.0 + f64::EPSILON };
    let none = goal.value((0, 0), (positives, order.len()), rates(0, 0));
    let is_cost = matches!(goal, TuningGoal::Cost { .. });
    let mut best = none.filter(|_| is_cost).map(|value| (value, above_all, (0, 0)));
    let mut hits = 0;
    for (at, &row) in order.iter().enumerate() {
        hits += usize::from(positive[row]);
        let next = order.get(at + 1).map(|&next| probabilities[next]);
        // Rows with equal probabilities are on one side.
        if next.is_some_and(|next| next >= probabilities[row]) {
            continue;
        }
        let counts = (hits, at + 1);
        let Some(value) = goal.value(counts, (positives, order.len()), rates(hits, at + 1)) else { continue };
        if best.is_none_or(|(largest, ..)| value > largest) {
            let threshold = next.map_or(0.0, |next| f64::midpoint(next, probabilities[row]));
            best = Some((value, threshold, counts));
        }
    }
    best.map(|(value, threshold, (hits, flagged))| {
        let (precision, recall) = rates(hits, flagged);
        TunedThreshold { threshold, precision, recall, value: if is_cost { -value } else { value } }
    })
}

impl TuningGoal {
    /// Value that a threshold is better by if it is larger; `None` for a threshold that the goal does not allow.
    #[allow(clippy::cast_precision_loss)]
    fn value(
        self,
        (hits, flagged): (usize, usize),
        (positives, rows): (usize, usize),
        (precision, recall): (f64, f64),
    ) -> Option<f64> {
        match self {
            Self::FBeta(beta) => {
                let weight = beta * beta;
                Some((1.0 + weight) * hits as f64 / (weight * positives as f64 + flagged as f64))
            }
            Self::Precision(least) => (precision >= least).then_some(recall),
            Self::Recall(least) => (recall >= least).then_some(precision),
            Self::Cost { false_positive, false_negative } => {
                let (wrong, missed) = ((flagged - hits) as f64, (positives - hits) as f64);
                Some(-(false_positive * wrong + false_negative * missed) / rows as f64)
            }
        }
    }
}
