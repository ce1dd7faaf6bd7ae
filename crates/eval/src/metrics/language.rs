//! Metrics of language models.

use std::f64::consts::LN_2;

use super::undefined::Undefined;

/// Perplexity: the exponential of the mean loss of a token in nats.
pub fn perplexity(mean_nats: f64) -> f64 {
    mean_nats.exp()
}

/// Bits per byte of text, which compares models of different vocabularies: `nats`, the summed loss of all tokens,
/// converted to bits and divided by the bytes that these tokens stand for (Gao et al. 2020, "The Pile", section 3.1).
///
/// # Errors
/// [`Undefined::NoRows`] without bytes.
pub fn bits_per_byte(nats: f64, bytes: u64) -> Result<f64, Undefined> {
    if bytes == 0 { Err(Undefined::NoRows) } else { Ok(nats / LN_2 / bytes as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uniform_model_of_bytes_needs_eight_bits_for_each() {
        let nats = 256.0_f64.ln();
        assert!((perplexity(nats) - 256.0).abs() < 1e-9);
        // Tokens of four bytes each, every one as likely as the others among 256.
        assert!((bits_per_byte(nats * 10.0, 40).unwrap() - 2.0).abs() < 1e-12);
        assert_eq!(bits_per_byte(1.0, 0), Err(Undefined::NoRows));
    }
}
