//! Forms in which protocols write their errors.

use axum::response::{IntoResponse, Response};

use super::api::ApiError;

/// Form of an error response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorFormat {
    /// `{"error": {"code", "message", "field"?}}`
    Native,
    /// `{"error": "text"}` of the Open Inference Protocol.
    Text,
    /// `{"error": {"message", "type", "param", "code"}}` of `OpenAI`'s API.
    OpenAi,
}

impl ErrorFormat {
    /// Form of the protocol that a path belongs to.
    pub fn of_path(path: &str) -> Self {
        let path = path.trim_end_matches('/');
        let under = |root: &str| path.strip_prefix(root).is_some_and(|r| r.is_empty() || r.starts_with('/'));
        if under("/v2") {
            Self::Text
        } else if under("/v1/embeddings") || under("/v1/completions") || under("/v1/chat") {
            Self::OpenAi
        } else {
            Self::Native
        }
    }

    /// Response with the error in this form.
    pub fn respond(self, error: ApiError) -> Response {
        match self {
            Self::Native => error.into_response(),
            Self::Text => error.into_text_response(),
            Self::OpenAi => error.into_openai_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_has_its_form() {
        for (path, expected) in [
            ("/v1/models/a/predict", ErrorFormat::Native),
            ("/nothing", ErrorFormat::Native),
            ("/v1/completions", ErrorFormat::OpenAi),
            ("/v1/chat/completions/", ErrorFormat::OpenAi),
            ("/v1/chatter", ErrorFormat::Native),
            ("/v2", ErrorFormat::Text),
            ("/v2/models/a/infer", ErrorFormat::Text),
            ("/v20", ErrorFormat::Native),
        ] {
            assert_eq!(ErrorFormat::of_path(path), expected, "{path}");
        }
    }
}
