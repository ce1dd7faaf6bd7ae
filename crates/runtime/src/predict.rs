//! Prediction: raw rows or tensors to examples, examples to logits, logits to typed predictions.

mod bulk;
#[cfg(test)]
mod channels;
mod cost;
mod example;
mod explain;
mod forecast;
mod intervals;
mod load;
mod package;
mod predictor;
mod rows;
mod tensors;

pub use bulk::BulkFormat;
pub use example::ExampleRequest;
pub use explain::{
    ExplainMethod, ExplainOptions, Explanation, ExplanationScale, ForwardPasses, LagAttribution,
    MOST_EXPLAINED, RowExplanations, TokenAttribution,
};
pub use intervals::{IntervalRequest, add_intervals, class_score_of, score_quantiles};
pub use package::LoadedPackage;
pub use predictor::{Embedder, EmbeddingOrigin, Predictor};
pub use rows::{frame_of, json_lines, json_rows};
pub use tensors::{ElementType, OutputTensor, PredictInput, TensorSpec, TensorValues};
