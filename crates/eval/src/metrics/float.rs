//! The two kinds of numbers that predictions come as.

/// Floating-point number that predictions come as. Sums are computed in double precision.
pub trait FloatValue: Copy + Send + Sync + PartialOrd {
    /// Distance from 1 to the next larger number. scikit-learn clips probabilities to `[EPSILON, 1 - EPSILON]`.
    const EPSILON: f64;

    /// The number in double precision.
    fn double(self) -> f64;
}

impl FloatValue for f32 {
    // The constant as f64, exactly.
    const EPSILON: f64 = 1.192_092_895_507_812_5e-7;

    fn double(self) -> f64 {
        f64::from(self)
    }
}

impl FloatValue for f64 {
    const EPSILON: f64 = f64::EPSILON;

    fn double(self) -> f64 {
        self
    }
}
