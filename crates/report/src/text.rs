//! Texts and numbers as the page and the Markdown show them.

/// Shown in place of a number that is undefined, infinite or NaN.
pub(crate) const ABSENT: &str = "n/a";

/// Longest name of a column, class or group in characters.
pub(crate) const NAME: usize = 60;

/// Text for HTML and SVG, in content and in quoted attributes. Control characters, and those that turn the direction of
/// the text around them, become U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(harmless(c)),
        }
    }
    escaped
}

/// The character, or U+FFFD for a control character.
pub(crate) fn harmless(c: char) -> char {
    match c {
        '\n' | '\t' => ' ',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// First `most` characters of a text, with an ellipsis if there are more.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text[..at].trim_end()),
        None => text.to_owned(),
    }
}

/// Name from the data: cut, escaped and isolated from the direction of the text around it.
pub(crate) fn name(text: &str) -> String {
    let text = if text.trim().is_empty() { "(empty)" } else { text };
    let shown = escape(&cut(text, NAME));
    if text.chars().nth(NAME).is_some() {
        let whole = escape(&cut(text, 400));
        return format!("<bdi title=\"{whole}\">{shown}</bdi>");
    }
    format!("<bdi>{shown}</bdi>")
}

/// Name of a metric in a title: `roc_auc` as `ROC AUC`. Tables have the name itself, which configs refer to.
pub(crate) fn spaced(metric: &str) -> String {
    let capital = |word: &str| match word {
        "auc" | "crps" | "ece" | "f1" | "mae" | "mape" | "mase" | "mcc" | "mse" | "ovo" | "ovr" | "pr"
        | "r2" | "rmse" | "roc" => word.to_uppercase(),
        "smape" => "sMAPE".to_owned(),
        "medae" => "MedAE".to_owned(),
        _ => word.to_owned(),
    };
    cut(metric, NAME).split('_').map(capital).collect::<Vec<_>>().join(" ")
}

/// Number of digits after the point that the values of a column share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Digits {
    /// Fixed digits after the point.
    After(usize),
    /// Scientific notation with three significant digits.
    Scientific,
}

impl Digits {
    /// Digits for values of which the largest has about four significant ones.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let largest = finite.fold(0.0_f64, |most, value| most.max(value.abs()));
        match largest {
            0.0 => Self::After(0),
            l if !(1e-4..1e12).contains(&l) => Self::Scientific,
            l if l >= 1000.0 => Self::After(0),
            l if l >= 100.0 => Self::After(1),
            l if l >= 10.0 => Self::After(2),
            l if l > 1.0 => Self::After(3),
            l if l >= 0.01 => Self::After(4),
            l if l >= 0.001 => Self::After(5),
            _ => Self::After(6),
        }
    }

    /// Value with these digits.
    pub(crate) fn write(self, value: f64) -> String {
        if !value.is_finite() {
            return ABSENT.to_owned();
        }
        match self {
            Self::After(digits) => {
                let text = grouped(&format!("{:.*}", digits, value.abs()));
                let negative = value < 0.0 && text.contains(|c: char| c.is_ascii_digit() && c != '0');
                if negative { format!("-{text}") } else { text }
            }
            Self::Scientific => format!("{value:.2e}"),
        }
    }
}

/// Number with about four significant digits.
pub(crate) fn number(value: f64) -> String {
    Digits::of([value]).write(value)
}

/// Shortest exact number, for labels of axes and borders.
pub(crate) fn label(value: f64) -> String {
    let rounded: f64 = format!("{value:.3e}").parse().unwrap_or(value);
    match rounded {
        r if !r.is_finite() => ABSENT.to_owned(),
        0.0 => "0".to_owned(),
        r if !(1e-4..1e7).contains(&r.abs()) => format!("{r:e}"),
        r => {
            let text = grouped(&format!("{}", r.abs()));
            if r < 0.0 { format!("-{text}") } else { text }
        }
    }
}

/// Whole number with thousands separators.
pub(crate) fn count(value: u64) -> String {
    grouped(&value.to_string())
}

/// Number of `what`, in the singular or plural.
pub(crate) fn several(value: u64, what: &str) -> String {
    let ending = match what.ends_with('s') {
        _ if value == 1 => "",
        true => "es",
        false => "s",
    };
    format!("{} {what}{ending}", count(value))
}

/// Number of rows in words, with thousands separators.
pub fn row_count(rows: u64) -> String {
    several(rows, "row")
}

/// Share from 0 to 1 in percent.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if !percent.is_finite() {
        return ABSENT.to_owned();
    }
    match percent.abs() {
        0.0 => "0 %".to_owned(),
        p if p < 0.1 => "< 0.1 %".to_owned(),
        p if p > 99.9 && p < 100.0 => "> 99.9 %".to_owned(),
        p if p < 1e6 => format!("{percent:.1} %"),
        _ => format!("{percent:.1e} %"),
    }
}

/// Size in bytes with a unit.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    if bytes < 1000 {
        return several(bytes, "byte");
    }
    let mut unit = "";
    for next in units {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    format!("{} {unit}", Digits::After(usize::from(value < 99.5)).write(value))
}

/// Time with a unit.
pub(crate) fn microseconds(value: f64) -> String {
    match value {
        v if !v.is_finite() => ABSENT.to_owned(),
        v if v < 1000.0 => format!("{} µs", Digits::After(usize::from(v < 100.0)).write(v)),
        v if v < 1e6 => format!("{} ms", Digits::After(1 + usize::from(v < 1e4)).write(v / 1000.0)),
        v => format!("{} s", Digits::After(2).write(v / 1e6)),
    }
}

/// Thousands separators before the point.
fn grouped(text: &str) -> String {
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::with_capacity(text.len() + whole.len() / 3);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

#[cfg(test)]
mod tests {
    use super::{Digits, count, cut, escape, label, microseconds, name, number, percent, several, size};

    #[test]
    fn numbers_are_short_and_never_infinite() {
        let shown: Vec<String> =
            [0.973_14, 1.0, 12_345.6, -0.000_01, 1234.5, 0.0, -3.25, f64::NAN, f64::INFINITY, 2e14]
                .map(number)
                .to_vec();
        let expected =
            ["0.9731", "1.0000", "12,346", "-1.00e-5", "1,234", "0", "-3.250", "n/a", "n/a", "2.00e14"];
        assert_eq!(shown, expected);
        assert_eq!(Digits::After(2).write(-0.001), "0.00");
        assert_eq!(
            [0.1 + 0.2, -1500.0, 2.5e-9, 1e9, f64::NAN].map(label),
            ["0.3", "-1,500", "2.5e-9", "1e9", "n/a"]
        );
    }

    #[test]
    fn units_are_chosen_by_size() {
        assert_eq!(
            [0, 999, 1000, 1_234_567, 999_999].map(size),
            ["0 bytes", "999 bytes", "1.0 kB", "1.2 MB", "1.0 MB"]
        );
        assert_eq!([3.21, 640.0, 1500.0, 2.5e6].map(microseconds), ["3.2 µs", "640 µs", "1.50 ms", "2.50 s"]);
        assert_eq!(
            [0.0, 0.0004, 0.123, 0.9999, 1.0].map(percent),
            ["0 %", "< 0.1 %", "12.3 %", "> 99.9 %", "100.0 %"]
        );
        assert_eq!((count(1_234_567).as_str(), several(1, "row").as_str()), ("1,234,567", "1 row"));
    }

    #[test]
    fn names_cannot_leave_their_place() {
        assert_eq!(escape("<b a='\"&'>"), "&lt;b a=&#39;&quot;&amp;&#39;&gt;");
        assert_eq!(escape("a\u{202e}b\u{0}c\u{2066}"), "a\u{fffd}b\u{fffd}c\u{fffd}");
        assert_eq!(cut("häuser", 3), "häu…");
        assert_eq!(name(""), "<bdi>(empty)</bdi>");
        assert_eq!(name("שלום"), "<bdi>שלום</bdi>");
    }
}
