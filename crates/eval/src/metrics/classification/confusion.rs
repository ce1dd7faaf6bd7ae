//! Counts of targets and predictions in files: whole for a few classes, else the most frequent cells, so that the million
//! cells of 1,000 classes do not make a file of megabytes.

use std::cmp::Reverse;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Classes up to which the whole matrix is written.
const WHOLE: usize = 100;
/// Cells that are written of a larger one.
const CELLS: usize = 10_000;
/// Most classes of a matrix that is read from cells.
const MOST_CLASSES: usize = 10_000;

/// Form of the counts in a file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredConfusion {
    /// Rows of `confusion[target][predicted]`.
    Whole(Vec<Vec<u64>>),
    /// Cells that are not 0, as three columns.
    Cells {
        /// Number of classes.
        classes: usize,
        /// Index of the target's class in each cell.
        target: Vec<usize>,
        /// Index of the predicted class.
        predicted: Vec<usize>,
        /// Number of rows, the largest first.
        rows: Vec<u64>,
        /// Rows in the cells that are left out.
        left_out_rows: u64,
    },
}

pub(crate) fn serialize<S: Serializer>(counts: &[Vec<u64>], serializer: S) -> Result<S::Ok, S::Error> {
    stored(counts).serialize(serializer)
}

fn stored(counts: &[Vec<u64>]) -> StoredConfusion {
    if counts.len() <= WHOLE {
        return StoredConfusion::Whole(counts.to_vec());
    }
    let row = |(target, row): (usize, &Vec<u64>)| {
        let cells = row.iter().copied().enumerate();
        cells.map(move |(predicted, rows)| (target, predicted, rows)).collect::<Vec<_>>()
    };
    let mut cells: Vec<(usize, usize, u64)> =
        counts.iter().enumerate().flat_map(row).filter(|cell| cell.2 > 0).collect();
    cells.sort_unstable_by_key(|(target, predicted, rows)| (Reverse(*rows), *target, *predicted));
    let left_out_rows = cells.iter().skip(CELLS).map(|cell| cell.2).sum();
    cells.truncate(CELLS);
    StoredConfusion::Cells {
        classes: counts.len(),
        target: cells.iter().map(|cell| cell.0).collect(),
        predicted: cells.iter().map(|cell| cell.1).collect(),
        rows: cells.iter().map(|cell| cell.2).collect(),
        left_out_rows,
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u64>>, D::Error> {
    let (classes, target, predicted, rows) = match StoredConfusion::deserialize(deserializer)? {
        StoredConfusion::Whole(counts) => return Ok(counts),
        StoredConfusion::Cells { classes, target, predicted, rows, .. } => (classes, target, predicted, rows),
    };
    if classes > MOST_CLASSES {
        return Err(D::Error::custom(format!("a confusion matrix of {classes} classes is not supported")));
    }
    let mut counts = vec![vec![0; classes]; classes];
    for ((target, predicted), rows) in target.into_iter().zip(predicted).zip(rows) {
        let cell = counts.get_mut(target).and_then(|row| row.get_mut(predicted));
        let outside = || D::Error::custom("a cell of the confusion matrix is outside of its classes");
        *cell.ok_or_else(outside)? = rows;
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::Metrics;

    #[test]
    fn a_matrix_of_few_classes_is_written_whole() {
        let metrics = Metrics { confusion: vec![vec![3, 1], vec![0, 4]], ..Metrics::default() };
        let written = serde_json::to_value(&metrics).unwrap();
        assert_eq!(written["confusion"], json!([[3, 1], [0, 4]]));
        assert_eq!(serde_json::from_value::<Metrics>(written).unwrap(), metrics);
    }

    #[test]
    fn a_matrix_of_many_classes_is_bounded_and_loses_no_large_cell() {
        let mut confusion = vec![vec![0; 1000]; 1000];
        for (at, row) in confusion.iter_mut().enumerate() {
            row[at] = 50;
            row[(at + 7) % 1000] = 3;
        }
        let few = Metrics { confusion: confusion.clone(), ..Metrics::default() };
        let written = serde_json::to_value(&few).unwrap();
        assert_eq!(written["confusion"]["left_out_rows"], 0);
        assert_eq!(serde_json::from_value::<Metrics>(written).unwrap(), few);
        for row in &mut confusion {
            row.iter_mut().filter(|rows| **rows == 0).for_each(|rows| *rows = 1);
        }
        let text = serde_json::to_string_pretty(&Metrics { confusion, ..Metrics::default() }).unwrap();
        assert!(text.len() < 1_000_000, "{}", text.len());
        let written: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(written["confusion"]["rows"][999], 50);
        let [kept, left] = [10_000 - 2000, 998_000 - 8000];
        assert_eq!(written["confusion"]["rows"].as_array().unwrap().len(), kept + 2000);
        assert_eq!(written["confusion"]["left_out_rows"], left);
    }

    #[test]
    fn cells_outside_of_the_classes_are_errors() {
        let cells = |classes: usize, target: usize| {
            json!({ "rows": 1, "values": {}, "confusion": { "classes": classes, "target": [target],
                "predicted": [0], "rows": [1], "left_out_rows": 0 } })
        };
        assert!(serde_json::from_value::<Metrics>(cells(2, 1)).is_ok());
        assert!(serde_json::from_value::<Metrics>(cells(2, 2)).is_err());
        assert!(serde_json::from_value::<Metrics>(cells(1 << 40, 2)).is_err());
    }
}
