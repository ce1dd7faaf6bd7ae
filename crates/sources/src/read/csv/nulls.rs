//! Missing values of CSV.

/// Texts that mean a missing value, besides the empty field.
#[derive(Debug, Default)]
pub(super) struct NullMarkers {
    texts: Vec<String>,
    /// Bytes that a marker begins with.
    first: Vec<bool>,
}

impl NullMarkers {
    pub fn new(texts: &[String]) -> Self {
        let mut first = vec![false; 256];
        let texts: Vec<String> = texts.iter().filter(|text| !text.is_empty()).cloned().collect();
        for text in &texts {
            first[usize::from(text.as_bytes()[0])] = true;
        }
        Self { texts, first }
    }

    /// The field without blanks around it; `None` if it is missing.
    #[inline]
    pub fn value<'a>(&self, field: &'a str) -> Option<&'a str> {
        let bytes = field.as_bytes();
        let (first, last) = (bytes.first()?, bytes.last()?);
        let value = if matches!(first, b' ' | b'\t') || matches!(last, b' ' | b'\t') {
            field.trim_matches([' ', '\t'])
        } else {
            field
        };
        let first = value.as_bytes().first()?;
        let may_be = self.first.get(usize::from(*first)).copied().unwrap_or_default();
        let is_marker = may_be && self.texts.iter().any(|text| text == value || text == field);
        (!is_marker).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_found_with_and_without_blanks() {
        let markers = NullMarkers::new(&[String::new(), "NA".into(), "-999".into(), "?".into()]);
        for missing in ["", "  ", "NA", " NA", "-999", " ? "] {
            assert_eq!(markers.value(missing), None, "{missing:?}");
        }
        for (field, value) in [("N", "N"), ("-99", "-99"), (" x ", "x"), ("NAN", "NAN")] {
            assert_eq!(markers.value(field), Some(value));
        }
        assert_eq!(NullMarkers::default().value("NA"), Some("NA"));
    }
}
