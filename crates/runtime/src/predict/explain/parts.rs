//! Parts of an example that permutations replace as a whole.

use super::groups::ColumnGroups;

/// Most patches of an image on each side.
const MOST_PATCHES: usize = 8;

/// Division of an example into parts: columns and texts, patches of images, and ranges of lags of windows.
pub(super) struct ExampleParts {
    /// Index of the column that each part belongs to.
    pub owners: Vec<usize>,
    /// Part of each real value.
    pub dense: Vec<usize>,
    /// Part of each index.
    pub indices: Vec<usize>,
    /// Rows and columns of the patches of each image.
    pub grids: Vec<[usize; 2]>,
}

impl ExampleParts {
    /// Parts of the values of an example.
    pub fn of(groups: &ColumnGroups) -> Self {
        let mut parts = Self {
            owners: Vec::new(),
            dense: vec![usize::MAX; groups.dense.len()],
            indices: vec![0; groups.indices.len()],
            grids: Vec::new(),
        };
        for image in &groups.images {
            let [channels, height, width] = image.shape;
            let grid = [height.min(MOST_PATCHES), width.min(MOST_PATCHES)];
            let first = parts.add(image.group, grid[0] * grid[1]);
            for at in 0..channels * height * width {
                let (y, x) = (at / width % height, at % width);
                let patch = y * grid[0] / height * grid[1] + x * grid[1] / width;
                set(&mut parts.dense, image.start + at, first + patch);
            }
            parts.grids.push(grid);
        }
        for window in &groups.windows {
            for lags in groups.lag_ranges(window) {
                let part = parts.add(window.group, 1);
                lags.steps(window).iter().for_each(|at| set(&mut parts.dense, *at, part));
            }
        }
        let mut whole = WholeColumns { parts: vec![None; groups.names.len()] };
        for (part, owner) in
            parts.dense.iter_mut().zip(&groups.dense).filter(|(part, _)| **part == usize::MAX)
        {
            *part = whole.of(&mut parts.owners, *owner);
        }
        for (part, owner) in parts.indices.iter_mut().zip(&groups.indices) {
            *part = whole.of(&mut parts.owners, *owner);
        }
        parts
    }

    fn add(&mut self, owner: usize, count: usize) -> usize {
        add(&mut self.owners, owner, count)
    }

    /// Number of values of each part.
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.owners.len()];
        self.dense.iter().chain(&self.indices).for_each(|part| sizes[*part] += 1);
        sizes
    }
}

/// Parts that are all of a column, made as they are needed.
struct WholeColumns {
    parts: Vec<Option<usize>>,
}

impl WholeColumns {
    fn of(&mut self, owners: &mut Vec<usize>, owner: usize) -> usize {
        *self.parts[owner].get_or_insert_with(|| add(owners, owner, 1))
    }
}

/// Adds parts of a column and returns the first.
fn add(owners: &mut Vec<usize>, owner: usize, count: usize) -> usize {
    owners.extend(std::iter::repeat_n(owner, count));
    owners.len() - count
}

fn set(all: &mut [usize], at: usize, part: usize) {
    if let Some(place) = all.get_mut(at) {
        *place = part;
    }
}

#[cfg(test)]
mod tests {
    use super::super::groups::{ImagePlace, WindowPlace};
    use super::*;

    /// One column, an image of 2 channels, 9 rows and 3 columns, a window of 10 steps, and a text.
    fn groups() -> ColumnGroups {
        let (image, window) = (54, 10);
        let owners = [vec![0], vec![1; image], vec![2; window]].concat();
        ColumnGroups {
            names: ["a", "image", "load", "words"].map(str::to_owned).to_vec(),
            dense_reference: vec![0.0; owners.len()],
            dense: owners,
            indices: vec![3; 4],
            index_reference: vec![0; 4],
            images: vec![ImagePlace { group: 1, start: 1, shape: [2, 9, 3] }],
            texts: Vec::new(),
            windows: vec![WindowPlace { group: 2, steps: (55..65).collect() }],
        }
    }

    #[test]
    fn each_value_has_one_part_and_each_part_values_of_one_column() {
        let groups = groups();
        let parts = ExampleParts::of(&groups);
        assert_eq!(parts.grids, [[8, 3]]);
        // 24 patches, 8 ranges of lags, the column and the text.
        assert_eq!(parts.owners.len(), 34);
        for (part, owner) in parts.dense.iter().zip(&groups.dense) {
            assert_eq!(parts.owners[*part], *owner);
        }
        assert!(parts.indices.iter().all(|part| parts.owners[*part] == 3 && *part == parts.indices[0]));
        assert!(parts.sizes().iter().all(|size| *size > 0));
        // Both channels of a pixel are in its patch, and only the patches of the first two rows have both.
        assert_eq!(parts.dense[1], parts.dense[1 + 27]);
        assert_eq!(parts.sizes()[..24].iter().filter(|size| **size == 4).count(), 3);
    }
}
