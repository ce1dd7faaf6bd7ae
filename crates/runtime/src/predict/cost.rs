//! Estimates of the memory and time of a request, before they are spent.

use cupola_prep::{ColumnType, FittedTarget, Plan, Signature};

/// Bytes of a JSON value with its key in the parser's tree.
const JSON_VALUE: usize = 160;
/// Bytes of the prediction of one target, and of its text.
const PREDICTION: usize = 320;
/// Bytes of the probability of one class with its name, and of its text.
const CLASS: usize = 144;
/// Bytes of one number of a vector, as a number and as a JSON value.
const NUMBER: usize = 112;

/// Bytes of a body that the examples of most models are made of within a millisecond.
const QUICK_BYTES: usize = 8_192;
/// Bytes of a body with texts that are tokenised within a millisecond.
const QUICK_TEXT_BYTES: usize = 1_024;

/// Bytes that a JSON body needs while it is parsed: brackets, braces and commas bound its values.
pub(super) fn json_bytes(body: &[u8]) -> usize {
    let values = body.iter().filter(|byte| matches!(byte, b',' | b'{' | b'[')).count();
    (values + 1).saturating_mul(JSON_VALUE).saturating_add(body.len().saturating_mul(2))
}

/// Bytes of the logits, the predictions and the response of one row.
pub(super) fn answer_bytes(plan: &Plan) -> usize {
    // The engine's output, and the request's copy of it.
    let logits = plan.width().saturating_mul(2 * size_of::<f32>());
    let each = plan.targets.iter().map(|target| match target {
        FittedTarget::Category { classes, .. } => classes.len().saturating_mul(CLASS),
        FittedTarget::Forecast { horizon: width, .. } | FittedTarget::Embedding { width, .. } => {
            width.saturating_mul(NUMBER)
        }
        FittedTarget::Number { .. }
        | FittedTarget::Rank { .. }
        | FittedTarget::NextToken { .. }
        | FittedTarget::Reconstruct { .. } => 0,
    });
    each.fold(logits, |sum, target| sum.saturating_add(target).saturating_add(PREDICTION))
}

/// Largest body whose examples are made quickly: none for files, of which a few bytes may be a large picture.
pub(super) fn quick_bytes(signature: &Signature) -> usize {
    let has = |kind| signature.inputs.iter().any(|input| input.kind == kind);
    if has(ColumnType::File) {
        0
    } else if has(ColumnType::Text) {
        QUICK_TEXT_BYTES
    } else {
        QUICK_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_rows_cost_more_than_rows_with_values() {
        let dead = [&b"{\"rows\": ["[..], &b"{},".repeat(1_000), b"{}]}"].concat();
        assert!(json_bytes(&dead) >= 1_000 * JSON_VALUE);
        let row = b"{\"carat\": 0.23, \"cut\": \"Ideal\"},";
        assert!(json_bytes(&row.repeat(1_000)) < 40 * row.len() * 1_000);
    }
}
