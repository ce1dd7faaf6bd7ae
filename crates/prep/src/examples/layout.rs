//! Shape of one example.

use cupola_spec::Block;
use serde::{Deserialize, Serialize};

/// Blocks of one example as the network sees it. The table comes first if there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Blocks in the order of their values.
    pub blocks: Vec<Block>,
}

impl Layout {
    /// Number of real values in one example.
    pub fn dense_width(&self) -> usize {
        self.blocks.iter().map(Block::dense_width).sum()
    }

    /// Number of indices in one example.
    pub fn index_width(&self) -> usize {
        self.blocks.iter().map(Block::index_width).sum()
    }
}

/// A layout as JSON text inside another format: blocks are tagged by their kind, which a compact format such as
/// postcard cannot read back.
pub(super) mod as_json {
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Layout;

    /// Writes the layout as JSON text.
    pub fn serialize<S: Serializer>(layout: &Layout, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::to_string(layout).map_err(S::Error::custom)?.serialize(serializer)
    }

    /// Reads the layout from JSON text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Layout, D::Error> {
        serde_json::from_str(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
