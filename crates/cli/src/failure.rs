//! Whose fault an error is.

use anyhow::Error;

/// 2 for the user's mistake, 1 for everything else.
pub fn exit_code(error: &Error) -> u8 {
    let is_mistake = error.chain().any(|cause| {
        cause.is::<cupola_spec::Problems>()
            || cause.is::<cupola_datasets::Error>()
            || cause.is::<cupola_sources::Error>()
            || cause.is::<cupola_prep::Error>()
            || cause.is::<Mistake>()
            || cause.downcast_ref::<cupola_runtime::Error>().is_some_and(infer)
            || cause.downcast_ref::<cupola_registry::Error>().is_some_and(record)
            || cause.downcast_ref::<cupola_nn::Error>().is_some_and(network)
            || cause.downcast_ref::<cupola_serving::Error>().is_some_and(serve)
            || cause.downcast_ref::<cupola_http::Error>().is_some_and(listen)
            || cause.downcast_ref::<cupola_import::Error>().is_some_and(import)
            || cause.downcast_ref::<cupola_train::Error>().is_some_and(|error| match error {
                cupola_train::Error::Network(error) => network(error),
                cupola_train::Error::Record(error) => record(error),
                _ => false,
            })
    });
    if is_mistake { 2 } else { 1 }
}

fn infer(error: &cupola_runtime::Error) -> bool {
    use cupola_runtime::Error as E;
    match error {
        E::Rows(_) | E::Value { .. } | E::NotFinite { .. } => true,
        E::Record(error) => record(error),
        _ => false,
    }
}

fn record(error: &cupola_registry::Error) -> bool {
    use cupola_registry::Error as E;
    match error {
        E::Unknown { .. } | E::Moved { .. } => true,
        E::Store(error) => stored(error),
        E::Index { .. } => false,
    }
}

fn stored(error: &cupola_store::Error) -> bool {
    use cupola_store::Error as E;
    match error {
        E::Name { .. } | E::Reference { .. } | E::Version { .. } | E::Signature { .. } => true,
        E::Io { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

fn network(error: &cupola_nn::Error) -> bool {
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

fn import(error: &cupola_import::Error) -> bool {
    use cupola_import::Error as E;
    match error {
        E::Network(error) => network(error),
        E::Registry(error) => record(error),
        E::Json(_) => false,
        _ => true,
    }
}

fn serve(error: &cupola_serving::Error) -> bool {
    match error {
        cupola_serving::Error::Model(error) => infer(error),
        cupola_serving::Error::System(_) => false,
        _ => true,
    }
}

fn listen(error: &cupola_http::Error) -> bool {
    match error {
        cupola_http::Error::Serving(error) => serve(error),
        cupola_http::Error::System(_) => false,
        cupola_http::Error::Bind { .. } | cupola_http::Error::Tls { .. } => true,
    }
}

/// A mistake of the user's that no library has a word for.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Mistake(pub String);

/// What was stopped by a signal, in order: nothing has failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Stopped(pub String);
