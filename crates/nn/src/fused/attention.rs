//! Self-attention.

use burn::backend::flex::FlexTensor;
use burn::backend::{BackendTensor, DispatchTensorKind, TensorMetadata};
use burn::nn::Dropout;
use burn::tensor::{Bool, BoolStore, DType, Tensor};
use cupola_kernels::ScoreRules;
use cupola_kernels::training::attention::{
    self as kernel, AttentionInputs, AttentionShape, ForwardValues, Heads,
};
use cupola_kernels::training::dropout::DropoutMask;

use super::dropout::{draw_mask, is_active};
use super::{FusedOp, apply, contiguous, flex, is_supported, values, wrap};

/// Weighted values `[batch, time, heads * head_width]` of queries `[batch, heads, time, head_width]`, and keys and values
/// `[batch, kv_heads, time, head_width]`; no step attends where `padding` `[batch, time]` is true, and `dropout` applies to
/// the weights in training. `None` if the device or type has no kernel.
pub(crate) fn attention(
    [q, k, v]: [&Tensor<4>; 3],
    rules: ScoreRules,
    padding: Option<&Tensor<2, Bool>>,
    dropout: &Dropout,
) -> Option<Tensor<3>> {
    let padding = match padding {
        Some(padding) => Some(booleans(padding)?),
        None => None,
    };
    let inputs = [q, k, v].map(|x| x.clone().into_dispatch());
    // The composed operations have draws of their own.
    if !inputs.iter().all(is_supported) {
        return None;
    }
    let dropout = is_active(dropout, q).then(|| draw_mask(dropout));
    apply(AttentionOp { rules, padding, dropout }, inputs).ok().map(wrap)
}

/// Values of a Boolean tensor on Flex.
fn booleans(tensor: &Tensor<2, Bool>) -> Option<Vec<bool>> {
    let DispatchTensorKind::Flex(BackendTensor::Bool(tensor)) = tensor.clone().into_dispatch().kind else {
        return None;
    };
    let tensor = contiguous(tensor);
    let (start, end) = tensor.layout().contiguous_offsets()?;
    match tensor.dtype() {
        DType::Bool(BoolStore::Native | BoolStore::U8) => {
            Some(tensor.bytes()[start..end].iter().map(|value| *value != 0).collect())
        }
        _ => None,
    }
}

#[derive(Debug)]
struct AttentionOp {
    rules: ScoreRules,
    padding: Option<Vec<bool>>,
    dropout: Option<DropoutMask>,
}

impl AttentionOp {
    fn inputs<'a>(&'a self, [q, k, v]: [&'a FlexTensor; 3]) -> AttentionInputs<'a> {
        let [batch, heads, time, head_width] = q.shape().dims();
        let [_, kv_heads, _, _] = k.shape().dims();
        AttentionInputs {
            q: heads_of(q),
            k: heads_of(k),
            v: heads_of(v),
            rules: &self.rules,
            padding: self.padding.as_deref(),
            dropout: self.dropout,
            shape: AttentionShape { batch, time, heads, kv_heads, head_width },
        }
    }
}

/// Non-negative distances of the axes, if the values of a head lie side by side.
fn strides(tensor: &FlexTensor) -> Option<[usize; 3]> {
    let [text, head, token, 1] = *tensor.layout().strides() else { return None };
    let distance = |stride: isize| usize::try_from(stride).ok();
    Some([distance(text)?, distance(head)?, distance(token)?])
}

fn heads_of(tensor: &FlexTensor) -> Heads<'_> {
    let Some(strides) = strides(tensor) else { unreachable!("inputs are arranged: {tensor:?}") };
    Heads { values: &tensor.storage()[tensor.layout().start_offset()..], strides }
}

/// Inputs are queries, keys and values.
impl FusedOp<3> for AttentionOp {
    type Saved = ([FlexTensor; 3], FlexTensor, Vec<f32>);

    /// Heads are read where they lie.
    fn arrange(input: FlexTensor) -> FlexTensor {
        if strides(&input).is_some() { input } else { input.to_contiguous() }
    }

    fn forward(&self, inputs: [FlexTensor; 3]) -> (FlexTensor, Self::Saved) {
        let found = kernel::forward(&self.inputs(inputs.each_ref()));
        let [batch, heads, time, head_width] = inputs[0].shape().dims();
        let y = flex(found.y, [batch, time, heads * head_width]);
        (y.clone(), (inputs, y, found.log_sums))
    }

    fn backward(
        &self,
        (inputs, y, log_sums): Self::Saved,
        gradient: FlexTensor,
        _: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let kept = ForwardValues { y: values(&y), log_sums: &log_sums };
        let found = kernel::backward(&self.inputs(inputs.each_ref()), kept, values(&gradient));
        let [batch, heads, time, width] = inputs[0].shape().dims();
        let [_, kv_heads, _, _] = inputs[1].shape().dims();
        // The layout of the projections, whose reshaping then copies nothing.
        let turned = |values: Vec<f32>, heads: usize| {
            let tensor = flex(values, [batch, time, heads, width]);
            let layout = tensor.layout().transpose(1, 2);
            Some(tensor.with_layout(layout))
        };
        [turned(found.q, heads), turned(found.k, kv_heads), turned(found.v, kv_heads)]
    }
}
