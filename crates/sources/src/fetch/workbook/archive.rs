//! Sizes of the parts of a workbook, which is a ZIP archive of XML: measured before anything is built from them.

use std::io::{Cursor, Read};

use zip::ZipArchive;

/// Decompressed bytes of a workbook that are read: 1 GiB.
const MAX_BYTES: u64 = 1 << 30;
/// Decompressed bytes up to which the ratio does not count: 64 MiB.
const FREE_BYTES: u64 = 64 << 20;
/// Largest ratio of the decompressed bytes to those of the file.
const MAX_RATIO: u64 = 200;
/// Largest number of parts.
const MAX_PARTS: usize = 10_000;
/// Largest declared number of shared texts, for which the reader reserves memory at once.
const MAX_TEXTS: u64 = 16_000_000;
/// Attribute that declares the number of shared texts.
const TEXTS: &[u8] = b"uniqueCount";

/// Checks that the parts of a workbook have ordinary sizes. Files that are no archives pass.
pub(super) fn check(bytes: &[u8], max_ratio: Option<u64>) -> Result<(), String> {
    if !bytes.starts_with(b"PK") {
        return Ok(());
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
    if archive.len() > MAX_PARTS {
        return Err(format!("the workbook has more than {MAX_PARTS} parts; save it as CSV"));
    }
    let ratio = max_ratio.unwrap_or(MAX_RATIO);
    let limit = (bytes.len() as u64).saturating_mul(ratio).clamp(FREE_BYTES, MAX_BYTES);
    let mut total = 0;
    for index in 0..archive.len() {
        // Parts that cannot be unpacked are of no use to the reader either.
        if let Ok(part) = archive.by_index(index) {
            measure(part, &mut total, limit)?;
        }
    }
    Ok(())
}

/// Reads a part to its end without keeping it.
fn measure(mut part: impl Read, total: &mut u64, limit: u64) -> Result<(), String> {
    let (mut buffer, mut seen) = (vec![0; 1 << 16], Vec::new());
    loop {
        // A part that no reader needs may be damaged, or in a compression that is not read.
        let Ok(count) = part.read(&mut buffer) else { return Ok(()) };
        if count == 0 {
            return Ok(());
        }
        *total += count as u64;
        if *total > limit {
            return Err(format!(
                "the workbook grows beyond {limit} bytes when it is unpacked; save it as CSV, or raise `data.max_ratio` if you trust it"
            ));
        }
        // UTF-16 has zeros between the letters.
        seen.extend(buffer[..count].iter().filter(|byte| **byte != 0));
        if declared_texts(&seen) > MAX_TEXTS {
            return Err(
                "the workbook declares more texts than it can hold; save it again, or as CSV".to_owned()
            );
        }
        // The attribute may continue in the next piece.
        seen.drain(..seen.len().saturating_sub(TEXTS.len() + 64));
    }
}

/// Largest number of shared texts that a piece of XML declares.
fn declared_texts(xml: &[u8]) -> u64 {
    let places = xml.windows(TEXTS.len()).enumerate().filter(|(_, window)| *window == TEXTS);
    let number = |(at, _): (usize, &[u8])| {
        let after = &xml[at + TEXTS.len()..];
        let start = after.iter().take(8).position(u8::is_ascii_digit).unwrap_or(after.len());
        let digits = after[start..].iter().take_while(|byte| byte.is_ascii_digit()).take(20);
        digits.fold(0_u64, |number, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    };
    places.map(number).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_grow_too_much_are_refused() {
        let mut total = 0;
        assert!(measure(std::io::repeat(b'0').take(1000), &mut total, 1000).is_ok());
        assert!(measure(std::io::repeat(b'0').take(1), &mut total, 1000).is_err());
        let declared = b"<sst uniqueCount=\"99999999999\">".as_slice();
        assert!(measure(declared, &mut 0, 1000).is_err());
        assert!(measure(b"<sst uniqueCount='12'>".as_slice(), &mut 0, 1000).is_ok());
        assert!(check(b"no archive", None).is_ok() && check(b"PK damaged", None).is_err());
    }
}
