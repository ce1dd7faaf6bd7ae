//! Conversion of weights that the families share.

use cupola_nn::{Architecture, Array, Average, InputSource, StateDict};
use cupola_spec::{Block, Design};

use crate::error::Error;

/// Removes a weight by its name, with or without the model's prefix.
pub fn take_weight(weights: &mut StateDict, prefix: &str, name: &str) -> Result<Array, Error> {
    let found = weights.remove(name).or_else(|| weights.remove(&format!("{prefix}.{name}")));
    found.ok_or_else(|| cupola_nn::Error::Missing { name: name.to_owned() }.into())
}

/// Architecture of a design for texts, with its weights; fails if their number is not the one that `config.json`
/// implies.
pub fn text_model(
    family: &str,
    design: &Design,
    text: Block,
    (output, average): (usize, Average),
    weights: StateDict,
) -> Result<(Architecture, StateDict), Error> {
    let architecture =
        Architecture::new(family, design, vec![InputSource::new(design, text)], output, average)?;
    let found = weights.names().filter_map(|name| weights.get(name)).map(|array| array.data.len()).sum();
    let expected = architecture.parameters()?;
    if found == expected {
        return Ok((architecture, weights));
    }
    Err(misshapen("of all layers", vec![expected], vec![found]))
}

/// Embeddings of the first `vocabulary` tokens after a row of zeros, which is padding's.
pub fn with_padding_row(mut array: Array, vocabulary: usize, width: usize) -> Result<Array, Error> {
    if array.data.len() < vocabulary * width {
        return Err(misshapen("of the tokens", vec![vocabulary, width], array.shape));
    }
    array.data.truncate(vocabulary * width);
    array.data.splice(0..0, std::iter::repeat_n(0.0, width));
    array.shape = vec![vocabulary + 1, width];
    Ok(array)
}

/// Inserts a decoder's embeddings and head, both `[vocabulary, width]`; without a head, the embeddings are shared.
pub fn insert_embeddings(
    converted: &mut StateDict,
    tokens: Array,
    head: Option<Array>,
    [vocabulary, width]: [usize; 2],
) -> Result<(), Error> {
    let tokens = with_padding_row(tokens, vocabulary, width)?;
    let head = head.map_or_else(|| Ok(tokens.clone()), |head| with_padding_row(head, vocabulary, width))?;
    converted.insert("tokens.weight".into(), tokens);
    converted.insert("head.weight".into(), head);
    converted
        .insert("head.bias".into(), Array { shape: vec![vocabulary + 1], data: vec![0.0; vocabulary + 1] });
    Ok(())
}

/// Fails if weights are left over.
pub fn check_leftover<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(cupola_nn::Error::Unexpected { names: names.join(", ") }.into())
}

fn misshapen(name: &str, expected: Vec<usize>, found: Vec<usize>) -> Error {
    cupola_nn::Error::WeightShape { name: name.to_owned(), expected, found }.into()
}
