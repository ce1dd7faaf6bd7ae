//! Recognition of the delimiter, and of blanks around fields.

use crate::read::chunks::is_blank;

/// Records from which a delimiter is recognised.
const RECORDS: usize = 50;
/// Delimiters that are recognised.
const CANDIDATES: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Borders of fields in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::read) struct Dialect {
    pub delimiter: u8,
    pub comment: Option<u8>,
    /// `true` to leave out blanks around fields.
    pub blanks: bool,
}

/// Delimiters between which a sample does not decide.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ambiguous {
    pub default: u8,
    /// Delimiter that the header has.
    pub other: u8,
    /// Number of columns with `other`.
    pub columns: usize,
}

/// Recognises the delimiter of a sample, which may end within a record. A delimiter with which all records have the
/// same number of fields is better than one with which they differ, then the one with most fields.
pub(super) fn recognise(sample: &[u8], default: u8, comment: Option<u8>) -> Result<u8, Ambiguous> {
    let mut best: Option<(Shares, u8)> = None;
    let candidates = std::iter::once(default).chain(CANDIDATES.into_iter().filter(|one| *one != default));
    let mut other: Option<(usize, u8)> = None;
    for delimiter in candidates {
        let shares = Shares::of(&field_counts(sample, delimiter, comment));
        if shares.columns < 2 {
            continue;
        }
        if delimiter != default && other.is_none_or(|(columns, _)| shares.columns > columns) {
            other = Some((shares.columns, delimiter));
        }
        let usable = delimiter == default || shares.equal * 5 >= shares.records * 4;
        if usable && best.as_ref().is_none_or(|(known, _)| shares.is_better_than(known)) {
            best = Some((shares, delimiter));
        }
    }
    match (best, other) {
        (Some((_, delimiter)), _) => Ok(delimiter),
        (None, Some((columns, other))) => Err(Ambiguous { default, other, columns }),
        (None, None) => Ok(default),
    }
}

/// Characters that lines of comments before the header begin with.
const COMMENT_MARKS: [u8; 3] = [b'#', b'|', b'%'];

/// Character that begins the first line of a sample, if all lines that begin with it are comments: they have another
/// number of fields than the other lines, which agree. `any` is `false` if `default` is the declared delimiter.
pub(super) fn comment_mark(sample: &[u8], default: u8, any: bool) -> Option<u8> {
    let mark = *sample.trim_ascii_start().first().filter(|first| COMMENT_MARKS.contains(first))?;
    let delimiter = if any { recognise(sample, default, Some(mark)).ok()? } else { default };
    let rows = field_counts(sample, delimiter, Some(mark));
    let (columns, agree) = (*rows.first()?, rows.windows(2).all(|pair| pair[0] == pair[1]));
    let mut lines =
        sample.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.trim_ascii().is_empty());
    let is_comment = |line: &[u8]| field_counts(line, delimiter, None) != [columns];
    let first = lines.next().is_some_and(|line| line.first() == Some(&mark) && is_comment(line));
    let mut others = lines.filter(|line| line.first() == Some(&mark));
    (columns > 1 && agree && first && others.all(is_comment)).then_some(mark)
}

/// Numbers of fields of a sample with one delimiter.
#[derive(Debug)]
struct Shares {
    /// Fields of the header.
    columns: usize,
    records: usize,
    /// Records with as many fields as the header.
    equal: usize,
}

impl Shares {
    fn of(counts: &[usize]) -> Self {
        let columns = counts.first().copied().unwrap_or(0);
        let equal = counts.iter().filter(|count| **count == columns).count();
        Self { columns, records: counts.len(), equal }
    }

    fn is_better_than(&self, other: &Self) -> bool {
        let even = |shares: &Self| shares.equal == shares.records;
        match (even(self), even(other)) {
            (true, false) => true,
            (false, true) => false,
            _ => self.columns > other.columns,
        }
    }
}

/// Numbers of fields of the first records. A record that the sample cuts off is left out.
fn field_counts(sample: &[u8], delimiter: u8, comment: Option<u8>) -> Vec<usize> {
    let mut counts = Vec::new();
    visit_fields(sample, delimiter, comment, &mut |_, last| {
        match counts.last_mut() {
            Some((fields, false)) => *fields += 1,
            _ => counts.push((1, false)),
        }
        if let Some((_, ended)) = counts.last_mut() {
            *ended = last;
        }
        !(last && counts.len() == RECORDS)
    });
    if counts.len() > 1
        && sample.last().is_some_and(|byte| !matches!(byte, b'\r' | b'\n'))
        && counts.len() < RECORDS
    {
        counts.pop();
    }
    counts.into_iter().map(|(fields, _)| fields).collect()
}

/// `true` if most fields of the rows, the header left out, begin with blanks.
pub(super) fn has_blanks(sample: &[u8], delimiter: u8, comment: Option<u8>) -> bool {
    // The first field of a row has no delimiter before it.
    let (mut fields, mut blank, mut records, mut first) = (0_usize, 0_usize, 0_usize, true);
    let (mut header_fields, mut header_blank) = (0_usize, 0_usize);
    visit_fields(sample, delimiter, comment, &mut |field, last| {
        if !first && !field.is_empty() {
            let begins = usize::from(is_blank(field[0], delimiter));
            if records == 0 {
                (header_fields, header_blank) = (header_fields + 1, header_blank + begins);
            } else {
                (fields, blank) = (fields + 1, blank + begins);
            }
        }
        first = last;
        records += usize::from(last);
        records < RECORDS
    });
    if fields == 0 {
        (fields, blank) = (header_fields, header_blank);
    }
    blank > 0 && blank * 2 >= fields
}

/// Visits the raw fields of a sample, each with `true` if it ends its record, while `visit` returns `true`.
fn visit_fields(
    sample: &[u8],
    delimiter: u8,
    comment: Option<u8>,
    visit: &mut dyn FnMut(&[u8], bool) -> bool,
) {
    let mut at = 0;
    let mut starts_record = true;
    while at < sample.len() {
        if starts_record {
            let line = sample[at..].split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
            let is_comment = comment.is_some() && line.first() == comment.as_ref();
            if is_comment || line.iter().all(|byte| is_blank(*byte, delimiter)) {
                at += line.len() + 1;
                continue;
            }
        }
        let start = at;
        let open = at + sample[at..].iter().take_while(|byte| is_blank(**byte, delimiter)).count();
        if sample.get(open) == Some(&b'"') {
            at = closing_quote(sample, open);
        }
        while at < sample.len() && sample[at] != delimiter && !matches!(sample[at], b'\n' | b'\r') {
            at += 1;
        }
        starts_record = sample.get(at).is_none_or(|byte| *byte != delimiter);
        if !visit(&sample[start..at], starts_record) {
            return;
        }
        at += 1;
    }
}

/// Place behind the quote that closes a field.
fn closing_quote(sample: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while let Some(byte) = sample.get(at) {
        at += 1;
        if *byte == b'"' {
            if sample.get(at) != Some(&b'"') {
                return at;
            }
            at += 1;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(sample: &str) -> Result<u8, Ambiguous> {
        recognise(sample.as_bytes(), b',', None)
    }

    #[test]
    fn the_delimiter_is_that_of_header_and_rows() {
        for (sample, expected) in [
            ("a,b\n1,2\n", b','),
            ("a;b\n1,5;2,5\n", b';'),
            ("a\tb\n1\t2\n", b'\t'),
            ("a|b|c\n1|2|3\n", b'|'),
            ("\"a;x\",b\n\"1;2\",2\n", b','),
            ("datum;preis in EUR, brutto;menge\n2024;3,5;7\n", b';'),
            ("a,b\n\"x;y\",\"u;v\"\n1,2\n", b','),
            ("text\nhello; world\n", b','),
            ("x\n1\n", b','),
            ("a;b\n", b';'),
            ("a,b\n1,2,3\n4\n", b','),
            ("a;b\n1;2\n3;4\n5;6\n7;8\n9\n", b';'),
            ("\"a\nb\";c\n1;\"2\n\n3\"\n", b';'),
        ] {
            assert_eq!(found(sample), Ok(expected), "{sample:?}");
        }
    }

    #[test]
    fn a_header_that_the_rows_contradict_is_ambiguous() {
        assert_eq!(found("a;b;c\n1\n2\n3\n"), Err(Ambiguous { default: b',', other: b';', columns: 3 }));
    }

    #[test]
    fn comments_are_left_out() {
        assert_eq!(recognise(b"# a, b, c, d\na;b\n1;2\n", b',', Some(b'#')), Ok(b';'));
    }

    #[test]
    fn lines_of_comments_before_the_header_are_recognised() {
        for (sample, expected) in [
            ("|1x3 Cross validator\n25, Private, 1\n30, ?, 2\n", Some(b'|')),
            ("# made by a tool\n# version 2\na,b\n1,2\n", Some(b'#')),
            ("\n% a; b\na;b;c\n1;2;3\n", Some(b'%')),
            ("#id,name\n1,a\n2,b\n", None),
            ("# a note\na,b\n1,2\n#3,4\n", None),
            ("a,b\n# a note\n1,2\n", None),
            ("#5\n1\n2\n", None),
            ("# a note\na,b\n1,2,3\n", None),
        ] {
            assert_eq!(comment_mark(sample.as_bytes(), b',', true), expected, "{sample:?}");
        }
        assert_eq!(comment_mark(b"# a;b;c\n1:2\n3:4\n", b':', false), Some(b'#'));
    }

    #[test]
    fn blanks_after_most_delimiters_are_recognised() {
        for (sample, expected) in [
            ("a, b, c\n39, x, 1\n", true),
            ("a,b,c\n39, x, 1\n", true),
            ("a, b, c\n39,x,1\n", false),
            ("a, b\n", true),
            ("a,b\n1, \"x, y\"\n", true),
            ("a,b\n1,\" x\"\n", false),
            ("a,b,c,d\n1, x,2,3\n", false),
        ] {
            assert_eq!(has_blanks(sample.as_bytes(), b',', None), expected, "{sample:?}");
        }
    }
}
