//! Data that a server collects: pushed rows, feedback on predictions, recorded predictions.

mod feedback;
mod intake;
mod outcomes;
mod record;

pub use self::feedback::FeedbackLog;
pub use self::intake::{PushError, RowIntake, RowSink};
pub use self::outcomes::OutcomeJoin;
pub use self::record::{
    PredictionRecord, PredictionRecorder, Pseudonyms, RecordPrivacy, RecordSampler, RecordedColumn,
    RecordedValues,
};

/// Pushes of rows, and of feedback, that are checked and written at once; further ones are refused.
const MAX_PUSHES: usize = 64;
