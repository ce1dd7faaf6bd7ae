//! Stored examples come back unchanged, in any order, read ahead or not.

use cupola_spec::Block;

use super::cache::MAX_BLOCKS;
use super::*;
use crate::examples::Layout;

/// Examples whose values are functions of the row.
fn examples(rows: std::ops::Range<usize>) -> ExamplesWithTargets {
    let blocks = vec![Block::Table { numbers: 100, encoded: 0, indices: vec![7, 9] }];
    let mut examples = Examples::zeros(Layout { blocks }, rows.len());
    let (mut classes, mut numbers) = (Vec::new(), Vec::new());
    for (at, row) in rows.enumerate() {
        examples.dense[at * 100..(at + 1) * 100].fill(row as f32);
        let index = i32::try_from(row % 7).unwrap();
        examples.indices[at * 2..(at + 1) * 2].fill(index);
        classes.push(index);
        numbers.push(-(row as f32));
    }
    ExamplesWithTargets::new(examples, vec![Targets::Class(classes), Targets::Number(numbers)])
}

fn store(rows: usize) -> ExampleStore {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = ExampleWriter::new(&folder.path().join("made")).unwrap();
    for start in (0..rows).step_by(1000) {
        writer.push(&examples(start..rows.min(start + 1000))).unwrap();
    }
    writer.finish(examples(0..0).examples.layout).unwrap()
}

#[test]
fn examples_come_back_in_any_order() {
    let rows = 9_500;
    let store = store(rows);
    assert_eq!(store.rows(), rows);
    assert!(store.block() < rows / 3, "several blocks");
    let order: Vec<usize> = (0..rows).map(|i| (i * 7919) % rows).collect();
    for chunk in order.chunks(777) {
        let found = store.gather(chunk).unwrap();
        let expected: Vec<f32> = chunk.iter().flat_map(|&row| vec![row as f32; 100]).collect();
        assert_eq!(found.examples.dense, expected);
        let each: Vec<i32> = chunk.iter().map(|&row| i32::try_from(row % 7).unwrap()).collect();
        assert_eq!(found.targets.first(), &Targets::Class(each));
        assert_eq!(found.targets.rest(), [Targets::Number(chunk.iter().map(|&row| -(row as f32)).collect())]);
    }
    let counts = store.classes(0);
    assert_eq!((counts.len(), counts.iter().sum::<usize>()), (7, rows));
    assert!(store.classes(1).is_empty());
}

#[test]
fn blocks_that_are_expected_are_read_ahead_but_not_all_of_them() {
    let rows = 300_000;
    let store = store(rows);
    let blocks: Vec<usize> = (0..rows.div_ceil(store.block())).rev().collect();
    assert!(blocks.len() > MAX_BLOCKS, "{} blocks", blocks.len());
    store.expect(&blocks);
    let started = std::time::Instant::now();
    while store.shared.cache().unused.len() < MAX_BLOCKS / 2 {
        assert!(started.elapsed().as_secs() < 20, "no block is read ahead");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert!(store.shared.cache().unused.contains(&blocks[0]));
    for block in blocks {
        let row = block * store.block();
        assert_eq!(store.gather(&[row]).unwrap().examples.dense[0], row as f32);
    }
    assert!(store.shared.cache().blocks.len() <= MAX_BLOCKS);
}
