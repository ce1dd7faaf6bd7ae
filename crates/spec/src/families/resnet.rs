//! Residual networks for images with torchvision's names: `resnet`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::families::blocks::activation;
use crate::layers::{Activation, Layer};
use crate::model::Design;

/// Sizes of a residual network (He et al. 2016).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ResnetFamily {
    /// Number of layers of the published network: 18, 34 or 50.
    pub depth: Depth,
    /// Channels of the first stage; 64 in the paper.
    pub width: usize,
    /// `imagenet` begins with a 7x7 convolution and a pool, which leave a quarter of each side; `small`
    /// begins with a 3x3 convolution, for images of about 32x32.
    pub stem: ImageStem,
    /// Stochastic depth: probability of skipping the last block in training. It rises linearly from 0 at the
    /// first block.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub drop_path: f64,
}

impl Default for ResnetFamily {
    fn default() -> Self {
        Self { depth: Depth::D18, width: 64, stem: ImageStem::Imagenet, drop_path: 0.0 }
    }
}

/// Depth of a residual network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// `ResNet`-18: two basic blocks in each stage.
    D18,
    /// `ResNet`-34: 3, 4, 6 and 3 basic blocks.
    D34,
    /// `ResNet`-50: 3, 4, 6 and 3 bottleneck blocks.
    D50,
}

/// First layers of a residual network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageStem {
    /// A 7x7 convolution with stride 2, then a 3x3 pool with stride 2.
    #[default]
    Imagenet,
    /// A 3x3 convolution.
    Small,
}

impl Depth {
    /// The depth as a number.
    pub fn number(self) -> u8 {
        match self {
            Self::D18 => 18,
            Self::D34 => 34,
            Self::D50 => 50,
        }
    }
}

impl Serialize for Depth {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.number())
    }
}

impl<'de> Deserialize<'de> for Depth {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            18 => Ok(Self::D18),
            34 => Ok(Self::D34),
            50 => Ok(Self::D50),
            other => Err(serde::de::Error::custom(format!("unknown depth {other}; write 18, 34 or 50"))),
        }
    }
}

impl JsonSchema for Depth {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Depth".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "enum": [18, 34, 50], "description": "18, 34 or 50" })
    }
}

impl ResnetFamily {
    /// He et al. 2016, table 1, with the stride of a bottleneck on its 3x3 convolution, as in torchvision.
    pub(crate) fn design(&self) -> Design {
        let mut trunk = Trunk::new(self);
        let bottlenecks = self.depth == Depth::D50;
        let counts: [u32; 4] = if self.depth == Depth::D18 { [2, 2, 2, 2] } else { [3, 4, 6, 3] };
        let last = f64::from(counts.iter().sum::<u32>() - 1);
        let mut channels = self.width;
        let mut block = 0;
        for (stage, (&count, inner)) in counts.iter().zip([1, 2, 4, 8].map(|k| k * self.width)).enumerate() {
            for index in 0..count {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                let (out, body) = if bottlenecks {
                    (4 * inner, bottleneck(inner, stride))
                } else {
                    (inner, basic(inner, stride))
                };
                let shortcut = (stride != 1 || channels != out).then(|| conv(out, 1, stride));
                let drop_path = self.drop_path * f64::from(block) / last;
                trunk.block(&format!("layer{}.{index}", stage + 1), body, shortcut, drop_path);
                channels = out;
                block += 1;
            }
        }
        trunk.layers.push(Layer::GlobalAvgPool {});
        Design { names: trunk.names, ..Design::from_layers(trunk.layers) }
    }
}

/// The layers so far and torchvision's names of their modules.
struct Trunk {
    layers: Vec<Layer>,
    names: BTreeMap<String, String>,
}

impl Trunk {
    /// The stem of the network.
    fn new(family: &ResnetFamily) -> Self {
        let (kernel, stride) = match family.stem {
            ImageStem::Imagenet => (7, 2),
            ImageStem::Small => (3, 1),
        };
        let mut layers =
            vec![conv(family.width, kernel, stride), Layer::BatchNorm {}, activation(Activation::Relu)];
        if family.stem == ImageStem::Imagenet {
            layers.push(Layer::MaxPool { kernel: 3, stride: Some(2), padding: 1 });
        }
        let names = [("trunk.0", "conv1"), ("trunk.1", "bn1"), ("head", "fc")];
        let names = names.map(|(place, name)| (place.to_owned(), name.to_owned())).into();
        Self { layers, names }
    }

    /// Adds a residual block that torchvision calls `name`.
    fn block(&mut self, name: &str, body: Vec<Layer>, shortcut: Option<Layer>, drop_path: f64) {
        let place = format!("trunk.{}", self.layers.len());
        for (index, part) in [(0, "conv1"), (1, "bn1"), (3, "conv2"), (4, "bn2"), (6, "conv3"), (7, "bn3")] {
            self.names.insert(format!("{place}.layers.{index}"), format!("{name}.{part}"));
        }
        let mut projection = Vec::new();
        if let Some(conv) = shortcut {
            for index in 0..2 {
                let part = format!("{name}.downsample.{index}");
                self.names.insert(format!("{place}.shortcut.{index}"), part);
            }
            projection = vec![conv, Layer::BatchNorm {}];
        }
        let residual = Layer::Residual { layers: body, shortcut: projection, drop_path };
        self.layers.extend([residual, activation(Activation::Relu)]);
    }
}

fn conv(out: usize, kernel: usize, stride: usize) -> Layer {
    Layer::Conv2d { out, kernel, stride, padding: kernel / 2, bias: false }
}

fn basic(out: usize, stride: usize) -> Vec<Layer> {
    vec![
        conv(out, 3, stride),
        Layer::BatchNorm {},
        activation(Activation::Relu),
        conv(out, 3, 1),
        Layer::BatchNorm {},
    ]
}

fn bottleneck(inner: usize, stride: usize) -> Vec<Layer> {
    vec![
        conv(inner, 1, 1),
        Layer::BatchNorm {},
        activation(Activation::Relu),
        conv(inner, 3, stride),
        Layer::BatchNorm {},
        activation(Activation::Relu),
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
            let family = ResnetFamily { depth, width: 64, stem: ImageStem::Imagenet, drop_path: 0.0 };
            let layers = family.design().layers;
            let rows = trace("trunk", &[3, 224, 224], &layers).unwrap();
            let width = rows.last().unwrap().output[0];
            let total: usize = rows.iter().map(|row| row.parameters).sum();
            assert_eq!(total + (width + 1) * 1000, expected, "{depth:?}");
        }
    }
}
