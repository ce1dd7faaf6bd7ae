//! Architecture of a run's network, from its design and its data.

use cupola_nn::{Architecture, Average, Error, InputSource, LogitPart};
use cupola_prep::{FittedTarget, Plan};
use cupola_spec::{Activation, Block, CnnFamily, Family, Layer, Recurrence, Run, TextTransformerFamily};

/// Architecture of a run for the examples of its plan. A single block enters the trunk directly; of several
/// blocks each one except the table passes an encoder first.
///
/// # Errors
/// A layer that does not fit the shape of its input.
pub fn architecture(run: &Run, plan: &Plan) -> Result<Architecture, Error> {
    let (blocks, names) = (plan.layout().blocks, plan.block_names());
    let mut sources: Vec<InputSource> = Vec::with_capacity(blocks.len());
    let several = blocks.len() > 1;
    for (block, name) in blocks.into_iter().zip(names) {
        let source = if several && !matches!(block, Block::Table { .. }) {
            let declared = run.inputs.iter().find(|input| input.name == name);
            let family = declared.and_then(|input| input.encoder.clone());
            let design = family.unwrap_or_else(|| encoder(&block)).design();
            InputSource { encoder: design.layers.clone(), ..InputSource::new(&design, block) }
        } else {
            InputSource::new(&run.design, block)
        };
        sources.push(InputSource { name: if several { name.to_owned() } else { String::new() }, ..source });
    }
    let average = average(plan.targets.first());
    let combined = run.combine.stacked().filter(|_| several);
    let mut design = run.design.clone();
    if let Some((layers, width)) = &combined {
        design.layers.splice(0..0, layers.clone());
        for source in &mut sources {
            source.encoder.push(Layer::Linear { out: *width, bias: true });
        }
    }
    let logits = LogitPart { width: plan.width(), average };
    let made = Architecture::with_stacking(&run.family, &design, sources, combined.is_some(), logits);
    let mut made = made?;
    if !plan.targets.is_single() {
        let part = |target| LogitPart { width: FittedTarget::width(target), average: self::average(target) };
        made.parts = plan.targets.iter().map(part).collect();
    }
    if let (true, true, FittedTarget::Number { shift, factor, range: Some(range), .. }) =
        (run.design.clip_output, plan.targets.is_single(), plan.targets.first())
    {
        made.logit_range = Some(range.map(|end| (end - shift) * factor));
    }
    if let (true, [_], FittedTarget::Forecast { channel, .. }) =
        (run.design.reversible, made.sources.as_slice(), plan.targets.first())
    {
        made.level = *channel;
    }
    Ok(made)
}

/// Quantity that the members of an ensemble average for a target.
fn average(target: &FittedTarget) -> Average {
    match target {
        FittedTarget::Number { .. }
        | FittedTarget::Forecast { .. }
        | FittedTarget::Reconstruct { .. }
        | FittedTarget::Rank { .. }
        | FittedTarget::Embedding { .. } => Average::Output,
        FittedTarget::Category { .. } if target.width() == 1 => Average::Sigmoid,
        FittedTarget::Category { .. } | FittedTarget::NextToken { .. } => Average::Softmax,
    }
}

/// Default encoder of a block as a vector.
fn encoder(block: &Block) -> Family {
    match block {
        Block::Image { .. } => {
            let activation = Activation::Relu;
            Family::Cnn(CnnFamily { channels: vec![16, 32], hidden: 64, activation, dropout: 0.0 })
        }
        Block::Text { .. } => {
            Family::TextTransformer(TextTransformerFamily { blocks: 1, width: 64, heads: 4, dropout: 0.1 })
        }
        Block::Table { .. } | Block::Series { .. } => {
            Family::Gru(Recurrence { width: 64, layers: 1, bidirectional: false, dropout: 0.0 })
        }
    }
}
