//! Responses with which an object store refuses a request.

use super::bucket::{StoreKind, first_cause};

/// Start of the text of an error that has the response of a store (`object_store` 0.13). Its type is not public.
const RESPONSE: &str = "Server returned non-2xx status code: ";
/// Text of an error about a redirect to another region.
const REDIRECT: &str = "Received redirect without LOCATION";
/// Letters of a code that is shown.
const CODE_LETTERS: usize = 60;

/// Response with which a store has refused a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreRefusal {
    status: u16,
    /// Identifier of the reason, such as `NoSuchBucket`; empty for a response without one.
    code: String,
    /// `true` for a response with a page of HTML.
    is_page: bool,
}

impl StoreRefusal {
    /// Response that caused an error; `None` for an error of another cause.
    pub fn of(error: &object_store::Error) -> Option<Self> {
        let mut source = Some(error as &(dyn std::error::Error + 'static));
        while let Some(cause) = source {
            source = cause.source();
            if source.is_none() {
                return Self::parse(&cause.to_string());
            }
        }
        None
    }

    fn parse(text: &str) -> Option<Self> {
        if text.starts_with(REDIRECT) {
            return Some(Self { status: 301, code: "PermanentRedirect".to_owned(), is_page: false });
        }
        let response = text.strip_prefix(RESPONSE)?;
        let status = response.get(..3)?.parse().ok()?;
        let code = response.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        let code = code.map(|(code, _)| code.trim()).unwrap_or_default();
        let code = code.chars().filter(char::is_ascii_alphanumeric).take(CODE_LETTERS).collect();
        let is_page = response.to_ascii_lowercase().contains("<html");
        Some(Self { status, code, is_page })
    }

    /// `true` if the same request would be refused again.
    pub fn is_lasting(&self) -> bool {
        let passes = [408, 409, 412, 425, 429];
        (300..500).contains(&self.status) && !passes.contains(&self.status) || self.status == 501
    }

    /// `true` if the bucket does not exist.
    pub fn is_of_bucket(&self) -> bool {
        ["NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"].contains(&self.code.as_str())
    }

    /// Reason with its remedy; `None` for a response that says no more than its status.
    pub fn why(&self, kind: StoreKind) -> Option<String> {
        let code = self.code.as_str();
        let why = match code {
            _ if self.is_of_bucket() => {
                "there is no such bucket; create it, or correct the URL".to_owned()
            }
            "InvalidAccessKeyId" => {
                "the store does not know the access key; check AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL".to_owned()
            }
            "SignatureDoesNotMatch" => {
                "the secret key does not belong to the access key; check AWS_SECRET_ACCESS_KEY".to_owned()
            }
            "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => {
                "the session token is not valid any more; get new credentials".to_owned()
            }
            "RequestTimeTooSkewed" | "RequestExpired" => {
                "the clock of this machine is wrong by more than the store allows (15 minutes with S3); set the clock, such as with NTP".to_owned()
            }
            "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
                format!("the bucket is in another region ({code}); set AWS_REGION to it")
            }
            "AccessDenied" | "AuthorizationPermissionMismatch" if kind == StoreKind::Amazon => {
                "access denied; allow s3:GetObject, s3:ListBucket and, for writing, s3:PutObject, or check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned()
            }
            "NotImplemented" => {
                "the store lacks an operation (NotImplemented); use a store with conditional writes".to_owned()
            }
            _ if self.is_page => {
                format!("the answer is a page and not that of an object store; {}", kind.address())
            }
            "" | "NoSuchKey" => return None,
            _ if matches!(self.status, 401 | 403) => {
                format!("the store refuses ({code}); {}", kind.credentials())
            }
            _ => format!("the store refuses ({} {code}); {}", self.status, kind.address()),
        };
        Some(why)
    }
}

/// Message of the innermost cause, with a remedy.
pub(crate) fn innermost_cause(kind: StoreKind, error: &object_store::Error) -> String {
    if let Some(why) = StoreRefusal::of(error).and_then(|refusal| refusal.why(kind)) {
        return why;
    }
    match error {
        object_store::Error::NotFound { path, .. } => format!("no object {path}; check the URL"),
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            format!("the store refuses; {}", kind.credentials())
        }
        other => format!("{}; {}", first_cause(other), kind.address()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: &str, code: &str) -> StoreRefusal {
        let body = format!("<?xml version='1.0'?><Error><Code>{code}</Code><Message>m</Message></Error>");
        StoreRefusal::parse(&format!("Server returned non-2xx status code: {status}: {body}")).unwrap()
    }

    #[test]
    fn each_refusal_has_its_remedy() {
        for (status, code, remedy) in [
            ("404 Not Found", "NoSuchBucket", "create it"),
            ("404 The specified container", "ContainerNotFound", "create it"),
            ("403 Forbidden", "RequestTimeTooSkewed", "set the clock"),
            ("403 Forbidden", "AccessDenied", "s3:PutObject"),
            ("403 Forbidden", "InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"),
            ("403 Forbidden", "SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"),
            ("400 Bad Request", "AuthorizationHeaderMalformed", "AWS_REGION"),
            ("501 Not Implemented", "NotImplemented", "conditional writes"),
        ] {
            let found = refusal(status, code);
            assert!(found.is_lasting(), "{found:?}");
            assert!(found.why(StoreKind::Amazon).unwrap().contains(remedy), "{found:?}");
        }
        let parse = |text: &str| StoreRefusal::parse(&format!("{RESPONSE}{text}")).unwrap();
        let page = parse("404 Not Found: <!DOCTYPE HTML><HTML><body>no</body></HTML>");
        assert!(page.why(StoreKind::Amazon).unwrap().contains("AWS_ENDPOINT_URL"));
        assert_eq!(refusal("404 Not Found", "NoSuchKey").why(StoreKind::Amazon), None);
        assert!(
            !refusal("503 Slow Down", "SlowDown").is_lasting()
                && !refusal("409 Conflict", "OperationAborted").is_lasting()
        );
        assert_eq!(StoreRefusal::parse("Connection refused (os error 111)"), None);
        assert!(StoreRefusal::parse("Received redirect without LOCATION, this").unwrap().is_lasting());
    }
}
