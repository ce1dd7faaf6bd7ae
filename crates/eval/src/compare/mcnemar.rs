use statrs::function::beta::beta_reg;
use statrs::function::erf::erfc;

/// Number of rows with different results up to which the incomplete beta integral converges.
const EXACT: u64 = 2_000_000;

/// McNemar's test of two classifiers' accuracies on the same rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct McNemarTest {
    /// Rows that only the first model predicts correctly.
    pub only_first: u64,
    /// Rows that only the second model predicts correctly.
    pub only_second: u64,
    /// Two-sided p-value from the binomial distribution; `p_chi2`, which is then equal up to 1e-7, if more than two
    /// million rows differ.
    pub p_exact: f64,
    /// Chi-squared statistic with continuity correction.
    pub statistic: f64,
    /// p-value of the statistic.
    pub p_chi2: f64,
}

/// McNemar's test (1947) from whether each model predicts each row correctly, with Edwards's continuity correction.
/// `None` without rows and for different numbers of rows. Models that are right on the same rows have the p-value 1.
pub fn mcnemar(first_correct: &[bool], second_correct: &[bool]) -> Option<McNemarTest> {
    if first_correct.is_empty() || first_correct.len() != second_correct.len() {
        return None;
    }
    let (mut only_first, mut only_second) = (0, 0);
    for (first, second) in first_correct.iter().zip(second_correct) {
        only_first += u64::from(*first && !second);
        only_second += u64::from(*second && !first);
    }
    Some(of_counts(only_first, only_second))
}

fn of_counts(only_first: u64, only_second: u64) -> McNemarTest {
    let discordant = only_first + only_second;
    if discordant == 0 {
        return McNemarTest { only_first, only_second, p_exact: 1.0, statistic: 0.0, p_chi2: 1.0 };
    }
    let less = only_first.min(only_second);
    let excess = only_first.abs_diff(only_second) as f64 - 1.0;
    let statistic = excess * excess / discordant as f64;
    // The survival function of chi-squared with one degree of freedom.
    let p_chi2 = erfc((statistic / 2.0).sqrt());
    let p_exact = if discordant <= EXACT {
        // The binomial distribution function as an incomplete beta integral.
        (2.0 * beta_reg((discordant - less) as f64, less as f64 + 1.0, 0.5)).min(1.0)
    } else {
        p_chi2
    };
    McNemarTest { only_first, only_second, p_exact, statistic, p_chi2 }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn p_values_equal_statsmodels() {
        let golden: Value = serde_json::from_str(include_str!("../golden/statistics.json")).unwrap();
        for case in golden["mcnemar"].as_array().unwrap() {
            let count = |name: &str| case[name].as_u64().unwrap();
            let found = of_counts(count("only_first"), count("only_second"));
            for (name, found) in
                [("p_exact", found.p_exact), ("statistic", found.statistic), ("p_chi2", found.p_chi2)]
            {
                let expected = case[name].as_f64().unwrap();
                assert!((found - expected).abs() < 1e-9, "{name} of {case}: {found}");
            }
        }
    }

    #[test]
    fn millions_of_rows_have_a_p_value() {
        // SciPy's binomial distribution function, doubled.
        for (first, second, expected) in [
            (1_000_000, 1_002_000, 0.157_714_452_813),
            (5_000_000, 5_000_100, 0.975_025_192_795),
            (10, 3_000_000, 0.0),
        ] {
            let found = of_counts(first, second).p_exact;
            assert!((found - expected).abs() < 1e-7, "{first} {second}: {found}");
        }
    }

    #[test]
    #[allow(clippy::float_cmp)]
    fn only_rows_with_different_results_count() {
        let found = mcnemar(&[true, true, false, false, true], &[true, false, true, false, false]).unwrap();
        assert_eq!((found.only_first, found.only_second), (2, 1));
        assert_eq!(found.p_exact, 1.0);
        let same = mcnemar(&[true, false], &[true, false]).unwrap();
        assert_eq!((same.p_exact, same.p_chi2), (1.0, 1.0));
        assert_eq!(mcnemar(&[], &[]), None);
        assert_eq!(mcnemar(&[true], &[true, false]), None);
    }
}
