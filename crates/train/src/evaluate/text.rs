//! Metrics of language models per byte of text.

use cupola_eval::{Metrics, bits_per_byte};
use cupola_prep::{ExamplesWithTargets, FittedInput, Plan, Targets};

/// Adds `bits_per_byte` to the metrics of a language model whose mean loss is known, unless its tokenizer does not
/// determine the bytes of a token. Special tokens cost bits and stand for no bytes.
pub(super) fn add_bits_per_byte(metrics: &mut Metrics, plan: &Plan, part: &ExamplesWithTargets) {
    let Targets::Tokens { next, .. } = part.targets.first() else { return };
    let text = plan.inputs.iter().find_map(|input| match input {
        FittedInput::Text { tokenizer, .. } => tokenizer.token_bytes().ok(),
        _ => None,
    });
    let (Some(each), Some(mean)) = (text, metrics.values.get("loss")) else { return };
    let length = |token: &i32| {
        let index = usize::try_from(*token).ok()?;
        each.get(index)?.as_ref().map(Vec::len)
    };
    let bytes: usize = next.iter().filter_map(length).sum();
    let nats = mean * next.len() as f64;
    metrics.insert("bits_per_byte", bits_per_byte(nats, bytes as u64));
}

#[cfg(test)]
mod tests {
    use cupola_prep::{Column, Frame, SplitPart, prepare};

    use super::*;

    #[test]
    fn a_model_of_characters_has_the_bits_of_its_loss() {
        let text = r"
            name = 't'
            seed = 1
            [data]
            source = 'none'
            [model]
            family = 'gpt'
            [[inputs]]
            name = 'text'
            kind = 'text'
            tokens = { kind = 'char', length = 8 }
            [[targets]]
            name = 'text'
            kind = 'next_token'";
        let run = cupola_spec::parse("t", text, &[], &|_| Err(String::new())).unwrap();
        let rows = (0..80).map(|row| Some(format!("to be or not to be {row}")));
        let frame = Frame::default().with("text", Column::texts(rows));
        let prepared = prepare(&run, &frame, None, None).unwrap();
        let part = prepared.part(SplitPart::Train);
        let part = part.gather(&(0..part.len()).collect::<Vec<_>>()).unwrap();
        let mut metrics = Metrics::default();
        metrics.insert("loss", Ok(2.0_f64.ln() * 3.0));
        add_bits_per_byte(&mut metrics, &prepared.plan, &part);
        // Characters of one byte; a special token would add none, so that there were more bits for each.
        let found = metrics.values["bits_per_byte"];
        assert!((2.999..3.6).contains(&found), "{found}");
    }
}
