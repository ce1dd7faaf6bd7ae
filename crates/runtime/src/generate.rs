//! Text from a language model, token by token.

use cupola_prep::{Examples, FittedInput, FittedTarget, FittedTokenizer};

use crate::chat::{self, Prompt};
use crate::engine::{self, Turn};
use crate::error::Error;
use crate::format::{Following, Format};
use crate::kept::Kept;
use crate::predictor::Predictor;
use crate::sampling::Sampling;
use crate::scores::{self, Steering};
use crate::sealed::Sealed;

/// Tokens of a prompt that are taken in at once: those who wait for one token each wait no longer.
pub(crate) const PART: usize = 128;

/// What is wanted of a text that goes on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wanted {
    /// Tokens at most.
    pub tokens: u64,
    /// How they are chosen.
    pub sampling: Sampling,
    /// What is done to their logits before.
    pub steering: Steering,
    /// Whether their probabilities are told, and those of so many of the likeliest tokens.
    pub logprobs: Option<usize>,
    /// What it has to be.
    pub format: Option<Format>,
    /// The text ends before any of these.
    pub stop: Vec<String>,
    /// Whose it is: keys and values are shared among texts of one owner alone, for they tell by their speed how
    /// others begin.
    pub owner: String,
}

/// Why a text ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// At a text that was to stop it, or at a token that ends texts.
    Stop,
    /// It has as many tokens as were wanted.
    Length,
}

/// The next piece of a text; it may be empty while a character is not whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Its text.
    pub text: String,
    /// Set with the last one.
    pub finish: Option<Finish>,
    /// Tokens of the prompt that another text had begun with.
    pub cached: usize,
    /// The probability of the token that it comes from, where that is wanted.
    pub scored: Option<Scored>,
}

/// A token and its log-probability, and those of the likeliest tokens in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Its text.
    pub token: String,
    /// By the model alone, whatever steers the choice.
    pub logprob: f64,
    /// The likeliest first.
    pub top: Vec<(String, f64)>,
}

/// The next piece of a text, if there is one already.
pub type Step = Result<Option<Piece>, Error>;

/// A text that is being made. Several of them may go on at one predictor: each keeps its own keys
/// and values.
#[derive(Debug)]
pub struct Generation {
    tokenizer: FittedTokenizer,
    length: usize,
    spoken: Spoken,
    /// First token that the model still sees.
    first: usize,
    step: u64,
    wanted: Wanted,
    kept: Kept,
    /// Tokens that another text had begun with.
    cached: usize,
    /// Tokens that have gone through in whole parts, from the first on.
    whole: usize,
    /// Tokens that end it.
    ends: Vec<u32>,
    /// Text that may be the beginning of one that stops it.
    held: String,
    /// Where it stands in its format.
    following: Option<Following>,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
}

impl Sealed {
    /// Begins after a prompt.
    ///
    /// # Errors
    /// [`Error::NoLanguageModel`] for any other package, [`Error::Tokens`] for a prompt that makes none,
    /// [`Error::Chat`] for messages that the model's template refuses.
    pub fn generation(&self, prompt: &Prompt, wanted: Wanted) -> Result<Generation, Error> {
        let (FittedTarget::NextToken { ends, .. }, [FittedInput::Text { tokenizer, length, .. }]) =
            (self.plan.targets.first(), self.plan.inputs.as_slice())
        else {
            return Err(Error::NoLanguageModel { target: self.plan.targets.first().name().to_owned() });
        };
        let tokens = self.prompt(prompt, tokenizer)?;
        let mut spoken = Spoken { tokens, whole: 0, read: 0 };
        let prompt_tokens = spoken.tokens.len();
        let begin = |format| self.vocabulary.begin(tokenizer, format);
        let following = wanted.format.as_ref().map(begin).transpose();
        let following = following.map_err(|why| Error::Format { why })?;
        // What comes after it is told as it is decoded after it.
        spoken.piece(tokenizer, true).map_err(|why| Error::Tokens { why })?;
        Ok(Generation {
            tokenizer: tokenizer.clone(),
            length: *length,
            first: prompt_tokens.saturating_sub(*length),
            spoken,
            step: 0,
            wanted,
            kept: Kept::default(),
            cached: 0,
            whole: 0,
            ends: ends.clone(),
            held: String::new(),
            following,
            prompt_tokens,
        })
    }

    fn prompt(&self, prompt: &Prompt, tokenizer: &FittedTokenizer) -> Result<Vec<u32>, Error> {
        let why = |error: cupola_prep::Error| Error::Tokens { why: error.to_string() };
        let tokens = match prompt {
            Prompt::Text(text) => tokenizer.encode(text),
            Prompt::Messages(messages) => match &self.chat {
                Some(template) => tokenizer.encode_bare(&template.render(messages)?),
                None => tokenizer.encode(&chat::plain(messages)),
            },
        };
        let tokens = tokens.map_err(why)?;
        // Generation has to begin after something: a line break ends each text of the training rows.
        if tokens.is_empty() { tokenizer.encode("\n").map_err(why) } else { Ok(tokens) }
    }
}

impl Generation {
    /// Tokens that were made.
    pub fn tokens(&self) -> u64 {
        self.step
    }

    /// Tokens that it has at most, as far as the model sees them.
    pub fn most_tokens(&self) -> usize {
        let wanted = usize::try_from(self.wanted.tokens).unwrap_or(usize::MAX);
        self.prompt_tokens.saturating_add(wanted).min(self.length)
    }

    /// The tokens that the model sees.
    pub(crate) fn seen(&self) -> Vec<i32> {
        self.spoken.tokens[self.first..]
            .iter()
            .map(|token| i32::try_from(*token).unwrap_or_default())
            .collect()
    }

    /// Takes keys and values of its first parts from another text.
    pub(crate) fn begin_with(&mut self, kept: Kept) {
        (self.cached, self.whole) = (kept.tokens(), kept.tokens());
        self.kept = kept;
    }

    /// Whose it is.
    pub(crate) fn owner(&self) -> &str {
        &self.wanted.owner
    }

    /// Keys and values that others may take: those of whole parts.
    pub(crate) fn leaves(&mut self) -> Option<Kept> {
        let kept = std::mem::take(&mut self.kept);
        if self.whole == 0 || kept.tokens() < self.whole {
            return None;
        }
        Some(if kept.tokens() == self.whole { kept } else { kept.beginning(self.whole) })
    }

    /// Goes on with each of these texts by a token, all in one pass. There is no piece of a text whose
    /// prompt is long and not yet taken in. Where a text outgrows the model's length, the model goes on
    /// from the last half of that.
    ///
    /// # Errors
    /// What the device says.
    pub fn steps(texts: &mut [&mut Self], predictor: &mut Predictor) -> Result<Vec<Step>, Error> {
        let most = if predictor.keeps() { PART } else { usize::MAX };
        let windows: Vec<Vec<i32>> = texts.iter_mut().map(|text| text.window(most)).collect();
        let turns = texts.iter_mut().zip(&windows);
        let mut turns: Vec<Turn<'_>> =
            turns.map(|(text, window)| Turn { text: window, kept: &mut text.kept }).collect();
        let logits = predictor.next(&mut turns)?;
        let each = texts.iter_mut().zip(&windows).zip(logits);
        Ok(each.map(|((text, window), logits)| text.goes_on(window.len(), &logits)).collect())
    }

    /// What the model sees next: at most `most` tokens beyond those that are kept.
    fn window(&mut self, most: usize) -> Vec<i32> {
        if self.spoken.tokens.len() - self.first > self.length {
            self.first = self.spoken.tokens.len() - self.length.div_ceil(2);
            (self.kept, self.whole) = (Kept::default(), 0);
        }
        let (mut text, kept) = (self.seen(), self.kept.tokens());
        text.truncate(kept.saturating_add(most));
        if kept == self.whole && text.len() - kept == PART {
            self.whole = text.len();
        }
        text
    }

    /// The piece after the logits of the token after so many tokens.
    fn goes_on(&mut self, seen: usize, logits: &[f32]) -> Step {
        if self.first + seen < self.spoken.tokens.len() {
            return Ok(None);
        }
        let (mut ended, mut scored) = (false, None);
        if self.step < self.wanted.tokens {
            let chosen = self.chosen(logits).map_err(|why| Error::Format { why })?;
            self.step += u64::from(chosen.is_some());
            match chosen.filter(|token| !self.ends.contains(token)) {
                None => ended = true,
                Some(token) => {
                    scored = self.wanted.logprobs.map(|top| self.scored(logits, token, top)).transpose()?;
                    self.spoken.tokens.push(token);
                    let took = self.following.as_mut().map(|following| following.took(token)).transpose();
                    ended = took.map_err(|why| Error::Format { why })?.unwrap_or(false);
                }
            }
        }
        let last = ended || self.step >= self.wanted.tokens;
        let piece = self.spoken.piece(&self.tokenizer, last).map_err(|why| Error::Tokens { why })?;
        self.held.push_str(&piece);
        let reason = if ended { Finish::Stop } else { Finish::Length };
        Ok(Some(Piece { scored, ..self.told(last.then_some(reason)) }))
    }

    /// The next token; none where the text's format lets none follow.
    fn chosen(&mut self, logits: &[f32]) -> Result<Option<u32>, String> {
        let Wanted { sampling, steering, .. } = &self.wanted;
        let made = &self.spoken.tokens[self.prompt_tokens..];
        let steered = steering.steered(logits, made);
        let mut logits = steered.as_deref().unwrap_or(logits);
        let allowed;
        if let Some(following) = &mut self.following {
            allowed = following.allowed(logits, &self.ends)?;
            match &allowed {
                Some(allowed) => logits = allowed,
                None => return Ok(None),
            }
        }
        Ok(u32::try_from(sampling.choose(logits, self.step)).ok())
    }

    fn scored(&self, logits: &[f32], token: u32, top: usize) -> Result<Scored, Error> {
        let text =
            |token: u32| self.tokenizer.decode(&[token]).map_err(|e| Error::Tokens { why: e.to_string() });
        let (logprob, likeliest) = scores::logprobs(logits, token, top);
        let likeliest = likeliest.into_iter().map(|(token, logprob)| Ok((text(token)?, logprob)));
        Ok(Scored { token: text(token)?, logprob, top: likeliest.collect::<Result<_, Error>>()? })
    }

    /// What of the held text can be told now.
    fn told(&mut self, last: Option<Finish>) -> Piece {
        let stop = self.wanted.stop.iter().filter(|stop| !stop.is_empty());
        if let Some(at) = stop.clone().filter_map(|stop| self.held.find(stop.as_str())).min() {
            self.held.truncate(at);
            return self.released(self.held.len(), Some(Finish::Stop));
        }
        if last.is_some() {
            return self.released(self.held.len(), last);
        }
        let begins = |from: usize| {
            self.held.is_char_boundary(from) && stop.clone().any(|stop| stop.starts_with(&self.held[from..]))
        };
        let keep = (0..self.held.len()).find(|from| begins(*from)).unwrap_or(self.held.len());
        self.released(keep, None)
    }

    /// The first bytes of the held text.
    fn released(&mut self, bytes: usize, finish: Option<Finish>) -> Piece {
        let rest = self.held.split_off(bytes);
        Piece { text: std::mem::replace(&mut self.held, rest), finish, cached: self.cached, scored: None }
    }
}

impl Predictor {
    /// Goes on with `prompt` by `count` tokens; `told` hears the text piece by piece, the prompt first.
    ///
    /// # Errors
    /// [`Error::NoLanguageModel`] for any other package; what the device says.
    pub fn generate(
        &mut self,
        prompt: &str,
        count: u64,
        sampling: &Sampling,
        told: &mut dyn FnMut(&str),
    ) -> Result<String, Error> {
        let wanted = Wanted { tokens: count, sampling: *sampling, ..Wanted::default() };
        let mut generation = self.sealed.generation(&Prompt::Text(prompt.to_owned()), wanted)?;
        let mut text = generation.spoken.text(&generation.tokenizer).map_err(|why| Error::Tokens { why })?;
        told(&text);
        if count == 0 {
            return Ok(text);
        }
        loop {
            let mut steps = Generation::steps(&mut [&mut generation], self)?;
            let Some(piece) = steps.pop().transpose()?.flatten() else { continue };
            told(&piece.text);
            text.push_str(&piece.text);
            if piece.finish.is_some() {
                return Ok(text);
            }
        }
    }

    /// Whether the engine keeps something of a text.
    pub fn keeps(&mut self) -> bool {
        self.engine.next(&mut []).is_some()
    }

    /// Logits of the token after each of these texts, which are no longer than the model's.
    ///
    /// # Errors
    /// When the device fails.
    pub fn next(&mut self, turns: &mut [Turn<'_>]) -> Result<Vec<Vec<f32>>, Error> {
        let next = engine::contained(self.engine.as_mut(), |engine| engine.next(turns).transpose())?;
        if let Some(logits) = next {
            return Ok(logits);
        }
        let mut examples = Examples::zeros(self.sealed.plan.layout(), turns.len());
        let length = examples.indices.len() / turns.len().max(1);
        for (row, turn) in examples.indices.chunks_mut(length.max(1)).zip(&*turns) {
            row.iter_mut().zip(turn.text).for_each(|(place, token)| *place = *token);
        }
        let places = self.sealed.places(&examples);
        let logits = self.logits(examples)?;
        let last = self.sealed.last(&logits, places.as_deref());
        Ok(last.chunks(self.sealed.plan.width().max(1)).map(<[f32]>::to_vec).collect())
    }
}

/// A text that grows by tokens. Only the last ones are decoded again: a decoder may treat a text's first
/// token in a way of its own, and a token may end inside a character.
#[derive(Debug)]
struct Spoken {
    tokens: Vec<u32>,
    /// Tokens before the last piece.
    whole: usize,
    /// Tokens up to its end.
    read: usize,
}

impl Spoken {
    /// All of it.
    fn text(&self, tokenizer: &FittedTokenizer) -> Result<String, String> {
        tokenizer.decode(&self.tokens).map_err(|error| error.to_string())
    }

    /// The text since the last piece; empty while its last character is not whole, unless it is the last.
    fn piece(&mut self, tokenizer: &FittedTokenizer, last: bool) -> Result<String, String> {
        let decode = |tokens: &[u32]| tokenizer.decode(tokens).map_err(|error| error.to_string());
        let before = decode(&self.tokens[self.whole..self.read])?;
        let after = decode(&self.tokens[self.whole..])?;
        if after.ends_with('\u{fffd}') && !last {
            return Ok(String::new());
        }
        (self.whole, self.read) = (self.read, self.tokens.len());
        Ok(after.strip_prefix(before.as_str()).unwrap_or(&after).to_owned())
    }
}

/// Place of the last token of each row that is no padding.
pub(crate) fn last_tokens(examples: &Examples) -> Vec<usize> {
    examples.text_lengths().map(|length| length - 1).collect()
}
