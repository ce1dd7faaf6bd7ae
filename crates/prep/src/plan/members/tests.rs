use cupola_spec::{Input, Kind, Target, TargetKind, Unseen};
use indexmap::IndexMap;

use super::*;
use crate::features::ResolvedInput;
use crate::frame::{Column, Frame};
use crate::plan::Signature;

fn rows(shift: f64) -> Frame {
    let columns = [
        ("x", Column::numbers(vec![1.0 + shift, 2.0, 5.0, 6.0])),
        ("z", Column::numbers(vec![3.0, 4.0 - shift, 1.0, 0.0])),
        ("c", Column::texts(["b", "a", "b", "a"].map(Some))),
        ("d", Column::texts(["u", "v", "w", "u"].map(Some))),
        ("text", Column::texts(["one two", "two", "three one", "two"].map(Some))),
        ("y", Column::texts(["no", "yes", "no", "yes"].map(Some))),
    ];
    Frame::new(
        columns.map(|(name, column)| (name.to_owned(), column)).into_iter().collect::<IndexMap<_, _>>(),
    )
}

fn plan(rows: &Frame, columns: &[(&str, Kind)]) -> Plan {
    let input = |(name, kind): &(&str, Kind)| {
        let unseen = (*kind == Kind::Category).then_some(Unseen::Other);
        ResolvedInput::new(Input { unseen, ..Input::new(name, *kind) }, vec![(*name).to_owned()])
    };
    let inputs: Vec<ResolvedInput> = columns.iter().map(input).collect();
    let targets = TargetList::single(Target::new("y", TargetKind::Category));
    Plan::fit(&inputs, &targets, &[rows], rows).unwrap()
}

/// The part of the joined plan's examples that is a member's must be what its own plan makes.
#[test]
fn each_member_gets_the_examples_of_its_own_plan() {
    let (first, second) = (rows(0.0), rows(2.5));
    let plans = [
        plan(&first, &[("x", Kind::Number), ("c", Kind::Category), ("z", Kind::Number)]),
        plan(
            &second,
            &[("z", Kind::Number), ("text", Kind::Text), ("d", Kind::Category), ("x", Kind::Number)],
        ),
        plan(&first, &[("d", Kind::Category), ("c", Kind::Category)]),
    ];
    let joined = Plan::join(&plans.iter().collect::<Vec<_>>()).unwrap();
    joined.plan.check().unwrap();
    let examples = joined.plan.apply(&first).unwrap();
    for (own, inputs) in plans.iter().zip(&joined.members) {
        let places = joined.plan.member_places(inputs).unwrap();
        assert_eq!(places.examples(&examples), own.apply(&first).unwrap());
        assert_eq!(joined.plan.member(inputs, own.targets.clone()).unwrap().layout(), own.layout());
    }
}

#[test]
fn inputs_that_are_fitted_alike_are_shared_and_columns_are_listed_once() {
    let (first, second) = (rows(0.0), rows(2.5));
    let columns = [("x", Kind::Number), ("c", Kind::Category)];
    let plans = [plan(&first, &columns), plan(&second, &columns)];
    let joined = Plan::join(&[&plans[0], &plans[1]]).unwrap();
    let names: Vec<&str> = joined.plan.inputs.iter().map(FittedInput::name).collect();
    assert_eq!(names, ["x", "c", "x_2"]);
    assert_eq!(joined.members, [vec![0, 1], vec![2, 1]]);
    let signature = Signature::of(&joined.plan);
    assert_eq!(signature.inputs.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["x", "c"]);
    let again = Plan::join(&[&plans[0], &plans[1], &plans[1]]).unwrap();
    assert_eq!(again.members, [vec![0, 1], vec![2, 1], vec![2, 1]]);
}

#[test]
fn plans_that_differ_are_refused_with_the_difference() {
    let frame = rows(0.0);
    let own = plan(&frame, &[("x", Kind::Number)]);
    let refused = |change: &dyn Fn(&mut Plan)| {
        let mut other = own.clone();
        change(&mut other);
        Plan::join(&[&own, &other]).unwrap_err().to_string()
    };
    let error = refused(&|other| other.null_texts = vec!["?".to_owned()]);
    assert!(error.contains("member 2") && error.contains("`data.null`"), "{error}");
    let error = refused(&|other| {
        if let FittedTarget::Category { classes, .. } = other.targets.first_mut() {
            classes.reverse();
        }
    });
    assert!(error.contains("another target `y`"), "{error}");
    let other = plan(&frame, &[("x", Kind::Category)]);
    let error = Plan::join(&[&own, &other]).unwrap_err().to_string();
    assert!(error.contains("takes `x` as another kind"), "{error}");
}
