//! Arithmetic that samplers share: random numbers, normal probabilities, linear algebra and minimisation.

pub(crate) mod linear;
mod minimize;
pub(crate) mod normal;
mod stream;

pub(crate) use minimize::minimize;
pub(crate) use stream::DrawStream;
