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
            || cause.downcast_ref().is_some_and(record)
            || cause.downcast_ref().is_some_and(store)
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
        E::Record(error) => record(error),
        _ => false,
    }
}

pub(super) fn record(error: &cupola_registry::Error) -> bool {
    use cupola_registry::Error as E;
    match error {
        E::Unknown { .. }
        | E::Ambiguous { .. }
        | E::Query { .. }
        | E::Moved { .. }
        | E::Misplaced { .. }
        | E::Unlisted { .. }
        | E::Unnamed { .. }
        | E::BrokenGate { .. }
        | E::NoLatest { .. } => true,
        E::Store(error) => store(error),
        E::Index { .. } | E::RunTaken { .. } => false,
    }
}

pub(super) fn store(error: &cupola_store::Error) -> bool {
    use cupola_store::Error as E;
    match error {
        E::Name { .. }
        | E::Reference { .. }
        | E::Version { .. }
        | E::Signature { .. }
        | E::NotAFile { .. }
        | E::NotAFolder { .. }
        | E::VersionLimit { .. } => true,
        E::Io { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
        E::Remote { transient, .. } => !transient,
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
        E::Io { source, .. } => {
            use std::io::ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem};
            matches!(source.kind(), NotADirectory | NotFound | PermissionDenied | ReadOnlyFilesystem)
        }
        E::Store(error) => store(error),
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
        cupola_train::Error::Record(error) => record(error),
        cupola_train::Error::BatchNorm { .. } => true,
        _ => false,
    }
}
