use cupola_spec::{Input, Kind, Scaling, TargetKind, Unseen};
use indexmap::IndexMap;
use proptest::prelude::*;

use super::*;
use crate::{Column, PredictedValue, Targets, split_rows};

fn numbers(values: &[f64]) -> Column {
    Column::numbers(values.to_vec())
}

fn texts(values: &[&str]) -> Column {
    Column::texts(values.iter().map(|v| (!v.is_empty()).then_some(*v)))
}

fn frame<const N: usize>(columns: [(&str, Column); N]) -> Frame {
    Frame::new(columns.into_iter().map(|(n, c)| (n.to_owned(), c)).collect::<IndexMap<_, _>>())
}

fn input(name: &str, kind: Kind, unseen: Option<Unseen>) -> ResolvedInput {
    let input = Input { unseen, ..Input::new(name, kind) };
    ResolvedInput::new(input, vec![name.into()])
}

fn target(kind: TargetKind) -> TargetList<Target> {
    TargetList::single(Target::new("y", kind))
}

fn mixed() -> (Frame, Plan) {
    let rows = frame([
        ("x", numbers(&[1.0, 2.0, f64::NAN, 6.0])),
        ("c", texts(&["b", "a", "", "b"])),
        ("y", texts(&["no", "yes", "no", "yes"])),
    ]);
    let inputs = [input("x", Kind::Number, None), input("c", Kind::Category, None)];
    let plan = Plan::fit(&inputs, &target(TargetKind::Category), &[&rows], &rows).unwrap();
    (rows, plan)
}

#[test]
fn numbers_are_filled_with_the_median_then_standardised() {
    let (rows, plan) = mixed();
    let examples = plan.apply(&rows).unwrap();
    // Filled: 1 2 2 6; mean 2.75, population deviation sqrt(3.6875).
    #[allow(clippy::cast_possible_truncation)]
    let expected = [1.0, 2.0, 2.0, 6.0].map(|x: f64| ((x - 2.75) / 3.6875_f64.sqrt()) as f32);
    let found: Vec<f32> = examples.dense.chunks(4).map(|row| row[0]).collect();
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() < 1e-6, "{found:?} {expected:?}");
    }
}

#[test]
fn categories_are_one_hot_with_a_column_for_others() {
    let (rows, plan) = mixed();
    let hot = |frame: &Frame| -> Vec<Vec<f32>> {
        plan.apply(frame).unwrap().dense.chunks(4).map(|row| row[1..].to_vec()).collect()
    };
    assert_eq!(hot(&rows), [[0., 1., 0.], [1., 0., 0.], [0., 0., 1.], [0., 1., 0.]]);
    let unseen = frame([("x", numbers(&[1.0])), ("c", texts(&["zebra"]))]);
    assert_eq!(hot(&unseen), [[0., 0., 1.]]);
}

#[test]
fn unseen_values_are_rejected_with_row_column_and_nearest_value() {
    let rows = frame([("c", texts(&["red", "blue"])), ("y", texts(&["0", "1"]))]);
    let inputs = [input("c", Kind::Category, Some(Unseen::Error))];
    let plan = Plan::fit(&inputs, &target(TargetKind::Category), &[&rows], &rows).unwrap();
    let error = plan.apply(&frame([("c", texts(&["blue", "rad"]))])).unwrap_err().to_string();
    assert_eq!(
        error,
        "row 2, column `c`: expected one of 2 trained values, found `rad`; did you mean `red`?"
    );
}

#[test]
fn an_image_keeps_its_shape_and_is_scaled_as_one() {
    let rows =
        frame([("p0", numbers(&[0.0, 16.0])), ("p1", numbers(&[8.0, 4.0])), ("y", numbers(&[0.0, 1.0]))]);
    let image =
        Input { shape: Some([1, 1, 2]), scale: Some(Scaling::MinMax), ..Input::new("p", Kind::Image) };
    let image = ResolvedInput::new(image, vec!["p0".into(), "p1".into()]);
    let plan = Plan::fit(&[image], &target(TargetKind::Category), &[&rows], &rows).unwrap();
    assert_eq!(plan.layout().blocks, [cupola_spec::Block::Image { shape: [1, 1, 2] }]);
    assert_eq!(plan.apply(&rows).unwrap().dense, [0.0, 0.5, 1.0, 0.25]);
    let gap = frame([("p0", numbers(&[f64::NAN])), ("p1", numbers(&[1.0]))]);
    assert!(plan.apply(&gap).unwrap_err().to_string().contains("send every value"));
}

#[test]
fn a_target_that_cannot_be_learned_says_why() {
    let say = |column: Column, kind| {
        let rows = frame([("y", column)]);
        FittedTarget::fit(target(kind).first(), &[], &[&rows], &rows).unwrap_err().to_string()
    };
    let missing = say(texts(&["a", "", "b"]), TargetKind::Category);
    assert!(
        missing.contains(
            "row 2, column `y`: expected a value of the target, found none, missing in 1 of 3 rows"
        ),
        "{missing}"
    );
    assert!(say(texts(&["a", "a"]), TargetKind::Category).contains("all values are `a`"));
    assert!(say(texts(&["a", "b"]), TargetKind::Number).contains("expected a finite number, found `a`"));
    assert!(say(numbers(&[1.0, f64::INFINITY]), TargetKind::Number).contains("row 2"));
}

#[test]
fn a_number_that_32_bits_do_not_hold_is_no_target() {
    let rows = frame([("y", numbers(&[1.0, 2.0]))]);
    let fitted = FittedTarget::fit(target(TargetKind::Number).first(), &[], &[&rows], &rows).unwrap();
    for (value, held) in [(1e30, true), (-1e300, false), (3.4e38, false)] {
        let found = fitted.apply(&frame([("y", numbers(&[1.0, value]))]));
        assert_eq!(found.is_ok(), held, "{value}");
        if let Err(error) = found {
            let error = error.to_string();
            assert!(error.starts_with("row 2, column `y`: expected a number that 32 bits hold"), "{error}");
            assert!(error.contains("which is too large; fix the value"), "{error}");
        }
    }
    // A training split with such values is refused as well, whatever it does to their scale.
    let rows = frame([("y", numbers(&[1.0, 1e300]))]);
    let fitted = FittedTarget::fit(target(TargetKind::Number).first(), &[], &[&rows], &rows).unwrap();
    assert!(fitted.apply(&rows).is_err());
}

#[test]
fn numeric_classes_are_ordered_and_predicted_as_numbers() {
    let rows = frame([("y", numbers(&[10.0, 9.0, 2.0]))]);
    let fitted = FittedTarget::fit(target(TargetKind::Category).first(), &[], &[&rows], &rows).unwrap();
    assert_eq!(fitted.apply(&rows).unwrap(), Targets::Class(vec![2, 1, 0]));
    let prediction = fitted.decode(&[0.0, 0.0, 3.0], &[]);
    assert_eq!(prediction.value, PredictedValue::Integer(10));
    let p = prediction.probabilities.unwrap();
    assert_eq!(p.keys().map(String::as_str).collect::<Vec<_>>(), ["2", "9", "10"]);
    assert!((p.values().sum::<f32>() - 1.0).abs() < 1e-6);
}

#[test]
fn a_regression_predicts_on_the_scale_of_the_data() {
    let rows = frame([("y", numbers(&[10.0, 20.0, 30.0]))]);
    let fitted = FittedTarget::fit(target(TargetKind::Number).first(), &[], &[&rows], &rows).unwrap();
    let Targets::Number(scaled) = fitted.apply(&rows).unwrap() else { panic!("not a number") };
    for (logit, expected) in scaled.iter().zip([10.0, 20.0, 30.0]) {
        let PredictedValue::Number(value) = fitted.decode(&[*logit], &[]).value else {
            panic!("not a number")
        };
        assert!((value - expected).abs() < 1e-5);
    }
}

#[test]
fn a_plan_survives_its_json() {
    let (rows, plan) = mixed();
    let back: Plan = serde_json::from_str(&serde_json::to_string_pretty(&plan).unwrap()).unwrap();
    assert_eq!(back, plan);
    assert_eq!(back.apply(&rows).unwrap(), plan.apply(&rows).unwrap());
}

fn run(extra: &str) -> cupola_spec::Run {
    let text = format!(
        "name='t'\nseed=3\n[data]\nsource='x.csv'\n[[targets]]\nname='y'\nkind='category'\n[model]\nfamily='mlp'\nhidden=[4]\n{extra}"
    );
    cupola_spec::parse("t", &text, &[], &|_| Err(String::new())).unwrap()
}

proptest! {
    #[test]
    fn splits_follow_content_not_order(values in prop::collection::vec((0_u32..50, 0_u8..3), 40..200), turn in 1_usize..39) {
        let make = |rows: &[(u32, u8)]| frame([
            ("x", numbers(&rows.iter().map(|r| f64::from(r.0)).collect::<Vec<_>>())),
            ("y", Column::texts(rows.iter().map(|r| Some(r.1.to_string())))),
        ]);
        let mut turned = values.clone();
        turned.rotate_left(turn);
        for extra in ["", "[split]\nby='random'\nvalid=0.2\n"] {
            let run = run(extra);
            let parts = |rows: &[(u32, u8)]| split_rows(&run, &make(rows)).ok().map(|parts| {
                parts.map(|part| part.iter().map(|&i| rows[i]).collect::<Vec<_>>())
            });
            prop_assert_eq!(parts(&values), parts(&turned));
            if let Some(parts) = parts(&values) {
                prop_assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), values.len());
            }
        }
    }
}

#[test]
fn stratified_splits_keep_the_shares_of_the_classes() {
    let n = 1000;
    let rows = frame([
        ("x", numbers(&(0..n).map(f64::from).collect::<Vec<_>>())),
        ("y", Column::texts((0..n).map(|i| Some(if i % 20 == 0 { "rare" } else { "common" })))),
    ]);
    let parts = split_rows(&run(""), &rows).unwrap();
    let rare = |part: &[usize]| part.iter().filter(|&&i| i % 20 == 0).count();
    assert_eq!(parts.each_ref().map(Vec::len), [700, 100, 200]);
    assert_eq!([rare(&parts[0]), rare(&parts[1]), rare(&parts[2])], [35, 5, 10]);
}

#[test]
fn a_column_changes_the_values_at_its_places_and_no_others() {
    let categories = |input: Input| ResolvedInput::new(input, vec!["c".into(), "d".into()]);
    let rows = |at: usize| {
        let pick = |column: usize, now: [f64; 4], other: [f64; 4]| if at == column { other } else { now };
        let words = |column: usize, now: [&'static str; 4], other: [&'static str; 4]| {
            texts(&if at == column { other } else { now })
        };
        frame([
            ("x", numbers(&pick(0, [1.0, 2.0, f64::NAN, 6.0], [2.0, f64::NAN, 6.0, 1.0]))),
            ("z", numbers(&pick(1, [1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]))),
            ("c", words(2, ["b", "a", "", "b"], ["a", "", "b", "a"])),
            ("d", words(3, ["u", "v", "w", "u"], ["v", "w", "u", "v"])),
            ("e", words(4, ["p", "q", "p", "q"], ["q", "p", "q", "p"])),
            ("y", texts(&["no", "yes", "no", "yes"])),
        ])
    };
    let number = Input { indicator: Some(true), ..Input::new("x", Kind::Number) };
    let index = Input { encode: Some(cupola_spec::Encoding::Index), ..Input::new("e", Kind::Category) };
    let inputs = [
        ResolvedInput::new(number, vec!["x".into(), "z".into()]),
        categories(Input::new("c", Kind::Category)),
        ResolvedInput::new(index, vec!["e".into()]),
    ];
    let same = rows(usize::MAX);
    let plan = Plan::fit(&inputs, &target(TargetKind::Category), &[&same], &same).unwrap();
    let before = plan.apply(&same).unwrap();
    let places = plan.column_places();
    assert_eq!(places.iter().map(|p| p.column.as_str()).collect::<Vec<_>>(), ["x", "z", "c", "d", "e"]);
    let (dense, indices) = (before.layout.dense_width(), before.layout.index_width());
    for (at, places) in places.iter().enumerate() {
        let after = plan.apply(&rows(at)).unwrap();
        let changed: std::collections::BTreeSet<usize> = (0..after.dense.len())
            .filter(|i| before.dense[*i].to_bits() != after.dense[*i].to_bits())
            .map(|i| i % dense)
            .collect();
        assert!(changed.iter().all(|place| places.dense.contains(place)), "{places:?} {changed:?}");
        let moved = (0..after.indices.len()).filter(|i| before.indices[*i] != after.indices[*i]);
        let moved: std::collections::BTreeSet<usize> = moved.map(|i| i % indices.max(1)).collect();
        assert!(moved.iter().all(|place| places.indices.contains(place)), "{places:?} {moved:?}");
        assert!(!changed.is_empty() || !moved.is_empty(), "{places:?}");
    }
    let taken: usize = places.iter().map(|p| p.dense.len()).sum();
    assert_eq!(taken, dense, "each real value belongs to one column");
}

#[test]
fn the_positive_class_is_the_second_or_the_one_that_is_chosen() {
    let rows = frame([("y", texts(&["good", "bad", "good"])), ("z", texts(&["a", "b", "c"]))]);
    let fitted = |name: &str, positive: Option<&str>| {
        let positive = positive.map(str::to_owned);
        let target = Target { positive, ..Target::new(name, TargetKind::Category) };
        FittedTarget::fit(&target, &[], &[&rows], &rows)
    };
    let first = fitted("y", None).unwrap();
    assert_eq!(
        (first.positive(), first.apply(&rows).unwrap()),
        (Some("good"), Targets::Class(vec![1, 0, 1]))
    );
    let chosen = fitted("y", Some("bad")).unwrap();
    assert_eq!(
        (chosen.positive(), chosen.apply(&rows).unwrap()),
        (Some("bad"), Targets::Class(vec![0, 1, 0]))
    );
    // The logit is that of the positive class.
    let predicted = chosen.decode(&[2.0], &[]);
    assert_eq!(predicted.value, PredictedValue::Text("bad".into()));
    assert!(predicted.probabilities.unwrap()["bad"] > 0.8);
    let error = |name: &str, positive: &str| fitted(name, Some(positive)).unwrap_err().to_string();
    assert!(error("y", "ugly").contains("write one of `bad` and `good`"));
    assert!(error("z", "a").contains("only two classes have a positive one, found 3"));
    assert_eq!(fitted("z", None).unwrap().positive(), None);
}

#[test]
fn a_number_that_cleaning_finds_in_a_text_is_a_number_in_the_signature() {
    let rows = frame([("price", texts(&["$1,250.50", "(3)", ""])), ("y", numbers(&[1.0, 2.0, 3.0]))]);
    let clean = cupola_spec::Clean { numbers: vec!["price".into()], ..cupola_spec::Clean::default() };
    for sql in [None, Some("price * 2")] {
        let features = sql.map(|sql| cupola_spec::Feature { name: "twice".into(), sql: sql.into() });
        let features: Vec<_> = features.into_iter().collect();
        let derive = Derivation::new(&clean, &features, &rows).unwrap();
        let derived = derive.apply(&rows).unwrap();
        let used = if sql.is_some() { "twice" } else { "price" };
        let inputs = [input(used, Kind::Number, None)];
        let mut plan = Plan::fit(&inputs, &target(TargetKind::Number), &[&derived], &derived).unwrap();
        plan.derive = derive;
        let signature = Signature::of(&plan);
        assert_eq!(
            (signature.inputs[0].name.as_str(), signature.inputs[0].kind),
            ("price", ColumnType::Number)
        );
        assert!(signature.inputs[0].nullable);
        // Both the text and the number that it stands for are taken.
        let sent = frame([("price", numbers(&[1250.5, -3.0, f64::NAN]))]);
        assert_eq!(plan.apply(&sent).unwrap(), plan.apply(&rows).unwrap());
    }
}
