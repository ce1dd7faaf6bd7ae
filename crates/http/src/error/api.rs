//! Errors of requests: the one place where they get a status code.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cupola_budget::Exceeded;
use cupola_serving::{Error, ProtocolError};
use serde_json::json;
use tonic::{Code, Status};

/// Longest message in bytes: a client's own words may be as long as a body.
const MESSAGE_BYTES: usize = 4_096;
/// Longest message over gRPC, where it is a header, which clients limit to a few kilobytes.
const STATUS_BYTES: usize = 2_048;

/// Error of a request.
#[derive(Debug)]
pub(crate) struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// Identifier for programs.
    pub code: &'static str,
    /// Message for people, with the remedy.
    pub message: String,
    /// Path of the value that the error is about: `rows[3].carat`.
    pub field: Option<String>,
    /// Seconds after which the client may try again.
    retry_after: Option<u64>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = bounded(message.into(), MESSAGE_BYTES);
        Self { status, code, message, field: None, retry_after: None }
    }

    /// A body or header that cannot be parsed.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", message)
    }

    /// A parameter with an invalid value.
    pub fn invalid_value(message: impl Into<String>, parameter: &str) -> Self {
        let mut error = Self::new(StatusCode::BAD_REQUEST, "invalid_value", message);
        error.field = Some(parameter.to_owned());
        error
    }

    /// A text that is longer than the model's context.
    pub fn context_length_exceeded(message: impl Into<String>, parameter: &str) -> Self {
        Self { code: "context_length_exceeded", ..Self::invalid_value(message, parameter) }
    }

    /// A path, or a feature of this server, that does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// A method that the path does not support.
    pub fn method_not_allowed(method: &Method) -> Self {
        let message = format!("this path does not support {method}; `Allow` lists the methods of it");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
    }

    /// A content coding or charset that is not supported.
    pub fn unsupported_media(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    }

    /// Columns that the model does not have, in a strict request; `field` is the path of the first of them.
    pub fn unknown_columns(message: impl Into<String>, field: String) -> Self {
        let mut error = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown_column", message);
        error.field = Some(field);
        error
    }

    /// A version that is not a number.
    pub fn invalid_version(version: &str) -> Self {
        let message = format!("invalid version `{version}`; expected a number, as in NAME:1");
        Self::new(StatusCode::NOT_FOUND, "unknown_version", message)
    }

    /// A model that failed to load or unload.
    pub fn not_loaded(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "not_loaded", message)
    }

    /// A model that failed to load since the server has no file descriptors or memory left.
    pub fn out_of_resources(message: String) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_loaded", message)
    }

    /// A body above the limit.
    pub fn too_large(limit: usize) -> Self {
        let message = format!("the body is larger than {limit} bytes; send fewer rows at once");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// A message with more fields or elements of bytes than one may have.
    pub fn too_many_fields(limit: usize) -> Self {
        let message = format!("more than {limit} fields in one message; send fewer, or raw contents");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// A request that stores more rows than one may.
    pub fn too_many_rows(limit: usize) -> Self {
        let message = format!("more than {limit} rows in one request; send them in several");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// A request that did not arrive in time.
    pub fn too_slow(limit: Duration) -> Self {
        let message = format!("the request was not complete within {limit:?}; send it faster");
        Self::new(StatusCode::REQUEST_TIMEOUT, "too_slow", message)
    }

    /// A bug of the server.
    pub fn internal() -> Self {
        let message = "internal error; the server's log has the details";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// Predictions that cannot be written.
    pub fn inference_failed(message: String) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "inference_failed", message)
    }

    /// A route that was registered without the access that it requires.
    pub fn undeclared() -> Self {
        Self::new(StatusCode::FORBIDDEN, "not_for_this", "no scope is declared for this path")
    }

    /// A connection beyond the cap, which may only ask for health.
    pub fn no_connections() -> Self {
        let message = "all connections of this server are in use; try again in a second";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "connections", message)
    }

    /// One endless stream too many of a connection or the server.
    pub fn too_many_streams(limit: usize, of: &str) -> Self {
        let message = format!("this {of} has {limit} endless streams open; close one of them");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "streams", message)
    }

    /// A host that is not a name of this server, which has no keys.
    pub fn foreign_host(host: &str) -> Self {
        let message = format!(
            "the host `{}` is not a name of this server, which has no keys; list it as `hosts` in the server's config, or create a key",
            host.escape_debug()
        );
        Self::new(StatusCode::FORBIDDEN, "foreign_host", message)
    }

    /// A page of another origin that sends a request to a server without keys.
    pub fn foreign_origin(origin: &str) -> Self {
        let message = format!(
            "pages of the origin `{}` may not use this server, which has no keys; list it as `cors` in the server's config",
            origin.escape_debug()
        );
        Self::new(StatusCode::FORBIDDEN, "foreign_origin", message)
    }

    /// A content type that pages may send to other servers without asking.
    pub fn simple_type(kind: &str) -> Self {
        let message = format!(
            "the content type is `{}`, which any web page may send; set `Content-Type: application/json` or that of the rows",
            kind.escape_debug()
        );
        Self::unsupported_media(message)
    }

    /// A call that another listener serves.
    pub fn other_listener(call: &str) -> Self {
        let message = format!("`{}` is not served by this port; see `--admin-port`", call.escape_debug());
        Self::new(StatusCode::NOT_IMPLEMENTED, "other_port", message)
    }

    /// Status 400 in place of 422, which the Open Inference Protocol does not have.
    pub fn without_422(mut self) -> Self {
        if self.status == StatusCode::UNPROCESSABLE_ENTITY {
            self.status = StatusCode::BAD_REQUEST;
        }
        self
    }

    /// Response in the form of the Open Inference Protocol: `{"error": "text"}`.
    pub fn into_text_response(self) -> Response {
        let body = json!({ "error": self.message });
        self.with_body(&body)
    }

    /// Response in the form of `OpenAI`'s API.
    pub fn into_openai_response(self) -> Response {
        let kind = if self.status.is_server_error() { "server_error" } else { "invalid_request_error" };
        let error = json!({ "message": self.message, "type": kind, "param": self.field, "code": self.code });
        let retry = HeaderValue::from_static(if self.may_retry() { "true" } else { "false" });
        let mut response = self.with_body(&json!({ "error": error }));
        response.headers_mut().insert("x-should-retry", retry);
        response
    }

    fn may_retry(&self) -> bool {
        matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
    }

    fn with_body(self, body: &serde_json::Value) -> Response {
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if self.may_retry() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(self.retry_after.unwrap_or(1)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Message whose middle is left out if it is longer than `limit` bytes: the remedy stands at the end.
fn bounded(message: String, limit: usize) -> String {
    if message.len() <= limit {
        return message;
    }
    let half = limit / 2 - 2;
    let (start, end) = (message.floor_char_boundary(half), message.ceil_char_boundary(message.len() - half));
    format!("{}...{}", &message[..start], &message[end..])
}

/// Status and identifier of a request that exceeds its memory or time.
fn classify_exceeded(exceeded: &Exceeded) -> (StatusCode, &'static str) {
    match exceeded {
        Exceeded::Request { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        Exceeded::Caller { .. } | Exceeded::Server { .. } => (StatusCode::TOO_MANY_REQUESTS, "overloaded"),
        Exceeded::Deadline { .. } => (StatusCode::GATEWAY_TIMEOUT, "deadline"),
    }
}

/// Status and identifier of an error.
fn classify(error: &Error) -> (StatusCode, &'static str) {
    if let Some(exceeded) = error.exceeded() {
        return classify_exceeded(&exceeded);
    }
    match error {
        Error::Exceeded(exceeded) => classify_exceeded(exceeded),
        Error::Unauthenticated => (StatusCode::UNAUTHORIZED, "no_key"),
        Error::Forbidden { .. } => (StatusCode::FORBIDDEN, "not_for_this"),
        Error::UnknownModel { .. } => (StatusCode::NOT_FOUND, "unknown_model"),
        Error::UnknownVersion { .. } => (StatusCode::NOT_FOUND, "unknown_version"),
        Error::UnknownDataset(_) => (StatusCode::NOT_FOUND, "unknown_dataset"),
        Error::Row(_) | Error::PushedRow { .. } | Error::FeedbackRow { .. } => {
            (StatusCode::UNPROCESSABLE_ENTITY, "row_does_not_fit")
        }
        Error::Interval(_) => (StatusCode::UNPROCESSABLE_ENTITY, "no_interval"),
        Error::Explain(_) => (StatusCode::UNPROCESSABLE_ENTITY, "not_explained"),
        Error::ResponseFormat(_) | Error::Silence(_) => (StatusCode::BAD_REQUEST, "invalid_value"),
        Error::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, "rate"),
        Error::Overloaded { .. } | Error::PushOverloaded { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, "overloaded")
        }
        Error::Unrecorded => (StatusCode::SERVICE_UNAVAILABLE, "not_recorded"),
        Error::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        Error::EngineStopped => (StatusCode::SERVICE_UNAVAILABLE, "engine_stopped"),
        Error::PushFailed(_) | Error::PushFull(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_written"),
        Error::FeedbackFailed(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_kept"),
        Error::Deadline { .. } | Error::GenerationDeadline => (StatusCode::GATEWAY_TIMEOUT, "deadline"),
        Error::Inference(_) => (StatusCode::INTERNAL_SERVER_ERROR, "inference_failed"),
        Error::Duplicate { .. }
        | Error::Model(_)
        | Error::OtherModel { .. }
        | Error::Keys { .. }
        | Error::Audit { .. }
        | Error::Jwt { .. }
        | Error::Limits { .. }
        | Error::Alerts(_)
        | Error::Monitor(_)
        | Error::Otlp { .. }
        | Error::System(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let (status, code) = classify(&error);
        let option = match &error {
            Error::ResponseFormat(_) => Some("response_format"),
            Error::Interval(_) => Some("interval"),
            Error::Explain(cupola_runtime::Error::Explain { option, .. }) => Some(*option),
            _ => None,
        };
        Self {
            status,
            code,
            message: bounded(error.to_string(), MESSAGE_BYTES),
            field: error
                .location()
                .map(|(row, column)| format!("rows[{}].{column}", row - 1))
                .or(option.map(str::to_owned)),
            retry_after: error.retry_after(),
        }
    }
}

impl From<Exceeded> for ApiError {
    fn from(exceeded: Exceeded) -> Self {
        let (status, code) = classify_exceeded(&exceeded);
        Self::new(status, code, exceeded.to_string())
    }
}

impl ProtocolError for ApiError {
    fn status(&self) -> u16 {
        self.status.as_u16()
    }
}

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Self {
        let code = match error.status {
            StatusCode::BAD_REQUEST
            | StatusCode::UNPROCESSABLE_ENTITY
            | StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::InvalidArgument,
            StatusCode::UNAUTHORIZED => Code::Unauthenticated,
            StatusCode::FORBIDDEN => Code::PermissionDenied,
            StatusCode::NOT_FOUND => Code::NotFound,
            // gRPC has one code for rates, queues and sizes.
            StatusCode::TOO_MANY_REQUESTS | StatusCode::PAYLOAD_TOO_LARGE => Code::ResourceExhausted,
            StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
            StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => Code::DeadlineExceeded,
            StatusCode::NOT_IMPLEMENTED => Code::Unimplemented,
            _ => Code::Internal,
        };
        Self::new(code, bounded(error.message, STATUS_BYTES))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(field) = &self.field {
            error["field"] = field.clone().into();
        }
        self.with_body(&json!({ "error": error }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_keep_their_beginning_and_their_remedy() {
        let error =
            ApiError::malformed(format!("unknown input `{}`; send another", "\u{e4}".repeat(1_000_000)));
        let message = &error.message;
        assert!(message.len() <= MESSAGE_BYTES && message.starts_with("unknown input `\u{e4}"), "{message}");
        assert!(message.contains("...") && message.ends_with("; send another"), "{message}");
        let status = Status::from(error);
        assert!(status.message().len() <= STATUS_BYTES, "{}", status.message());
        assert_eq!(ApiError::malformed("as it is").message, "as it is");
    }

    #[test]
    fn errors_have_their_status_code_field_and_headers() {
        let limited = ApiError::from(Error::RateLimited { wait: Duration::from_millis(2_500) });
        assert_eq!((limited.status.as_u16(), limited.code), (429, "rate"));
        let response = limited.into_openai_response();
        assert_eq!(response.headers()["retry-after"], "3");
        assert_eq!(response.headers()["x-should-retry"], "true");
        let response = ApiError::from(Error::Unauthenticated).into_response();
        assert_eq!(response.status().as_u16(), 401);
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        let column = Some("heat".to_owned());
        let row = ApiError::from(Error::PushedRow { row: 2, column, why: "too hot".to_owned() });
        assert_eq!((row.status.as_u16(), row.code), (422, "row_does_not_fit"));
        assert_eq!(row.field.as_deref(), Some("rows[1].heat"));
        assert_eq!(row.without_422().status.as_u16(), 400);
    }

    #[test]
    fn memory_and_time_have_one_status_wherever_they_run_out() {
        let request = Exceeded::Request { needed: 2, allowed: 1 };
        let prep = cupola_prep::Error::Exceeded(request);
        let row = ApiError::from(Error::Row(cupola_runtime::Error::from(prep)));
        assert_eq!((row.status.as_u16(), row.code), (413, "too_large"));
        assert_eq!(ApiError::from(request).status.as_u16(), 413);
        let server = ApiError::from(Error::from(Exceeded::Server { needed: 2, allowed: 1 }));
        assert_eq!(server.into_response().headers()["retry-after"], "1");
        let late = Exceeded::Deadline { timeout: Duration::from_secs(1) };
        assert_eq!(ApiError::from(late).status.as_u16(), 504);
    }

    #[test]
    fn grpc_codes_follow_the_status() {
        let code = |error: Error| Status::from(ApiError::from(error)).code();
        assert_eq!(code(Error::Unauthenticated), Code::Unauthenticated);
        assert_eq!(code(Error::Overloaded { limit: 1 }), Code::ResourceExhausted);
        assert_eq!(code(Error::Draining), Code::Unavailable);
        assert_eq!(Status::from(ApiError::too_large(1)).code(), Code::ResourceExhausted);
        assert_eq!(code(Error::GenerationDeadline), Code::DeadlineExceeded);
        let unknown = Error::UnknownModel { name: "a".to_owned() };
        assert_eq!(unknown.to_string(), "unknown model `a`; GET /v1/models lists those that you may use");
        assert_eq!(code(unknown), Code::NotFound);
    }
}
