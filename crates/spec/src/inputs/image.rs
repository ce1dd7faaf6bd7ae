//! Settings of inputs of kind `image`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Random augmentation of an image in training, drawn for each example and epoch.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Augment {
    /// Flip left and right with probability 0.5.
    #[serde(default)]
    pub flip: bool,
    /// Largest shift in each direction in pixels; the border is filled with 0. This is the same as padding
    /// and random cropping.
    #[serde(default)]
    pub crop: usize,
    /// Probability of erasing a rectangle of 2 % to 20 % of the area (Zhong et al. 2020).
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub erase: f64,
}
