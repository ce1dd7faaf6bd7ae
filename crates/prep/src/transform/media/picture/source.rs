//! Bytes of a picture that end with an error at the deadline of its request: a decoder cannot be interrupted, but it
//! has to read.

use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};

use cupola_budget::Budget;

/// Bytes that a decoder reads between two looks at the deadline: up to four megabytes of pixels.
const READ_AT_ONCE: usize = 1 << 12;

/// Bytes of a picture.
pub(super) struct Source<'a> {
    bytes: Cursor<&'a [u8]>,
    budget: &'a Budget,
}

impl<'a> Source<'a> {
    pub fn new(bytes: &'a [u8], budget: &'a Budget) -> Self {
        Self { bytes: Cursor::new(bytes), budget }
    }
}

impl Read for Source<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.budget.check().map_err(io::Error::other)?;
        self.bytes.read(into)
    }
}

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.budget.check().map_err(io::Error::other)?;
        let rest = self.bytes.fill_buf()?;
        Ok(&rest[..rest.len().min(READ_AT_ONCE)])
    }

    fn consume(&mut self, amount: usize) {
        self.bytes.consume(amount);
    }
}

impl Seek for Source<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cupola_budget::{Accounts, Exceeded, MemoryLimits};
    use image::{DynamicImage, ImageFormat};

    use super::super::{PictureError, decode};
    use super::*;

    fn budget(time: Duration) -> Budget {
        Accounts::new(MemoryLimits::default()).request(None, time)
    }

    #[test]
    fn a_decoder_that_reads_after_the_deadline_gets_an_error() {
        let bytes = [7; 3 * READ_AT_ONCE];
        let time = Duration::from_secs(2);
        let budget = budget(time);
        let mut source = Source::new(&bytes, &budget);
        assert_eq!(source.fill_buf().unwrap().len(), READ_AT_ONCE, "not all of it at once");
        source.consume(READ_AT_ONCE);
        source.seek(SeekFrom::Current(-1)).unwrap();
        let mut some = [0; 10];
        source.read_exact(&mut some).unwrap();
        std::thread::sleep(time);
        assert!(source.fill_buf().is_err() && source.read(&mut some).is_err());
    }

    #[test]
    fn a_late_picture_is_late_rather_than_broken() {
        let late = budget(Duration::ZERO);
        for format in [ImageFormat::Png, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::WebP] {
            let mut file = Cursor::new(Vec::new());
            DynamicImage::new_rgba8(3, 2).write_to(&mut file, format).unwrap();
            assert!(decode(file.get_ref(), &budget(Duration::from_mins(1))).is_ok(), "{format:?}");
            let error = decode(file.get_ref(), &late).err().unwrap();
            assert!(
                matches!(error, PictureError::Exceeded(Exceeded::Deadline { .. })),
                "{format:?}: {error}"
            );
        }
    }
}
