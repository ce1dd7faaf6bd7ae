//! Conversion of weights that the families share.

use cupola_nn::{Architecture, Array, Average, InputSource, StateDict};
use cupola_spec::{Block, Design};

use crate::error::Error;

/// Weights of a file, which are taken one after another under Hugging Face's names.
pub struct WeightTaker {
    weights: StateDict,
    /// Name of the model without its head, which some files put before every weight.
    prefix: &'static str,
}

impl WeightTaker {
    pub fn new(weights: StateDict, prefix: &'static str) -> Self {
        Self { weights, prefix }
    }

    /// Takes a weight of this shape, with or without the prefix.
    ///
    /// # Errors
    /// [`Error::Network`] with the name, for a weight that is missing or has another shape.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Array, Error> {
        let missing = || cupola_nn::Error::Missing { name: name.to_owned() };
        self.optional(name, shape)?.ok_or_else(|| missing().into())
    }

    /// As [`WeightTaker::take`], but `None` for a weight that is missing.
    pub fn optional(&mut self, name: &str, shape: &[usize]) -> Result<Option<Array>, Error> {
        let mut remove = |name: &str| {
            let found = self.weights.remove(name);
            found.or_else(|| self.weights.remove(&format!("{}.{name}", self.prefix)))
        };
        let found = remove(name).or_else(|| remove(&first_name(name)?));
        match found {
            Some(array) if array.shape != shape => Err(misshapen(name, shape.to_vec(), array.shape)),
            found => Ok(found),
        }
    }

    /// Fails if weights are left over that are not `ignored`; names come without the prefix.
    pub fn finish(self, ignored: impl Fn(&str) -> bool) -> Result<(), Error> {
        let prefix = format!("{}.", self.prefix);
        let rest = self.weights.names().filter(|name| !ignored(name.strip_prefix(&prefix).unwrap_or(name)));
        let names: Vec<&str> = rest.take(MOST_NAMED).collect();
        if names.is_empty() {
            return Ok(());
        }
        Err(cupola_nn::Error::Unexpected { names: names.join(", ") }.into())
    }
}

/// Name that TensorFlow gave to a weight of a norm; the files of the first BERTs have kept it.
fn first_name(name: &str) -> Option<String> {
    let (module, part) = name.rsplit_once('.').filter(|(module, _)| module.ends_with("LayerNorm"))?;
    Some(format!("{module}.{}", if part == "weight" { "gamma" } else { "beta" }))
}

/// Number of unexpected weights that an error names.
const MOST_NAMED: usize = 5;

/// Architecture of a design for texts, with its weights; fails if they are not the ones that `config.json` implies.
pub fn text_model(
    family: &str,
    design: &Design,
    text: Block,
    (output, average): (usize, Average),
    weights: StateDict,
) -> Result<(Architecture, StateDict), Error> {
    let architecture =
        Architecture::new(family, design, vec![InputSource::new(design, text)], output, average)?;
    architecture.check_weights(&weights)?;
    Ok((architecture, weights))
}

/// Embeddings of the first `vocabulary` tokens after a row of zeros, which is padding's.
pub fn with_padding_row(mut array: Array, vocabulary: usize, width: usize) -> Result<Array, Error> {
    let count = vocabulary.saturating_mul(width);
    if array.data.len() < count {
        return Err(misshapen("of the tokens", vec![vocabulary, width], array.shape));
    }
    array.data.truncate(count);
    array.data.splice(0..0, std::iter::repeat_n(0.0, width));
    array.shape = vec![vocabulary + 1, width];
    Ok(array)
}

/// Inserts the map to the logits of a decoder, which has no bias.
pub fn insert_head(
    converted: &mut StateDict,
    head: Array,
    [vocabulary, width]: [usize; 2],
) -> Result<(), Error> {
    converted.insert("head.weight".into(), with_padding_row(head, vocabulary, width)?);
    let bias = Array { shape: vec![vocabulary + 1], data: vec![0.0; vocabulary + 1] };
    converted.insert("head.bias".into(), bias);
    Ok(())
}

/// Map to the logits of a decoder whose embeddings are `tokens`, both `[vocabulary, width]`: the embeddings if they are
/// tied, else `lm_head`.
///
/// # Errors
/// [`Error::Head`] if the file and `tie_word_embeddings` contradict each other.
pub fn decoder_head(tokens: &Array, head: Option<Array>, tied: bool) -> Result<Array, Error> {
    match head {
        Some(head) if tied && head != *tokens => Err(Error::Head {
            tied,
            why: "the weights have a `lm_head.weight` that differs from the embeddings",
        }),
        Some(head) => Ok(head),
        None if tied => Ok(tokens.clone()),
        None => Err(Error::Head { tied, why: "the weights have no `lm_head.weight`" }),
    }
}

fn misshapen(name: &str, expected: Vec<usize>, found: Vec<usize>) -> Error {
    cupola_nn::Error::WeightShape { name: name.to_owned(), expected, found }.into()
}

/// Weight and bias of a linear map, cut into maps of so many rows.
pub fn split_rows(map: [Option<Array>; 2], rows: &[usize]) -> Result<Vec<[Option<Array>; 2]>, Error> {
    let mut parts: Vec<[Option<Array>; 2]> = rows.iter().map(|_| [None, None]).collect();
    for (at, array) in map.into_iter().enumerate() {
        let Some(Array { shape, data }) = array else { continue };
        let columns: usize = shape.iter().skip(1).product();
        let mut rest = data.as_slice();
        for (part, rows) in parts.iter_mut().zip(rows) {
            let count = rows.saturating_mul(columns);
            let Some((own, others)) = rest.split_at_checked(count) else {
                return Err(misshapen("of joined maps", vec![*rows, columns], shape));
            };
            let shape = if shape.len() == 1 { vec![*rows] } else { vec![*rows, columns] };
            part[at] = Some(Array { shape, data: own.to_vec() });
            rest = others;
        }
    }
    Ok(parts)
}

/// Rows of both arrays, which have one shape.
pub fn joined_rows(first: Option<Array>, second: Option<Array>) -> Option<Array> {
    let (mut first, second) = (first?, second?);
    first.data.extend(second.data);
    if let Some(rows) = first.shape.first_mut() {
        *rows *= 2;
    }
    Some(first)
}
