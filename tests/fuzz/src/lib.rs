//! Shared parts of the fuzz targets: inputs of two parts, a temporary folder, an in-process server, readers.

mod readers;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use cupola_http::{Server, ServerSettings};
use cupola_import::{ConversionOptions, EncoderHead, HuggingFaceConfig, Pooling};
use cupola_nn::{DeviceChoice, StateDict};
use cupola_registry::Home;
use cupola_runtime::{EngineChoice, Predictor};
use cupola_spec::{ServedModel, Take};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

pub use readers::{READERS, Reader, reader};

/// Bytes before and after the first NUL.
pub fn halves(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

/// Temporary folder for the whole life of the process.
///
/// # Panics
/// If the folder cannot be created.
#[allow(clippy::expect_used, reason = "a target without a folder cannot run")]
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Writes a file.
///
/// # Panics
/// If the file cannot be written.
#[allow(clippy::expect_used, reason = "a target without its file cannot run")]
pub fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("a file");
}

/// Converts a Hugging Face model as `cupola models import` does, to each kind of output.
pub fn import(model: &HuggingFaceConfig, weights: &StateDict) {
    let pooling = Pooling { take: Take::Mean, normalize: true };
    for head in [EncoderHead::Embedding(pooling.into()), EncoderHead::Classes { count: 3 }] {
        let options = ConversionOptions { length: 16, vocabulary: model.vocabulary(), head };
        let _ = model.clone().into_model(weights.clone(), &options);
    }
}

/// Message of the last panic in any thread.
static LAST: Mutex<String> = Mutex::new(String::new());

/// Server within this process.
pub struct App {
    router: Router,
    runtime: Runtime,
}

impl App {
    /// Server with all models of the home in `CUPOLA_HOME`.
    ///
    /// # Panics
    /// If there is no home, or a model fails to load.
    #[allow(clippy::expect_used, reason = "a target without a server cannot run")]
    pub fn open() -> Self {
        // libFuzzer's own hook aborts at caught panics too, such as those of Arrow's reader.
        std::panic::set_hook(Box::new(|panic| {
            *LAST.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
        }));
        let root = std::env::var_os("CUPOLA_HOME").map(PathBuf::from);
        let home = Home::new(root.expect("CUPOLA_HOME must name a home; scripts/fuzz creates one"));
        let device = cupola_nn::open_device(DeviceChoice::Flex, || Err(String::new())).expect("a device");
        let load = move |package: &_| Predictor::load(package, EngineChoice::Candle, &device);
        let server = Server::new(home.clone(), Arc::new(load), ServerSettings::default());
        for model in home.model_names().expect("models") {
            let spec = ServedModel { serve: model, canary: None, shadow: None };
            server.catalog().load(&spec).expect("a model");
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self { router: server.router(), runtime: runtime.expect("a runtime") }
    }

    /// Sends a message of `METHOD PATH`, header lines, an empty line and a body.
    ///
    /// Aborts the process if the response is an internal error.
    #[allow(clippy::print_stderr, reason = "libFuzzer reports the output of a failing target")]
    pub fn send(&self, message: &[u8]) {
        let Some(request) = request(message) else { return };
        let path = request.uri().path().to_owned();
        let (status, body) = self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
            let status = response.status();
            (status, to_bytes(Body::new(response.into_body()), 1 << 30).await)
        });
        let refused =
            [StatusCode::NOT_IMPLEMENTED, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
        if status.is_server_error() && !refused.contains(&status) {
            let panic = LAST.lock().unwrap_or_else(PoisonError::into_inner);
            eprintln!("{path}: {status}: {body:?}; the last panic: {panic}");
            std::process::abort();
        }
    }
}

fn request(message: &[u8]) -> Option<Request<Body>> {
    let end = message.windows(2).position(|pair| pair == b"\n\n")?;
    let head = std::str::from_utf8(&message[..end]).ok()?;
    let mut lines = head.lines();
    let (method, path) = lines.next()?.split_once(' ')?;
    let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).ok()?).uri(path);
    for line in lines {
        let (name, value) = line.split_once(": ")?;
        request = request.header(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
    }
    request.body(Body::from(message[end + 2..].to_vec())).ok()
}
