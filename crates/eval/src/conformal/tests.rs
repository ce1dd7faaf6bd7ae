//! Bounds of MAPIE and crepes, and coverage on new rows.

#![allow(clippy::float_cmp, reason = "bounds are exact")]

use serde_json::Value;

use super::*;

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/uncertainty.json")).unwrap()
}

fn of<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

fn near(found: (f64, f64), expected: &[f64; 2]) {
    let distance = (found.0 - expected[0]).abs().max((found.1 - expected[1]).abs());
    assert!(distance < 1e-9, "{found:?}, expected {expected:?}");
}

#[test]
fn split_intervals_equal_mapie_and_crepes() {
    let all = golden();
    let (coverages, case): (Vec<f64>, _) = (of(&all["coverages"]), &all["split"]);
    let (target, predicted): (Vec<f64>, Vec<f64>) = (of(&case["target"]), of(&case["predicted"]));
    let scores =
        ConformalScores::new(target.iter().zip(&predicted).map(|(y, p)| split_score(*y, *p)).collect());
    let new: Vec<f64> = of(&case["new"]);
    for (coverage, expected) in coverages.iter().zip(of::<Vec<Vec<[f64; 2]>>>(&case["bounds"])) {
        let quantile = scores.quantile(*coverage).unwrap();
        new.iter().zip(&expected).for_each(|(new, expected)| near(split_interval(*new, quantile), expected));
    }
}

#[test]
fn normalised_and_mondrian_intervals_equal_crepes() {
    let all = golden();
    let (coverages, case): (Vec<f64>, _) = (of(&all["coverages"]), &all["crepes"]);
    let residuals: Vec<f64> = of(&case["residuals"]);
    let (sigmas, bins): (Vec<f64>, Vec<usize>) = (of(&case["sigmas"]), of(&case["bins"]));
    let (new, new_sigmas): (Vec<f64>, Vec<f64>) = (of(&case["new"]), of(&case["new_sigmas"]));
    let new_bins: Vec<usize> = of(&case["new_bins"]);
    let each =
        residuals.iter().zip(&sigmas).map(|(residual, sigma)| normalised_score(*residual, 0.0, *sigma));
    let normalised = ConformalScores::new(each.collect());
    let of_bin = |bin: usize| {
        let own = residuals.iter().zip(&bins).filter(|(_, own)| **own == bin);
        ConformalScores::new(own.map(|(residual, _)| residual.abs()).collect())
    };
    for (at, coverage) in coverages.iter().enumerate() {
        let expected: Vec<[f64; 2]> = of(&case["normalised"][at]);
        let quantile = normalised.quantile(*coverage).unwrap();
        for ((new, sigma), expected) in new.iter().zip(&new_sigmas).zip(&expected) {
            near(split_interval(*new, quantile * sigma), expected);
        }
        let expected: Vec<[f64; 2]> = of(&case["mondrian"][at]);
        for ((new, bin), expected) in new.iter().zip(&new_bins).zip(&expected) {
            near(split_interval(*new, of_bin(*bin).quantile(*coverage).unwrap()), expected);
        }
    }
}

#[test]
fn quantile_intervals_equal_mapie() {
    for case in golden()["quantile_regression"]["bounds"].as_array().unwrap() {
        let target: Vec<f64> = of(&case["target"]);
        let bounds = |low: &str, high: &str| -> Vec<(f64, f64)> {
            of::<Vec<f64>>(&case[low]).into_iter().zip(of::<Vec<f64>>(&case[high])).collect()
        };
        let scores = target.iter().zip(bounds("low", "high")).map(|(y, own)| quantile_score(*y, own));
        let quantile = ConformalScores::new(scores.collect()).quantile(of(&case["coverage"])).unwrap();
        let expected: Vec<[f64; 2]> = of(&case["expected"]);
        for (own, expected) in bounds("new_low", "new_high").into_iter().zip(&expected) {
            near(quantile_interval(own, quantile), expected);
        }
    }
    assert_eq!(quantile_interval((1.0, 2.0), -3.0), (1.5, 1.5));
}

#[test]
fn cross_intervals_equal_mapie() {
    let all = golden();
    let (coverages, case): (Vec<f64>, _) = (of(&all["coverages"]), &all["cross"]);
    let (residuals, predicted): (Vec<Vec<f64>>, Vec<Vec<f64>>) =
        (of(&case["residuals"]), of(&case["predicted"]));
    for (coverage, expected) in coverages.iter().zip(of::<Vec<Vec<[f64; 2]>>>(&case["bounds"])) {
        for (row, expected) in expected.iter().enumerate() {
            let folds: Vec<CrossFold<'_>> = residuals
                .iter()
                .zip(&predicted)
                .map(|(residuals, predicted)| CrossFold { residuals, predicted: predicted[row] })
                .collect();
            near(cross_interval(&folds, *coverage).unwrap(), expected);
        }
    }
}

#[test]
fn sets_equal_mapie_and_crepes() {
    let all = golden();
    let case = &all["sets"];
    let (truth, p): (Vec<usize>, Vec<Vec<f64>>) = (of(&case["truth"]), of(&case["probabilities"]));
    let new: Vec<Vec<f64>> = of(&case["new"]);
    let check = |score: ClassScore, coverage: f64, expected: Vec<Vec<u8>>| {
        let scores = truth.iter().zip(&p).map(|(class, row)| class_score(score, row)[*class]);
        let quantile = ConformalScores::new(scores.collect()).quantile(coverage).unwrap();
        for (row, expected) in new.iter().zip(&expected) {
            let found: Vec<u8> =
                class_set(&class_score(score, row), quantile).into_iter().map(u8::from).collect();
            if expected.contains(&1) {
                assert_eq!(found, *expected, "{score:?}, {coverage}, {row:?}");
            } else {
                // The libraries have an empty set here.
                assert_eq!(found.iter().sum::<u8>(), 1);
            }
        }
    };
    for case in case["cases"].as_array().unwrap() {
        let coverage = of(&case["coverage"]);
        check(ClassScore::Lac, coverage, of(&case["lac"]));
        for raps in case["raps"].as_array().unwrap() {
            let score = ClassScore::Raps { penalty: of(&raps["penalty"]), free: of(&raps["free"]) };
            let expected: Vec<f64> = of(&raps["scores"]);
            for ((class, row), expected) in truth.iter().zip(&p).zip(&expected) {
                assert!((class_score(score, row)[*class] - expected).abs() < 1e-9);
            }
            check(score, coverage, of(&raps["sets"]));
        }
    }
}

/// Uniform numbers from 0 to 1 (`SplitMix64`).
fn uniform(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Share of covered rows over 20 seeds of 300 calibration rows and 500 new ones lies within four standard deviations of the
/// expected one, `rank / (n + 1)`, with the deviation of the beta-binomial distribution. With `ties` among the scores it may
/// be larger. `score` draws a row and returns its score and, given the quantile, whether it is covered.
fn assert_coverage(
    coverage: f64,
    ties: bool,
    score: impl Fn(&mut dyn FnMut() -> f64, Option<f64>) -> (f64, bool),
) {
    let (rows, new, seeds) = (300, 500, 20);
    let mut covered = 0;
    for seed in 0..seeds {
        let mut draw = uniform(1 + seed);
        let scores = ConformalScores::new((0..rows).map(|_| score(&mut draw, None).0).collect());
        let quantile = scores.quantile(coverage).unwrap();
        covered += (0..new).filter(|_| score(&mut draw, Some(quantile)).1).count();
    }
    let expected = ((f64::from(rows) + 1.0) * coverage).ceil() / (f64::from(rows) + 1.0);
    let found = covered as f64 / (f64::from(new) * seeds as f64);
    let (n, m) = (f64::from(rows), f64::from(new));
    let deviation = (expected * (1.0 - expected) * (1.0 / m + 1.0 / (n + 2.0)) / seeds as f64).sqrt();
    let (least, most) = (expected - 4.0 * deviation, expected + 4.0 * deviation);
    assert!(found >= least && (ties || found <= most), "{found}, expected {expected} ± {deviation}");
}

#[test]
fn new_rows_are_covered_as_often_as_asked() {
    let normal =
        |draw: &mut dyn FnMut() -> f64| (-2.0 * draw().ln()).sqrt() * (std::f64::consts::TAU * draw()).cos();
    for coverage in [0.6, 0.9, 0.95] {
        assert_coverage(coverage, false, |draw, quantile| {
            let predicted = draw();
            let target = predicted + normal(draw) * (0.1 + predicted);
            let (low, high) = split_interval(predicted, quantile.unwrap_or(0.0));
            (split_score(target, predicted), low <= target && target <= high)
        });
        assert_coverage(coverage, false, |draw, quantile| {
            let x = draw();
            let (target, own) = (x + normal(draw), (x - 0.3, x + 0.8));
            let (low, high) = quantile_interval(own, quantile.unwrap_or(0.0));
            (quantile_score(target, own), low <= target && target <= high)
        });
        for score in [
            ClassScore::Lac,
            ClassScore::Raps { penalty: 0.0, free: 0 },
            ClassScore::Raps { penalty: 0.1, free: 2 },
        ] {
            // The cumulated probability of the least likely class is 1 in every row.
            assert_coverage(coverage, score != ClassScore::Lac, |draw, quantile| {
                // Eight classes whose probabilities are wrong on purpose.
                let weights: Vec<f64> = (0..8).map(|_| normal(draw).exp()).collect();
                let sum: f64 = weights.iter().sum();
                let p: Vec<f64> = weights.iter().map(|weight| weight / sum).collect();
                let wrong: f64 = p.iter().map(|p| p.sqrt()).sum();
                let mut rest = draw() * wrong;
                let class = p
                    .iter()
                    .position(|p| {
                        rest -= p.sqrt();
                        rest <= 0.0
                    })
                    .unwrap_or(7);
                let scores = class_score(score, &p);
                // A class that is in the set only because the set would be empty is not counted.
                (scores[class], quantile.is_some_and(|q| scores[class] <= q))
            });
        }
    }
}

/// Noise that grows with `x`, and two quantiles that are read off the training rows of each tenth of `x`.
#[test]
#[allow(clippy::cast_sign_loss, clippy::needless_for_each, reason = "the numbers are not negative")]
fn plain_quantiles_of_a_few_rows_are_corrected_and_follow_the_noise() {
    let normal =
        |draw: &mut dyn FnMut() -> f64| (-2.0 * draw().ln()).sqrt() * (std::f64::consts::TAU * draw()).cos();
    let row = |draw: &mut dyn FnMut() -> f64| {
        let x = draw();
        (x, 3.0 * x + (0.2 + 2.0 * x) * normal(draw))
    };
    let tenth = |x: f64| (0..9).find(|bin| x < f64::from(bin + 1) / 10.0).unwrap_or(9) as usize;
    let mut draw = uniform(77);
    let mut bins: Vec<Vec<f64>> = vec![Vec::new(); 10];
    for _ in 0..400 {
        let (x, y) = row(&mut draw);
        bins[tenth(x)].push(y);
    }
    bins.iter_mut().for_each(|bin| bin.sort_by(f64::total_cmp));
    let quantiles = |x: f64| {
        let own = &bins[tenth(x)];
        (own[own.len() / 20], own[own.len() - 1 - own.len() / 20])
    };
    // The quantiles are those of 0.9; the scores correct them for other coverages too.
    for coverage in [0.5, 0.8, 0.9, 0.95] {
        assert_coverage(coverage, false, |draw, quantile| {
            let (x, target) = row(draw);
            let (low, high) = quantile_interval(quantiles(x), quantile.unwrap_or(0.0));
            // Bounds that met half-way hold more rows than the scores say.
            let score = quantile_score(target, quantiles(x));
            (score, quantile.is_some_and(|q| score <= q && low <= target && target <= high))
        });
    }
    let mut scores = Vec::new();
    for _ in 0..500 {
        let (x, target) = row(&mut draw);
        scores.push(quantile_score(target, quantiles(x)));
    }
    let quantile = ConformalScores::new(scores).quantile(0.9).unwrap();
    let width = |x: f64| {
        let (low, high) = quantile_interval(quantiles(x), quantile);
        high - low
    };
    assert!(width(0.95) > 3.0 * width(0.05), "{} and {}", width(0.95), width(0.05));
}

#[test]
fn too_few_scores_are_an_error_that_says_what_is_possible() {
    let nine = ConformalScores::new((1..=9).map(f64::from).collect());
    assert_eq!(nine.quantile(0.9), Ok(9.0));
    assert_eq!(nine.quantile(0.5), Ok(5.0));
    let error = nine.quantile(0.91).unwrap_err();
    assert_eq!((error.rows, error.largest), (9, 0.9));
    assert!(error.to_string().contains("at most 0.9"), "{error}");
    assert_eq!(nine.quantile(error.largest), Ok(9.0), "the stated coverage is possible");
    assert_eq!(ConformalScores::default().quantile(0.5).unwrap_err().largest, 0.0);
    let unknown = ConformalScores::new(vec![1.0, f64::NAN, 0.5]);
    assert_eq!(unknown.quantile(0.5), Ok(1.0));
    assert!(unknown.quantile(0.75).is_err(), "a residual that is not a number is never covered");
    for rows in 1..400 {
        let scores = ConformalScores::new((0..rows).map(f64::from).collect());
        assert!(scores.quantile(possible_coverage(scores.len())).is_ok(), "{rows}");
    }
}

#[test]
fn thinned_scores_cover_at_least_as_much() {
    let mut draw = uniform(3);
    for rows in [11, 50, 200, 999] {
        let all = ConformalScores::new((0..rows).map(|_| draw()).collect());
        for most in [10, 30, 200] {
            let few = all.thinned(most);
            assert_eq!(few.len(), most.min(rows));
            for coverage in (1..20).map(|part| f64::from(part) / 20.0) {
                if let (Ok(few), Ok(all)) = (few.quantile(coverage), all.quantile(coverage)) {
                    assert!(few >= all, "{rows} rows, {most} kept, coverage {coverage}");
                }
            }
        }
    }
}

#[test]
fn the_coverages_of_thinned_scores_follow_the_calibration_rows() {
    let all = ConformalScores::new((0..2_000).map(f64::from).collect());
    let few = all.thinned(50);
    let of = |coverage| ConformalScores::quantile_of_thinned(few.sorted(), 1_999.0, all.len(), coverage);
    for coverage in [0.5, 0.9, 0.98, 0.99, 0.999, possible_coverage(2_000)] {
        assert!(of(coverage).unwrap() >= all.quantile(coverage).unwrap(), "{coverage}");
    }
    assert_eq!(of(0.5), few.quantile(0.5));
    assert_eq!(of(0.9999).unwrap_err(), all.quantile(0.9999).unwrap_err());
    let infinite = ConformalScores::quantile_of_thinned(few.sorted(), f64::INFINITY, all.len(), 0.999);
    assert!(infinite.is_err());
}

#[test]
fn coverage_counts_bounds_as_within() {
    assert_eq!(
        interval_coverage(&[1.0, 2.0, 3.0, 9.0], &[(1.0, 2.0), (0.0, 2.0), (3.5, 4.0), (0.0, 9.5)]),
        Some(0.75)
    );
    assert_eq!(interval_coverage(&[], &[]), None);
}
