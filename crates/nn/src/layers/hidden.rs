//! The tensor between two layers.

use burn::tensor::{Bool, FloatDType, Tensor};

/// Hidden representation of a batch between two layers.
#[derive(Debug, Clone)]
pub enum Hidden {
    /// `[batch, width]`
    Flat(Tensor<2>),
    /// `[batch, time, width]`, and a padding mask `[batch, time]` that is true at padding; without one, there is none.
    Sequence(Tensor<3>, Option<Tensor<2, Bool>>),
    /// `[batch, channels, height, width]`
    Image(Tensor<4>),
}

/// Applies an expression to the tensor of a [`Hidden`], whatever its rank, and keeps the padding mask.
macro_rules! map_hidden {
    ($hidden:expr, $x:ident => $body:expr) => {
        match $hidden {
            $crate::layers::Hidden::Flat($x) => $crate::layers::Hidden::Flat($body),
            $crate::layers::Hidden::Sequence($x, mask) => $crate::layers::Hidden::Sequence($body, mask),
            $crate::layers::Hidden::Image($x) => $crate::layers::Hidden::Image($body),
        }
    };
}
pub(super) use map_hidden;

impl Hidden {
    /// Sum of two representations of one shape.
    pub fn add(self, other: Self) -> Self {
        match (self, other) {
            (Self::Flat(a), Self::Flat(b)) => Self::Flat(a + b),
            (Self::Sequence(a, mask), Self::Sequence(b, _)) => Self::Sequence(a + b, mask),
            (Self::Image(a), Self::Image(b)) => Self::Image(a + b),
            (a, b) => unreachable!("shapes {:?} and {:?} were traced as equal", a.shape(), b.shape()),
        }
    }

    /// Converts the values to another type.
    pub fn cast(self, dtype: FloatDType) -> Self {
        map_hidden!(self, x => x.cast(dtype))
    }

    /// Sizes of all axes, batch first.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Flat(x) => x.dims().to_vec(),
            Self::Sequence(x, _) => x.dims().to_vec(),
            Self::Image(x) => x.dims().to_vec(),
        }
    }
}

/// Concatenates tensors along axis 1; a single one is returned as it is.
pub fn concat<const D: usize>(mut parts: Vec<Tensor<D>>) -> Tensor<D> {
    if parts.len() == 1 { parts.remove(0) } else { Tensor::cat(parts, 1) }
}
