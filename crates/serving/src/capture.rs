//! Data that a server collects: pushed rows, feedback on predictions, recorded predictions.

mod feedback;
mod intake;
mod record;

pub use self::feedback::FeedbackLog;
pub use self::intake::{PushError, RowIntake, RowSink};
pub use self::record::{PredictionRecord, PredictionRecorder, RecordSampler};
