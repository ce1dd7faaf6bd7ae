//! Sizes in the header of a GGUF file, read before the header is: each value of an array takes many times its bytes.

/// Values of all arrays of a file; vocabularies have up to a million.
const MAX_VALUES: u64 = 4 << 20;
/// Keys of a file.
const MAX_KEYS: u64 = 4_096;
/// Weights of a file.
const MAX_TENSORS: u64 = 65_536;
/// Arrays within arrays.
const MAX_DEPTH: usize = 4;
/// Bytes of the magic and the version.
const PREFIX: usize = 8;

/// Checks the counts of a file.
///
/// # Errors
/// The limit that is exceeded, and a header that ends early.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let (Some(version), Some(rest)) = (bytes.get(4..PREFIX), bytes.get(PREFIX..)) else {
        return Err("it is too short".to_owned());
    };
    let mut header = Header { rest, wide: version != [1, 0, 0, 0], values: 0 };
    let (tensors, keys) = (header.length()?, header.length()?);
    limit("weights", tensors, MAX_TENSORS)?;
    limit("keys", keys, MAX_KEYS)?;
    for _ in 0..keys {
        header.text()?;
        let kind = header.number(4)?;
        header.value(kind, 0)?;
    }
    Ok(())
}

struct Header<'a> {
    rest: &'a [u8],
    /// `true` if lengths have 8 bytes.
    wide: bool,
    /// Values of the arrays so far.
    values: u64,
}

impl Header<'_> {
    fn skip(&mut self, bytes: u64) -> Result<(), String> {
        let bytes = usize::try_from(bytes).ok().and_then(|bytes| self.rest.get(bytes..));
        self.rest = bytes.ok_or("it ends within its header")?;
        Ok(())
    }

    /// Number in this many bytes, the lowest first.
    fn number(&mut self, bytes: usize) -> Result<u64, String> {
        let own = self.rest.get(..bytes).ok_or("it ends within its header")?;
        let number = own.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        self.skip(bytes as u64)?;
        Ok(number)
    }

    fn length(&mut self) -> Result<u64, String> {
        self.number(if self.wide { 8 } else { 4 })
    }

    fn text(&mut self) -> Result<(), String> {
        let length = self.length()?;
        self.skip(length)
    }

    fn value(&mut self, kind: u64, depth: usize) -> Result<(), String> {
        match kind {
            0 | 1 | 7 => self.skip(1),
            2 | 3 => self.skip(2),
            4..=6 => self.skip(4),
            10..=12 => self.skip(8),
            8 => self.text(),
            9 => self.array(depth + 1),
            _ => Err(format!("type {kind} of a key is unknown")),
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), String> {
        limit("arrays within arrays", depth as u64, MAX_DEPTH as u64)?;
        let (kind, count) = (self.number(4)?, self.length()?);
        self.values = self.values.saturating_add(count);
        limit("values in its arrays", self.values, MAX_VALUES)?;
        (0..count).try_for_each(|_| self.value(kind, depth))
    }
}

fn limit(what: &str, found: u64, most: u64) -> Result<(), String> {
    if found <= most { Ok(()) } else { Err(format!("it has {found} {what}, at most {most} are supported")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// File with one key, an array of bytes that claims this length.
    fn file(count: u64, bytes: usize) -> Vec<u8> {
        let mut file = b"GGUF\x03\0\0\0".to_vec();
        for number in [0, 1, 1_u64] {
            file.extend(number.to_le_bytes());
        }
        file.extend(b"k\x09\0\0\0\0\0\0\0");
        file.extend(count.to_le_bytes());
        file.resize(file.len() + bytes, 0);
        file
    }

    #[test]
    fn counts_are_checked_before_anything_is_read() {
        assert_eq!(check(&file(10, 10)), Ok(()));
        assert!(check(&file(10, 9)).unwrap_err().contains("ends"));
        assert!(check(&file(5 << 20, 5 << 20)).unwrap_err().contains("at most"));
        assert!(check(&file(u64::MAX, 0)).unwrap_err().contains("at most"));
        assert!(check(b"GGUF").is_err());
    }
}
