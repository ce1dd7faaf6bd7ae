//! Trial runs of an engine on made-up examples.

use std::time::{Duration, Instant};

use cupola_nn::Architecture;
use cupola_prep::{Examples, Layout};

use crate::engines::{DecodeRequest, DecoderCache, Engine};
use crate::error::Error;

/// Length of the texts that decoders are tried on, in tokens.
const TEXT_LENGTH: usize = 8;

/// Logits of made-up rows; of a decoder, those of the tokens after made-up texts.
pub(super) fn logits(
    engine: &mut dyn Engine,
    architecture: &Architecture,
    rows: usize,
) -> Result<Vec<f32>, Error> {
    let Some(decoder) = engine.decoder() else { return engine.forward(examples(architecture, rows)) };
    let texts: Vec<Vec<i32>> = (0..rows).map(|row| text(architecture, row, TEXT_LENGTH)).collect();
    let mut caches: Vec<DecoderCache> = texts.iter().map(|_| DecoderCache::default()).collect();
    let requests =
        texts.iter().zip(&mut caches).map(|(tokens, cache)| DecodeRequest::next_token(tokens, cache));
    Ok(decoder.decode(&mut requests.collect::<Vec<_>>())?.concat())
}

/// Median microseconds of a forward pass of one row, or of decoding one token.
///
/// Three passes for warm-up, then as many as fit 30 ms, at least 5 and at most 200.
pub(super) fn median_us(engine: &mut dyn Engine, architecture: &Architecture) -> Result<f64, Error> {
    let (mut cache, mut length) = (DecoderCache::default(), 0);
    let row = examples(architecture, 1);
    let whole = text(architecture, 0, usize::MAX);
    let mut once = || -> Result<(), Error> {
        let Some(decoder) = engine.decoder() else { return engine.forward(row.clone()).map(drop) };
        length = length % whole.len() + 1;
        let request = DecodeRequest::next_token(&whole[..length], &mut cache);
        decoder.decode(&mut [request]).map(drop)
    };
    for _ in 0..3 {
        once()?;
    }
    let started = Instant::now();
    let mut times = Vec::new();
    while times.len() < 5 || started.elapsed() < Duration::from_millis(30) && times.len() < 200 {
        let one = Instant::now();
        once()?;
        times.push(one.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_unstable_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// Examples whose values are neither zero nor all equal.
pub(in crate::engines) fn examples(architecture: &Architecture, rows: usize) -> Examples {
    let mut examples = Examples::zeros(Layout { blocks: architecture.blocks() }, rows);
    let sizes = architecture.index_sizes();
    for (at, index) in examples.indices.iter_mut().enumerate() {
        let size = sizes[at % sizes.len()];
        *index = i32::try_from(at % size).unwrap_or_default();
    }
    for (value, k) in examples.dense.iter_mut().zip((1..=u16::MAX).cycle()) {
        *value = (f32::from(k) * 0.7).sin();
    }
    examples
}

/// Tokens of a text of `length` tokens, or as many as the network allows.
fn text(architecture: &Architecture, row: usize, length: usize) -> Vec<i32> {
    let size = architecture.index_sizes().first().map_or(1, |size| (size - 1).max(1));
    let token = |at: usize| i32::try_from(1 + (row + 7 * at) % size).unwrap_or(1);
    (0..length.min(architecture.steps())).map(token).collect()
}
