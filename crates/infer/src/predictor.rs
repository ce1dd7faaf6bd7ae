//! A package in memory: raw rows in, typed predictions out.

use cupola_nn::{Architecture, Opened, StateDict};
use cupola_prep::{Answer, Examples, FittedInput, FittedTarget, Label, Plan, Prediction, Signature};
use cupola_registry::Package;
use cupola_trees::Trees;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::engine::{self, Engine, EngineChoice, EngineReport};
use crate::error::Error;
use crate::generate::{Sampling, last_tokens};
use crate::rows::frame_of;
use crate::trees::TreesEngine;

/// A package in memory.
pub struct Predictor {
    /// The sealed plan.
    pub plan: Plan,
    /// What rows look like and what comes back.
    pub signature: Signature,
    /// Which engine runs it.
    pub report: EngineReport,
    pub(crate) engine: Box<dyn Engine>,
}

impl Predictor {
    /// Reads a package, digests checked, and builds its engine.
    ///
    /// # Errors
    /// Damaged files, files that do not fit each other, a device that fails.
    pub fn load(package: &Package, choice: EngineChoice, device: &Opened) -> Result<Self, Error> {
        let plan: Plan = json(package, "plan.json")?;
        if plan.format_version != Plan::FORMAT_VERSION {
            let (found, own) = (plan.format_version, Plan::FORMAT_VERSION);
            let why = format!("plan.json has format {found}, this binary reads {own}");
            return Err(Error::Package { package: package.label(), why });
        }
        let (engine, report) = match json::<Contents>(package, "config.json")? {
            Contents::Trees { trees } => grown(package, &plan, trees.width)?,
            Contents::Network(architecture) => {
                check(package, &architecture, &plan)?;
                let weights = StateDict::from_safetensors(&package.read("model.safetensors")?)?;
                engine::build(choice, &architecture, &weights, device)?
            }
        };
        Ok(Self { signature: Signature::of(&plan), plan, report, engine })
    }

    /// Examples from JSON rows, ready for [`Predictor::forward`].
    ///
    /// # Errors
    /// The first value that does not fit, with row and column.
    pub fn examples(
        plan: &Plan,
        signature: &Signature,
        rows: &[Map<String, Value>],
    ) -> Result<Examples, Error> {
        Ok(plan.apply(&frame_of(signature, rows)?)?)
    }

    /// Predictions for examples that the plan has made.
    ///
    /// # Errors
    /// When the device fails.
    pub fn forward(&mut self, examples: Examples) -> Result<Vec<Answer>, Error> {
        if examples.rows == 0 {
            return Ok(Vec::new());
        }
        if self.is_language_model() {
            return self.next_tokens(examples);
        }
        // A reconstruction is compared with what went in.
        let compared = matches!(self.plan.target, FittedTarget::Reconstruct { .. });
        let own = if compared { examples.dense.clone() } else { Vec::new() };
        let logits = engine::contained(self.engine.as_mut(), |engine| engine.forward(examples))?;
        let (plan, width) = (&self.plan, self.plan.width());
        let of = |row: usize| own.get(row * width..(row + 1) * width).unwrap_or_default();
        Ok(logits.chunks(width).enumerate().map(|(row, logits)| plan.decode(logits, of(row))).collect())
    }

    /// The likeliest token after each row's text, as a text.
    fn next_tokens(&mut self, examples: Examples) -> Result<Vec<Answer>, Error> {
        let [FittedInput::Text { tokenizer, length, .. }] = self.plan.inputs.as_slice() else {
            return Err(Error::NoLanguageModel { target: self.plan.target.name().to_owned() });
        };
        let (tokenizer, length, width) = (tokenizer.clone(), *length, self.plan.width());
        let name = self.plan.target.name().to_owned();
        let places = last_tokens(&examples);
        let logits = self.logits(examples)?;
        let greedy = Sampling { temperature: 0.0, top_k: 0, top_p: 1.0, seed: 0 };
        let each = logits.chunks(length * width).zip(places).map(|(row, at)| {
            let token = greedy.choose(&row[at * width..(at + 1) * width], 0);
            let text = tokenizer.decode(&[u32::try_from(token).unwrap_or_default()]);
            let value = Label::Text(text.map_err(|why| Error::Tokens { why })?);
            Ok(Answer::from([(name.clone(), Prediction { value, probabilities: None })]))
        });
        each.collect()
    }

    /// Raw logits `[rows, width]`, for parity tests.
    ///
    /// # Errors
    /// When the device fails.
    pub fn logits(&mut self, examples: Examples) -> Result<Vec<f32>, Error> {
        engine::contained(self.engine.as_mut(), |engine| engine.forward(examples))
    }
}

/// `config.json`
#[derive(Deserialize)]
#[serde(untagged)]
enum Contents {
    Trees { trees: TreesConfig },
    Network(Architecture),
}

/// What `config.json` says of trees; the file of them says the rest.
#[derive(Deserialize)]
struct TreesConfig {
    width: usize,
}

/// The engine of a package of trees.
fn grown(package: &Package, plan: &Plan, width: usize) -> Result<(Box<dyn Engine>, EngineReport), Error> {
    let wrong = |why: String| Error::Package { package: package.label(), why };
    let trees = Trees::from_safetensors(&package.read("model.safetensors")?)?;
    if trees.width() != width || width != plan.width() {
        let found = [trees.width(), width, plan.width()];
        return Err(wrong(format!("model.safetensors, config.json and plan.json have {found:?} outputs")));
    }
    // A row of nothing shows whether the trees take what the plan makes.
    let mut engine = TreesEngine(trees);
    engine::contained(&mut engine, |engine| engine.forward(Examples::zeros(plan.layout(), 1)))?;
    let report = engine.report();
    Ok((Box::new(engine), report))
}

fn json<T: DeserializeOwned>(package: &Package, name: &str) -> Result<T, Error> {
    let bytes = package.read(name)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Error::Package { package: package.label(), why: format!("{name}: {error}") })
}

/// Files that were each sealed whole may still not belong together.
fn check(package: &Package, architecture: &Architecture, plan: &Plan) -> Result<(), Error> {
    let wrong = |why: String| Error::Package { package: package.label(), why };
    architecture.table()?;
    let (made, taken) = (plan.layout().blocks, architecture.blocks());
    if made != taken {
        return Err(wrong(format!("plan.json makes examples of {made:?}, config.json takes {taken:?}")));
    }
    if plan.width() != architecture.output {
        let why = format!("plan.json has {} outputs, config.json {}", plan.width(), architecture.output);
        return Err(wrong(why));
    }
    Ok(())
}
