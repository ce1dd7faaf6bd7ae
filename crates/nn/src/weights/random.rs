//! Random initial weights.

use cupola_spec::Init;
use xxhash_rust::xxh3::Xxh3;

use super::WeightSource;
use crate::error::Error;

/// Random weights. Each value is a function of the seed, the weight's name and the value's index, drawn on the host, so
/// that every device starts from the same network.
#[derive(Debug, Clone, Copy)]
pub struct RandomWeights {
    /// Seed of the run.
    pub seed: u64,
}

impl WeightSource for RandomWeights {
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    fn take(&mut self, name: &str, shape: &[usize], init: Init) -> Result<Vec<f32>, Error> {
        let n: usize = shape.iter().product();
        let unit = |index: usize| {
            let mut hasher = Xxh3::with_seed(self.seed);
            hasher.update(b"init");
            hasher.update(name.as_bytes());
            hasher.update(&(index as u64).to_le_bytes());
            (hasher.digest() >> 11) as f64 / (1_u64 << 53) as f64
        };
        Ok(match init {
            Init::Constant(value) => vec![value; n],
            Init::Uniform { fan_in } => {
                let bound = 1.0 / (fan_in.max(1) as f64).sqrt();
                (0..n).map(|i| ((2.0 * unit(i) - 1.0) * bound) as f32).collect()
            }
            // Box and Muller 1958.
            Init::Normal { deviation } => (0..n)
                .map(|i| {
                    let radius = (-2.0 * (1.0 - unit(2 * i)).ln()).sqrt();
                    (deviation * radius * (std::f64::consts::TAU * unit(2 * i + 1)).cos()) as f32
                })
                .collect(),
            Init::Angle => (0..n).map(|i| ((2.0 * unit(i) - 1.0) * std::f64::consts::PI) as f32).collect(),
            Init::Signs => (0..n).map(|i| if unit(i) < 0.5 { -1.0 } else { 1.0 }).collect(),
        })
    }
}
