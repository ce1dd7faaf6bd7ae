//! Raw rows become examples through a plan that is fitted on the training split and stored with the model.
//!
//! A [`Frame`] holds raw rows. [`ValueRules`] give each value one meaning, whatever its spelling. A [`Derivation`] cleans them and adds computed columns; [`resolve`] turns the
//! inputs of the config (or none) into columns with kinds; [`split_rows`] splits rows by a seeded hash of their
//! content. [`Plan::fit`] learns one transform per input from the training rows, and [`Plan::apply`] maps any row
//! to an example in training, in `predict` and in the server alike. [`prepare`](fn@prepare) runs all of it in memory,
//! [`prepare_stream`] over batches. Random draws are functions of what they are for: see [`draw`].
//!
//! | module | holds |
//! |---|---|
//! | `frame` | raw rows as named columns, and the meaning of their values |
//! | `stats` | moments, quantiles, sketches, draws |
//! | `examples` | encoded rows and targets, in memory or in a file |
//! | `text` | tokenizers |
//! | `features` | which columns the model sees, declared, inferred or computed |
//! | `split` | train, valid and test |
//! | `transform` | one transform per kind of input |
//! | `target` | encoding of targets, decoding of logits |
//! | `plan` | all fitted transforms of a model, its signature, augmentation |
//! | `prepare` | preparation of all splits, in memory or as a stream; raw rows for the evaluation |

mod error;
mod examples;
mod features;
mod frame;
mod plan;
mod prepare;
mod split;
mod stats;
mod target;
mod text;
mod transform;

pub use cupola_values::{CategoryForm, number_text};
pub use error::Error;
pub use examples::{
    CompactLayout, ExampleStore, Examples, ExamplesWithTargets, Layout, SplitExamples, Targets,
};
pub use features::{
    ColumnInspection, ColumnNature, Derivation, FittedFeature, InferredColumn, ResolvedInput,
    inspect_columns, is_identifier, resolve,
};
pub use frame::meaning::{ColumnReading, ExactColumns, ValueRule, ValueRules};
pub use frame::{Column, Frame, NotANumber, list_column};
pub use plan::{
    Augmenter, ColumnPlaces, ColumnType, GroupScores, InputColumn, JoinedPlan, MemberPlaces, OutputColumn,
    Plan, SealedUncertainty, SeriesLabel, SeriesPoints, Signature, TargetScores, TreeColumn,
};
pub use prepare::{
    AuditBuilder, AuditColumn, AuditRows, AuditSample, AuditValues, EmptyFold, FoldedRows, FrameStream,
    Prepared, RequestExample, each_derived, each_with_targets, exact_columns, examples_with_targets,
    first_empty_fold, prepare, prepare_folds, prepare_sealed, prepare_stream,
};
pub use split::{
    Frequency, SeriesOrder, SplitPart, TimeGrid, split_rows, split_rows_without_test, time_grid, time_order,
};
pub use stats::{draw, permutation, unit};
pub use target::{
    CalibrationCurve, ChatTemplate, FittedTarget, GenerationDefaults, NumberOutputs, PredictedValue,
    Prediction, PredictionInterval, Predictions, ProbabilityCalibration, mean_squared_difference,
};
pub use text::FittedTokenizer;
pub use transform::{
    Curve, Donors, FittedCategory, FittedDate, FittedInput, FittedNumber, FittedPart, FittedSeries,
    PictureMeasures, PictureSize, picture_size,
};
