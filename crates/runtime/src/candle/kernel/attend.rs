//! Attention between the tokens of each text (Vaswani et al. 2017, section 3.2).

use rayon::prelude::*;

use super::packed::Packed;
use super::rows::softmax_row;
use super::tile::{COLUMNS, part};
use super::vectors::vectorized;

/// New tokens from which on keys and values are laid out for products; for fewer it is not worth it.
const MANY: usize = 4;

/// What a thread needs for a head.
#[derive(Default)]
struct Scratch {
    packed: Packed,
    /// `[count, time]`
    scores: Vec<f32>,
}

/// Sizes of an attention.
pub struct Heads {
    /// Of queries.
    pub queries: usize,
    /// Of keys, and as many of values; each serves the same number of queries.
    pub keys: usize,
    /// Width of one.
    pub width: usize,
    /// Whether a token sees only those before it.
    pub causal: bool,
    /// Frequencies `[width / 2]` by which queries and keys are turned by their positions (Su et al. 2021), if they
    /// are.
    pub rope: Option<Vec<f64>>,
}

/// Keys and values of a text's tokens so far, each `[tokens, keys * width]`.
#[derive(Debug, Default)]
pub struct Past {
    k: Vec<f32>,
    v: Vec<f32>,
}

impl Past {
    /// Forgets all after the first `tokens` of `before`.
    pub fn shorten(&mut self, tokens: usize, before: usize) {
        let width = self.k.len() / before;
        self.k.truncate(tokens * width);
        self.v.truncate(tokens * width);
    }

    /// A copy of the first `tokens` of `all`.
    pub fn beginning(&self, tokens: usize, all: usize) -> Self {
        let width = self.k.len() / all.max(1);
        Self { k: self.k[..tokens * width].to_vec(), v: self.v[..tokens * width].to_vec() }
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        (self.k.capacity() + self.v.capacity()) * size_of::<f32>()
    }

    /// Makes room for `more` numbers of each, and for a quarter of what is there: doubling would take twice the
    /// memory that texts are given.
    fn reserve(&mut self, more: usize) {
        for side in [&mut self.k, &mut self.v] {
            if side.capacity() - side.len() < more {
                side.reserve_exact(more + side.len() / 4);
            }
        }
    }
}

/// A text that goes on: so many new tokens after those that are kept.
pub struct Onward<'a> {
    pub count: usize,
    pub past: &'a mut Past,
}

/// Rows that are `stride` apart.
#[derive(Clone, Copy)]
struct Rows<'a> {
    values: &'a [f32],
    stride: usize,
}

/// What one head looks at: `count` queries, the last of `time` tokens.
struct Look<'a> {
    q: Rows<'a>,
    k: Rows<'a>,
    v: Rows<'a>,
    count: usize,
    time: usize,
}

impl Heads {
    /// `[rows, time, (queries + 2 keys) * width]` to `[rows, time, queries * width]`; `padding` `[rows, time]` is 1
    /// at tokens that nobody sees.
    pub fn mix(&self, mut qkv: Vec<f32>, time: usize, padding: Option<&[f32]>) -> Vec<f32> {
        let wide = self.wide();
        let rows = qkv.len() / (time * wide).max(1);
        for row in qkv.chunks_exact_mut((time * wide).max(1)) {
            self.turn(row, 0);
        }
        // Head by head, then side by side.
        let mut mixed = vec![0.0; rows * self.queries * time * self.width];
        let parts = mixed.par_chunks_mut((time * self.width).max(1)).enumerate();
        let least = (4_096 / (time * time).max(1)).max(1);
        parts.with_min_len(least).for_each_init(Scratch::default, |scratch, (at, out)| {
            let (row, head) = (at / self.queries, at % self.queries);
            let padding = padding.map(|padding| &padding[row * time..][..time]);
            let of =
                |head: usize| Rows { values: &qkv[row * time * wide + head * self.width..], stride: wide };
            let own = self.queries + self.keys_of(head);
            let look = Look { q: of(head), k: of(own), v: of(own + self.keys), count: time, time };
            self.head(&look, padding, scratch, out);
        });
        let mut out = vec![0.0; mixed.len()];
        let row = (self.queries * time * self.width).max(1);
        for (mixed, out) in mixed.chunks_exact(row).zip(out.chunks_exact_mut(row)) {
            self.beside(mixed, out);
        }
        out
    }

    /// `[queries, tokens, width]` to `[tokens, queries * width]`.
    fn beside(&self, mixed: &[f32], out: &mut [f32]) {
        let tokens = mixed.len() / (self.queries * self.width);
        for (at, values) in mixed.chunks_exact(self.width).enumerate() {
            let (head, token) = (at / tokens, at % tokens);
            out[(token * self.queries + head) * self.width..][..self.width].copy_from_slice(values);
        }
    }

    /// The new tokens of each text, which come one after another in `qkv` `[tokens, (queries + 2 keys) * width]`,
    /// see those before them in their text; `[tokens, queries * width]`.
    pub fn go_on(&self, mut qkv: Vec<f32>, texts: &mut [Onward<'_>]) -> Vec<f32> {
        let (wide, own) = (self.wide(), self.keys * self.width);
        let mut at = 0;
        for text in &mut *texts {
            let new = &mut qkv[at..][..text.count * wide];
            at += text.count * wide;
            self.turn(new, text.past.k.len() / own);
            text.past.reserve(text.count * own);
            for token in new.chunks_exact(wide) {
                let (k, v) = token[self.queries * self.width..].split_at(own);
                text.past.k.extend_from_slice(k);
                text.past.v.extend_from_slice(v);
            }
        }
        let mut out = vec![0.0; at / wide * self.queries * self.width];
        let mut jobs = Vec::with_capacity(texts.len());
        let (mut q, mut rest) = (qkv.as_slice(), out.as_mut_slice());
        for text in &*texts {
            let (own, others) = rest.split_at_mut(text.count * self.queries * self.width);
            jobs.push((text, q, own));
            (q, rest) = (&q[text.count * wide..], others);
        }
        jobs.into_par_iter().for_each(|(text, q, out)| self.text(text, q, out));
        out
    }

    /// All heads of one text; `q` begins with its first new token.
    fn text(&self, text: &Onward<'_>, q: &[f32], out: &mut [f32]) {
        let own = self.keys * self.width;
        let (count, time) = (text.count, text.past.k.len() / own);
        let mut mixed = vec![0.0; out.len()];
        let heads = mixed.par_chunks_mut(count * self.width).enumerate();
        let least = (MANY * 4_096 / (count * time).max(1)).max(1);
        heads.with_min_len(least).for_each_init(Scratch::default, |scratch, (head, mixed)| {
            let kept = |values| Rows { values, stride: own };
            let at = self.keys_of(head) * self.width;
            let (k, v) = (kept(&text.past.k[at..]), kept(&text.past.v[at..]));
            let q = Rows { values: &q[head * self.width..], stride: self.wide() };
            let look = Look { q, k, v, count, time };
            if count < MANY {
                self.few(&look, scratch, mixed);
            } else {
                self.head(&look, None, scratch, mixed);
            }
        });
        self.beside(&mixed, out);
    }

    /// Values of a token: its queries, keys and values.
    fn wide(&self) -> usize {
        (self.queries + 2 * self.keys) * self.width
    }

    /// The head of keys that a head of queries looks at.
    fn keys_of(&self, head: usize) -> usize {
        head / (self.queries / self.keys)
    }

    /// One head of one text.
    fn head(
        &self,
        &Look { q, k, v, count, time }: &Look<'_>,
        padding: Option<&[f32]>,
        Scratch { packed, scores }: &mut Scratch,
        out: &mut [f32],
    ) {
        let width = self.width;
        scores.resize(count * time, 0.0);
        packed.set_rows(k.values, [time, width], k.stride);
        part(&packed.times(q.values, count, q.stride), 0..count, 0..time.div_ceil(COLUMNS), scores, time);
        let scale = 1.0 / (width as f32).sqrt();
        vectorized(
            #[inline(always)]
            || {
                for (token, row) in scores.chunks_exact_mut(time).enumerate() {
                    for score in &mut *row {
                        *score *= scale;
                    }
                    if let Some(padding) = padding {
                        // Not infinite: a text of nothing but padding still has a softmax.
                        for (score, padding) in row.iter_mut().zip(padding) {
                            *score -= padding * 1e30;
                        }
                    }
                    if self.causal {
                        row[time - count + token + 1..].fill(-1e30);
                    }
                    softmax_row(row);
                }
            },
        );
        packed.set_columns(v.values, [time, width], v.stride);
        part(&packed.times(scores, count, time), 0..count, 0..width.div_ceil(COLUMNS), out, width);
    }

    /// The same for a few causal queries: keys and values are read as they lie.
    fn few(
        &self,
        &Look { q, k, v, count, time }: &Look<'_>,
        Scratch { scores, .. }: &mut Scratch,
        out: &mut [f32],
    ) {
        let width = self.width;
        let scale = 1.0 / (width as f32).sqrt();
        vectorized(
            #[inline(always)]
            || {
                for (token, out) in out.chunks_exact_mut(width).enumerate() {
                    let q = &q.values[token * q.stride..][..width];
                    let seen = time - count + token + 1;
                    scores.clear();
                    scores.extend(k.values.chunks(k.stride).take(seen).map(
                        #[inline(always)]
                        |k| dot(q, &k[..width]) * scale,
                    ));
                    softmax_row(scores);
                    for (weight, v) in scores.iter().zip(v.values.chunks(v.stride)) {
                        for (out, v) in out.iter_mut().zip(v) {
                            *out += weight * v;
                        }
                    }
                }
            },
        );
    }

    /// Turns each pair of values `i`, `i + width / 2` of queries and keys of one text, whose first token stands at
    /// `first`, by an angle that grows with its token's place.
    #[allow(clippy::cast_possible_truncation)]
    fn turn(&self, qkv: &mut [f32], first: usize) {
        let Some(frequencies) = &self.rope else { return };
        let half = self.width / 2;
        let mut turns = vec![(0.0_f32, 0.0_f32); half];
        for (at, token) in qkv.chunks_exact_mut(self.wide()).enumerate() {
            for (turn, frequency) in turns.iter_mut().zip(frequencies) {
                let angle = (first + at) as f64 * frequency;
                *turn = (angle.cos() as f32, angle.sin() as f32);
            }
            for head in token[..(self.queries + self.keys) * self.width].chunks_exact_mut(self.width) {
                let (a, b) = head.split_at_mut(half);
                for ((a, b), (cos, sin)) in a.iter_mut().zip(b).zip(&turns) {
                    (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
                }
            }
        }
    }
}

/// The sum of products, in as many sums as a vector holds.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<COLUMNS>();
    let (b, b_rest) = b.as_chunks::<COLUMNS>();
    let mut sums = [0.0_f32; COLUMNS];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}
