//! Errors that the user can correct.

use std::error::Error as StdError;

use super::{Error, causes};

/// `true` if the error, or one that caused it, is a mistake of the user.
pub fn is_user_error(error: &(dyn StdError + 'static)) -> bool {
    causes(error).into_iter().any(|cause| {
        cause.is::<cupola_spec::Problems>()
            || cause.is::<cupola_sources::Error>()
            || cause.is::<cupola_datasets::Error>()
            || cause.is::<cupola_prep::Error>()
            || cause.downcast_ref::<Error>().is_some_and(Error::is_user_error)
            || cause.downcast_ref().is_some_and(runtime)
            || cause.downcast_ref().is_some_and(cupola_registry::Error::is_user_error)
            || cause.downcast_ref().is_some_and(cupola_store::Error::is_user_error)
            || cause.downcast_ref().is_some_and(network)
            || cause.downcast_ref().is_some_and(train)
    })
}

pub(super) fn runtime(error: &cupola_runtime::Error) -> bool {
    use cupola_runtime::Error as E;
    match error {
        E::Rows(_)
        | E::Value { .. }
        | E::NotFinite { .. }
        | E::Horizon { .. }
        | E::NoIntervals
        | E::Coverage { .. }
        | E::TooFewScores { .. }
        | E::NotALanguageModel { .. }
        | E::ContextLength { .. }
        | E::Explain { .. }
        | E::Chat { .. } => true,
        E::Record(error) => error.is_user_error(),
        _ => false,
    }
}

pub(super) fn study(error: &cupola_tune::StudyError) -> bool {
    use cupola_tune::StudyError as E;
    match error {
        E::OtherConfig { .. }
        | E::Missing { .. }
        | E::Tune(_)
        | E::Damaged { .. }
        | E::NotAJournal { .. }
        | E::NoFolder { .. }
        | E::Database { .. }
        | E::NoServer => true,
        E::Io { source, .. } | E::Storage { source, .. } => cupola_store::is_user_io(source),
        E::Store(error) => error.is_user_error(),
        E::LostTrial { .. } | E::Locked { .. } => false,
    }
}

pub(super) fn network(error: &cupola_nn::Error) -> bool {
    use cupola_nn::Error as E;
    matches!(
        error,
        E::Shape(_)
            | E::Input { .. }
            | E::NotFlat { .. }
            | E::Device { .. }
            | E::Disagrees { .. }
            | E::Missing { .. }
            | E::Unexpected { .. }
            | E::WeightShape { .. }
    )
}

pub(super) fn train(error: &cupola_train::Error) -> bool {
    match error {
        cupola_train::Error::Network(error) => network(error),
        cupola_train::Error::Record(error) => error.is_user_error(),
        cupola_train::Error::BatchNorm { .. } => true,
        _ => false,
    }
}
