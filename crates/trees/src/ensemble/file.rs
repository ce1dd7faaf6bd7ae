//! An ensemble as tensors of `model.safetensors`, so that all packages have the same files.
//!
//! | tensor | type, shape | content |
//! |---|---|---|
//! | `tree.output` | i32 `[trees]` | output whose score the tree adds to |
//! | `tree.nodes` | i32 `[trees]` | number of nodes |
//! | `tree.words` | i32 `[trees]` | number of words of the tree's sets |
//! | `node.feature` | i32 `[nodes]` | column; -1 for a leaf |
//! | `node.left`, `node.right` | i32 `[nodes]` | index of the child in its tree |
//! | `node.flags` | u8 `[nodes]` | 1: missing values go left; 2: split by a set |
//! | `node.threshold` | f32 `[nodes]` | values below it go left |
//! | `node.set` | i32 `[nodes of flag 2, 2]` | first word and number of words |
//! | `node.value` | f64 `[nodes]` | value of a leaf |
//! | `node.cover` | f32 `[nodes]` | weight of the training rows |
//! | `words` | i32 `[words]` | bits of all sets |
//! | `about` | u8 | JSON: version of the format, number of columns, bases and kinds of the scores |
//!
//! The JSON is a tensor: entries of the metadata have no order, so that equal trees would make unequal files.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::{EnsembleOutput, FlatNode, FlatTree, SplitRule, TreeEnsemble};
use crate::error::Error;

/// Version of the format.
const VERSION: u32 = 1;
/// Tensor of the description.
const ABOUT: &str = "about";
/// Flag of a node whose missing values go left.
const MISSING_LEFT: u8 = 1;
/// Flag of a node that splits by a set.
const BY_SET: u8 = 2;

#[derive(Serialize, Deserialize)]
struct Description {
    version: u32,
    columns: usize,
    outputs: Vec<EnsembleOutput>,
}

/// All tensors as little-endian bytes.
#[derive(Default)]
struct Columns {
    output: Vec<u8>,
    nodes: Vec<u8>,
    words: Vec<u8>,
    feature: Vec<u8>,
    left: Vec<u8>,
    right: Vec<u8>,
    flags: Vec<u8>,
    threshold: Vec<u8>,
    set: Vec<u8>,
    value: Vec<u8>,
    cover: Vec<u8>,
    bits: Vec<u8>,
}

impl Columns {
    fn push_tree(&mut self, tree: &FlatTree) {
        for (to, number) in [
            (&mut self.output, tree.output()),
            (&mut self.nodes, tree.nodes().len()),
            (&mut self.words, tree.sets().len()),
        ] {
            push_u32(to, u32::try_from(number).unwrap_or(u32::MAX));
        }
        tree.nodes().iter().for_each(|node| self.push_node(node));
        tree.sets().iter().for_each(|&word| push_u32(&mut self.bits, word));
    }

    fn push_node(&mut self, node: &FlatNode) {
        let (mut threshold, mut flags) = (0.0, 0);
        let (feature, children, value, cover) = match *node {
            FlatNode::Leaf { value, cover } => (u32::MAX, [0, 0], value, cover),
            FlatNode::Split { feature, rule, left, right, missing_left, cover } => {
                flags |= if missing_left { MISSING_LEFT } else { 0 };
                match rule {
                    SplitRule::Below(below) => threshold = below,
                    SplitRule::Within { start, words } => {
                        flags |= BY_SET;
                        push_u32(&mut self.set, start);
                        push_u32(&mut self.set, words);
                    }
                }
                (feature, [left, right], 0.0, cover)
            }
        };
        push_u32(&mut self.feature, feature);
        push_u32(&mut self.left, children[0]);
        push_u32(&mut self.right, children[1]);
        self.flags.push(flags);
        self.threshold.extend(threshold.to_le_bytes());
        self.value.extend(value.to_le_bytes());
        self.cover.extend(cover.to_le_bytes());
    }

    fn views(&self) -> Result<Vec<(&'static str, TensorView<'_>)>, Error> {
        let i32 = Dtype::I32;
        let all: [(_, Dtype, usize, &[u8]); 12] = [
            ("tree.output", i32, 4, &self.output),
            ("tree.nodes", i32, 4, &self.nodes),
            ("tree.words", i32, 4, &self.words),
            ("node.feature", i32, 4, &self.feature),
            ("node.left", i32, 4, &self.left),
            ("node.right", i32, 4, &self.right),
            ("node.flags", Dtype::U8, 1, &self.flags),
            ("node.threshold", Dtype::F32, 4, &self.threshold),
            ("node.set", i32, 4, &self.set),
            ("node.value", Dtype::F64, 8, &self.value),
            ("node.cover", Dtype::F32, 4, &self.cover),
            ("words", i32, 4, &self.bits),
        ];
        let view = |(name, dtype, size, bytes): (_, Dtype, usize, _)| {
            let bytes: &[u8] = bytes;
            let shape = if name == "node.set" { vec![bytes.len() / 8, 2] } else { vec![bytes.len() / size] };
            Ok((name, TensorView::new(dtype, shape, bytes).map_err(invalid)?))
        };
        all.into_iter().map(view).collect()
    }
}

impl TreeEnsemble {
    /// Content of `model.safetensors`.
    ///
    /// # Errors
    /// [`Error::File`] if serialisation fails.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, Error> {
        let mut columns = Columns::default();
        self.trees.iter().for_each(|tree| columns.push_tree(tree));
        let about = Description { version: VERSION, columns: self.columns, outputs: self.outputs.clone() };
        let about = serde_json::to_vec(&about).map_err(invalid)?;
        let mut views = columns.views()?;
        views.push((ABOUT, TensorView::new(Dtype::U8, vec![about.len()], &about).map_err(invalid)?));
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        safetensors::serialize(views, Some(metadata)).map_err(invalid)
    }

    /// Reads the output of [`TreeEnsemble::to_safetensors`].
    ///
    /// # Errors
    /// [`Error::Format`] for trees of an older version, [`Error::File`] for other bytes.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, Error> {
        let file = SafeTensors::deserialize(bytes).map_err(invalid)?;
        let Ok(about) = file.tensor(ABOUT) else {
            let old = ["trees", "forest"].iter().any(|name| file.tensor(name).is_ok());
            return Err(if old { Error::Format } else { invalid("it has no trees") });
        };
        let about: Description = serde_json::from_slice(about.data()).map_err(invalid)?;
        if about.version != VERSION {
            return Err(Error::Format);
        }
        let reader = Reader { file: &file };
        let trees = reader.trees()?;
        Self::new(about.columns, about.outputs, trees)
    }
}

struct Reader<'a> {
    file: &'a SafeTensors<'a>,
}

impl Reader<'_> {
    /// Numbers of a tensor, each of `SIZE` bytes.
    fn numbers<const SIZE: usize, T>(
        &self,
        name: &str,
        dtype: Dtype,
        read: fn([u8; SIZE]) -> T,
    ) -> Result<Vec<T>, Error> {
        let view = self.file.tensor(name).map_err(invalid)?;
        if view.dtype() != dtype {
            return Err(invalid(format!("tensor `{name}` has another type")));
        }
        Ok(view.data().as_chunks::<SIZE>().0.iter().copied().map(read).collect())
    }

    fn u32s(&self, name: &str) -> Result<std::vec::IntoIter<u32>, Error> {
        Ok(self.numbers(name, Dtype::I32, u32::from_le_bytes)?.into_iter())
    }

    fn trees(&self) -> Result<Vec<FlatTree>, Error> {
        let mut nodes = self.nodes()?.into_iter();
        let mut bits = self.u32s("words")?;
        let (outputs, sizes, words) =
            (self.u32s("tree.output")?, self.u32s("tree.nodes")?, self.u32s("tree.words")?);
        let same = outputs.len() == sizes.len() && sizes.len() == words.len();
        let mut trees = Vec::with_capacity(outputs.len());
        for ((output, size), words) in outputs.zip(sizes).zip(words) {
            let (size, words) = (size as usize, words as usize);
            if size > nodes.len() || words > bits.len() {
                return Err(invalid("it has fewer nodes than its trees"));
            }
            let (own, sets) = (nodes.by_ref().take(size).collect(), bits.by_ref().take(words).collect());
            trees.push(FlatTree::new(output as usize, own, sets)?);
        }
        if !same || nodes.len() + bits.len() > 0 {
            return Err(invalid("it has more nodes than its trees"));
        }
        Ok(trees)
    }

    /// The nodes of all trees.
    fn nodes(&self) -> Result<Vec<FlatNode>, Error> {
        let flags = self.numbers("node.flags", Dtype::U8, |[byte]: [u8; 1]| byte)?;
        let threshold = self.numbers("node.threshold", Dtype::F32, f32::from_le_bytes)?;
        let value = self.numbers("node.value", Dtype::F64, f64::from_le_bytes)?;
        let cover = self.numbers("node.cover", Dtype::F32, f32::from_le_bytes)?;
        let feature = self.u32s("node.feature")?;
        let (left, right) = (self.u32s("node.left")?, self.u32s("node.right")?);
        let mut sets = self.u32s("node.set")?;
        let lengths = [flags.len(), threshold.len(), value.len(), cover.len(), left.len(), right.len()];
        if lengths.iter().any(|&length| length != feature.len()) {
            return Err(invalid("its tensors of nodes have different lengths"));
        }
        let mut nodes = Vec::with_capacity(flags.len());
        for (at, ((feature, left), right)) in feature.zip(left).zip(right).enumerate() {
            let cover = cover[at];
            if feature == u32::MAX {
                nodes.push(FlatNode::Leaf { value: value[at], cover });
                continue;
            }
            let rule = if flags[at] & BY_SET == 0 {
                SplitRule::Below(threshold[at])
            } else {
                let (start, words) = (sets.next(), sets.next());
                let (start, words) =
                    start.zip(words).ok_or_else(|| invalid("it has fewer sets than splits by sets"))?;
                SplitRule::Within { start, words }
            };
            let missing_left = flags[at] & MISSING_LEFT != 0;
            nodes.push(FlatNode::Split { feature, rule, left, right, missing_left, cover });
        }
        Ok(nodes)
    }
}

fn push_u32(bytes: &mut Vec<u8>, number: u32) {
    bytes.extend(number.to_le_bytes());
}

fn invalid(error: impl std::fmt::Display) -> Error {
    Error::File { reason: error.to_string() }
}
