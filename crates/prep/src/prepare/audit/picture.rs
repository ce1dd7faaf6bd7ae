//! Pictures of sampled rows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::AuditSample;
use crate::plan::Plan;
use crate::transform::{FittedInput, picture_copy, pixel_picture};

impl AuditSample {
    /// Small PNG in Base64 of the picture that a model sees in a row of the sample; `None` for a model without pictures, and
    /// for a broken file.
    pub fn picture(&self, plan: &Plan, row: usize) -> Option<String> {
        let picture = |input: &FittedInput| {
            let FittedInput::Image { columns, .. } = input else { return None };
            let copy = match columns.as_slice() {
                [name] => picture_copy(input, name, self.frame.get(name)?, row),
                _ => None,
            };
            copy.or_else(|| pixel_picture(input, &self.frame, row))
        };
        plan.inputs.iter().find_map(picture).map(|png| STANDARD.encode(png))
    }
}
