//! Domain classifiers: linear models that tell current rows from those of a reference. The area under the ROC curve for rows that a
//! classifier has not seen is 0.5 where it cannot tell them, and 1 where it always can.
//!
//! Split, draws and training are those of scikit-learn 1.9 with the settings of Evidently 0.7.23, so that the areas are equal.

mod area;
mod descent;
mod halves;
mod stop_words;
mod texts;
mod vocabulary;

pub(crate) use self::area::{area_under_curve, percentile};
pub(crate) use self::descent::{DescentSettings, LinearClassifier, SparseRow};
pub(crate) use self::halves::Halves;
pub(crate) use self::texts::{TextContent, content_words, random_areas};
