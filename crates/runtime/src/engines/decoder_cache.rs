//! Attention keys and values of one sequence, in whatever layout its engine uses.

use std::any::Any;
use std::fmt::Debug;

/// KV cache of one sequence; empty at first and after a failure.
///
/// The contents belong to the engine that filled it. Another engine finds the cache empty.
#[derive(Debug, Default)]
pub struct DecoderCache(Option<Box<dyn CacheContents>>);

/// Keys and values of an engine.
pub(crate) trait CacheContents: Any + Debug + Send {
    /// Number of stored tokens.
    fn tokens(&self) -> usize;

    /// Length of the longest common prefix of the stored tokens and `tokens`.
    fn common_prefix(&self, tokens: &[i32]) -> usize;

    /// Copy of the first `tokens` tokens.
    fn prefix(&self, tokens: usize) -> Box<dyn CacheContents>;

    /// Allocated bytes, including unused capacity.
    fn bytes(&self) -> usize;
}

impl DecoderCache {
    /// Number of stored tokens.
    pub fn tokens(&self) -> usize {
        self.0.as_ref().map_or(0, |contents| contents.tokens())
    }

    /// Length of the longest common prefix of the stored tokens and `tokens`.
    pub(crate) fn common_prefix(&self, tokens: &[i32]) -> usize {
        self.0.as_ref().map_or(0, |contents| contents.common_prefix(tokens))
    }

    /// Copy of the first `tokens` tokens.
    pub(crate) fn prefix(&self, tokens: usize) -> Self {
        Self(self.0.as_ref().map(|contents| contents.prefix(tokens)))
    }

    /// Allocated bytes, including unused capacity.
    pub(crate) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |contents| contents.bytes())
    }

    /// Takes out the contents if they are of type `T`, and leaves the cache empty.
    pub(crate) fn take<T: CacheContents>(&mut self) -> Option<Box<T>> {
        let contents: Box<dyn Any> = self.0.take()?;
        contents.downcast().ok()
    }

    /// Puts contents in.
    pub(crate) fn put<T: CacheContents>(&mut self, contents: Box<T>) {
        self.0 = Some(contents);
    }
}
