//! The way of every request, whatever it spoke: a version is picked, examples are made, they wait, they
//! are run.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode};
use cupola_prep::{Answer, Label};
use cupola_runtime::{Input, Sealed, Tensor};

use crate::answer::Refusal;
use crate::batcher::{Ran, Reply, Submitted};
use crate::catalog::{Model, Picked};
use crate::state::Shared;
use crate::traces::{Marks, Told};

/// A request before its body is looked at.
pub(crate) struct Asked<'a> {
    pub name: &'a str,
    /// The one that has to answer; where none is named, versions share.
    pub version: Option<u64>,
    pub headers: &'a HeaderMap,
    pub id: &'a str,
    pub began: Instant,
    pub timeout: Duration,
}

/// What came of it.
pub(crate) struct Answered {
    pub input: Input,
    pub model: Arc<Model>,
    pub logits: Vec<f32>,
    pub own: Vec<f32>,
    marks: Marks,
}

impl Answered {
    /// Typed answers.
    pub fn answers(&self) -> Result<Vec<Answer>, Refusal> {
        self.model.sealed.answers(&self.logits, &self.own).map_err(|error| unanswered(&error))
    }

    /// The answers as tensors, those of `wanted` names; all where there are none.
    pub fn tensors(&self, wanted: &[String]) -> Result<Vec<Tensor>, Refusal> {
        self.model.sealed.tensors(&self.logits, &self.own, wanted).map_err(|error| unanswered(&error))
    }
}

/// Logits that make no answer: those of a row may be the row's fault.
fn unanswered(error: &cupola_runtime::Error) -> Refusal {
    match error {
        cupola_runtime::Error::NoAnswer { .. } => misfit(error),
        _ => failed(error),
    }
}

/// Answers a request whose body `read` turns into rows, given what the picked version takes.
pub(crate) async fn ask(
    app: &Arc<Shared>,
    asked: &Asked<'_>,
    read: impl FnOnce(&Sealed) -> Result<Input, Refusal>,
) -> Result<Answered, Refusal> {
    if app.draining.load(Ordering::Acquire) {
        return Err(draining());
    }
    let Picked { model, shadow } = app.catalog.pick(asked.name, asked.version, asked.headers, asked.id)?;
    let done = run(app, asked, &model, read).await;
    let status = done.as_ref().map_or_else(|refusal| refusal.status.as_u16(), |_| 200);
    app.telemetry.answered(asked.name, status);
    model.metrics.answered(asked.began.elapsed().as_secs_f64());
    if let Some(traces) = &app.traces {
        let parts = done.as_ref().map(|answered| answered.marks.parts(asked.began));
        let told = Told {
            operation: "predict",
            name: asked.name,
            version: model.manifest.version,
            request: asked.id,
            status,
            began: asked.began,
            parts: parts.as_ref().map_or(&[], |parts| parts.as_slice()),
            tokens: None,
        };
        traces.note(asked.headers, &told);
    }
    let answered = done?;
    if let Some(shadow) = shadow {
        compare(app, shadow, answered.input.clone(), &answered, asked.timeout);
    }
    Ok(answered)
}

async fn run(
    app: &Shared,
    asked: &Asked<'_>,
    model: &Arc<Model>,
    read: impl FnOnce(&Sealed) -> Result<Input, Refusal>,
) -> Result<Answered, Refusal> {
    let _guest = model.batcher.guest();
    let input = read(&model.sealed)?;
    let examples = model.sealed.examples_from(&input).map_err(|error| misfit(&error))?;
    let own = model.sealed.own(&examples);
    let prepared = Instant::now();
    model.metrics.prepared((prepared - asked.began).as_secs_f64());
    let deadline = asked.began + asked.timeout;
    let Some(submitted) = model.batcher.submit(examples, deadline) else {
        let message = format!("{} requests wait already; try again in a second", app.settings.limits.queue);
        return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "overloaded", message));
    };
    let late = || {
        let message = format!("no answer within {:?}; send fewer rows or allow more time", asked.timeout);
        Refusal::new(StatusCode::GATEWAY_TIMEOUT, "deadline", message)
    };
    let reply = match submitted {
        Submitted::Done(reply) => Ok(reply),
        Submitted::Queued(waiting) => {
            tokio::time::timeout_at(deadline.into(), waiting).await.map_err(|_| late())?
        }
    };
    let ran = match reply {
        Ok(reply) => ran(reply)?,
        // Dropped by the engine for its deadline.
        Err(_) if Instant::now() >= deadline => return Err(late()),
        Err(_) => {
            let message = "the engine has stopped; restart the server";
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "engine_stopped", message));
        }
    };
    let Ran { logits, started, ended } = ran;
    Ok(Answered { input, model: Arc::clone(model), logits, own, marks: Marks { prepared, started, ended } })
}

fn ran(reply: Reply) -> Result<Ran, Refusal> {
    reply.map_err(|error| {
        tracing::error!(%error, "inference failed");
        failed(&error)
    })
}

fn failed(error: &cupola_runtime::Error) -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "inference_failed", error.to_string())
}

pub(crate) fn draining() -> Refusal {
    let message = "the server is draining; send the request to another one";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "draining", message)
}

pub(crate) fn misfit(error: &cupola_runtime::Error) -> Refusal {
    let mut refusal = Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "row_does_not_fit", error.to_string());
    refusal.field = error.place().map(|(row, column)| format!("rows[{}].{column}", row - 1));
    refusal
}

/// Asks another version the same, and counts whether it says the same; nobody waits for it.
fn compare(app: &Arc<Shared>, shadow: Arc<Model>, input: Input, answered: &Answered, timeout: Duration) {
    let Ok(expected) = answered.answers() else { return };
    let app = Arc::clone(app);
    tokio::spawn(async move {
        let same = match shadow.sealed.examples_from(&input) {
            Err(_) => false,
            Ok(examples) => {
                let own = shadow.sealed.own(&examples);
                let Some(waiting) = shadow.batcher.queued(examples, Instant::now() + timeout) else { return };
                let Ok(Ok(ran)) = waiting.await else { return };
                let found = shadow.sealed.answers(&ran.logits, &own);
                found.is_ok_and(|found| alike(&expected, &found))
            }
        };
        app.telemetry.shadowed(&shadow.manifest.name, shadow.manifest.version, same);
    });
}

/// Equal classes and texts, numbers within a thousandth.
fn alike(a: &[Answer], b: &[Answer]) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-3 * a.abs().max(b.abs()).max(1.0);
    let same = |a: &Label, b: &Label| match (a, b) {
        (Label::Number(a), Label::Number(b)) => near(*a, *b),
        (Label::Numbers(a), Label::Numbers(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| near(*a, *b))
        }
        (a, b) => a == b,
    };
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| {
            a.iter().all(|(name, own)| b.get(name).is_some_and(|other| same(&own.value, &other.value)))
        })
}
