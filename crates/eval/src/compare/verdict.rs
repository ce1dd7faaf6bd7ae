use crate::bootstrap::{BootstrapInterval, PairedDifference};

/// Better of two models, if the difference is significant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelVerdict {
    /// The interval of the difference lies on the first model's side of zero.
    FirstBetter,
    /// The interval of the difference lies on the second model's side of zero.
    SecondBetter,
    /// The interval of the difference contains zero.
    NoDifference,
}

impl ModelVerdict {
    /// Verdict from the bounds of the interval of second less first.
    pub fn new((low, high): (f64, f64), larger_is_better: bool) -> Self {
        if low > 0.0 {
            if larger_is_better { Self::SecondBetter } else { Self::FirstBetter }
        } else if high < 0.0 {
            if larger_is_better { Self::FirstBetter } else { Self::SecondBetter }
        } else {
            Self::NoDifference
        }
    }

    /// The verdict on two named models in words, such as "b is better than a in accuracy (95 % confidence)".
    pub fn sentence(self, first: &str, second: &str, metric: &str, level: f64) -> String {
        let percent = (level * 1000.0).round() / 10.0;
        match self {
            Self::FirstBetter => {
                format!("{first} is better than {second} in {metric} ({percent} % confidence)")
            }
            Self::SecondBetter => {
                format!("{second} is better than {first} in {metric} ({percent} % confidence)")
            }
            Self::NoDifference => {
                format!(
                    "no significant difference between {first} and {second} in {metric} ({percent} % confidence)"
                )
            }
        }
    }
}

impl PairedDifference {
    /// Better model at the level of the interval.
    pub fn verdict(&self, larger_is_better: bool) -> ModelVerdict {
        let BootstrapInterval { low, high, .. } = self.difference;
        ModelVerdict::new((low, high), larger_is_better)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_and_the_direction_of_the_metric_decide() {
        let (above, below, across) = ((0.1, 0.2), (-0.2, -0.1), (0.0, 0.2));
        assert_eq!(ModelVerdict::new(above, true), ModelVerdict::SecondBetter);
        assert_eq!(ModelVerdict::new(above, false), ModelVerdict::FirstBetter);
        assert_eq!(ModelVerdict::new(below, true), ModelVerdict::FirstBetter);
        assert_eq!(ModelVerdict::new(below, false), ModelVerdict::SecondBetter);
        assert_eq!(ModelVerdict::new(across, true), ModelVerdict::NoDifference);
        assert_eq!(ModelVerdict::new((f64::NAN, f64::NAN), true), ModelVerdict::NoDifference);
        assert_eq!(
            ModelVerdict::SecondBetter.sentence("a", "b", "accuracy", 0.95),
            "b is better than a in accuracy (95 % confidence)"
        );
    }
}
