//! Residual networks for images, with torchvision's names.

use std::collections::BTreeMap;

use crate::families::act;
use crate::layers::{Activation, Layer};
use crate::model::{Depth, ImageStem};

type Names = BTreeMap<String, String>;

/// He et al. 2016, table 1, with the stride of a bottleneck on its 3x3 convolution as torchvision
/// has it. `width` stands for the 64 channels of the first stage.
pub fn resnet(depth: Depth, width: usize, stem: ImageStem, drop_path: f64) -> (Vec<Layer>, Names) {
    let mut names = Names::from([
        ("trunk.0".to_owned(), "conv1".to_owned()),
        ("trunk.1".to_owned(), "bn1".to_owned()),
        ("head".to_owned(), "fc".to_owned()),
    ]);
    let mut layers = match stem {
        ImageStem::Imagenet => vec![conv(width, 7, 2), Layer::BatchNorm {}, act(Activation::Relu)],
        ImageStem::Small => vec![conv(width, 3, 1), Layer::BatchNorm {}, act(Activation::Relu)],
    };
    if stem == ImageStem::Imagenet {
        layers.push(Layer::MaxPool { kernel: 3, stride: Some(2), padding: 1 });
    }
    let counts: [usize; 4] = if depth == Depth::D18 { [2, 2, 2, 2] } else { [3, 4, 6, 3] };
    let total: usize = counts.iter().sum();
    let expansion = if depth == Depth::D50 { 4 } else { 1 };
    let (mut channels, mut block) = (width, 0);
    for (stage, (&count, inner)) in counts.iter().zip([1, 2, 4, 8].map(|k| k * width)).enumerate() {
        for index in 0..count {
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            let out = inner * expansion;
            let own = format!("layer{}.{index}", stage + 1);
            let at = format!("trunk.{}", layers.len());
            let body = if depth == Depth::D50 { bottleneck(inner, stride) } else { basic(inner, stride) };
            for (place, name) in
                [(0, "conv1"), (1, "bn1"), (3, "conv2"), (4, "bn2"), (6, "conv3"), (7, "bn3")]
            {
                names.insert(format!("{at}.layers.{place}"), format!("{own}.{name}"));
            }
            let shortcut = if stride != 1 || channels != out {
                names.insert(format!("{at}.shortcut.0"), format!("{own}.downsample.0"));
                names.insert(format!("{at}.shortcut.1"), format!("{own}.downsample.1"));
                vec![conv(out, 1, stride), Layer::BatchNorm {}]
            } else {
                Vec::new()
            };
            #[allow(clippy::cast_precision_loss)]
            let drop_path = drop_path * f64::from(block) / (total - 1).max(1) as f64;
            layers.extend([Layer::Residual { layers: body, shortcut, drop_path }, act(Activation::Relu)]);
            channels = out;
            block += 1;
        }
    }
    layers.push(Layer::GlobalAvgPool {});
    (layers, names)
}

fn conv(out: usize, kernel: usize, stride: usize) -> Layer {
    Layer::Conv2d { out, kernel, stride, padding: kernel / 2, bias: false }
}

fn basic(out: usize, stride: usize) -> Vec<Layer> {
    vec![
        conv(out, 3, stride),
        Layer::BatchNorm {},
        act(Activation::Relu),
        conv(out, 3, 1),
        Layer::BatchNorm {},
    ]
}

fn bottleneck(inner: usize, stride: usize) -> Vec<Layer> {
    vec![
        conv(inner, 1, 1),
        Layer::BatchNorm {},
        act(Activation::Relu),
        conv(inner, 3, stride),
        Layer::BatchNorm {},
        act(Activation::Relu),
        conv(4 * inner, 1, 1),
        Layer::BatchNorm {},
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace;

    #[test]
    fn the_sizes_are_torchvisions() {
        // sum(p.numel() for p in torchvision.models.resnetN().parameters()), head of 1000 included.
        for (depth, expected) in
            [(Depth::D18, 11_689_512), (Depth::D34, 21_797_672), (Depth::D50, 25_557_032)]
        {
            let (layers, _) = resnet(depth, 64, ImageStem::Imagenet, 0.0);
            let rows = trace("trunk", &[3, 224, 224], &layers).unwrap();
            let width = rows.last().unwrap().output[0];
            let total: usize = rows.iter().map(|row| row.parameters).sum();
            assert_eq!(total + (width + 1) * 1000, expected, "{depth:?}");
        }
    }
}
