//! Durations of members in their units: rounds of boosting, trees of a forest, epochs of a network.

use cupola_spec::{Config, Family, Model};

/// Share of the time that the estimate may fill, since it is one.
const FILL: f64 = 0.8;
/// Rounds of boosting without a number of their own.
const DEFAULT_ROUNDS: usize = 2000;

/// Part of a training that a member has more or fewer of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemberUnit {
    Round,
    Tree,
    Epoch,
}

impl MemberUnit {
    /// Unit of a family.
    pub fn of(family: &Family) -> Self {
        match family {
            Family::Gbdt(_) => Self::Round,
            Family::RandomForest(_) => Self::Tree,
            _ => Self::Epoch,
        }
    }

    /// Fewest of them that are worth the time, while another member may be.
    pub fn fewest(self) -> usize {
        match self {
            Self::Round | Self::Tree => 20,
            Self::Epoch => 3,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Round => "round",
            Self::Tree => "tree",
            Self::Epoch => "epoch",
        }
    }

    fn with_article(self) -> &'static str {
        match self {
            Self::Round => "a round",
            Self::Tree => "a tree",
            Self::Epoch => "an epoch",
        }
    }
}

/// Estimate of the duration of a member.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct UnitTimes {
    pub unit: MemberUnit,
    /// Seconds before the first unit.
    pub beginning: f64,
    /// Seconds of a unit.
    pub each: f64,
    /// Units of the config.
    pub wanted: usize,
}

impl UnitTimes {
    /// Fewest units that are worth the time.
    pub fn fewest(&self) -> usize {
        self.unit.fewest().min(self.wanted)
    }

    /// Seconds of the fewest units.
    pub fn least(&self) -> f64 {
        self.beginning + self.each * count(self.fewest())
    }

    /// Number of units that fit into so many seconds.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn fitting(&self, left: f64) -> usize {
        (FILL * (left - self.beginning).max(0.0) / self.each.max(1e-9)).min(1e12) as usize
    }

    /// Reason of a member that does not fit into the seconds that are left.
    pub fn refusal(&self, left: f64) -> String {
        let beginning = if self.beginning > 0.01 * left {
            format!(" after {} s of preparation", significant(self.beginning))
        } else {
            String::new()
        };
        format!(
            "{} takes about {} s{beginning}, so {} fit into the {} s that are left for it; fewer than {} are not worth it",
            self.unit.with_article(),
            significant(self.each),
            self.fitting(left),
            significant(left.max(0.0)),
            self.fewest()
        )
    }
}

/// Units of a config.
pub(super) fn units(config: &Config) -> usize {
    match &config.model {
        Model::Inline(Family::Gbdt(spec)) => spec.rounds.unwrap_or(DEFAULT_ROUNDS),
        Model::Inline(Family::RandomForest(spec)) => spec.trees,
        _ => config.train.epochs,
    }
}

/// Makes a config as small as `fitting` units, and describes it; `None` if it is no larger.
pub(super) fn cut(config: &mut Config, fitting: usize) -> Option<String> {
    let wanted = units(config);
    if fitting >= wanted {
        return None;
    }
    let mut most = "";
    let unit = match &mut config.model {
        Model::Inline(Family::Gbdt(spec)) => {
            spec.rounds = Some(fitting);
            // With few rounds, each has to take a larger step.
            let rate = spec.learning_rate.max((10.0 / count(fitting)).min(0.3));
            spec.learning_rate = (rate * 1000.0).round() / 1000.0;
            most = "at most ";
            MemberUnit::Round
        }
        Model::Inline(Family::RandomForest(spec)) => {
            spec.trees = fitting;
            MemberUnit::Tree
        }
        _ => {
            config.train.epochs = fitting;
            MemberUnit::Epoch
        }
    };
    Some(format!("{most}{fitting} of {wanted} {}s, in the time left", unit.name()))
}

/// A positive number with three significant digits.
fn significant(value: f64) -> String {
    if value < 1e-9 {
        return "0".to_owned();
    }
    let digits = (0..=9_u8).find(|digits| value * 10_f64.powi(i32::from(*digits)) >= 99.95);
    format!("{value:.*}", usize::from(digits.unwrap_or(9)))
}

#[allow(clippy::cast_precision_loss)]
pub(super) fn count(value: usize) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(model: &str) -> Config {
        let text = format!(
            "name = 'm'\n[data]\nsource = 'a.csv'\n[[targets]]\nname = 'y'\nkind = 'number'\n[model]\n{model}\n"
        );
        cupola_spec::parse("m", &text, &[], &|_| Err(String::new())).unwrap().sealed
    }

    #[test]
    fn a_refusal_states_times_that_agree_with_its_count() {
        let times = UnitTimes { unit: MemberUnit::Round, beginning: 6.2, each: 0.001_234, wanted: 2000 };
        assert_eq!(times.fitting(6.21), 6);
        assert_eq!(
            times.refusal(6.21),
            "a round takes about 0.00123 s after 6.20 s of preparation, so 6 fit into the 6.21 s that are left for it; \
             fewer than 20 are not worth it"
        );
        assert!(times.refusal(1.0).contains("0 fit into the 1.00 s"));
        let epoch = UnitTimes { unit: MemberUnit::Epoch, beginning: 0.0, each: 2.38, wanted: 2 };
        assert_eq!((epoch.fewest(), epoch.fitting(6.0)), (2, 2));
    }

    #[test]
    fn three_digits_are_shown() {
        let shown = [0.0, 0.000_123_4, 0.0999, 2.381, 12.44, 99.96, 1234.6].map(significant);
        assert_eq!(shown, ["0", "0.000123", "0.0999", "2.38", "12.4", "100", "1235"]);
    }

    #[test]
    fn a_config_is_cut_in_its_units_and_a_smaller_one_is_left() {
        let mut trees = config("family = 'gbdt'");
        assert_eq!(units(&trees), 2000);
        assert_eq!(cut(&mut trees, 25).unwrap(), "at most 25 of 2000 rounds, in the time left");
        let Model::Inline(Family::Gbdt(spec)) = &trees.model else { panic!("{:?}", trees.model) };
        assert_eq!(spec.rounds, Some(25));
        assert!((spec.learning_rate - 0.3).abs() < 1e-12);
        assert!(cut(&mut trees, 25).is_none());
        let mut forest = config("family = 'random_forest'\ntrees = 50");
        assert_eq!(cut(&mut forest, 1).unwrap(), "1 of 50 trees, in the time left");
        let mut network = config("family = 'mlp'\n[train]\nepochs = 9");
        assert_eq!(cut(&mut network, 4).unwrap(), "4 of 9 epochs, in the time left");
        assert_eq!((network.train.epochs, units(&network)), (4, 4));
    }
}
