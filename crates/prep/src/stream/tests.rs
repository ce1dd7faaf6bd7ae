//! A stream is prepared as its rows would be in memory, up to what a sample can tell.

use cupola_spec::parse;
use indexmap::IndexMap;

use super::*;
use crate::split::Part;
use crate::{Column, Examples, Targets};

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

fn sorted(rows: &Rows) -> Vec<(u32, i32)> {
    let all = rows.gather(&(0..rows.len()).collect::<Vec<_>>()).unwrap();
    let Targets::Class(classes) = all.targets.first() else { panic!() };
    let Examples { dense, .. } = &all.examples;
    let mut each: Vec<(u32, i32)> = dense.iter().map(|x| x.to_bits()).zip(classes.iter().copied()).collect();
    each.sort_unstable();
    each
}

#[test]
fn a_small_stream_is_what_it_is_in_memory() {
    let rows = 12_000;
    let streamed = prepared(rows, 1000);
    let memory = crate::prepare(&run(), &frame(0..rows), None, None).unwrap();
    for part in [Part::Train, Part::Valid, Part::Test] {
        assert_eq!(streamed.rows(part), memory.rows(part));
        // Their orders differ; the sample is all training rows and one of each class once more.
        let (a, b) = (sorted(streamed.part(part)), sorted(memory.part(part)));
        for ((x, class), (y, other)) in a.iter().zip(&b) {
            assert_eq!(class, other);
            assert!((f32::from_bits(*x) - f32::from_bits(*y)).abs() < 1e-3);
        }
    }
    assert_eq!(streamed.part(Part::Train).classes(0).len(), 3, "the rare class is known");
}

#[test]
fn the_size_of_batches_changes_nothing() {
    let (a, b) = (prepared(9_000, 700), prepared(9_000, 9_000));
    assert_eq!(a.plan, b.plan);
    assert_eq!(sorted(a.part(Part::Train)), sorted(b.part(Part::Train)));
}

#[test]
fn a_value_that_does_not_fit_is_told_with_its_row() {
    let source = |visit: &mut dyn FnMut(Frame) -> Result<(), Error>| {
        visit(frame(0..5000))?;
        let (x, y) = (Column::numbers(vec![1.0, f64::INFINITY]), Column::texts([Some("a"), None]));
        visit(Frame::new(IndexMap::from([("x".to_owned(), x), ("y".to_owned(), y)])))
    };
    let folder = tempfile::tempdir().unwrap();
    let found = prepare_stream(&run(), &source, None, folder.path(), None).err().unwrap();
    assert!(found.to_string().contains("5002") || found.to_string().contains("missing"), "{found}");
}
