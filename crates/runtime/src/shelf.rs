//! Keys and values of texts that have been made, for texts that begin as they do: the next message of a chat
//! comes with all those before it, and many chats begin with the same instructions (Zheng et al. 2024,
//! `SGLang`, section 3; a list here, for an engine has few texts).
//!
//! Only whole parts of texts are shared, as they are taken in at once: in 8 bits a sum in another order rounds
//! otherwise further on, and an answer would depend on what others had asked before.

use std::collections::VecDeque;

use crate::generate::{Generation, PART};
use crate::kept::Kept;

/// Texts that have been made, the last used ones at the end.
#[derive(Debug, Default)]
pub struct Shelf(VecDeque<Left>);

/// What a text has left, and whose it is.
#[derive(Debug)]
struct Left {
    owner: String,
    text: Kept,
}

impl Shelf {
    /// Gives a text that is to be made what it has in common with one of these.
    pub fn lend(&mut self, text: &mut Generation) {
        let tokens = text.seen();
        // The last token goes through again in any case: its logits are not kept.
        let most = tokens.len().saturating_sub(1);
        let own = self.0.iter().enumerate().filter(|(_, left)| left.owner == text.owner());
        let common = own.map(|(at, left)| (left.text.common(&tokens).min(most) / PART * PART, at));
        let Some((common, at)) = common.max().filter(|(common, _)| *common > 0) else { return };
        let Some(left) = self.0.remove(at) else { return };
        // One that goes on comes back longer.
        if common == left.text.tokens() {
            text.begin_with(left.text);
        } else {
            text.begin_with(left.text.beginning(common));
            self.0.push_back(left);
        }
    }

    /// Takes in what a text leaves.
    pub fn put(&mut self, mut text: Generation) {
        if let Some(kept) = text.leaves() {
            self.0.push_back(Left { owner: text.owner().to_owned(), text: kept });
        }
    }

    /// Forgets those that have not been used for the longest time until the rest takes no more than `bytes`.
    pub fn shrink(&mut self, bytes: usize) {
        let mut held: usize = self.0.iter().map(|left| left.text.bytes()).sum();
        while held > bytes
            && let Some(oldest) = self.0.pop_front()
        {
            held -= oldest.text.bytes();
        }
    }
}
