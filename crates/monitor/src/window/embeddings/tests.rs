use proptest::prelude::*;

use super::*;
use crate::window::Reservoir;
use crate::window::reservoir::SplitMix;

const HOUR: i64 = 3_600_000;
const WIDTH: usize = 6;

/// Vector of roughly normal values around `shift`, whose first value tells the row.
fn vector(row: u64, shift: f64) -> Vec<f64> {
    let mut random = SplitMix(row.wrapping_mul(0x2545_f491_4f6c_dd1d));
    (0..WIDTH).map(|_| (0..6).map(|_| random.unit()).sum::<f64>() - 3.0 + shift).collect()
}

/// Sample of a server that got these rows, as a reservoir of the server takes it.
fn server(rows: impl IntoIterator<Item = Vec<f64>>, capacity: usize, seed: u64) -> EmbeddingWindows {
    let mut reservoir = Reservoir::new(capacity, seed);
    for row in rows {
        reservoir.offer(1, |_| Some(row.clone()));
    }
    let (seen, vectors) = (reservoir.seen(), reservoir.items().to_vec());
    let sampled = SampledVectors { began: HOUR, seen, usable: 1.0, vectors };
    let windows = vec![EmbeddingSample::draw(sampled, capacity, !seed)];
    EmbeddingWindows { width: WIDTH, enough: 20, windows }
}

fn merged(servers: &[&EmbeddingWindows]) -> EmbeddingWindows {
    EmbeddingWindows::merged(servers.iter().copied(), HOUR).unwrap().unwrap()
}

fn rows_of(from: u64, count: u64, shift: f64) -> impl Iterator<Item = Vec<f64>> {
    (from..from + count).map(move |row| vector(row, shift))
}

proptest! {
    #[test]
    fn merging_is_commutative_associative_and_bounded_and_counts_add_up(
        sizes in prop::collection::vec(0_u64..300, 3),
        capacities in prop::collection::vec(1_usize..40, 3),
        seed in any::<u64>(),
    ) {
        let each: Vec<EmbeddingWindows> = sizes.iter().zip(&capacities).enumerate()
            .map(|(at, (rows, capacity))| {
                server(rows_of(1000 * at as u64, *rows, 0.0), *capacity, seed.wrapping_add(at as u64))
            })
            .collect();
        let [a, b, c] = [&each[0], &each[1], &each[2]];
        let all = merged(&[a, b, c]);
        prop_assert_eq!(&merged(&[c, a, b]), &all);
        prop_assert_eq!(&merged(&[&merged(&[b, c]), a]), &all);
        let window = &all.windows[0];
        prop_assert_eq!(window.seen, sizes.iter().sum::<u64>());
        prop_assert!(window.keys.len() <= *capacities.iter().min().unwrap());
        prop_assert!(window.is_valid(WIDTH));
        // Where all rows fit, all are there.
        let fits = sizes.iter().sum::<u64>() <= *capacities.iter().min().unwrap() as u64;
        prop_assert!(!fits || window.keys.len() as u64 == window.seen);
        let json = serde_json::to_string(&all).unwrap();
        let back: EmbeddingWindows = serde_json::from_str(&json).unwrap();
        prop_assert!(back.check().is_ok() && back.windows[0].values == window.values);
    }
}

#[test]
fn every_row_is_as_likely_as_any_other_whatever_server_it_went_to() {
    // 30, 90 and 280 rows; the third server samples fewer of them.
    let (sizes, capacities) = ([30_u64, 90, 280], [40_usize, 40, 24]);
    let trials = 3000_u64;
    let mut counts = [0_f64; 3];
    let mut kept = 0.0;
    for trial in 0..trials {
        let each: Vec<EmbeddingWindows> = (0..3)
            .map(|at| {
                let rows = (0..sizes[at]).map(|_| vec![at as f64; WIDTH]);
                server(rows, capacities[at], trial * 31 + at as u64)
            })
            .collect();
        let found = merged(&each.iter().collect::<Vec<_>>());
        for vector in found.windows[0].values.chunks(WIDTH) {
            counts[(0..3).find(|at| (vector[0] - *at as f32).abs() < 0.5).unwrap()] += 1.0;
            kept += 1.0;
        }
    }
    let all = sizes.iter().sum::<u64>() as f64;
    for (count, size) in counts.iter().zip(sizes) {
        let (share, expected) = (count / kept, size as f64 / all);
        let error = (expected * (1.0 - expected) / kept).sqrt();
        assert!((share - expected).abs() < 5.0 * error, "{share}, expected {expected}");
    }
    assert!((kept / trials as f64 - 24.0).abs() < 1e-9, "{kept}");
}

#[test]
fn the_drift_of_merged_samples_is_that_of_one_server_that_saw_everything() {
    let mut reference = EmbeddingRows::new(WIDTH, usize::MAX);
    rows_of(1_000_000, 300, 0.0).for_each(|row| reference.push(row));
    // A share of the rows is shifted, all at the second server: half of the traffic, or a tenth.
    for (own, shifted, drifts) in [(2000_u64, 0_u64, false), (1000, 1000, true), (1800, 200, false)] {
        let (mut one, mut several, mut alarms) = (Vec::new(), Vec::new(), [0_u32; 2]);
        for trial in 0..30 {
            let rows = || {
                let base = trial * 10_000;
                rows_of(base, own, 0.0).chain(rows_of(base + own, shifted, 2.0))
            };
            let whole = server(rows(), 256, trial);
            let half = usize::try_from(own).unwrap();
            let first = server(rows().take(half), 256, trial + 1000);
            let second = server(rows().skip(half), 256, trial + 2000);
            let together = merged(&[&first, &second]);
            assert_eq!(together.windows[0].keys.len(), 256);
            for (at, (windows, scores)) in
                [(&whole, &mut one), (&together, &mut several)].into_iter().enumerate()
            {
                let found = windows.drift(&reference).unwrap();
                scores.push(found.score.unwrap());
                alarms[at] += u32::from(found.drifted);
            }
        }
        let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
        let variance = |scores: &[f64]| {
            let center = mean(scores);
            scores.iter().map(|score| (score - center).powi(2)).sum::<f64>() / (scores.len() - 1) as f64
        };
        let error = ((variance(&one) + variance(&several)) / one.len() as f64).sqrt();
        let difference = mean(&one) - mean(&several);
        assert!(difference.abs() < 4.0 * error, "{difference} with an error of {error}");
        if drifts {
            // Where half of both sides are alike, the descent of Evidently's classifier ends the wrong way round now and then.
            assert!(alarms.iter().all(|count| *count >= 25), "{alarms:?}");
        } else if shifted == 0 {
            assert!(alarms.iter().all(|count| *count <= 2), "{alarms:?}");
        }
    }
}

#[test]
fn rows_that_are_not_embedded_yet_do_not_change_the_weight_of_a_server() {
    // A sample of 100 of 1,000 rows. A quarter of those have no vector and never will, another quarter only later.
    let vectors: Vec<Vec<f64>> = rows_of(0, 50, 0.0).collect();
    let sampled = SampledVectors { began: 0, seen: 1000, usable: 0.75, vectors };
    let mean =
        (0..400).map(|seed| EmbeddingSample::draw(sampled.clone(), 100, seed).threshold).sum::<f64>() / 400.0;
    // The 50th of 750 uniform draws.
    assert!((mean - 50.0 / 751.0).abs() < 0.002, "{mean}");
    // A server whose rows were all left out does not empty the sample of another one.
    let none = SampledVectors { began: HOUR, seen: 9, ..SampledVectors::default() };
    let empty =
        EmbeddingWindows { width: WIDTH, enough: 5, windows: vec![EmbeddingSample::draw(none, 50, 1)] };
    let found = merged(&[&empty, &server(rows_of(0, 30, 0.0), 50, 1)]);
    assert_eq!((found.windows[0].keys.len(), found.windows[0].seen, found.enough), (30, 39, 5));
}

#[test]
fn windows_of_other_periods_stay_apart_and_the_latest_ones_are_judged() {
    let at = |began: i64, seed: u64| {
        let mut own = server(rows_of(seed * 100, 15, 0.0), 50, seed);
        own.windows[0].began = began;
        own
    };
    let found = merged(&[&at(HOUR + 5, 1), &at(3 * HOUR, 2), &at(HOUR, 3)]);
    let windows: Vec<_> = found.windows.iter().map(|own| (own.began, own.keys.len())).collect();
    assert_eq!(windows, [(HOUR, 30), (3 * HOUR, 15)]);
    let (rows, count) = found.recent();
    assert_eq!((rows.len(), count), (45, 2));
    let few = EmbeddingWindows { enough: 46, ..found };
    assert!(few.drift(&rows).is_none());
    assert!(EmbeddingWindows::merged([], HOUR).unwrap().is_none());
}

#[test]
fn documents_that_contradict_themselves_are_refused() {
    let good = server(rows_of(0, 30, 0.0), 20, 1);
    let told = |change: fn(&mut EmbeddingWindows)| {
        let mut bad = good.clone();
        change(&mut bad);
        EmbeddingWindows::merged([&good, &bad], HOUR).unwrap_err().to_string()
    };
    let changes: [fn(&mut EmbeddingWindows); 9] = [
        |bad| bad.windows[0].values[7] = f32::NAN,
        |bad| bad.windows[0].keys[3] = -1.0,
        |bad| bad.windows[0].keys[3] = 0.999,
        |bad| bad.windows[0].keys.truncate(9),
        |bad| bad.windows[0].values.clear(),
        |bad| bad.windows[0].capacity = 3,
        |bad| bad.windows[0].seen = 3,
        |bad| bad.windows[0].threshold = f64::NAN,
        |bad| bad.width = usize::MAX,
    ];
    for change in changes {
        assert!(told(change).contains("contradict each other"), "{}", told(change));
    }
    assert!(told(|bad| bad.width = 0).contains("at least one value"));
    let narrow = |bad: &mut EmbeddingWindows| {
        bad.width = 3;
        bad.windows.clear();
    };
    assert!(told(narrow).contains("embeddings of 6 and 3 values"), "{}", told(narrow));
}
