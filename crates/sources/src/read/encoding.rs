//! Text files as UTF-8: the encoding is declared or recognised, and a byte order mark is left out.

use std::io::{Cursor, Read};

use cupola_spec::TextEncoding;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use encoding_rs_io::DecodeReaderBytesBuilder;

use crate::error::Error;
use crate::file::DataFile;

/// Bytes from which encoding and delimiter are recognised.
const SAMPLE_BYTES: u64 = 64 << 10;
/// Bytes that are read at once while a whole file is examined.
const SCAN_BYTES: u64 = 1 << 20;

/// Reader of UTF-8 whose first bytes are known.
pub(crate) struct TextInput {
    /// First bytes, decoded.
    pub sample: Vec<u8>,
    rest: Box<dyn Read + Send>,
}

impl TextInput {
    /// Opens a file with a known encoding.
    pub fn open(file: &DataFile, encoding: &'static Encoding) -> Result<Self, Error> {
        let wrong = |error| file.read_error(error);
        let mut raw = file.reader()?;
        let mut first = Vec::new();
        raw.by_ref().take(SAMPLE_BYTES).read_to_end(&mut first).map_err(wrong)?;
        let mark = Encoding::for_bom(&first).filter(|(found, _)| *found == encoding).map_or(0, |(_, n)| n);
        first.drain(..mark);
        if encoding == UTF_8 {
            return Ok(Self { sample: first, rest: raw });
        }
        let all = Cursor::new(first).chain(raw);
        let mut decoded =
            DecodeReaderBytesBuilder::new().encoding(Some(encoding)).bom_sniffing(false).build(all);
        let mut sample = Vec::new();
        decoded.by_ref().take(SAMPLE_BYTES).read_to_end(&mut sample).map_err(wrong)?;
        Ok(Self { sample, rest: Box::new(decoded) })
    }

    /// Reader of the whole text.
    pub fn into_reader(self) -> Box<dyn Read + Send> {
        Box::new(Cursor::new(self.sample).chain(self.rest))
    }
}

/// Encoding of a file as declared, or as recognised from the first bytes or from all of them.
pub(crate) fn encoding_of(
    file: &DataFile,
    declared: Option<TextEncoding>,
    whole: bool,
) -> Result<&'static Encoding, Error> {
    Ok(match declared {
        Some(TextEncoding::Utf8) => UTF_8,
        Some(TextEncoding::Utf16Le) => UTF_16LE,
        Some(TextEncoding::Utf16Be) => UTF_16BE,
        Some(TextEncoding::Windows1252 | TextEncoding::Latin1) => WINDOWS_1252,
        None => recognise(file, whole)?,
    })
}

/// Recognises the encoding by a byte order mark, by the zeros of UTF-16, or by bytes that UTF-8 does not have.
fn recognise(file: &DataFile, whole: bool) -> Result<&'static Encoding, Error> {
    let wrong = |error| file.read_error(error);
    let mut raw = file.reader()?;
    let mut bytes = Vec::new();
    raw.by_ref().take(SAMPLE_BYTES).read_to_end(&mut bytes).map_err(wrong)?;
    if let Some((encoding, _)) = Encoding::for_bom(&bytes) {
        return Ok(encoding);
    }
    if let Some(encoding) = by_zeros(&bytes) {
        return Ok(encoding);
    }
    let mut counts = Utf8Counts::default();
    loop {
        counts.add(&mut bytes);
        if !whole || raw.by_ref().take(SCAN_BYTES).read_to_end(&mut bytes).map_err(wrong)? == 0 {
            break;
        }
    }
    Ok(if counts.is_single_byte() { WINDOWS_1252 } else { UTF_8 })
}

/// UTF-16 without a mark: Latin letters have a zero in every second byte.
fn by_zeros(bytes: &[u8]) -> Option<&'static Encoding> {
    let zeros = |first: usize| bytes.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, pairs) = (zeros(0), zeros(1), bytes.len() / 2);
    if pairs < 2 {
        None
    } else if odd * 2 > pairs && even * 10 < pairs {
        Some(UTF_16LE)
    } else if even * 2 > pairs && odd * 10 < pairs {
        Some(UTF_16BE)
    } else {
        None
    }
}

/// Characters beyond ASCII, and bytes that are not UTF-8.
#[derive(Default)]
struct Utf8Counts {
    characters: u64,
    invalid: u64,
    /// `true` if there are control characters, which no text has.
    control: bool,
}

impl Utf8Counts {
    /// Counts and removes bytes; those of a character that may continue are left.
    fn add(&mut self, bytes: &mut Vec<u8>) {
        self.control |= bytes.iter().any(|byte| matches!(byte, 0..=8 | 14..=25 | 28..=31));
        let mut rest = bytes.as_slice();
        let left = loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.count(text);
                    break 0;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    self.count(std::str::from_utf8(valid).unwrap_or_default());
                    let Some(n) = error.error_len() else { break after.len() };
                    self.invalid += 1;
                    rest = &after[n..];
                }
            }
        };
        bytes.drain(..bytes.len() - left);
    }

    fn count(&mut self, text: &str) {
        if !text.is_ascii() {
            self.characters += text.chars().filter(|c| !c.is_ascii()).count() as u64;
        }
    }

    /// `true` if the text is one of single bytes rather than UTF-8 with some damage.
    fn is_single_byte(&self) -> bool {
        self.invalid > self.characters && !self.control
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(dir: &Path, bytes: &[u8], whole: bool) -> (String, String) {
        let path = dir.join("a.csv");
        std::fs::write(&path, bytes).unwrap();
        let file = DataFile::new(path).unwrap();
        let encoding = encoding_of(&file, None, whole).unwrap();
        let name = encoding.name().to_owned();
        let mut text = String::new();
        TextInput::open(&file, encoding).unwrap().into_reader().read_to_string(&mut text).unwrap();
        (name, text)
    }

    #[test]
    fn every_encoding_is_recognised_and_its_mark_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let text = "name,town\nZoë,Zürich\n";
        let utf16 = |mark: bool, bytes: fn(u16) -> [u8; 2]| {
            let mark = mark.then_some(0xfeff_u16).into_iter();
            mark.chain(text.encode_utf16()).flat_map(bytes).collect::<Vec<u8>>()
        };
        let single = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<u8>>();
        for (bytes, name) in [
            (text.as_bytes().to_vec(), "UTF-8"),
            ([b"\xef\xbb\xbf", text.as_bytes()].concat(), "UTF-8"),
            (utf16(true, u16::to_le_bytes), "UTF-16LE"),
            (utf16(true, u16::to_be_bytes), "UTF-16BE"),
            (utf16(false, u16::to_le_bytes), "UTF-16LE"),
            (utf16(false, u16::to_be_bytes), "UTF-16BE"),
            (single, "windows-1252"),
        ] {
            assert_eq!(read(dir.path(), &bytes, false), (name.to_owned(), text.to_owned()));
        }
    }

    #[test]
    fn a_late_byte_is_found_in_the_whole_file_and_damage_is_no_encoding() {
        let dir = tempfile::tempdir().unwrap();
        let late = [b"x\n".repeat(100_000), b"caf\xe9\n".to_vec()].concat();
        assert_eq!(read(dir.path(), &late, true).0, "windows-1252");
        let damaged = ["Zürich, Genève\n".repeat(20).into_bytes(), b"\xff\n".to_vec()].concat();
        let input = DataFile::new(dir.path().join("a.csv")).unwrap();
        std::fs::write(&input.path, &damaged).unwrap();
        assert_eq!(recognise(&input, true).unwrap(), UTF_8);
    }
}
