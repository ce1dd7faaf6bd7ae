//! Access that routes and calls declare.

use cupola_serving::access::Scope;

/// Access that a route requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// None: everybody.
    Public,
    /// None, but handlers show more to the holder of a key. A key that is sent must be valid.
    OptionalKey,
    /// Any key. Handlers whose body names the model check its scope themselves.
    AnyKey,
    /// A key with the scope.
    Scope(Scope),
    /// A key with the scope `predict` for the model in the path, `{name}`, which may read `NAME:VERSION`.
    Model,
    /// A key with the scope `rows` for the dataset in the path, `{name}`.
    Dataset,
}
