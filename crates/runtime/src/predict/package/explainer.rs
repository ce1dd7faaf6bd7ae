//! Form of a model that explanations need, made for the first of them.

mod options;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cupola_nn::{Architecture, DifferentiableNetwork, Network};
use cupola_trees::{PlainOutput, Trees};

use crate::engines;
use crate::error::Error;

pub use self::options::{ExplainMethod, ExplainOptions};

/// Model of a package, as explanations take it.
#[derive(Default)]
pub(crate) struct Explainer {
    source: ExplainSource,
    trees: OnceLock<Vec<PlainOutput>>,
    /// Steps of `TreeSHAP` for a row, by output.
    steps: OnceLock<Vec<f64>>,
    network: Mutex<Option<Network>>,
}

/// Where the model comes from.
#[derive(Default)]
#[allow(clippy::large_enum_variant, reason = "one for each package")]
enum ExplainSource {
    /// A package that was only described.
    #[default]
    None,
    Trees(Arc<Trees>),
    Network {
        architecture: Architecture,
        read: NetworkReader,
    },
    /// Members of which only the average is explained.
    Ensemble,
}

/// Reads a network onto the CPU.
pub(crate) type NetworkReader = Box<dyn Fn(&Architecture) -> Result<Network, Error> + Send + Sync>;

impl std::fmt::Debug for Explainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Explainer").finish_non_exhaustive()
    }
}

impl Explainer {
    /// Explainer of trees, which it shares with their engine.
    pub fn of_trees(trees: Arc<Trees>) -> Self {
        Self { source: ExplainSource::Trees(trees), ..Self::default() }
    }

    /// Explainer of a network. One that an engine has on the CPU is shared, any other is read at the first explanation.
    pub fn of_network(architecture: Architecture, shared: Option<Network>, read: NetworkReader) -> Self {
        let source = ExplainSource::Network { architecture, read };
        Self { source, network: Mutex::new(shared), ..Self::default() }
    }

    /// Explainer of an ensemble, whose predictions are explained by forward passes.
    pub fn of_ensemble() -> Self {
        Self { source: ExplainSource::Ensemble, ..Self::default() }
    }

    /// Method that is used if `asked` is asked for.
    ///
    /// # Errors
    /// [`Error::Explain`] for a method that the kind of model does not have.
    pub fn method(&self, asked: Option<ExplainMethod>) -> Result<ExplainMethod, Error> {
        let (own, kind) = match self.source {
            ExplainSource::Trees(_) => (ExplainMethod::TreeShap, "trees"),
            ExplainSource::Network { .. } => (ExplainMethod::IntegratedGradients, "a network"),
            ExplainSource::Ensemble => (ExplainMethod::PermutationShapley, "an ensemble"),
            ExplainSource::None => (ExplainMethod::PermutationShapley, "a package without an engine"),
        };
        match asked {
            None => Ok(own),
            Some(method) if method == own || method == ExplainMethod::PermutationShapley => Ok(method),
            Some(method) if own == ExplainMethod::PermutationShapley => {
                let why = format!("`{}` does not explain {kind}; use `{}`", method.name(), own.name());
                Err(Error::explain("method", why))
            }
            Some(method) => {
                let other = ExplainMethod::PermutationShapley.name();
                let why =
                    format!("`{}` does not explain {kind}; use `{}` or `{other}`", method.name(), own.name());
                Err(Error::explain("method", why))
            }
        }
    }

    /// Trees and the plain form of their outputs.
    pub fn trees(&self) -> Result<(&Trees, &[PlainOutput]), Error> {
        let ExplainSource::Trees(trees) = &self.source else {
            return Err(Error::explain("method", "the model has no trees".to_owned()));
        };
        if self.trees.get().is_none() {
            // Two first requests may both convert them; one result is kept.
            let _ = self.trees.set(trees.plain_outputs()?);
        }
        Ok((trees, self.trees.get().map_or(&[], Vec::as_slice)))
    }

    /// Steps of `TreeSHAP` for each output of the trees and a row.
    pub fn shapley_steps(&self) -> Result<&[f64], Error> {
        let (_, outputs) = self.trees()?;
        let steps = || outputs.iter().map(|output| output.trees.shapley_steps()).collect();
        Ok(self.steps.get_or_init(steps))
    }

    /// The network with gradients.
    pub fn network(&self) -> Result<DifferentiableNetwork, Error> {
        let ExplainSource::Network { architecture, read } = &self.source else {
            return Err(Error::explain("method", "the model is not a network".to_owned()));
        };
        let mut network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        let network = match network.as_ref() {
            Some(network) => network,
            None => network.insert(read(architecture)?),
        };
        Ok(engines::differentiable(network))
    }

    /// `true` if padding at the end of a text does not change the logits.
    pub fn trims_padding(&self) -> bool {
        matches!(&self.source, ExplainSource::Network { architecture, .. } if architecture.trims_padding())
    }
}
