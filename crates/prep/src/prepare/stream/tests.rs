//! A stream is prepared like rows in memory, up to the precision of a sample.

use cupola_spec::parse;
use indexmap::IndexMap;

use super::*;
use crate::{Column, Examples, SplitExamples, SplitPart, Targets};

fn run() -> Run {
    let text = "name = 'x'\nseed = 4\n[data]\nsource = 'x.csv'\nstream = true\n[split]\nby = 'random'\n\
                [[targets]]\nname = 'y'\nkind = 'category'\n[model]\nfamily = 'mlp'\nhidden = [4]\n";
    parse("run.toml", text, &[], &|_| Err(String::new())).unwrap_or_else(|problems| panic!("{problems}"))
}

fn frame(rows: std::ops::Range<usize>) -> Frame {
    let x = rows.clone().map(|row| (row as f64 * 0.618).fract()).collect();
    let y = rows.map(|row| Some(if row == 7777 { "rare" } else { ["a", "b"][row % 2] }));
    let columns = [("x".to_owned(), Column::numbers(x)), ("y".to_owned(), Column::texts(y))];
    Frame::new(IndexMap::from(columns))
}

/// `rows` rows in batches of `size`.
fn prepared(rows: usize, size: usize) -> Prepared {
    let source = |visit: &mut dyn FnMut(Frame) -> Result<(), Error>| {
        (0..rows).step_by(size).try_for_each(|start| visit(frame(start..rows.min(start + size))))
    };
    let folder = tempfile::tempdir().unwrap();
    prepare_stream(&run(), &source, None, folder.path(), None).unwrap()
}

fn sorted(rows: &SplitExamples) -> Vec<(u32, i32)> {
    let all = rows.gather(&(0..rows.len()).collect::<Vec<_>>()).unwrap();
    let Targets::Class(classes) = all.targets.first() else { panic!() };
    let Examples { dense, .. } = &all.examples;
    let mut each: Vec<(u32, i32)> = dense.iter().map(|x| x.to_bits()).zip(classes.iter().copied()).collect();
    each.sort_unstable();
    each
}

#[test]
fn a_small_stream_equals_preparation_in_memory() {
    let rows = 12_000;
    let streamed = prepared(rows, 1000);
    let memory = crate::prepare(&run(), &frame(0..rows), None, None).unwrap();
    for part in [SplitPart::Train, SplitPart::Valid, SplitPart::Test] {
        assert_eq!(streamed.rows(part), memory.rows(part));
        // The orders differ, and the sample holds all training rows and one row of each class again.
        let (a, b) = (sorted(streamed.part(part)), sorted(memory.part(part)));
        for ((x, class), (y, other)) in a.iter().zip(&b) {
            assert_eq!(class, other);
            assert!((f32::from_bits(*x) - f32::from_bits(*y)).abs() < 1e-3);
        }
    }
    assert_eq!(streamed.part(SplitPart::Train).classes(0).len(), 3, "the rare class is known");
}

#[test]
fn the_size_of_batches_changes_nothing() {
    let (a, b) = (prepared(9_000, 700), prepared(9_000, 9_000));
    assert_eq!(a.plan, b.plan);
    assert_eq!(sorted(a.part(SplitPart::Train)), sorted(b.part(SplitPart::Train)));
}

#[test]
fn an_invalid_value_is_reported_with_its_row() {
    let source = |visit: &mut dyn FnMut(Frame) -> Result<(), Error>| {
        visit(frame(0..5000))?;
        let (x, y) = (Column::numbers(vec![1.0, f64::INFINITY]), Column::texts([Some("a"), None]));
        visit(Frame::new(IndexMap::from([("x".to_owned(), x), ("y".to_owned(), y)])))
    };
    let folder = tempfile::tempdir().unwrap();
    let found = prepare_stream(&run(), &source, None, folder.path(), None).err().unwrap();
    assert!(found.to_string().contains("5002") || found.to_string().contains("missing"), "{found}");
}
