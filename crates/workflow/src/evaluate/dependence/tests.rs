use cupola_prep::{Column, Frame, Prepared, SplitPart, prepare};

use super::*;

const CONFIG: &str = "name='t'\nseed=1\n[data]\nsource='none'\n[model]\nfamily='mlp'\nhidden=[3]\n[split]\nby='random'\nvalid=0.2\ntest=0.5\n";

/// Rows in which `y` is twice `x`, and `class` tells whether `word` is `a`.
fn prepared(config: &str) -> Prepared {
    let x = |row: u32| f64::from((row * 31) % 97);
    let word = |row: u32| ["a", "b", "c"][(row % 7 / 3) as usize];
    let frame = Frame::default()
        .with("x", Column::numbers((0..400).map(x).collect()))
        .with("word", Column::texts((0..400).map(|row| Some(word(row)))))
        .with("y", Column::numbers((0..400).map(|row| 2.0 * x(row)).collect()))
        .with("class", Column::texts((0..400).map(|row| Some(if word(row) == "a" { "yes" } else { "no" }))));
    let run = cupola_spec::parse("t", &format!("{CONFIG}{config}"), &[], &|_| Err(String::new())).unwrap();
    prepare(&run, &frame, None, None).unwrap()
}

fn curves(
    prepared: &Prepared,
    important: &[ColumnImportance],
    forward: &mut dyn FnMut(Examples) -> Result<Vec<f32>, Error>,
) -> Vec<Vec<Dependence>> {
    let audit = prepared.audit(SplitPart::Test);
    DependenceRequest { plan: &prepared.plan, audit, important, seed: 3, seconds: 60.0 }
        .curves(forward)
        .unwrap()
}

fn importance(column: &str) -> ColumnImportance {
    ColumnImportance { column: column.to_owned(), increase: 1.0, interval: None, share: 1.0 }
}

/// The first real value of each example.
fn first(examples: &Examples) -> Vec<f32> {
    examples.dense.chunks(examples.layout.dense_width()).map(|row| row[0]).collect()
}

#[test]
fn curves_of_a_linear_model_are_lines_even_through_a_computed_column() {
    // The computed column and the target have one scaling, so the model is exact.
    let prepared = prepared(
        "[[features]]\nname='double'\nsql='x * 2'\n[[inputs]]\nname='double'\nkind='number'\n[[inputs]]\nname='word'\nkind='category'\n[[targets]]\nname='y'\nkind='number'",
    );
    let mut forward = |examples: Examples| Ok(first(&examples));
    let found = curves(&prepared, &[importance("double"), importance("word")], &mut forward);
    assert_eq!(found.len(), 1);
    let [x, word] = found[0].as_slice() else { panic!("{found:?}") };
    assert_eq!((x.column.as_str(), word.column.as_str()), ("x", "word"));
    let rows = prepared.audit(SplitPart::Test).rows.min(200);
    assert_eq!((x.partial.len(), x.rows), (20, rows as u64));
    for (value, mean) in &x.partial {
        assert!((mean - 2.0 * value).abs() < 1e-3, "{value} {mean}");
    }
    assert!(x.accumulated.len() > 10);
    for ends in x.accumulated.windows(2) {
        let slope = (ends[1].1 - ends[0].1) / (ends[1].0 - ends[0].0);
        assert!((slope - 2.0).abs() < 1e-3, "{slope}");
    }
    // The model does not read the word.
    let mean = word.mean.unwrap();
    assert_eq!(word.categories.len(), 3);
    assert!(word.partial.iter().all(|(_, value)| (value - mean).abs() < 1e-9), "{word:?}");
    assert_eq!(found, curves(&prepared, &[importance("double"), importance("word")], &mut forward));
}

#[test]
fn probabilities_depend_on_the_category_that_a_model_reads() {
    let prepared = prepared(
        "[[inputs]]\nname='x'\nkind='number'\n[[inputs]]\nname='word'\nkind='category'\n[[targets]]\nname='class'\nkind='category'",
    );
    // One-hot places of the words; the example of a row tells which is that of `a`.
    let place = |word: &str| {
        let frame =
            Frame::default().with("x", Column::numbers(vec![0.0])).with("word", Column::texts([Some(word)]));
        let example = prepared.plan.apply(&frame).unwrap();
        example.dense.iter().skip(1).position(|value| *value > 0.5).unwrap() + 1
    };
    let a = place("a");
    let mut forward = |examples: Examples| {
        let width = examples.layout.dense_width();
        Ok(examples.dense.chunks(width).map(|row| 4.0 * row[a] - 2.0).collect())
    };
    let found = curves(&prepared, &[], &mut forward);
    let word = found[0].iter().find(|one| one.column == "word").unwrap();
    assert_eq!(word.class.as_deref(), Some("yes"));
    let chance = |logit: f64| 1.0 / (1.0 + (-logit).exp());
    for ((_, value), name) in word.partial.iter().zip(&word.categories) {
        let own = name == "a";
        assert!((value - chance(if own { 2.0 } else { -2.0 })).abs() < 1e-6, "{word:?}");
    }
    assert!(word.accumulated.is_empty());
    let x = found[0].iter().find(|one| one.column == "x").unwrap();
    assert!(x.accumulated.iter().all(|(_, effect)| effect.abs() < 1e-9));
}

#[test]
fn columns_without_importance_and_slow_models_have_no_curve() {
    let prepared = prepared("[[inputs]]\nname='x'\nkind='number'\n[[targets]]\nname='y'\nkind='number'");
    let mut forward = |examples: Examples| Ok(first(&examples));
    let none = ColumnImportance { increase: -0.1, ..importance("x") };
    assert!(curves(&prepared, &[none], &mut forward)[0].is_empty());
    let audit = prepared.audit(SplitPart::Train);
    let request = DependenceRequest { plan: &prepared.plan, audit, important: &[], seed: 3, seconds: 60.0 };
    let unaligned = AuditRows { aligned: false, ..audit.clone() };
    let request = DependenceRequest { audit: &unaligned, ..request };
    assert!(request.curves(&mut forward).unwrap()[0].is_empty());
}
