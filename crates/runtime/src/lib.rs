//! Runtime of trained models: raw rows go through a package's plan and an engine to typed predictions, and prompts to
//! generated text.
//!
//! [`Predictor::load`] reads a package: a [`LoadedPackage`] (plan, signature, chat template), which any thread may read,
//! and an [`Engine`] chosen by [`EngineChoice`]. A request becomes a [`PredictInput`], then examples, then logits, then
//! predictions. Language models whose engine has a [`Decoder`] generate text: a [`Sequence`] for each text, several of
//! them decoded in one pass, with a [`PrefixCache`] for texts that begin alike.
//!
//! | module | contents |
//! |---|---|
//! | `engines` | the engine traits; Burn, candle, trees and ensembles of them; the choice between them |
//! | `generation` | sampling, logits processing, grammars, chat templates, sequences, the prefix cache |
//! | `predict` | packages in memory, request bodies to examples, logits to predictions |

mod engines;
mod error;
mod generation;
mod predict;

pub use cupola_kernels::SimdSupport;
pub use engines::{
    DecodeRequest, Decoder, DecoderCache, Engine, EngineCapabilities, EngineChoice, EngineReport,
    EnsembleConfig, EnsembleMember, blended_values, logits_of_blend,
};
pub use error::Error;
pub use generation::{
    ChatAnswer, ChatPrompt, ChatRenderer, ChatSession, CompiledGrammar, ContextOverflow, FinishReason,
    FunctionSchema, GeneratedText, GenerationParams, Grammar, LogitsProcessor, OmittedOptions, PrefixCache,
    Prompt, PromptMessage, Sampling, Sequence, SequenceOptions, TextPiece, TokenLogprobs,
    check_chat_template,
};
pub use predict::{
    BulkFormat, ElementType, Embedder, EmbeddingOrigin, ExampleRequest, ExplainMethod, ExplainOptions,
    Explanation, ExplanationScale, ForwardPasses, IntervalRequest, LagAttribution, LoadedPackage,
    MOST_EXPLAINED, OutputTensor, PredictInput, Predictor, RowExplanations, TensorSpec, TensorValues,
    TokenAttribution, add_intervals, class_score_of, frame_of, json_lines, json_rows, score_quantiles,
};
