//! Records of an example file: all values of one example, then one value per target, 4 bytes each.

use serde::{Deserialize, Serialize};

use crate::examples::{Examples, ExamplesWithTargets, Layout, Targets};

/// Preferred size of a block in bytes.
pub(super) const BLOCK_BYTES: usize = 1 << 18;
/// Bytes of one value, of whatever type.
pub(super) const VALUE_BYTES: usize = 4;

/// Shape of one record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RecordShape {
    /// Layout of the example.
    pub layout: Layout,
    /// `true` for each target that is a class, `false` for a number.
    pub classes: Vec<bool>,
}

impl RecordShape {
    /// Bytes of one record.
    pub fn bytes(&self) -> usize {
        VALUE_BYTES * (self.layout.dense_width() + self.layout.index_width() + self.classes.len())
    }

    /// Records of one block.
    pub fn block(&self) -> usize {
        (BLOCK_BYTES / self.bytes().max(1)).max(1)
    }

    /// Zeros for each target.
    pub fn empty_targets(&self, rows: usize) -> Vec<Targets> {
        let zeros = |class: &bool| {
            if *class { Targets::Class(vec![0; rows]) } else { Targets::Number(vec![0.0; rows]) }
        };
        self.classes.iter().map(zeros).collect()
    }

    /// Appends the record of one row to `out`.
    pub fn write(&self, part: &ExamplesWithTargets, row: usize, out: &mut Vec<u8>) {
        let (dense_width, index_width) = (self.layout.dense_width(), self.layout.index_width());
        let dense = &part.examples.dense[row * dense_width..(row + 1) * dense_width];
        out.extend(dense.iter().flat_map(|value| value.to_le_bytes()));
        let indices = &part.examples.indices[row * index_width..(row + 1) * index_width];
        out.extend(indices.iter().flat_map(|value| value.to_le_bytes()));
        for targets in &part.targets {
            out.extend_from_slice(&match targets {
                Targets::Class(class) => class[row].to_le_bytes(),
                Targets::Number(number) => number[row].to_le_bytes(),
                // Validation of the config rejects other targets for streams.
                _ => [0; VALUE_BYTES],
            });
        }
    }

    /// Parses `rows` records.
    pub fn read(&self, bytes: &[u8], rows: usize) -> ExamplesWithTargets {
        let mut examples = Examples::zeros(self.layout.clone(), rows);
        let (dense_width, index_width) = (self.layout.dense_width(), self.layout.index_width());
        let mut targets = self.empty_targets(rows);
        for (row, record) in bytes.chunks_exact(self.bytes()).enumerate() {
            let mut values = record.chunks_exact(VALUE_BYTES).map(|v| [v[0], v[1], v[2], v[3]]);
            let dense = &mut examples.dense[row * dense_width..(row + 1) * dense_width];
            dense.iter_mut().zip(&mut values).for_each(|(to, from)| *to = f32::from_le_bytes(from));
            let indices = &mut examples.indices[row * index_width..(row + 1) * index_width];
            indices.iter_mut().zip(&mut values).for_each(|(to, from)| *to = i32::from_le_bytes(from));
            for (targets, value) in targets.iter_mut().zip(values) {
                match targets {
                    Targets::Class(class) => class[row] = i32::from_le_bytes(value),
                    Targets::Number(number) => number[row] = f32::from_le_bytes(value),
                    _ => {}
                }
            }
        }
        ExamplesWithTargets::new(examples, targets)
    }
}
