//! Settings of inputs of kind `image`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Random changes of an image in training, drawn for each example and epoch.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Augment {
    /// Mirror left and right, half of the time.
    #[serde(default)]
    pub flip: bool,
    /// Shift by up to so many pixels in each direction; what comes in is 0. The same as padding and
    /// cropping back.
    #[serde(default)]
    pub crop: usize,
    /// Probability of blanking a rectangle of 2 % to 20 % of the area (Zhong et al. 2020).
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub erase: f64,
}
