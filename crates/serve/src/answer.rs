//! The one shape of every error.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An answer that is no prediction.
#[derive(Debug)]
pub struct Refusal {
    /// HTTP status.
    pub status: StatusCode,
    /// A word for programs.
    pub code: &'static str,
    /// A sentence for people, with the remedy.
    pub message: String,
    /// `rows[3].carat`, where it is about one value.
    pub field: Option<String>,
    /// Seconds until it may be asked again.
    pub again: Option<u64>,
}

impl Refusal {
    /// A refusal that is about no single value.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), field: None, again: None }
    }
}

impl Refusal {
    /// As the Open Inference Protocol has it: `{"error": "text"}`.
    pub fn into_text_response(self) -> Response {
        let body = json!({ "error": self.message });
        self.with_body(&body)
    }

    /// As `OpenAI`'s clients read it.
    pub fn into_openai_response(self) -> Response {
        let kind = if self.status.is_server_error() { "server_error" } else { "invalid_request_error" };
        let error = json!({ "message": self.message, "type": kind, "param": self.field, "code": self.code });
        let again = matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        let mut response = self.with_body(&json!({ "error": error }));
        let again = HeaderValue::from_static(if again { "true" } else { "false" });
        response.headers_mut().insert("x-should-retry", again);
        response
    }

    fn with_body(self, body: &serde_json::Value) -> Response {
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(self.again.unwrap_or(1)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(field) = &self.field {
            error["field"] = field.clone().into();
        }
        self.with_body(&json!({ "error": error }))
    }
}
