//! Refusals before a protocol has read the request, in the form of that protocol.

use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use axum::response::Response;
use tonic::Status;

use crate::error::{ApiError, ErrorFormat};

/// Form of a refusal.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RefusalFormat {
    /// Status of gRPC.
    Grpc,
    /// Body of HTTP.
    Http(ErrorFormat),
}

impl RefusalFormat {
    /// Form of the protocol that a request speaks.
    pub fn of<B>(request: &Request<B>) -> Self {
        if is_grpc(request.headers()) {
            Self::Grpc
        } else {
            Self::Http(ErrorFormat::of_path(request.uri().path()))
        }
    }

    /// Response with the error in this form.
    pub fn respond(self, error: ApiError) -> Response {
        match self {
            Self::Grpc => Status::from(error).into_http::<Body>(),
            Self::Http(format) => format.respond(error),
        }
    }
}

/// Refuses a request in the form of its protocol.
pub(crate) fn refuse<B>(request: &Request<B>, error: ApiError) -> Response {
    RefusalFormat::of(request).respond(error)
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}
