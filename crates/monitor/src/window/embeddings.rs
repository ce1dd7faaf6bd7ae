//! Sampled embeddings of windows, by which those of several servers become one.

mod sample;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::embedding::{EmbeddingDrift, EmbeddingMethod, EmbeddingRows};
use crate::error::Error;

pub use self::sample::{EmbeddingSample, SampledVectors};

/// Sampled embeddings of the windows of one model version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingWindows {
    /// Values of a vector.
    pub width: usize,
    /// Vectors below which there is no verdict.
    pub enough: usize,
    /// Windows from the oldest to the open one.
    pub windows: Vec<EmbeddingSample>,
}

impl EmbeddingWindows {
    /// Merges the windows of several servers: those of the same period, in milliseconds, become one. `None` without any.
    ///
    /// # Errors
    /// [`Error::Sketch`] for numbers that contradict each other, [`Error::Merge`] for vectors of different widths.
    pub fn merged<'a>(
        servers: impl IntoIterator<Item = &'a Self>,
        period: i64,
    ) -> Result<Option<Self>, Error> {
        let mut windows: Vec<&EmbeddingSample> = Vec::new();
        let mut merged: Option<Self> = None;
        for server in servers {
            server.check()?;
            let own = merged.get_or_insert_with(|| Self { windows: Vec::new(), ..*server });
            if own.width != server.width {
                let what = format!("embeddings of {} and {} values", own.width, server.width);
                return Err(Error::Merge { what, why: "they are not of the same network" });
            }
            own.enough = own.enough.min(server.enough);
            windows.extend(&server.windows);
        }
        let place = |window: &EmbeddingSample| window.began.div_euclid(period.max(1));
        windows.sort_by_key(|window| window.began);
        let groups = windows.chunk_by(|a, b| place(a) == place(b));
        Ok(merged.map(|own| Self { windows: groups.filter_map(EmbeddingSample::merged).collect(), ..own }))
    }

    /// Vectors of as many of the latest windows as have enough of them, and the number of these windows.
    pub fn recent(&self) -> (EmbeddingRows, usize) {
        let mut rows = EmbeddingRows::new(self.width, usize::MAX);
        let mut windows = 0;
        for window in self.windows.iter().rev() {
            if rows.len() >= self.enough {
                break;
            }
            for vector in window.values.chunks(self.width.max(1)) {
                rows.push(vector.iter().copied().map(f64::from));
            }
            windows += usize::from(!window.keys.is_empty());
        }
        (rows, windows)
    }

    /// Drift of the latest windows from reference embeddings, by the method of a running server; `None` with too few vectors.
    pub fn drift(&self, reference: &EmbeddingRows) -> Option<EmbeddingDrift> {
        let (rows, _) = self.recent();
        let enough = rows.len() >= self.enough.max(2);
        enough.then(|| EmbeddingDrift::between_samples(reference, &rows, EmbeddingMethod::Model))
    }

    /// Checks the numbers of a document that anyone may have written.
    fn check(&self) -> Result<(), Error> {
        let failed = |why: String| Err(Error::Sketch(format!("embeddings: {why}")));
        if self.width == 0 {
            return failed("expected vectors of at least one value".to_owned());
        }
        match self.windows.iter().find(|window| !window.is_valid(self.width)) {
            Some(window) => {
                failed(format!("the numbers of the window at {} contradict each other", window.began))
            }
            None => Ok(()),
        }
    }
}
