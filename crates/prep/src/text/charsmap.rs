//! Check of the character maps of `SentencePiece`, which the crate that applies them trusts.
//!
//! A map is a trie as a double array (Aoe 1989) and the texts that its leaves point to. A damaged one would index outside
//! of both.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::tokenizer_error;
use crate::error::Error;

/// Checks every character map in the normalizer of a `tokenizer.json`.
///
/// # Errors
/// [`Error::Tokenizer`] for a damaged map.
pub(super) fn check(tokenizer: &Value) -> Result<(), Error> {
    let Some(normalizer) = tokenizer.get("normalizer") else { return Ok(()) };
    let mut rest = vec![normalizer];
    while let Some(normalizer) = rest.pop() {
        rest.extend(normalizer.get("normalizers").and_then(Value::as_array).into_iter().flatten());
        let Some(map) = normalizer.get("precompiled_charsmap").and_then(Value::as_str) else { continue };
        let bytes = STANDARD.decode(map).ok();
        if !bytes.is_some_and(|bytes| is_valid(&bytes)) {
            return Err(tokenizer_error(&"invalid tokenizer: `precompiled_charsmap` is damaged"));
        }
    }
    Ok(())
}

/// `true` if no text makes a lookup leave the map.
fn is_valid(map: &[u8]) -> bool {
    let Some((size, rest)) = map.split_first_chunk::<4>() else { return false };
    let size = u32::from_le_bytes(*size) as usize;
    let Some((trie, texts)) = rest.split_at_checked(size) else { return false };
    let (Ok(texts), (units, [])) = (std::str::from_utf8(texts), trie.as_chunks::<4>()) else { return false };
    let units: Vec<u32> = units.iter().map(|unit| u32::from_le_bytes(*unit)).collect();
    let Some(root) = units.first() else { return false };
    let mut nodes = vec![offset(*root)];
    let mut seen: HashSet<usize> = nodes.iter().copied().collect();
    while let Some(node) = nodes.pop() {
        // A child of the node stands at its place with the low byte changed.
        if node | 0xff >= units.len() {
            return false;
        }
        for byte in 1..=0xff_u8 {
            let at = node ^ usize::from(byte);
            let unit = units[at];
            if unit & ((1 << 31) | 0xff) != u32::from(byte) {
                continue;
            }
            let next = at ^ offset(unit);
            let is_leaf = (unit >> 8) & 1 == 1;
            let text = |value: u32| texts.is_char_boundary((value & !(1 << 31)) as usize);
            if is_leaf && !units.get(next).is_some_and(|value| text(*value)) {
                return false;
            }
            if seen.insert(next) {
                nodes.push(next);
            }
        }
    }
    true
}

/// Distance of a unit's children.
fn offset(unit: u32) -> usize {
    ((unit >> 10) as usize) << ((unit & (1 << 9)) >> 6)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::FittedTokenizer;

    /// A map of full-width letters and a ligature, by `SentencePiece`.
    fn map() -> Vec<u8> {
        STANDARD.decode(include_str!("golden/charsmap.txt").trim()).unwrap()
    }

    fn tokenizer(map: &[u8]) -> Result<FittedTokenizer, Error> {
        let normalizer = json!({ "type": "Precompiled", "precompiled_charsmap": STANDARD.encode(map) });
        FittedTokenizer::try_from(json!({
            "version": "1.0",
            "normalizer": { "type": "Sequence", "normalizers": [normalizer] },
            "model": { "type": "WordLevel", "vocab": { "ab": 0, "?": 1 }, "unk_token": "?" },
        }))
    }

    #[test]
    fn a_valid_map_is_applied() {
        assert_eq!(tokenizer(&map()).unwrap().encode("ａｂ").unwrap(), [1]);
        for damaged in [&[][..], &[1, 0, 0, 0], &[255; 8], &map()[..300]] {
            let error = tokenizer(damaged).unwrap_err().to_string();
            assert!(error.contains("precompiled_charsmap"), "{error}");
        }
    }

    #[test]
    fn no_map_breaks_its_reader() {
        cupola_testkit::fuzz(&[&map()], |bytes| {
            if let Ok(tokenizer) = tokenizer(bytes) {
                for text in ["ａｂｃ", "ﬁre", "plain", "\u{1}\u{ff}"] {
                    let _ = tokenizer.encode(text);
                }
            }
        });
    }
}
