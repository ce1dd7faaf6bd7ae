//! Models of other programs: Hugging Face folders, GGUF files, trees of `XGBoost` and `LightGBM` in, Hugging Face folders
//! and safetensors out.
//!
//! [`from_hugging_face`] and [`from_gguf`] give an [`ImportedModel`]: an architecture of Cupola's layers, the weights
//! under Cupola's names, and a plan with the tokenizer. Published, it is a package like any other. Weights of a GGUF
//! file take Hugging Face's names first, so both formats are converted by [`HuggingFaceConfig::into_model`].
//! [`from_xgboost`] and [`from_lightgbm`] give [`ImportedTrees`].
//! [`export_hugging_face`] and [`export_safetensors`] write a package for other programs.

mod error;
mod export;
mod families;
mod gguf;
mod hugging_face;
mod model;
mod package;
mod tokenizer_json;
mod trees;

pub use error::Error;
pub use export::{export_hugging_face, export_safetensors};
pub use families::{
    BertConfig, ConversionOptions, DistilBertConfig, EmbeddingHead, EncoderHead, Gpt2Config,
    HuggingFaceConfig, LlamaConfig, LlamaVariant, ModernBertConfig, Pooling, RopeParameters, RopeSettings,
};
pub use gguf::{GgufModel, from_gguf};
pub use hugging_face::from_hugging_face;
pub use model::{ImportedModel, TextTask};
pub use trees::{ImportedTrees, TreeTarget, from_lightgbm, from_xgboost};
