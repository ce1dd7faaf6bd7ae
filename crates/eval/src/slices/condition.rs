use super::SliceColumn;

/// Condition on one column; the column is an index.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Condition {
    /// The number is above a border.
    Above(usize, f64),
    /// The number is a border or below.
    AtMost(usize, f64),
    /// The category is this one.
    Is(usize, u32),
    /// The category is another one or missing.
    IsNot(usize, u32),
    Missing(usize),
    Present(usize),
}

impl SliceColumn<'_> {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Numbers { name, .. } | Self::Categories { name, .. } => name,
        }
    }

    /// Number of a row; NaN where it is missing or the column holds categories.
    pub(super) fn number(&self, row: usize) -> f64 {
        match self {
            Self::Numbers { values, .. } => values.get(row).copied().unwrap_or(f64::NAN),
            Self::Categories { .. } => f64::NAN,
        }
    }

    /// Category of a row; `None` where it is missing, has no label or the column holds numbers.
    pub(super) fn category(&self, row: usize) -> Option<u32> {
        match self {
            Self::Numbers { .. } => None,
            Self::Categories { labels, codes, .. } => {
                codes.get(row).copied().flatten().filter(|code| (*code as usize) < labels.len())
            }
        }
    }

    fn missing(&self, row: usize) -> bool {
        self.number(row).is_nan() && self.category(row).is_none()
    }
}

impl Condition {
    /// `true` if a row fulfils the condition.
    pub fn holds(self, columns: &[SliceColumn<'_>], row: usize) -> bool {
        match self {
            Self::Above(column, border) => columns[column].number(row) > border,
            Self::AtMost(column, border) => columns[column].number(row) <= border,
            Self::Is(column, code) => columns[column].category(row) == Some(code),
            Self::IsNot(column, code) => columns[column].category(row) != Some(code),
            Self::Missing(column) => columns[column].missing(row),
            Self::Present(column) => !columns[column].missing(row),
        }
    }

    /// `true` if the condition says nothing beside `other`.
    fn follows_from(self, other: Self) -> bool {
        match (self, other) {
            (Self::Above(a, loose), Self::Above(b, tight)) => a == b && loose <= tight,
            (Self::AtMost(a, loose), Self::AtMost(b, tight)) => a == b && loose >= tight,
            (Self::IsNot(a, _) | Self::Present(a), Self::Is(b, _))
            | (Self::Present(a), Self::Above(b, _) | Self::AtMost(b, _))
            | (Self::IsNot(a, _), Self::Missing(b)) => a == b,
            _ => self == other,
        }
    }

    fn text(self, columns: &[SliceColumn<'_>]) -> String {
        let label = |column: usize, code: u32| match &columns[column] {
            SliceColumn::Categories { labels, .. } => labels.get(code as usize).map_or("", String::as_str),
            SliceColumn::Numbers { .. } => "",
        };
        match self {
            Self::Above(column, border) => format!("{} > {}", columns[column].name(), number(border)),
            Self::AtMost(column, border) => format!("{} <= {}", columns[column].name(), number(border)),
            Self::Is(column, code) => format!("{} = {}", columns[column].name(), label(column, code)),
            Self::IsNot(column, code) => format!("{} != {}", columns[column].name(), label(column, code)),
            Self::Missing(column) => format!("{} is missing", columns[column].name()),
            Self::Present(column) => format!("{} is present", columns[column].name()),
        }
    }
}

/// Conditions in words, such as `carat > 2.1 and cut = Fair`, without those that follow from others.
pub fn text(conditions: &[Condition], columns: &[SliceColumn<'_>]) -> String {
    let needed = conditions.iter().enumerate().filter(|(at, condition)| {
        let follows = |(other_at, other): (usize, &Condition)| {
            let equal = condition == &other;
            other_at != *at && condition.follows_from(*other) && (!equal || other_at > *at)
        };
        !conditions.iter().enumerate().any(follows)
    });
    needed.map(|(_, condition)| condition.text(columns)).collect::<Vec<_>>().join(" and ")
}

/// Number in decimal digits, or with an exponent where that would take many zeros.
fn number(value: f64) -> String {
    let size = value.abs();
    if value != 0.0 && !(1e-5..1e15).contains(&size) { format!("{value:e}") } else { value.to_string() }
}

/// Number with the fewest decimal places that is at least `low` and below `high`.
pub fn border(low: f64, high: f64) -> f64 {
    for places in -12..=12_i32 {
        let scale = 10_f64.powi(places.abs());
        let candidate = if places < 0 { (low / scale).ceil() * scale } else { (low * scale).ceil() / scale };
        if low <= candidate && candidate < high {
            // Not the negative zero.
            return candidate + 0.0;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Condition::{Above, AtMost, Is, IsNot, Missing, Present};
    use super::*;

    #[test]
    fn conditions_read_as_words() {
        let labels = ["Fair".to_owned(), "Good".to_owned()];
        let columns = [
            SliceColumn::Numbers { name: "carat", values: &[2.2, f64::NAN] },
            SliceColumn::Categories { name: "cut", labels: &labels, codes: &[Some(0), Some(9)] },
        ];
        let read = |conditions: &[Condition]| text(conditions, &columns);
        assert_eq!(read(&[Above(0, 1.5), Is(1, 0), Above(0, 2.1)]), "cut = Fair and carat > 2.1");
        assert_eq!(read(&[IsNot(1, 0), AtMost(0, 2e-7)]), "cut != Fair and carat <= 2e-7");
        assert_eq!(read(&[Present(1), IsNot(1, 1), Is(1, 0)]), "cut = Fair");
        assert_eq!(read(&[IsNot(1, 1), Missing(1), Missing(1)]), "cut is missing");
        assert_eq!(read(&[Present(0), AtMost(0, -0.5)]), "carat <= -0.5");
        let holds = |condition: Condition| [0, 1, 2].map(|row| condition.holds(&columns, row));
        assert_eq!(holds(Above(0, 2.0)), [true, false, false]);
        assert_eq!(holds(AtMost(0, 2.0)), [false; 3]);
        assert_eq!(holds(Missing(0)), [false, true, true]);
        assert_eq!(holds(Missing(1)), [false, true, true]);
        assert_eq!(holds(IsNot(1, 0)), [false, true, true]);
    }

    #[test]
    fn borders_have_few_digits() {
        for (low, high, expected) in [
            (1.97, 2.34, 2.0),
            (2.01, 2.034, 2.01),
            (0.12, 0.1234, 0.12),
            (-3.7, -3.2, -3.7),
            (-0.4, 0.2, 0.0),
            (1234.0, 1834.0, 1300.0),
            (3.0, 4.0, 3.0),
        ] {
            let found = border(low, high);
            assert!((found - expected).abs() < 1e-12, "{low} {high}: {found}");
        }
    }

    proptest! {
        #[test]
        fn borders_separate(low in prop::num::f64::NORMAL, high in prop::num::f64::NORMAL) {
            prop_assume!(low < high);
            let found = border(low, high);
            prop_assert!(low <= found && found < high, "{found}");
        }
    }
}
