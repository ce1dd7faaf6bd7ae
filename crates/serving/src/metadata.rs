//! Request headers without a type of HTTP.

/// Metadata that came with a request: HTTP headers or gRPC metadata.
///
/// Sticky canaries and trace contexts read it. Names are lower case.
pub trait RequestMetadata: Sync {
    /// First value of a name.
    fn value(&self, name: &str) -> Option<&[u8]>;

    /// All names.
    fn names(&self) -> Vec<&str>;
}
