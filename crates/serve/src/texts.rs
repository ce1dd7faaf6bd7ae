//! Texts that an engine makes, each a token at a time and all of them together; new ones come in between
//! (Yu et al. 2022, "Orca", section 4.1).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use cupola_runtime::{Error, Generation, Piece, Predictor, Shelf};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Texts of an engine that go on together; those that come later wait.
const TEXTS: usize = 32;

/// A piece of one of a request's texts, or why there is none.
pub(crate) struct Told {
    pub index: usize,
    pub piece: Result<Piece, Arc<Error>>,
}

/// A text that is being made.
pub(crate) struct Text {
    generation: Box<Generation>,
    /// Which of its request's texts it is.
    index: usize,
    deadline: Instant,
    told: mpsc::UnboundedSender<Told>,
    /// Bytes that its keys and values may come to.
    bytes: usize,
    /// Held until it is whole.
    _permit: OwnedSemaphorePermit,
}

impl Text {
    /// A text whose pieces go to `told`.
    pub fn new(
        generation: Generation,
        index: usize,
        deadline: Instant,
        told: mpsc::UnboundedSender<Told>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self { generation: Box::new(generation), index, deadline, told, bytes: 0, _permit: permit }
    }

    /// Whether whoever waits for it has heard it.
    fn tell(&self, piece: Result<Piece, Arc<Error>>) -> bool {
        self.told.send(Told { index: self.index, piece }).is_ok()
    }

    /// Whether somebody still waits for it.
    fn is_wanted(&self) -> bool {
        !self.told.is_closed() && self.deadline > Instant::now()
    }
}

/// The texts of an engine.
pub(crate) struct Texts {
    /// That are being made.
    going: Vec<Text>,
    /// That wait.
    later: VecDeque<Text>,
    /// What whole ones have left.
    shelf: Shelf,
    /// Bytes that all keys and values may take.
    kept_bytes: usize,
}

impl Texts {
    /// None, which may take so many bytes.
    pub fn new(kept_bytes: usize) -> Self {
        Self { going: Vec::new(), later: VecDeque::new(), shelf: Shelf::default(), kept_bytes }
    }

    /// Takes in a text when there is room for it.
    pub fn wait(&mut self, text: Text) {
        self.later.push_back(text);
    }

    /// Whether there is nothing to be made.
    pub fn is_empty(&self) -> bool {
        self.going.is_empty() && self.later.is_empty()
    }

    /// Takes in those for which there is room, and makes one more token of each.
    pub fn go_on(&mut self, predictor: &mut Predictor) {
        self.later.retain(Text::is_wanted);
        let gone: Vec<Text> = self.going.extract_if(.., |text| !text.is_wanted()).collect();
        self.leave(gone);
        self.take_in(predictor);
        if self.going.is_empty() {
            return;
        }
        let mut each: Vec<&mut Generation> =
            self.going.iter_mut().map(|text| &mut *text.generation).collect();
        match Generation::steps(&mut each, predictor) {
            Ok(steps) => {
                let mut steps = steps.into_iter();
                let is_whole = |text: &mut Text| match steps.next() {
                    Some(Ok(Some(piece))) => {
                        let last = piece.finish.is_some();
                        !text.tell(Ok(piece)) || last
                    }
                    Some(Err(error)) => {
                        text.tell(Err(Arc::new(error)));
                        true
                    }
                    Some(Ok(None)) | None => false,
                };
                let whole: Vec<Text> = self.going.extract_if(.., is_whole).collect();
                self.leave(whole);
            }
            Err(error) => {
                let error = Arc::new(error);
                for text in self.going.drain(..) {
                    text.tell(Err(Arc::clone(&error)));
                }
            }
        }
    }

    /// Those that waited the longest, as long as there is memory for all of the text that they may become; one
    /// is made whatever it takes.
    fn take_in(&mut self, predictor: &Predictor) {
        while self.going.len() < TEXTS
            && let Some(text) = self.later.front()
        {
            let bytes = predictor.kept_bytes(text.generation.most_tokens());
            let together = self.reserved() + bytes;
            if together > self.kept_bytes && !self.going.is_empty() {
                return;
            }
            let Some(mut text) = self.later.pop_front() else { return };
            self.shelf.lend(&mut text.generation);
            self.shelf.shrink(self.kept_bytes.saturating_sub(together));
            text.bytes = bytes;
            self.going.push(text);
        }
    }

    fn reserved(&self) -> usize {
        self.going.iter().map(|text| text.bytes).sum()
    }

    /// What they leave is kept as long as there is room.
    fn leave(&mut self, texts: Vec<Text>) {
        if texts.is_empty() {
            return;
        }
        for text in texts {
            self.shelf.put(*text.generation);
        }
        self.shelf.shrink(self.kept_bytes.saturating_sub(self.reserved()));
    }
}
