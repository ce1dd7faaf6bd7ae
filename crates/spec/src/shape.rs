//! Shapes and parameter counts of a layer list, without a tensor.

use crate::layer::{Cell, Layer};

/// One line of the layer table.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ShapeRow {
    /// `PyTorch` name of the module, such as `trunk.3.layers.0`.
    pub name: String,
    /// The layer's `type`.
    pub kind: &'static str,
    /// Shape that goes in, batch axis left out.
    pub input: Vec<usize>,
    /// Shape that comes out, batch axis left out.
    pub output: Vec<usize>,
    /// Number of trained values.
    pub parameters: usize,
}

/// A layer does not fit the shape that reaches it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("layer {name} ({kind}) needs {needs}, but {found:?} reaches it; {remedy}")]
pub struct ShapeError {
    /// Name of the module.
    pub name: String,
    /// The layer's `type`.
    pub kind: &'static str,
    /// What it needs.
    pub needs: &'static str,
    /// The shape that reaches it.
    pub found: Vec<usize>,
    /// What to change.
    pub remedy: &'static str,
}

/// Walks `layers` from an example of shape `input`; names start with `prefix`.
/// The last row's output is what the list gives.
///
/// # Errors
/// The first layer that does not fit.
pub fn trace(prefix: &str, input: &[usize], layers: &[Layer]) -> Result<Vec<ShapeRow>, ShapeError> {
    let mut rows = Vec::new();
    let mut shape = input.to_vec();
    for (index, layer) in layers.iter().enumerate() {
        let name = format!("{prefix}.{index}");
        let row = row(name, layer, &shape, &mut rows)?;
        shape.clone_from(&row.output);
        rows.push(row);
    }
    Ok(rows)
}

fn row(
    name: String,
    layer: &Layer,
    input: &[usize],
    rows: &mut Vec<ShapeRow>,
) -> Result<ShapeRow, ShapeError> {
    let fail = |needs, remedy| ShapeError {
        name: name.clone(),
        kind: layer.kind(),
        needs,
        found: input.to_vec(),
        remedy,
    };
    let flat = || match *input {
        [n] => Ok(n),
        _ => Err(fail("a flat input [width]", "put `flatten`, `take` or `global_avg_pool` before it")),
    };
    let sequence = || match *input {
        [time, width] => Ok((time, width)),
        _ => Err(fail("a sequence [time, width]", "use a text or a series, or `patch` or `feature_tokens`")),
    };
    let image = || match *input {
        [c, h, w] => Ok((c, h, w)),
        _ => Err(fail("an image [channels, height, width]", "use an input of kind `image`, or `linear`")),
    };
    let too_small =
        || fail("an image at least as large as its kernel", "use a smaller kernel or fewer pools");
    // A package's file has not been through the schema that bounds a config.
    let probability = |p: f64| {
        let fits = (0.0..1.0).contains(&p);
        if fits { Ok(()) } else { Err(fail("a probability of at least 0 and below 1", "change it")) }
    };
    let (output, parameters) = match layer {
        Layer::Linear { out, bias } => {
            let (n, mut output) = match *input {
                [n] | [_, n] => (n, input.to_vec()),
                _ => (flat()?, Vec::new()),
            };
            output[input.len() - 1] = *out;
            (output, n * out + if *bias { *out } else { 0 })
        }
        Layer::Conv2d { out, kernel, stride, padding, bias } => {
            let (c, h, w) = image()?;
            let side = |n: usize| window(n + 2 * padding, *kernel, *stride).ok_or_else(too_small);
            let parameters = out * c * kernel * kernel + if *bias { *out } else { 0 };
            (vec![*out, side(h)?, side(w)?], parameters)
        }
        Layer::Conv1d { out, kernel, dilation, causal } => {
            let (time, width) = sequence()?;
            if *kernel == 0 || *dilation == 0 || !causal && kernel % 2 == 0 {
                return Err(fail("an odd kernel, or `causal = true`", "change `kernel`"));
            }
            (vec![time, *out], out * width * kernel + out)
        }
        Layer::MaxPool { kernel, stride, padding } => {
            let (c, h, w) = image()?;
            if 2 * padding > *kernel {
                return Err(fail("a padding of at most half its kernel", "change `padding`"));
            }
            let side = |n| window(n + 2 * padding, *kernel, stride.unwrap_or(*kernel)).ok_or_else(too_small);
            (vec![c, side(h)?, side(w)?], 0)
        }
        Layer::AvgPool { kernel, stride } => {
            let (c, h, w) = image()?;
            let side = |n| window(n, *kernel, stride.unwrap_or(*kernel)).ok_or_else(too_small);
            (vec![c, side(h)?, side(w)?], 0)
        }
        Layer::GlobalAvgPool {} => (vec![image()?.0], 0),
        Layer::Flatten {} => (vec![input.iter().product()], 0),
        Layer::BatchNorm {} => match *input {
            [n] | [n, _, _] => (input.to_vec(), 2 * n),
            _ => return Err(fail("a flat input or an image", "use `layer_norm` on a sequence")),
        },
        Layer::LayerNorm { eps } => {
            if eps.is_some_and(|eps| !(eps > 0.0 && eps < 1.0)) {
                return Err(fail("an `eps` above 0 and below 1", "change `eps`"));
            }
            (input.to_vec(), 2 * last(input))
        }
        Layer::RmsNorm { .. } if input.len() > 2 => {
            return Err(fail("a flat input or a sequence", "use `batch_norm` on an image"));
        }
        Layer::RmsNorm { .. } => (input.to_vec(), last(input)),
        Layer::Dropout { p } => {
            probability(*p)?;
            (input.to_vec(), 0)
        }
        Layer::Activation { .. } => (input.to_vec(), 0),
        Layer::Attention { heads, kv_heads, bias, dropout, rope, rope_scaling, .. } => {
            let (_, width) = sequence()?;
            probability(*dropout)?;
            let kv = kv_heads.unwrap_or(*heads);
            if *heads == 0 || width % heads != 0 || kv == 0 || heads % kv != 0 {
                return Err(fail(
                    "heads that divide the width, and kv_heads that divide heads",
                    "change `heads`",
                ));
            }
            let head = width / heads;
            if *rope && head % 2 != 0 {
                return Err(fail("an even width for each head with `rope`", "change `heads`"));
            }
            if rope_scaling.is_some_and(|scaling| !scaling.is_sound()) {
                return Err(fail(
                    "a `rope_scaling` with a factor of 1 or more, and low below high",
                    "change it",
                ));
            }
            let biases = if *bias { 2 * width + 2 * kv * head } else { 0 };
            (input.to_vec(), 2 * width * width + 2 * width * kv * head + biases)
        }
        Layer::Recurrent { cell, width, bidirectional } => {
            let (time, n) = sequence()?;
            let gates = if *cell == Cell::Lstm { 4 } else { 3 };
            let directions = 1 + usize::from(*bidirectional);
            (vec![time, directions * width], directions * gates * width * (n + width + 2))
        }
        Layer::Patch { size, width } => {
            let (c, h, w) = image()?;
            if *size == 0 || h % size != 0 || w % size != 0 {
                return Err(fail("sides that `size` divides", "change `size`"));
            }
            (vec![(h / size) * (w / size), *width], width * c * size * size + width)
        }
        Layer::ClassToken {} => {
            let (time, width) = sequence()?;
            (vec![time + 1, width], width)
        }
        Layer::Position {} => {
            let (time, width) = sequence()?;
            (input.to_vec(), time * width)
        }
        Layer::FeatureTokens { width } => {
            let n = flat()?;
            (vec![n, *width], 2 * n * width)
        }
        Layer::Periodic { frequencies, sigma } => {
            let n = flat()?;
            if !sigma.is_finite() {
                return Err(fail("a finite `sigma`", "change `sigma`"));
            }
            (vec![n, 2 * frequencies], n * frequencies)
        }
        Layer::Ensemble { members } => (vec![*members, flat()?], 0),
        Layer::BatchEnsemble { out, .. } => {
            let (members, n) = sequence()?;
            (vec![members, *out], n * out + members * (n + 2 * out))
        }
        Layer::Glu { .. } => {
            let n = last(input);
            if !n.is_multiple_of(2) || input.len() > 2 {
                return Err(fail(
                    "a flat input or a sequence of even width",
                    "put a `linear` of even width before it",
                ));
            }
            let mut output = input.to_vec();
            output[input.len() - 1] = n / 2;
            (output, 0)
        }
        Layer::Take { .. } => (vec![sequence()?.1], 0),
        Layer::Transpose {} => {
            let (time, width) = sequence()?;
            (vec![width, time], 0)
        }
        Layer::Decompose { kernel } => {
            let (time, width) = sequence()?;
            if kernel % 2 == 0 {
                return Err(fail("an odd kernel", "change `kernel`"));
            }
            (vec![time, 2 * width], 0)
        }
        Layer::SeriesPatch { length, stride, width } => {
            let (time, n) = sequence()?;
            let count = window(time, *length, *stride)
                .ok_or_else(|| fail("at least as many steps as a stretch has", "use a shorter `length`"))?;
            (vec![count, *width], width * n * length + width)
        }
        Layer::Normalize {} => (vec![flat()?], 0),
        Layer::Residual { layers, shortcut, drop_path } => {
            probability(*drop_path)?;
            let end = |rows: &[ShapeRow]| rows.last().map_or(input.to_vec(), |r| r.output.clone());
            let body = trace(&format!("{name}.layers"), input, layers)?;
            let other = trace(&format!("{name}.shortcut"), input, shortcut)?;
            let (a, b) = (end(&body), end(&other));
            if a != b {
                return Err(ShapeError {
                    found: a,
                    ..fail("both branches to give one shape", "add a `shortcut` that changes the shape too")
                });
            }
            rows.extend(body);
            rows.extend(other);
            (a, 0)
        }
    };
    if output.contains(&0) {
        return Err(fail("sizes of at least 1", "change its size"));
    }
    Ok(ShapeRow { name, kind: layer.kind(), input: input.to_vec(), output, parameters })
}

/// Size of the last axis.
fn last(shape: &[usize]) -> usize {
    shape.last().copied().unwrap_or(0)
}

/// Positions of a window of `kernel` on `n` places: `floor((n - kernel) / stride) + 1`.
fn window(n: usize, kernel: usize, stride: usize) -> Option<usize> {
    (n >= kernel && stride > 0 && kernel > 0).then(|| (n - kernel) / stride + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Activation, Family};

    #[test]
    fn a_cnn_has_the_shapes_and_parameters_of_its_arithmetic() {
        let family =
            Family::Cnn { channels: vec![16, 32], hidden: 64, activation: Activation::Relu, dropout: 0.0 };
        let rows = trace("trunk", &[1, 8, 8], &family.design().layers).unwrap();
        assert_eq!(rows[3].output, [16, 4, 4]);
        assert_eq!(rows[8].output, [128]);
        let total: usize = rows.iter().map(|r| r.parameters).sum();
        // 16*9 + 2*16, 32*16*9 + 2*32, 128*64 + 64
        assert_eq!(total, 144 + 32 + 4608 + 64 + 8192 + 64);
    }

    #[test]
    fn a_misfit_names_the_layer_and_the_remedy() {
        let layers = [Layer::Linear { out: 3, bias: true }];
        let error = trace("trunk", &[1, 8, 8], &layers).unwrap_err();
        assert_eq!(error.name, "trunk.0");
        assert!(
            error.to_string().ends_with("put `flatten`, `take` or `global_avg_pool` before it"),
            "{error}"
        );
    }

    #[test]
    fn a_probability_out_of_range_is_refused() {
        for p in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
            assert!(trace("trunk", &[4], &[Layer::Dropout { p }]).is_err(), "{p}");
        }
    }

    #[test]
    fn zero_sizes_are_refused_not_divided_by() {
        let layers = [Layer::MaxPool { kernel: 0, stride: None, padding: 0 }];
        assert!(trace("trunk", &[1, 8, 8], &layers).is_err());
    }
}
