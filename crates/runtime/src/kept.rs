//! What engines keep of a text: keys and values of its tokens.

use cupola_nn::KvCache;

use crate::candle::KeptText;

/// What an engine keeps of one text; nothing after a failure.
#[derive(Debug, Default)]
pub struct Kept(Option<By>);

#[derive(Debug)]
enum By {
    Burn(KvCache),
    Candle(KeptText),
}

impl Kept {
    /// Tokens that are kept.
    pub fn tokens(&self) -> usize {
        match &self.0 {
            None => 0,
            Some(By::Burn(cache)) => cache.tokens(),
            Some(By::Candle(text)) => text.tokens(),
        }
    }

    /// Tokens that `text` begins with as well.
    pub(crate) fn common(&self, text: &[i32]) -> usize {
        match &self.0 {
            None => 0,
            Some(By::Burn(cache)) => cache.common_prefix(text),
            Some(By::Candle(kept)) => kept.common(text),
        }
    }

    /// A copy of its first tokens.
    pub(crate) fn beginning(&self, tokens: usize) -> Self {
        Self(match &self.0 {
            None => None,
            Some(By::Burn(cache)) => Some(By::Burn(cache.prefix(tokens))),
            Some(By::Candle(text)) => Some(By::Candle(text.beginning(tokens))),
        })
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        match &self.0 {
            None => 0,
            Some(By::Burn(cache)) => cache.bytes(),
            Some(By::Candle(text)) => text.bytes(),
        }
    }

    pub(crate) fn take_burn(&mut self) -> Option<KvCache> {
        match self.0.take()? {
            By::Burn(cache) => Some(cache),
            By::Candle(_) => None,
        }
    }

    pub(crate) fn put_burn(&mut self, cache: KvCache) {
        self.0 = Some(By::Burn(cache));
    }

    pub(crate) fn take_candle(&mut self) -> Option<KeptText> {
        match self.0.take()? {
            By::Candle(text) => Some(text),
            By::Burn(_) => None,
        }
    }

    pub(crate) fn put_candle(&mut self, text: KeptText) {
        self.0 = Some(By::Candle(text));
    }
}
