//! Keys and values of one layer, which grow with their text.

/// Keys and values of one attention layer for the tokens of one text so far, each `[tokens, kv_heads * head_width]`.
#[derive(Debug, Default)]
pub struct LayerKv {
    k: Vec<f32>,
    v: Vec<f32>,
}

impl LayerKv {
    /// Drops all but the first `tokens` of the `stored` tokens.
    pub fn truncate(&mut self, tokens: usize, stored: usize) {
        let width = self.k.len() / stored;
        self.k.truncate(tokens * width);
        self.v.truncate(tokens * width);
    }

    /// Copy of the first `tokens` of the `stored` tokens.
    #[must_use]
    pub fn prefix(&self, tokens: usize, stored: usize) -> Self {
        let width = self.k.len() / stored.max(1);
        Self { k: self.k[..tokens * width].to_vec(), v: self.v[..tokens * width].to_vec() }
    }

    /// Allocated bytes, including unused capacity.
    pub fn bytes(&self) -> usize {
        (self.k.capacity() + self.v.capacity()) * size_of::<f32>()
    }

    /// Keys `[tokens, kv_heads * head_width]`.
    pub(super) fn keys(&self) -> &[f32] {
        &self.k
    }

    /// Values `[tokens, kv_heads * head_width]`.
    pub(super) fn values(&self) -> &[f32] {
        &self.v
    }

    /// Appends one token.
    pub(super) fn push(&mut self, k: &[f32], v: &[f32]) {
        self.k.extend_from_slice(k);
        self.v.extend_from_slice(v);
    }

    /// Reserves room for `additional` floats of each, and for a quarter more than is stored: doubling would take twice
    /// the memory that is budgeted for a text.
    pub(super) fn reserve(&mut self, additional: usize) {
        for side in [&mut self.k, &mut self.v] {
            if side.capacity() - side.len() < additional {
                side.reserve_exact(additional + side.len() / 4);
            }
        }
    }
}
