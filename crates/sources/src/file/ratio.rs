//! Limit of decompression: a small file that is made to fill memory or disk is refused.

use std::io::{Error, Read, Result};

/// Decompressed bytes up to which the ratio does not count: 256 MiB.
const FREE_BYTES: u64 = 256 << 20;
/// Largest ratio of decompressed to compressed bytes.
const MAX_RATIO: u64 = 200;

/// Reader of decompressed bytes that ends with an error when they are too many for the compressed file.
pub(super) struct RatioLimited<R> {
    input: R,
    limit: u64,
    bytes: u64,
}

impl<R: Read> RatioLimited<R> {
    /// Reader of a file of `compressed` bytes.
    pub fn new(input: R, compressed: u64, max_ratio: Option<u64>) -> Self {
        let limit = compressed.saturating_mul(max_ratio.unwrap_or(MAX_RATIO)).max(FREE_BYTES);
        Self { input, limit, bytes: 0 }
    }
}

impl<R: Read> Read for RatioLimited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.input.read(buffer)?;
        self.bytes = self.bytes.saturating_add(count as u64);
        if self.bytes > self.limit {
            return Err(Error::other(format!(
                "it grows beyond {} bytes, as a file made to fill the memory does; raise `data.max_ratio` if you trust it",
                self.limit
            )));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: u64, compressed: u64, ratio: Option<u64>) -> Result<u64> {
        let mut reader = RatioLimited::new(std::io::repeat(0).take(bytes), compressed, ratio);
        std::io::copy(&mut reader, &mut std::io::sink())
    }

    #[test]
    fn only_large_files_of_an_odd_ratio_are_refused() {
        assert!(read(FREE_BYTES, 1, None).is_ok());
        assert!(read(FREE_BYTES + 1, 1, None).unwrap_err().to_string().contains("data.max_ratio"));
        assert!(read(FREE_BYTES + 1, FREE_BYTES / 100, None).is_ok());
        assert!(read(FREE_BYTES + 1, FREE_BYTES / 1_000, Some(2_000)).is_ok());
    }
}
