//! A package in memory: raw rows in, typed predictions out.

use std::borrow::Cow;
use std::sync::Arc;

use cupola_nn::{Architecture, OpenDevice, StateDict};
use cupola_prep::{Examples, Plan, Predictions};
use cupola_registry::Package;
use cupola_trees::Trees;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::engine::{self, Engine, EngineChoice, EngineReport, Turn};
use crate::error::Error;
use crate::kept::Kept;
use crate::sealed::Sealed;
use crate::trees::TreesEngine;

/// Tokens of a language model's texts that are run at once.
const TOKENS: usize = 16_384;

/// A package in memory.
pub struct Predictor {
    /// All but the engine.
    pub sealed: Arc<Sealed>,
    pub(crate) engine: Box<dyn Engine>,
}

impl Predictor {
    /// Reads a package, digests checked, and builds its engine.
    ///
    /// # Errors
    /// Damaged files, files that do not fit each other, a device that fails.
    pub fn load(package: &Package, choice: EngineChoice, device: &OpenDevice) -> Result<Self, Error> {
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
        Ok(Self { sealed: Arc::new(Sealed::new(plan, report)?), engine })
    }

    /// Bytes that the engine keeps of a text of so many tokens.
    pub fn kept_bytes(&self, tokens: usize) -> usize {
        self.engine.kept_bytes(tokens)
    }

    /// Predictions for examples that the plan has made.
    ///
    /// # Errors
    /// When the device fails.
    pub fn forward(&mut self, examples: Examples) -> Result<Vec<Predictions>, Error> {
        let own = self.sealed.own(&examples);
        let logits = self.run(examples)?;
        self.sealed.answers(&logits, &own)
    }

    /// Logits `[rows, width]` that [`Sealed::answers`] takes.
    ///
    /// # Errors
    /// When the device fails; the predictor stays usable.
    pub fn run(&mut self, examples: Examples) -> Result<Vec<f32>, Error> {
        if examples.rows == 0 {
            return Ok(Vec::new());
        }
        let places = self.sealed.places(&examples);
        if places.is_some() && self.keeps() {
            return self.after(&examples);
        }
        let logits = self.logits(examples)?;
        match self.sealed.last(&logits, places.as_deref()) {
            Cow::Borrowed(_) => Ok(logits),
            Cow::Owned(last) => Ok(last),
        }
    }

    /// Logits of the token after each row's text, and of none before. Keys and values are kept of a few rows at once.
    fn after(&mut self, examples: &Examples) -> Result<Vec<f32>, Error> {
        let length = (examples.indices.len() / examples.rows).max(1);
        let lengths: Vec<usize> = examples.text_lengths().collect();
        let rows = (TOKENS / length).max(1);
        let mut out = Vec::with_capacity(examples.rows * self.sealed.plan.width());
        for (texts, lengths) in examples.indices.chunks(rows * length).zip(lengths.chunks(rows)) {
            let mut kept: Vec<Kept> = lengths.iter().map(|_| Kept::default()).collect();
            let each = texts.chunks(length).zip(lengths).zip(&mut kept);
            let mut turns: Vec<Turn<'_>> =
                each.map(|((text, length), kept)| Turn { text: &text[..(*length).max(1)], kept }).collect();
            out.extend(self.next(&mut turns)?.concat());
        }
        Ok(out)
    }

    /// Whether every thread may run it: a GPU's streams and pools are a thread's own.
    pub fn runs_anywhere(&self) -> bool {
        self.engine.runs_anywhere()
    }

    /// Raw logits of the engine, of a language model for every token.
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
