//! The network families: a struct of sizes with its defaults, and one function to a [`Design`].
//!
//! Each file holds one family or close relatives. A family only combines layers of
//! [`layers`](crate::layers); a new family that needs no new layer is one struct here and one variant of
//! [`Family`](crate::Family).

mod blocks;
mod cnn;
mod layer_list;
mod mlp;
mod realmlp;
mod recurrent;
mod resnet;
mod series;
mod tabular;
mod text;
mod transformer;
mod trees;

pub use self::cnn::CnnFamily;
pub use self::layer_list::LayersFamily;
pub use self::mlp::{AutoencoderFamily, MlpFamily};
pub use self::realmlp::RealmlpFamily;
pub use self::recurrent::{Recurrence, TcnFamily};
pub use self::resnet::{Depth, ImageStem, ResnetFamily};
pub use self::series::{DlinearFamily, PatchtstFamily};
pub use self::tabular::{FtTransformerFamily, NumberEmbedding, ResnetTabularFamily, TabmFamily};
pub use self::text::{GptFamily, LlamaFamily, TextTransformerFamily};
pub use self::transformer::VitFamily;
pub(crate) use self::transformer::{Blocks, combiner};
pub use self::trees::{Bagging, Boosting, NumberLoss, RankLoss, TreesSpec, Trend};
