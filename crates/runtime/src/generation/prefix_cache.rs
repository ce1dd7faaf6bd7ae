//! Prefix cache: keys and values of finished texts, for texts that begin alike.
//!
//! Each message of a chat comes with all those before it, and many chats begin with the same instructions (Zheng et al.
//! 2024, `SGLang`, section 3; a list here, because an engine has few texts). Only whole prefill chunks are shared: with
//! 8-bit weights, another chunking rounds differently, and a response would depend on earlier requests.

use std::collections::VecDeque;

use super::sequence::{PREFILL_CHUNK, Sequence};
use crate::engines::DecoderCache;

/// KV caches of finished texts, the most recently used at the end.
#[derive(Debug, Default)]
pub struct PrefixCache(VecDeque<CachedPrefix>);

/// KV cache of a finished text and the owner who may reuse it.
#[derive(Debug)]
struct CachedPrefix {
    owner: String,
    cache: DecoderCache,
}

impl PrefixCache {
    /// Gives a new sequence the longest prefix that it shares with a finished text of its owner.
    pub fn attach(&mut self, sequence: &mut Sequence) {
        // The logits of cached tokens are not stored.
        if sequence.scores_prompt() {
            return;
        }
        let tokens = sequence.visible_tokens();
        // The last token is computed again in any case, because its logits are not stored.
        let most = tokens.len().saturating_sub(1);
        let own = self.0.iter().enumerate().filter(|(_, cached)| cached.owner == sequence.owner());
        let common = own.map(|(at, cached)| {
            (cached.cache.common_prefix(&tokens).min(most) / PREFILL_CHUNK * PREFILL_CHUNK, at)
        });
        let Some((common, at)) = common.max().filter(|(common, _)| *common > 0) else { return };
        let Some(cached) = self.0.remove(at) else { return };
        // A cache that is used whole moves into the sequence, and comes back longer.
        if common == cached.cache.tokens() {
            sequence.resume_from(cached.cache);
        } else {
            sequence.resume_from(cached.cache.prefix(common));
            self.0.push_back(cached);
        }
    }

    /// Stores the reusable part of a finished text's KV cache.
    pub fn insert(&mut self, mut sequence: Sequence) {
        if let Some(cache) = sequence.take_reusable_cache() {
            self.0.push_back(CachedPrefix { owner: sequence.owner().to_owned(), cache });
        }
    }

    /// Evicts the least recently used entries until the others take at most `bytes`.
    pub fn evict_to(&mut self, bytes: usize) {
        let mut held: usize = self.0.iter().map(|cached| cached.cache.bytes()).sum();
        while held > bytes
            && let Some(oldest) = self.0.pop_front()
        {
            held -= oldest.cache.bytes();
        }
    }
}
