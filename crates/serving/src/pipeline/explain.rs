//! Explanations of predictions, in the processor time that long work has.

use std::sync::Arc;
use std::time::Instant;

use cupola_prep::Examples;
use cupola_runtime::{ExplainOptions, RowExplanations};

use super::{Pipeline, PredictRequest, PredictResponse};
use crate::error::Error;
use crate::processors::WorkSize;

impl Pipeline {
    /// Explains the predictions of a response, per row by the names of the targets. They wait for their turn as other
    /// long work does, and further forward passes for theirs in the model's queue. Their time is counted apart from that
    /// of predictions.
    ///
    /// # Errors
    /// [`Error::Explain`], [`Error::Exceeded`] and [`Error::Deadline`] if time or memory runs out, [`Error::Overloaded`].
    pub async fn explain(
        &self,
        request: &PredictRequest<'_>,
        response: &PredictResponse,
        options: &ExplainOptions,
    ) -> Result<Vec<RowExplanations>, Error> {
        let explain = || {
            let began = Instant::now();
            let mut failed = None;
            let mut forward = |examples| {
                response.forward(request, examples).map_err(|error| {
                    failed = Some(error);
                    cupola_runtime::Error::Stopped
                })
            };
            let (input, model) = ((&response.input, response.logits.as_slice()), &response.version.model);
            let found = model.explain(input, options, request.budget, &mut forward);
            let rows = found.as_ref().map_or(0, Vec::len);
            response.version.metrics.record_explanations(rows, began.elapsed().as_secs_f64());
            found.map_err(|error| failed.unwrap_or_else(|| explain_error(error)))
        };
        self.processors.run(WorkSize::Long, request.budget, explain).await?
    }
}

impl PredictResponse {
    /// Logits of further examples by way of the version's queue. Blocks this thread.
    fn forward(&self, request: &PredictRequest<'_>, examples: Examples) -> Result<Vec<f32>, Error> {
        let scheduler = &self.version.scheduler;
        let deadline = request.began + request.timeout;
        let ticket = scheduler.enqueue(examples, deadline);
        let ticket = ticket.ok_or(Error::Overloaded { limit: scheduler.limits().queue })?;
        match ticket.blocking_recv() {
            Ok(result) => Ok(result.map_err(Error::Inference)?.logits),
            // The engine drops requests whose deadline has passed.
            Err(_) if Instant::now() >= deadline => Err(Error::Deadline { timeout: request.timeout }),
            Err(_) => Err(Error::EngineStopped),
        }
    }
}

fn explain_error(error: cupola_runtime::Error) -> Error {
    match error {
        cupola_runtime::Error::Explain { .. } => Error::Explain(error),
        cupola_runtime::Error::Exceeded(exceeded) => Error::Exceeded(exceeded),
        error => Error::Inference(Arc::new(error)),
    }
}
