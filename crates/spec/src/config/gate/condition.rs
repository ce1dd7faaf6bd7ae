//! Conditions of a gate as typed values.

/// One condition.
#[derive(Debug, Clone, PartialEq)]
pub struct GateCondition {
    /// Key as written, such as `test/accuracy`.
    pub key: String,
    /// Requirement as written, such as `>= 0.97`.
    pub required: String,
    /// Meaning of both.
    pub check: GateCheck,
}

/// Meaning of a condition.
#[derive(Debug, Clone, PartialEq)]
pub enum GateCheck {
    /// A number of the evaluation has to be on one side of a limit.
    Value {
        /// The number.
        value: GateValue,
        /// Its limit.
        bound: GateBound,
    },
    /// The model has to hold its own against another version on the same rows.
    Versus {
        /// Alias or version of the other one.
        reference: String,
        /// Target, and metric; `None` for the one that chose the weights.
        metric: Option<GateMetric>,
        /// The claim.
        claim: VersusClaim,
    },
}

/// Number of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateValue {
    /// Metric on a split.
    Metric {
        /// The split.
        split: GateSplit,
        /// The metric.
        metric: GateMetric,
    },
    /// Statistic of a metric over the groups of a column, on the test split, or on the valid split without test rows.
    Subgroup {
        /// The statistic.
        statistic: SubgroupStatistic,
        /// Columns: one, or those that are crossed.
        columns: Vec<String>,
        /// The metric, or the name of a gap.
        metric: GateMetric,
    },
    /// Time of a forward pass of one row in milliseconds.
    Latency(LatencyPercentile),
}

/// Metric of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateMetric {
    /// Target.
    pub target: String,
    /// Name of the metric.
    pub name: String,
    /// The value itself, or a bound of its confidence interval.
    pub end: ValueEnd,
}

/// Rows that a metric is measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateSplit {
    /// Valid split.
    Valid,
    /// Test split.
    Test,
    /// Test split, or the valid split without test rows.
    Last,
}

/// Part of an estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueEnd {
    /// The value.
    Point,
    /// Lower bound of the 95 % confidence interval.
    Low,
    /// Upper bound of the 95 % confidence interval.
    High,
}

/// Statistic over groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubgroupStatistic {
    /// Smallest value.
    Min,
    /// Largest value.
    Max,
    /// Largest less smallest value, or a difference that the evaluation has by its name.
    Gap,
}

/// Percentile of the latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LatencyPercentile {
    /// Median.
    P50,
    /// 99th percentile.
    P99,
}

/// Limit of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GateBound {
    /// Side on which the number has to be.
    pub comparator: GateComparator,
    /// The limit, a finite number.
    pub limit: f64,
}

/// Comparison of a number with its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateComparator {
    /// `>=`
    AtLeast,
    /// `>`
    Above,
    /// `<=`
    AtMost,
    /// `<`
    Below,
}

/// Claim about the difference to another model, by its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersusClaim {
    /// The interval does not lie wholly on the worse side of zero.
    NoWorse,
    /// The interval lies wholly on the better side of zero.
    Better,
}

impl GateBound {
    /// `true` if `value` is on the required side. It never is if it is not a number.
    pub fn holds(&self, value: f64) -> bool {
        match self.comparator {
            GateComparator::AtLeast => value >= self.limit,
            GateComparator::Above => value > self.limit,
            GateComparator::AtMost => value <= self.limit,
            GateComparator::Below => value < self.limit,
        }
    }
}
