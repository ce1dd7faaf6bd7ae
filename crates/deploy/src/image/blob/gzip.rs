//! Gzip by several threads, with the same bytes for any number of them.

use std::io::{self, Write};
use std::num::NonZero;
use std::thread;

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

/// Bytes that are compressed on their own. They decide the result, the number of threads does not.
const BLOCK: usize = 1 << 20;
/// Compression level: higher ones take twice the time for 3 % less.
const LEVEL: u32 = 4;
/// Operating system of a gzip header: unknown.
const UNKNOWN_SYSTEM: u8 = 255;

/// Compresses blocks as gzip members one after another, which readers take for one stream (RFC 1952, 2.2).
pub(super) struct GzipWriter<W> {
    out: W,
    block: Vec<u8>,
    /// Full blocks that wait until every thread has one.
    full: Vec<Vec<u8>>,
    threads: usize,
}

impl<W: Write> GzipWriter<W> {
    pub fn new(out: W) -> Self {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        Self { out, block: Vec::with_capacity(BLOCK), full: Vec::new(), threads }
    }

    /// Writes the rest and returns the inner writer.
    pub fn finish(mut self) -> io::Result<W> {
        let rest = std::mem::take(&mut self.block);
        if !rest.is_empty() {
            self.full.push(rest);
        }
        self.compress()?;
        Ok(self.out)
    }

    /// Compresses the full blocks, each by a thread, and writes them in order.
    fn compress(&mut self) -> io::Result<()> {
        let blocks = std::mem::take(&mut self.full);
        let members = thread::scope(|scope| {
            let work: Vec<_> = blocks.iter().map(|block| scope.spawn(|| member(block))).collect();
            let join = |handle: thread::ScopedJoinHandle<'_, io::Result<Vec<u8>>>| {
                handle.join().unwrap_or_else(|_| Err(io::Error::other("the compressor panicked")))
            };
            work.into_iter().map(join).collect::<io::Result<Vec<_>>>()
        })?;
        members.iter().try_for_each(|member| self.out.write_all(member))
    }
}

impl<W: Write> Write for GzipWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..count]);
        if self.block.len() == BLOCK {
            self.full.push(std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK)));
            if self.full.len() == self.threads {
                self.compress()?;
            }
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A gzip member without time and name.
fn member(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let header = GzBuilder::new().mtime(0).operating_system(UNKNOWN_SYSTEM);
    let mut encoder: GzEncoder<Vec<u8>> = header.write(Vec::new(), Compression::new(LEVEL));
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::MultiGzDecoder;

    use super::*;

    #[test]
    fn the_bytes_come_back_and_do_not_depend_on_the_threads() {
        let text: Vec<u8> =
            (0..3 * BLOCK + 17).map(|index| ((index * index) >> 7).to_le_bytes()[0]).collect();
        let compress = |threads| {
            let mut writer = GzipWriter { threads, ..GzipWriter::new(Vec::new()) };
            text.chunks(100_003).for_each(|part| writer.write_all(part).unwrap());
            writer.finish().unwrap()
        };
        let one = compress(1);
        assert!(compress(3) == one && compress(8) == one);
        let mut back = Vec::new();
        MultiGzDecoder::new(one.as_slice()).read_to_end(&mut back).unwrap();
        assert!(back == text);
    }
}
