//! Receiver of alerts by webhook: a small listener of its own, for processes that are no model server.
//!
//! A sender shows a token or a signature; of its alerts those that fire for the model are handed to an [`AlertSink`]
//! before the response, so that an alert that was acknowledged is not lost.

mod payload;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use cupola_serving::notify::{is_same_secret, is_signed};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use self::payload::ReceivedAlert;
use self::payload::{received, wanted};
use super::activity::ConnectionLimits;
use super::connections::ConnectionTable;
use super::listener::Listener;
use crate::error::Error;

/// Largest body.
const BODY: usize = 1 << 20;
/// Connections at once.
const CONNECTIONS: usize = 64;
/// Connections of one address at once.
const ADDRESS_CONNECTIONS: usize = 16;
/// Times of a connection: for a head, without a request, and for a part of a response.
const PATIENCE: Duration = Duration::from_secs(10);

/// Store of received alerts.
pub trait AlertSink: Send + Sync {
    /// Stores the alerts of one message; they are on disk when it returns.
    ///
    /// # Errors
    /// The disk fails; then none of them is stored.
    fn store(&self, alerts: &[ReceivedAlert]) -> std::io::Result<()>;

    /// Tells that alerts of other models were ignored.
    fn ignored(&self, models: &[String]);
}

/// Proof that a sender has to give; one of both is enough. Without any, everybody who reaches the address may send.
#[derive(Clone, Default)]
pub struct SenderProof {
    /// Token of `Authorization: Bearer TOKEN`.
    pub token: Option<String>,
    /// Key of the header `X-Cupola-Signature`.
    pub secret: Option<String>,
}

/// Receiver of the alerts of one model.
#[derive(Clone)]
pub struct AlertReceiver {
    model: String,
    proof: SenderProof,
    sink: Arc<dyn AlertSink>,
}

impl AlertReceiver {
    /// Receiver of the alerts of a model.
    pub fn new(model: String, proof: SenderProof, sink: Arc<dyn AlertSink>) -> Self {
        Self { model, proof, sink }
    }

    /// Listens at an address and hands its real port to `ready`; returns after `stop` becomes `true`.
    ///
    /// # Errors
    /// [`Error::BindReceiver`].
    pub async fn run(
        self,
        address: SocketAddr,
        ready: impl FnOnce(SocketAddr),
        stop: watch::Receiver<bool>,
    ) -> Result<(), Error> {
        let bound = TcpListener::bind(address).await;
        let socket = bound.map_err(|source| Error::BindReceiver { address, source })?;
        ready(socket.local_addr()?);
        let limits = ConnectionLimits { head: PATIENCE, idle: PATIENCE, write: PATIENCE };
        let table = ConnectionTable::new(CONNECTIONS, Some(ADDRESS_CONNECTIONS));
        Listener::new(socket, None, self.router(), table, limits).serve(stop).await;
        Ok(())
    }

    fn router(self) -> Router {
        let router = Router::new().route("/", post(receive)).fallback(post(receive));
        router.layer(DefaultBodyLimit::max(BODY)).with_state(self)
    }

    /// `true` if the headers prove that the sender may send a body.
    fn admits(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> bool {
        let SenderProof { token, secret } = &self.proof;
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = text(header::AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
        let by_token = token.as_ref().zip(bearer).is_some_and(|(token, found)| is_same_secret(token, found));
        let signature = text("x-cupola-signature");
        let by_signature = secret
            .as_ref()
            .zip(signature)
            .is_some_and(|(secret, found)| is_signed(secret.as_bytes(), found, now.as_second(), body));
        by_token || by_signature || (token.is_none() && secret.is_none())
    }
}

async fn receive(
    State(receiver): State<AlertReceiver>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return unread(&rejection),
    };
    if !receiver.admits(&headers, &body, Timestamp::now()) {
        return refusal(
            StatusCode::UNAUTHORIZED,
            "the sender is not known: send `Authorization: Bearer TOKEN`, or a valid `X-Cupola-Signature` of at most 5 \
             minutes",
        );
    }
    let Some(alerts) = serde_json::from_slice::<Value>(&body).ok().and_then(|payload| received(&payload))
    else {
        return refusal(
            StatusCode::BAD_REQUEST,
            "expected a JSON object with a list `alerts`, as Alertmanager and Cupola send it, or with a `name`",
        );
    };
    let (own, other) = wanted(alerts, &receiver.model);
    if !other.is_empty() {
        receiver.sink.ignored(&other);
    }
    let (sink, kept) = (Arc::clone(&receiver.sink), own.clone());
    let stored =
        tokio::task::spawn_blocking(move || if kept.is_empty() { Ok(()) } else { sink.store(&kept) });
    match stored.await {
        Ok(Ok(())) => Json(json!({ "accepted": own.len(), "ignored_models": other })).into_response(),
        _ => refusal(StatusCode::SERVICE_UNAVAILABLE, "the alerts could not be written; send them again"),
    }
}

/// Refusal of a body that is too large, or whose connection broke.
fn unread(rejection: &BytesRejection) -> Response {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let message = format!("the body has more than {BODY} bytes; send fewer alerts at once");
            refusal(StatusCode::PAYLOAD_TOO_LARGE, &message)
        }
        status => refusal(status, "failed to read the body; send it again"),
    }
}

fn refusal(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": { "message": message } }))).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::body::Body;
    use cupola_serving::notify::signature;
    use tower::ServiceExt as _;

    use super::*;

    #[derive(Default)]
    struct Stored(Mutex<Vec<String>>, Mutex<Vec<String>>);

    impl AlertSink for Stored {
        fn store(&self, alerts: &[ReceivedAlert]) -> std::io::Result<()> {
            self.0.lock().unwrap().extend(alerts.iter().map(|alert| alert.name.clone()));
            Ok(())
        }

        fn ignored(&self, models: &[String]) {
            self.1.lock().unwrap().extend_from_slice(models);
        }
    }

    /// Status of a response, whose body must be JSON.
    async fn post(receiver: &AlertReceiver, headers: &[(&str, String)], body: Vec<u8>) -> u16 {
        let mut request = axum::extract::Request::builder().method("POST").uri("/hook");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response =
            receiver.clone().router().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), BODY).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"]["message"].is_string(), !status.is_success(), "{body}");
        status.as_u16()
    }

    #[tokio::test]
    async fn a_sender_proves_itself_by_token_or_signature() {
        let stored = Arc::new(Stored::default());
        let proof = SenderProof { token: Some("tok".into()), secret: Some("key".into()) };
        let receiver = AlertReceiver::new("shop".into(), proof, Arc::clone(&stored) as Arc<dyn AlertSink>);
        let body = br#"{"name":"Drift","model":"shop"}"#.to_vec();
        let bearer = |token: &str| [("authorization", format!("Bearer {token}"))];
        assert_eq!(post(&receiver, &[], body.clone()).await, 401);
        assert_eq!(post(&receiver, &bearer("other"), body.clone()).await, 401);
        assert_eq!(post(&receiver, &bearer("tok"), body.clone()).await, 200);
        let now = Timestamp::now().as_second();
        let signed = |key: &[u8], time: i64| [("x-cupola-signature", signature(key, time, &body))];
        assert_eq!(post(&receiver, &signed(b"key", now), body.clone()).await, 200);
        assert_eq!(post(&receiver, &signed(b"yek", now), body.clone()).await, 401);
        assert_eq!(post(&receiver, &signed(b"key", now - 400), body.clone()).await, 401);
        // The signature of another body.
        assert_eq!(post(&receiver, &signed(b"key", now), b"{\"name\":\"Other\"}".to_vec()).await, 401);
        assert_eq!(post(&receiver, &bearer("tok"), b"no json".to_vec()).await, 400);
        assert_eq!(post(&receiver, &bearer("tok"), vec![b' '; BODY + 1]).await, 413);
        assert_eq!(*stored.0.lock().unwrap(), ["Drift", "Drift"]);
        let other = br#"{"name":"Drift","model":"else"}"#.to_vec();
        assert_eq!(post(&receiver, &bearer("tok"), other).await, 200);
        assert_eq!(
            (stored.0.lock().unwrap().len(), stored.1.lock().unwrap().as_slice()),
            (2, &["else".to_owned()][..])
        );
    }
}
