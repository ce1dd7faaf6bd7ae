//! Sample of the rows of a window, which become vectors.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cupola_monitor::window::{Reservoir, SampledVectors};
use cupola_runtime::PredictInput;

/// Bytes of raw rows, beyond which further ones are left out.
const MOST_BYTES: usize = 16 << 20;
/// Bytes of raw rows from which they are embedded before their window ends.
const MANY_BYTES: usize = MOST_BYTES / 2;

/// A row of the sample.
pub(super) struct SampledRow {
    id: u64,
    content: RowContent,
}

enum RowContent {
    Raw(Arc<RawRow>),
    Vector(Vec<f64>),
    /// Row that has no vector.
    Unusable,
}

/// A row as it was sent. It is gone once it is embedded, or another row takes its place.
pub(super) struct RawRow {
    pub input: PredictInput,
    bytes: usize,
    held: Arc<AtomicUsize>,
}

impl Drop for RawRow {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl SampledRow {
    pub fn vector(&self) -> Option<&[f64]> {
        match &self.content {
            RowContent::Vector(vector) => Some(vector),
            RowContent::Raw(_) | RowContent::Unusable => None,
        }
    }

    pub fn raw(&self) -> Option<Arc<RawRow>> {
        match &self.content {
            RowContent::Raw(raw) => Some(Arc::clone(raw)),
            RowContent::Vector(_) | RowContent::Unusable => None,
        }
    }

    /// Replaces the raw row by its vector, if it has one.
    pub fn embed(&mut self, vector: Option<Vec<f64>>) {
        self.content = vector.map_or(RowContent::Unusable, RowContent::Vector);
    }
}

/// Uniform sample of the rows of the open window.
pub(super) struct RowSample {
    rows: Reservoir<SampledRow>,
    next_id: u64,
    /// Bytes of all raw rows that are held.
    held: Arc<AtomicUsize>,
}

impl RowSample {
    pub fn new(rows: usize) -> Self {
        // A sender that knew the seed could keep its rows out of the sample.
        let seed = getrandom::u64().unwrap_or_default();
        Self { rows: Reservoir::new(rows, seed), next_id: 0, held: Arc::default() }
    }

    /// Offers the rows of a request, of which each has so many `columns`.
    pub fn offer(&mut self, input: &PredictInput, columns: usize) {
        let rows = input.rows(columns);
        let (held, next_id) = (&self.held, &mut self.next_id);
        self.rows.offer(rows as u64, |at| {
            // The mean size of the rows decides before one is copied.
            let expected = bytes_of(input) / rows.max(1);
            if held.load(Ordering::Relaxed).saturating_add(expected) > MOST_BYTES {
                return None;
            }
            let input = row_of(input, usize::try_from(at).ok()?, rows)?;
            let bytes = bytes_of(&input);
            held.fetch_add(bytes, Ordering::Relaxed);
            *next_id += 1;
            let raw = RawRow { input, bytes, held: Arc::clone(held) };
            Some(SampledRow { id: *next_id, content: RowContent::Raw(Arc::new(raw)) })
        });
    }

    /// Most rows.
    pub fn capacity(&self) -> usize {
        self.rows.capacity()
    }

    /// `true` if the raw rows are so large that they should not wait for the end of the window.
    pub fn is_large(&self) -> bool {
        self.held.load(Ordering::Relaxed) > MANY_BYTES
    }

    /// Number of rows without a vector.
    pub fn waiting(&self) -> usize {
        self.rows.items().iter().filter(|row| matches!(row.content, RowContent::Raw(_))).count()
    }

    /// A few raw rows with their ids.
    pub fn raw_rows(&self, most: usize) -> Vec<(u64, Arc<RawRow>)> {
        self.rows.items().iter().filter_map(|row| Some((row.id, row.raw()?))).take(most).collect()
    }

    /// Replaces a raw row by its vector, unless another row has taken its place.
    pub fn embed(&mut self, id: u64, vector: Option<Vec<f64>>) {
        if let Some(row) = self.rows.items_mut().iter_mut().find(|row| row.id == id) {
            row.embed(vector);
        }
    }

    /// Vectors of the rows of the window that began at `began`, as far as they have some.
    pub fn vectors(&self, began: i64) -> SampledVectors {
        sampled_vectors(self.rows.items(), began, self.rows.seen())
    }

    /// Takes the rows of a window that is over, and the number of rows that they are a sample of.
    pub fn restart(&mut self) -> (Vec<SampledRow>, u64) {
        let seen = self.rows.seen();
        (self.rows.restart(), seen)
    }
}

/// Vectors of a sample of the `seen` rows of a window.
pub(super) fn sampled_vectors(rows: &[SampledRow], began: i64, seen: u64) -> SampledVectors {
    let usable = rows.iter().filter(|row| !matches!(row.content, RowContent::Unusable)).count();
    let vectors = rows.iter().filter_map(|row| row.vector().map(<[f64]>::to_vec)).collect();
    SampledVectors { began, seen, usable: usable as f64 / rows.len().max(1) as f64, vectors }
}

/// A row of a request; `None` beyond the last one.
fn row_of(input: &PredictInput, at: usize, rows: usize) -> Option<PredictInput> {
    Some(match input {
        // Columns of a single row are shared with the request, not copied.
        PredictInput::Frame(frame) if rows == 1 => PredictInput::Frame(frame.clone()),
        PredictInput::Frame(frame) => PredictInput::Frame(frame.take(&[at])),
        PredictInput::Floats(values) => {
            let width = values.len() / rows.max(1);
            PredictInput::Floats(values.get(at * width..(at + 1) * width)?.to_vec())
        }
        PredictInput::Tokens(texts) => PredictInput::Tokens(vec![texts.get(at)?.clone()]),
    })
}

fn bytes_of(input: &PredictInput) -> usize {
    match input {
        PredictInput::Frame(frame) => frame.memory_bytes(),
        PredictInput::Floats(values) => values.len() * size_of::<f32>(),
        PredictInput::Tokens(texts) => texts.iter().map(|text| text.len() * size_of::<u32>()).sum(),
    }
}

#[cfg(test)]
mod tests {
    use cupola_prep::{Column, Frame};

    use super::*;

    fn texts(texts: &[&str]) -> PredictInput {
        let column = Column::texts(texts.iter().map(|text| Some(*text)));
        PredictInput::Frame(Frame::default().with("text", column))
    }

    fn held(sample: &RowSample) -> usize {
        sample.held.load(Ordering::Relaxed)
    }

    #[test]
    fn raw_rows_are_gone_once_they_are_vectors() {
        let mut sample = RowSample::new(4);
        sample.offer(&texts(&["a", "b"]), 1);
        sample.offer(&texts(&["c"]), 1);
        sample.offer(&PredictInput::Floats(vec![1.0, 2.0]), 2);
        assert!(sample.waiting() == 4 && held(&sample) > 0);
        for (id, raw) in sample.raw_rows(9) {
            let count = u8::try_from(id).unwrap();
            assert_eq!(raw.input.rows(2), 1);
            sample.embed(id, (id != 3).then(|| vec![f64::from(count)]));
        }
        assert_eq!((sample.waiting(), held(&sample)), (0, 0));
        let found = sample.vectors(7);
        assert_eq!((found.began, found.seen, found.usable), (7, 4, 0.75));
        assert_eq!(found.vectors, [[1.0], [2.0], [4.0]]);
        let (rows, seen) = sample.restart();
        assert_eq!((rows.len(), seen, sample.vectors(8).vectors.len()), (4, 4, 0));
    }

    #[test]
    fn rows_are_left_out_beyond_a_limit_of_bytes() {
        let mut sample = RowSample::new(100);
        let width = (3 << 20) / size_of::<f32>();
        let large = PredictInput::Floats(vec![0.5; width]);
        (0..20).for_each(|_| sample.offer(&large, width));
        assert!(sample.is_large() && held(&sample) <= MOST_BYTES, "{}", held(&sample));
        assert_eq!(sample.waiting(), 5);
        sample.restart();
        assert_eq!(held(&sample), 0);
    }
}
