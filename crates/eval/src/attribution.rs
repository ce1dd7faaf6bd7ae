//! Attributions: shares of one prediction, or of a model's error, that belong to each feature.
//!
//! | module | method | model |
//! |---|---|---|
//! | `tree`, `tree_shap` | exact Shapley values of the path-dependent game (Lundberg et al. 2018) | trees |
//! | `integrated_gradients` | integral of the gradient between a baseline and the input (Sundararajan et al. 2017) | differentiable |
//! | `shapley` | Shapley values estimated from antithetic permutations (Mitchell et al. 2022) | any |
//! | `importance` | loss of a score when one feature is shuffled (Breiman 2001) | any |
//! | `dependence`, `ale` | mean prediction, and accumulated local effect, by the value of one feature | any |
//!
//! Models are closures over batches in row-major order, so this crate knows neither networks nor files.

mod ale;
mod dependence;
mod importance;
mod integrated_gradients;
mod shapley;
mod tree;
mod tree_shap;

pub use ale::{AleCurve, ale};
pub use dependence::{DependenceCurve, dependence_grid, partial_dependence};
pub use importance::{FeatureImportance, permutation_importance};
pub use integrated_gradients::{IntegratedGradients, PathGradients, integrated_gradients};
pub use shapley::{PermutationShapley, ShapleyBudget, permutation_shapley};
pub use tree::{AdditiveTrees, PlainTree, TreeNode};
