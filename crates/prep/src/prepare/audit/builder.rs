//! Builder of the raw rows of a split.

use arrow::array::Array;
use cupola_spec::Evaluate;

use super::values::GrowingColumn;
use super::{AuditRows, AuditSample};
use crate::error::Error;
use crate::frame::{Column, Frame};

/// Most rows of a sample.
const MOST_ROWS: usize = 10_000;
/// Most bytes of the values of a sample.
const MOST_BYTES: usize = 16 << 20;
/// Rows of a sample that are copied at once, so that large files do not exceed the bytes by much.
const COPIED: usize = 256;

/// Collects subgroup values and a sample of the rows of one split, piece by piece.
#[derive(Debug)]
pub struct AuditBuilder {
    subgroups: Vec<String>,
    groups: Vec<GrowingColumn>,
    sampled: bool,
    /// Every row whose index in the split is a multiple of it is in the sample.
    stride: usize,
    rows: usize,
    positions: Vec<usize>,
    source_rows: Vec<u64>,
    pieces: Vec<Frame>,
    bytes: usize,
}

impl AuditBuilder {
    /// Builder for these subgroup columns. Without `sampled` no whole row is held, such as for private data.
    pub fn new(subgroups: &[String], sampled: bool) -> Self {
        Self {
            subgroups: subgroups.to_vec(),
            groups: Vec::new(),
            sampled,
            stride: 1,
            rows: 0,
            positions: Vec::new(),
            source_rows: Vec::new(),
            pieces: Vec::new(),
            bytes: 0,
        }
    }

    /// Adds the rows of `frame` at `rows`, in that order. `source_row` is the number of such a row in its source, from 1.
    ///
    /// # Errors
    /// [`Error::Column`] with the nearest name for a subgroup column that the rows lack.
    pub fn push(
        &mut self,
        frame: &Frame,
        rows: &[usize],
        source_row: &dyn Fn(usize) -> u64,
    ) -> Result<(), Error> {
        for (index, name) in self.subgroups.iter().enumerate() {
            let column = frame.require(name, UNKNOWN)?;
            if self.groups.len() == index {
                self.groups.push(GrowingColumn::of(name, column));
            }
            self.groups[index].push(column, rows);
        }
        if self.sampled {
            // Rows that are certain to be dropped again are not copied.
            while (self.rows + rows.len()).div_ceil(self.stride) > 2 * MOST_ROWS {
                self.thin();
            }
            let first = self.rows;
            let mut at = first.next_multiple_of(self.stride);
            while at < first + rows.len() {
                let stride = self.stride;
                let chosen: Vec<usize> = (at..first + rows.len()).step_by(stride).take(COPIED).collect();
                at = chosen.last().map_or(at, |last| last + stride);
                let indices: Vec<usize> = chosen.iter().map(|at| rows[at - first]).collect();
                let piece = frame.take(&indices);
                self.bytes += bytes(&piece);
                self.source_rows.extend(indices.iter().map(|row| source_row(*row)));
                self.positions.extend(chosen);
                self.pieces.push(piece);
                while self.is_too_large() {
                    self.thin();
                }
                at = at.next_multiple_of(self.stride);
            }
        }
        self.rows += rows.len();
        Ok(())
    }

    fn is_too_large(&self) -> bool {
        self.positions.len() > 1 && (self.positions.len() > MOST_ROWS || self.bytes > MOST_BYTES)
    }

    /// Drops every other row of the sample.
    fn thin(&mut self) {
        self.stride *= 2;
        if self.pieces.is_empty() {
            // A frame without columns would leave no column in the sample.
            return;
        }
        let stays: Vec<usize> =
            (0..self.positions.len()).filter(|at| self.positions[*at].is_multiple_of(self.stride)).collect();
        let frame = Frame::concat(&std::mem::take(&mut self.pieces)).take(&stays);
        self.bytes = bytes(&frame);
        self.positions = stays.iter().map(|at| self.positions[*at]).collect();
        self.source_rows = stays.iter().map(|at| self.source_rows[*at]).collect();
        self.pieces.push(frame);
    }

    /// The rows so far. They are `aligned` if each of them is one example.
    pub fn finish(self, aligned: bool) -> AuditRows {
        let groups = if aligned { self.groups } else { Vec::new() };
        AuditRows {
            rows: self.rows,
            aligned,
            groups: groups.into_iter().map(GrowingColumn::finish).collect(),
            sample: AuditSample {
                positions: self.positions,
                source_rows: self.source_rows,
                frame: Frame::concat(&self.pieces),
            },
        }
    }
}

/// Remedy for an unknown subgroup column.
pub(crate) const UNKNOWN: &str = "name a column of the data or of `[[features]]` in `evaluate.subgroups`";

/// Checks that rows have the subgroup columns of a run.
///
/// # Errors
/// [`Error::Column`] with the nearest name.
pub(crate) fn check_subgroups(evaluate: &Evaluate, frame: &Frame) -> Result<(), Error> {
    evaluate.subgroups.iter().try_for_each(|name| frame.require(name, UNKNOWN).map(drop))
}

fn bytes(frame: &Frame) -> usize {
    let column = |column: &Column| match column {
        Column::Number { values, .. } => size_of_val(&values[..]),
        Column::Text(texts) => texts.value_data().len() + 4 * texts.len(),
        Column::Bytes(files) => files.value_data().len() + 4 * files.len(),
    };
    frame.names().filter_map(|name| frame.get(name)).map(column).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(rows: usize, text: usize) -> Frame {
        #[allow(clippy::cast_precision_loss)]
        let numbers = (0..rows).map(|row| row as f64).collect();
        Frame::default()
            .with("n", Column::numbers(numbers))
            .with("t", Column::texts((0..rows).map(|row| Some("x".repeat(text + row % 2)))))
    }

    fn built(frame: &Frame, pieces: usize) -> AuditRows {
        let mut builder = AuditBuilder::new(&["n".to_owned()], true);
        let rows: Vec<usize> = (0..frame.rows()).rev().collect();
        for piece in rows.chunks(frame.rows().div_ceil(pieces).max(1)) {
            builder.push(frame, piece, &|row| row as u64 + 1).unwrap();
        }
        builder.finish(true)
    }

    #[test]
    fn a_sample_is_evenly_spaced_and_bounded_whatever_the_pieces() {
        for (rows, text, pieces) in [(500, 3, 3), (30_000, 3, 1), (30_000, 3, 71), (3000, 40_000, 2)] {
            let frame = frame(rows, text);
            let found = built(&frame, pieces);
            let AuditRows { sample, .. } = &found;
            assert_eq!(found.rows, rows);
            assert!(sample.positions.len() <= MOST_ROWS && !sample.positions.is_empty());
            assert_eq!(sample.positions.len(), sample.frame.rows());
            assert!(bytes(&sample.frame) <= MOST_BYTES, "{rows} {text} {pieces}");
            let step = sample.positions.get(1).map_or(1, |second| second - sample.positions[0]);
            assert!(sample.positions.iter().enumerate().all(|(at, position)| at * step == *position));
            assert!(sample.positions.len() >= rows / step);
            // Rows were pushed in reverse.
            for (at, position) in sample.positions.iter().enumerate() {
                let own = rows - 1 - position;
                assert_eq!(sample.source_rows[at], own as u64 + 1);
                assert_eq!(sample.frame.get("n").unwrap().number(at), frame.get("n").unwrap().number(own));
            }
        }
    }

    #[test]
    fn rows_survive_a_file() {
        let frame = frame(40, 2)
            .with("b", Column::Bytes((0..40).map(|row| (row % 3 > 0).then_some(b"ab".as_slice())).collect()));
        let found = built(&frame, 1);
        let bytes = postcard::to_stdvec(&found).unwrap();
        assert_eq!(postcard::from_bytes::<AuditRows>(&bytes).unwrap(), found);
    }

    #[test]
    fn an_unknown_subgroup_names_the_nearest_column() {
        let mut builder = AuditBuilder::new(&["ags".to_owned()], true);
        let frame = Frame::default().with("age", Column::numbers(vec![1.0]));
        let error = builder.push(&frame, &[0], &|_| 1).unwrap_err().to_string();
        assert!(
            error.contains("`ags`") && error.contains("`age`") && error.contains("evaluate.subgroups"),
            "{error}"
        );
        assert!(
            check_subgroups(&Evaluate { subgroups: vec!["ags".to_owned()], ..Evaluate::default() }, &frame)
                .is_err()
        );
    }
}
