//! Transforms compared with scikit-learn on the same columns (`scripts/golden/transforms.py`).

use cupola_spec::{
    Encoding, Fill, Input, Kind, OutlierAction, OutlierRule, Outliers, Scaling, Target, TargetKind,
    TargetList,
};
use serde::Deserialize;
use std::collections::HashMap;

use crate::{Column, Frame, Plan, ResolvedInput};

#[derive(Deserialize)]
struct Golden {
    train: usize,
    columns: HashMap<String, Vec<Option<f64>>>,
    texts: HashMap<String, Vec<String>>,
    cases: HashMap<String, Vec<Vec<f64>>>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/transforms.json")).unwrap()
}

impl Golden {
    fn frame(&self) -> Frame {
        let mut frame = Frame::default();
        for (name, values) in &self.columns {
            frame = frame.with(name, Column::numbers(values.iter().map(|v| v.unwrap_or(f64::NAN)).collect()));
        }
        for (name, values) in &self.texts {
            frame = frame.with(name, Column::texts(values.iter().map(Some)));
        }
        frame
    }

    /// Dense values of all rows for an input fitted on the training rows.
    fn transformed(&self, input: Input, columns: &[&str], target: &Target) -> Vec<Vec<f32>> {
        let frame = self.frame();
        let train = frame.slice(0, self.train);
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        let plan = Plan::fit(
            &[ResolvedInput::new(input, columns)],
            &TargetList::single(target.clone()),
            &[&frame],
            &train,
        )
        .unwrap();
        // A plan that was saved and loaded gives the same values for a single row.
        let sealed: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
        let width = plan.layout().dense_width();
        let whole = plan.apply(&frame).unwrap();
        for row in [0, 7, 119] {
            let alone = sealed.apply(&frame.slice(row, 1)).unwrap();
            assert_eq!(alone.dense, whole.dense[row * width..(row + 1) * width]);
        }
        whole.dense.chunks(width).map(<[f32]>::to_vec).collect()
    }

    #[track_caller]
    fn compare(&self, case: &str, made: &[Vec<f32>], tolerance: f64) {
        let expected = &self.cases[case];
        assert_eq!((made.len(), made[0].len()), (expected.len(), expected[0].len()), "{case}");
        for (row, (made, expected)) in made.iter().zip(expected).enumerate() {
            for (a, b) in made.iter().zip(expected) {
                assert!(
                    (f64::from(*a) - b).abs() < tolerance * b.abs().max(1.0),
                    "{case}, row {row}: found {a}, expected {b}"
                );
            }
        }
    }
}

fn number() -> Target {
    Target::new("outcome", TargetKind::Number)
}

#[test]
fn scalers_are_scikit_learns() {
    let golden = golden();
    for (name, scale) in [
        ("standard", Scaling::Standard),
        ("min_max", Scaling::MinMax),
        ("robust", Scaling::Robust),
        ("power", Scaling::Power),
        ("quantile", Scaling::Quantile),
    ] {
        for column in ["skewed", "signed", "few"] {
            let input = Input { scale: Some(scale), ..Input::new("x", Kind::Number) };
            // scikit-learn's Brent search and our golden-section search stop at slightly different exponents.
            let tolerance = match (scale, column) {
                (Scaling::Power, _) => 1e-4,
                // scikit-learn's references differ in the last digit, which moves the middle of many equal values by
                // half a step of 1/89.
                (Scaling::Quantile, "few") => 3e-2,
                _ => 2e-6,
            };
            golden.compare(
                &format!("{name}/{column}"),
                &golden.transformed(input, &[column], &number()),
                tolerance,
            );
        }
    }
}

#[test]
fn fills_are_scikit_learns() {
    let golden = golden();
    let filled = |fill: Fill| Input { fill: Some(fill), ..Input::new("x", Kind::Number) };
    for (case, column, fill) in [
        ("mean/skewed", "skewed", Fill::Name("mean".into())),
        ("mode/modal", "modal", Fill::Name("mode".into())),
        ("constant/signed", "signed", Fill::Number(-1.5)),
    ] {
        golden.compare(case, &golden.transformed(filled(fill), &[column], &number()), 2e-6);
    }
    let unscaled = Some(Scaling::None);
    let indicator = Input { scale: unscaled, indicator: Some(true), ..Input::new("x", Kind::Number) };
    golden.compare("indicator/skewed", &golden.transformed(indicator, &["skewed"], &number()), 1e-6);
    let knn = Input { scale: unscaled, ..filled(Fill::Name("knn".into())) };
    golden.compare("knn", &golden.transformed(knn, &["skewed", "signed", "outcome"], &number()), 1e-6);
}

#[test]
fn encoders_are_scikit_learns() {
    let golden = golden();
    let encoded = |encode| Input { encode: Some(encode), ..Input::new("c", Kind::Category) };
    let mut hot = golden.transformed(encoded(Encoding::OneHot), &["category"], &number());
    // We add a column for unseen values.
    assert!(hot.iter_mut().all(|row| row.pop() == Some(0.0)));
    golden.compare("one_hot", &hot, 1e-9);
    golden.compare(
        "ordinal",
        &golden.transformed(encoded(Encoding::Ordinal), &["category"], &number()),
        2e-6,
    );
    for (case, target) in
        [("target/number", number()), ("target/binary", Target::new("binary", TargetKind::Category))]
    {
        let made = golden.transformed(encoded(Encoding::Target), &["category"], &target);
        // We standardise the encoded values.
        let expected: Vec<f64> = golden.cases[case].iter().map(|row| row[0]).collect();
        let train = &expected[..golden.train];
        let mean = train.iter().sum::<f64>() / train.len() as f64;
        let deviation = (train.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / train.len() as f64).sqrt();
        for (a, b) in made.iter().zip(&expected) {
            assert!(
                (f64::from(a[0]) - (b - mean) / deviation).abs() < 1e-5,
                "{case}: found {a:?}, expected {b}"
            );
        }
    }
}

#[test]
fn target_encoding_of_a_training_row_excludes_its_own_target() {
    // With one row per category, an encoding by the own target would reveal it.
    let rows = 400;
    let frame = Frame::default()
        .with("c", Column::texts((0..rows).map(|row| Some(row.to_string()))))
        .with("outcome", Column::numbers((0..rows).map(|row| f64::from(row % 2)).collect()));
    let input = Input { encode: Some(Encoding::Target), ..Input::new("c", Kind::Category) };
    let plan = Plan::fit(
        &[ResolvedInput::new(input, vec!["c".into()])],
        &TargetList::single(number()),
        &[&frame],
        &frame,
    )
    .unwrap();
    let correct = |examples: crate::Examples| {
        let right = examples.dense.iter().enumerate().filter(|(row, x)| (**x > 0.0) == (row % 2 == 1));
        right.count()
    };
    assert_eq!(correct(plan.encode(&frame, false).unwrap()), 400);
    assert!(correct(plan.encode(&frame, true).unwrap()).abs_diff(200) < 100);
}

#[test]
fn outliers_are_clipped_flagged_filled_or_dropped() {
    let mut values: Vec<f64> = (0..100).map(f64::from).collect();
    values.push(10_000.0);
    let frame =
        Frame::default().with("x", Column::numbers(values)).with("outcome", Column::numbers(vec![0.0; 101]));
    let plan = |action, by| {
        let outliers = Outliers { by, limit: None, action };
        let input =
            Input { scale: Some(Scaling::None), outliers: Some(outliers), ..Input::new("x", Kind::Number) };
        Plan::fit(
            &[ResolvedInput::new(input, vec!["x".into()])],
            &TargetList::single(number()),
            &[&frame],
            &frame,
        )
        .unwrap()
    };
    let last = |action| plan(action, OutlierRule::Iqr).apply(&frame.slice(100, 1)).unwrap().dense;
    // Quartiles 25 and 75: beyond 75 + 1.5 * 50.
    assert_eq!(last(OutlierAction::Clip), [150.0]);
    assert_eq!(last(OutlierAction::Flag), [10_000.0, 1.0]);
    assert_eq!(last(OutlierAction::Missing), [49.5]);
    let dropping = plan(OutlierAction::Drop, OutlierRule::ZScore);
    assert_eq!(dropping.without_dropped(&frame, vec![99, 100]).unwrap(), [99]);
}

#[test]
fn dates_become_parts_and_circles() {
    use cupola_spec::DatePart;
    let texts = [
        "2024-01-01",
        "2024-07-01T12:00:00",
        "2024-12-31 18:00:00",
        "2025-06-15T00:00:00+02:00[Europe/Berlin]",
    ];
    let frame = Frame::default()
        .with("d", Column::texts(texts.map(Some)))
        .with(
            "e",
            Column::texts(
                ["31.12.1999", "01.01.2000", "02.01.2000", ""].map(|t| (!t.is_empty()).then_some(t)),
            ),
        )
        .with("outcome", Column::numbers(vec![0.0; 4]));
    let plan = |column: &str, parts: &[DatePart], cycle, format: Option<&str>| {
        let input = Input {
            parts: Some(parts.to_vec()),
            cycle,
            format: format.map(str::to_owned),
            ..Input::new(column, Kind::Date)
        };
        Plan::fit(
            &[ResolvedInput::new(input, vec![column.into()])],
            &TargetList::single(number()),
            &[&frame],
            &frame,
        )
        .unwrap()
    };
    let made = plan("d", &[DatePart::Year, DatePart::Month, DatePart::Hour], Some(true), None)
        .apply(&frame)
        .unwrap()
        .dense;
    let rows: Vec<&[f32]> = made.chunks(5).collect();
    assert!((rows[3][0] - 3.0_f32.sqrt()).abs() < 1e-5, "{rows:?}");
    // January is at the top of the circle, July opposite, 18:00 on the left.
    assert!(rows[0][1].abs() < 1e-6 && (rows[0][2] - 1.0).abs() < 1e-6 && (rows[1][2] + 1.0).abs() < 1e-6);
    assert!((rows[2][3] + 1.0).abs() < 1e-6, "{rows:?}");
    let days = plan("e", &[DatePart::Weekday], None, Some("%d.%m.%Y")).apply(&frame).unwrap().dense;
    // Friday, Saturday, Sunday, and a missing date, which is the mean.
    assert!((days[0] + days[2]).abs() < 1e-5 && days[1].abs() < 1e-5 && days[3].abs() < 1e-9, "{days:?}");
    let wrong = plan("d", &[DatePart::Year], None, None);
    let error =
        wrong.apply(&Frame::default().with("d", Column::texts([Some("soon")]))).unwrap_err().to_string();
    assert!(
        error.contains("row 1, column `d`: expected a date as 2024-12-31") && error.contains("`soon`"),
        "{error}"
    );
}

#[test]
fn images_and_sounds_become_numbers() {
    use base64::Engine as _;
    let mut png = Vec::new();
    let pixels = image::RgbImage::from_fn(2, 1, |x, _| {
        if x == 0 { image::Rgb([255, 0, 10]) } else { image::Rgb([0, 51, 20]) }
    });
    pixels.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
    let bytes = arrow::array::BinaryArray::from(vec![Some(png.as_slice())]);
    let frame =
        |column: Column| Frame::default().with("p", column).with("outcome", Column::numbers(vec![0.0]));
    let input = Input { shape: Some([3, 1, 2]), scale: Some(Scaling::None), ..Input::new("p", Kind::Image) };
    let own = frame(Column::Bytes(bytes));
    let plan = Plan::fit(
        &[ResolvedInput::new(input, vec!["p".into()])],
        &TargetList::single(number()),
        &[&own],
        &own,
    )
    .unwrap();
    let expected = [255.0, 0.0, 0.0, 51.0, 10.0, 20.0];
    assert_eq!(plan.apply(&own).unwrap().dense, expected);
    // Requests carry files in base64.
    let text = base64::engine::general_purpose::STANDARD.encode(&png);
    assert_eq!(plan.apply(&frame(Column::texts([Some(text)]))).unwrap().dense, expected);
    let broken = plan.apply(&frame(Column::texts([Some("AAAA")]))).unwrap_err().to_string();
    assert!(broken.contains("expected an image"), "{broken}");

    let mut wav = Vec::new();
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::new(std::io::Cursor::new(&mut wav), spec).unwrap();
    for s in [16384_i16, 0, -32768, -32768] {
        writer.write_sample(s).unwrap();
    }
    writer.finalize().unwrap();
    let own = frame(Column::Bytes(arrow::array::BinaryArray::from(vec![Some(wav.as_slice())])));
    let input = Input { steps: Some([3, 1]), scale: Some(Scaling::None), ..Input::new("p", Kind::Series) };
    let plan = Plan::fit(
        &[ResolvedInput::new(input, vec!["p".into()])],
        &TargetList::single(number()),
        &[&own],
        &own,
    )
    .unwrap();
    assert_eq!(plan.apply(&own).unwrap().dense, [0.25, -1.0, 0.0]);
}
