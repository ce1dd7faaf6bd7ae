use proptest::prelude::*;

use super::*;
use crate::bootstrap::draws::draw;

/// Number in [0, 1) of a row.
fn uniform(seed: u64, row: usize) -> f64 {
    (draw(seed, row as u64) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Diamonds whose loss is about 1, and 4 where they are large and badly cut.
struct Diamonds {
    carat: Vec<f64>,
    noise: Vec<f64>,
    cut: Vec<Option<u32>>,
    losses: Vec<f64>,
}

impl Diamonds {
    fn new(rows: usize, seed: u64) -> Self {
        let carat: Vec<f64> = (0..rows).map(|row| (300.0 * uniform(seed, row)).round() / 100.0).collect();
        let cut: Vec<Option<u32>> =
            (0..rows).map(|row| Some((draw(seed + 1, row as u64) % 4) as u32)).collect();
        let hard = |row: usize| carat[row] > 2.0 && cut[row] == Some(0);
        let losses =
            (0..rows).map(|row| (if hard(row) { 4.0 } else { 1.0 }) * 2.0 * uniform(seed + 2, row)).collect();
        let noise = (0..rows).map(|row| uniform(seed + 3, row)).collect();
        Self { carat, noise, cut, losses }
    }

    fn columns<'a>(&'a self, labels: &'a [String]) -> [SliceColumn<'a>; 3] {
        [
            SliceColumn::Numbers { name: "noise", values: &self.noise },
            SliceColumn::Numbers { name: "carat", values: &self.carat },
            SliceColumn::Categories { name: "cut", labels, codes: &self.cut },
        ]
    }
}

fn labels() -> Vec<String> {
    ["Fair", "Good", "Premium", "Ideal"].map(str::to_owned).to_vec()
}

#[test]
fn a_planted_slice_is_the_worst() {
    let (data, labels) = (Diamonds::new(4000, 10), labels());
    let found = error_slices(&data.columns(&labels), &data.losses, &SliceOptions::default());
    let worst = &found[0];
    assert!(worst.condition.contains("cut = Fair") && worst.condition.contains("carat > "), "{found:?}");
    let border: f64 =
        worst.condition.split("carat > ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((border - 2.0).abs() < 0.06, "{}", worst.condition);
    let interval = worst.interval.unwrap();
    assert!(interval.0 < 4.0 && 4.0 < interval.1 && (worst.error - 4.0).abs() < 0.5, "{worst:?}");
    assert!((200..500).contains(&worst.rows) && worst.p_value < 1e-6, "{worst:?}");
    // Other parts of the data, and parts of the slice, are not worse.
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn without_a_pattern_slices_are_as_rare_as_the_level_says() {
    let labels = labels();
    let (mut false_alarms, sets) = (0, 120);
    for seed in 0..sets {
        let mut data = Diamonds::new(400, 100 + 10 * seed);
        data.losses = (0..400).map(|row| uniform(5000 + seed, row).powi(4)).collect();
        let options = SliceOptions { seed, ..SliceOptions::default() };
        false_alarms += u32::from(!error_slices(&data.columns(&labels), &data.losses, &options).is_empty());
    }
    // Binomial(120, 0.05) exceeds 14 with probability 0.001.
    assert!(false_alarms <= 14, "{false_alarms} of {sets}");
}

#[test]
fn errors_are_not_exaggerated_by_the_search() {
    let labels = labels();
    let (mut covered, mut found) = (0, 0);
    for seed in 0..40 {
        let data = Diamonds::new(1200, 50_000 + 10 * seed);
        let options = SliceOptions { seed, max_slices: 1, ..SliceOptions::default() };
        for slice in error_slices(&data.columns(&labels), &data.losses, &options) {
            // A border above 2 leaves only rows whose expected loss is 4.
            if slice.condition.starts_with("cut = Fair and carat > 2") {
                let interval = slice.interval.unwrap();
                found += 1;
                covered += u32::from(interval.0 <= 4.0 && 4.0 <= interval.1);
            }
        }
    }
    // 0.999 of Binomial(n, 0.94) covers at least n - 7 for n up to 40.
    assert!(found >= 15 && covered + 7 >= found, "{covered} of {found}");
}

#[test]
fn threads_and_the_sample_do_not_change_the_result() {
    let (data, labels) = (Diamonds::new(6000, 7), labels());
    let run = |threads, options: SliceOptions| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| error_slices(&data.columns(&labels), &data.losses, &options))
    };
    let all = SliceOptions::default();
    assert_eq!(run(1, all), run(4, all));
    // A sample finds the slice as well, and counts all rows that it holds for.
    let sampled = run(2, SliceOptions { max_rows: 2000, ..all });
    assert!(sampled[0].condition.contains("cut = Fair") && sampled[0].rows > 300, "{sampled:?}");
    assert!(run(1, SliceOptions { max_rows: 0, ..all }).is_empty());
    assert!(run(1, SliceOptions { max_slices: 1, ..all }).len() == 1);
    assert!(run(1, SliceOptions { depth: 0, ..all }).is_empty());
    assert!(run(1, SliceOptions { level: f64::NAN, ..all }).is_empty());
    assert!(run(1, SliceOptions { min_share: f64::INFINITY, ..all }).is_empty());
}

#[test]
fn missing_values_are_a_slice_of_their_own() {
    let rows = 1000;
    let values: Vec<f64> = (0..rows).map(|row| if row % 5 == 0 { f64::NAN } else { row as f64 }).collect();
    let losses: Vec<f64> =
        (0..rows).map(|row| uniform(1, row) + if row % 5 == 0 { 2.0 } else { 0.0 }).collect();
    let columns = [SliceColumn::Numbers { name: "income", values: &values }];
    let found = error_slices(&columns, &losses, &SliceOptions::default());
    assert_eq!((found[0].condition.as_str(), found[0].rows), ("income is missing", 200), "{found:?}");
    assert_eq!(found.len(), 1);
    let codes: Vec<Option<u32>> = values.iter().map(|value| (!value.is_nan()).then_some(0)).collect();
    let columns = [SliceColumn::Categories { name: "job", labels: &["x".to_owned()], codes: &codes }];
    let found = error_slices(&columns, &losses, &SliceOptions::default());
    assert_eq!((found.len(), found[0].condition.as_str()), (1, "job is missing"));
}

#[test]
fn errors_of_single_rows_are_counted() {
    // Misclassified rows, 30 % of `b` and 10 % of the others.
    let rows = 3000;
    let codes: Vec<Option<u32>> = (0..rows).map(|row| Some(u32::from(uniform(3, row) < 0.2))).collect();
    let rate = |row: usize| if codes[row] == Some(1) { 0.3 } else { 0.1 };
    let losses: Vec<f64> = (0..rows).map(|row| f64::from(uniform(4, row) < rate(row))).collect();
    let labels = ["a", "b"].map(str::to_owned);
    let columns = [SliceColumn::Categories { name: "kind", labels: &labels, codes: &codes }];
    let found = error_slices(&columns, &losses, &SliceOptions::default());
    assert_eq!((found.len(), found[0].condition.as_str()), (1, "kind = b"), "{found:?}");
    // A quarter of the rows are always wrong, the others never.
    let certain: Vec<f64> = codes.iter().map(|code| f64::from(*code == Some(1))).collect();
    let found = error_slices(&columns, &certain, &SliceOptions::default());
    assert_eq!((found[0].error, found[0].p_value), (1.0, 0.0));
    assert!(error_slices(&columns, &vec![1.0; rows], &SliceOptions::default()).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_numbers_give_supported_slices(
        losses in prop::collection::vec(prop::num::f64::ANY, 0..300),
        values in prop::collection::vec(prop::num::f64::ANY, 0..300),
        codes in prop::collection::vec(prop::option::of(0_u32..4), 0..300),
        seed: u64,
    ) {
        let labels = ["a", "b", "c"].map(str::to_owned);
        let columns = [
            SliceColumn::Numbers { name: "x", values: &values },
            SliceColumn::Categories { name: "c", labels: &labels, codes: &codes },
        ];
        for slice in error_slices(&columns, &losses, &SliceOptions { seed, ..SliceOptions::default() }) {
            prop_assert!(slice.rows >= 20 && slice.error > slice.overall, "{slice:?}");
            prop_assert!(!slice.condition.is_empty());
        }
    }
}
