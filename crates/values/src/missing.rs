//! Texts that stand for a missing value.

/// Texts that mean a missing value in columns of numbers and dates, compared without regard to case. Columns of
/// categories and texts may use them as values, so only those of `data.null` are missing there.
pub const COMMON_MARKERS: [&str; 29] = [
    "", "na", "n/a", "#n/a", "#na", "<na>", "n.a.", "nan", "-nan", "nat", "null", "(null)", "nil", "none",
    "missing", "\\n", "-", "--", "---", "\u{2013}", "\u{2014}", "?", ".", "..", "#n/a n/a", "1.#ind",
    "-1.#ind", "1.#qnan", "-1.#qnan",
];

/// `true` if a text means a missing number or date.
pub fn is_common_marker(text: &str) -> bool {
    let text = text.trim();
    text.len() <= 8 && COMMON_MARKERS.iter().any(|marker| marker.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_found_whatever_their_case() {
        for text in [
            "\\N", "NaT", "(null)", "\u{2014}", "#N/A N/A", "1.#QNAN", "N/A", "NULL", "None", "n/a", "na",
            "-", "?", ".", "nil", "#N/A", " NaN ", "", "missing",
        ] {
            assert!(is_common_marker(text), "{text:?}");
        }
        for text in ["0", "no", "nano", "...", "inf", "unknown"] {
            assert!(!is_common_marker(text), "{text:?}");
        }
    }
}
