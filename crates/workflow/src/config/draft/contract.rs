//! Data contract of a draft: conditions that the rows of today meet, with room for those of tomorrow.

use cupola_datasets::{ColumnProfile, Profile};
use cupola_spec::{Expectation, Kind, Severity, TargetKind};
use toml::Table;

use super::toml_text::{comment, table};
use super::{Draft, DraftColumn, DraftRole};

/// Columns whose conditions are written one by one.
const COLUMNS: usize = 40;
/// Most classes that are listed.
const CLASSES: usize = 20;
/// Further share of missing values that a column of today may have tomorrow.
const MISSING_ROOM: f64 = 0.05;
/// Factor of the number of rows that is no mistake.
const ROWS_FACTOR: u64 = 100;

/// Conditions for rows of this profile; `classes` are all values of a target with classes.
pub(super) fn contract(draft: &Draft, profile: &Profile, classes: Option<&[String]>) -> Vec<Expectation> {
    let rows = profile.columns.first().map_or(0, |column| column.rows);
    let all = Expectation { rows: Some([(rows / 2).max(1), rows.saturating_mul(ROWS_FACTOR)]), ..on(None) };
    let mut expectations = vec![all];
    expectations.extend(target(draft, classes));
    let used = draft.columns.iter().filter(|column| column.role != DraftRole::LeftOut);
    let others = used.filter(|column| column.role != DraftRole::Target && column.kind != Some(Kind::Image));
    let found = others.filter_map(|column| of_column(column, profile.column(&column.name)?));
    expectations.extend(found.take(COLUMNS));
    expectations
}

/// Conditions as TOML.
pub(super) fn to_toml(expectations: &[Expectation]) -> String {
    let mut out = "\n".to_owned();
    comment(
        &mut out,
        "The data contract: what `cupola data validate` and each training require of the rows.",
    );
    for (index, expectation) in expectations.iter().enumerate() {
        let Ok(mut keys) = Table::try_from(expectation) else { continue };
        // `fail` is the default.
        keys.remove("severity");
        out.push_str(if index == 0 { "[[expect]]\n" } else { "\n[[expect]]\n" });
        table(&mut out, &keys, &["column"]);
    }
    out
}

fn on(column: Option<&str>) -> Expectation {
    Expectation {
        column: column.map(str::to_owned),
        severity: Severity::Fail,
        kind: None,
        required: false,
        range: None,
        set: None,
        regex: None,
        unique: false,
        foreign_key: None,
        freshness: None,
        rows: None,
        null_share: None,
        drift: None,
    }
}

fn target(draft: &Draft, classes: Option<&[String]>) -> Option<Expectation> {
    let learned = matches!(draft.target.kind, TargetKind::Category | TargetKind::Number);
    let column = draft.columns.iter().find(|column| column.role == DraftRole::Target).filter(|_| learned)?;
    let set = classes.filter(|classes| (2..=CLASSES).contains(&classes.len())).map(<[String]>::to_vec);
    let required = !draft.missing_targets;
    (required || set.is_some()).then(|| Expectation { required, set, ..on(Some(&column.name)) })
}

fn of_column(column: &DraftColumn, profile: &ColumnProfile) -> Option<Expectation> {
    let name = Some(column.name.as_str());
    if matches!(column.role, DraftRole::Time | DraftRole::Key) {
        return (profile.missing == 0).then(|| Expectation { required: true, ..on(name) });
    }
    let range = profile.numbers.as_ref().filter(|_| column.kind == Some(Kind::Number)).and_then(|numbers| {
        let (low, high) = (*numbers.quantiles.first()?, *numbers.quantiles.last()?);
        roomy(low, high)
    });
    #[allow(clippy::cast_precision_loss, reason = "a share")]
    let share = profile.missing as f64 / profile.rows.max(1) as f64;
    let null_share = ((share + MISSING_ROOM) * 100.0).ceil() / 100.0;
    Some(Expectation { range, null_share: (null_share < 1.0).then_some(null_share), ..on(name) })
}

/// Range of one more width on each side, to two digits; numbers that are never negative stay so.
fn roomy(low: f64, high: f64) -> Option<[f64; 2]> {
    let width = high - low;
    let (below, above) = (outward(low - width, false), outward(high + width, true));
    let below = if low >= 0.0 { below.max(0.0) } else { below };
    (below.is_finite() && above.is_finite() && below < above).then_some([below, above])
}

/// Number of two digits that is not nearer to zero than `up` allows: the next above, or the next below.
fn outward(value: f64, up: bool) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10_f64.powf(value.abs().log10().floor() - 1.0);
    let steps = if up { (value / scale).ceil() } else { (value / scale).floor() };
    // The product has digits of the binary fraction.
    format!("{:.1e}", steps * scale).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_room_and_two_digits() {
        assert_eq!(roomy(18.0, 77.0), Some([0.0, 140.0]));
        assert_eq!(roomy(-3.0, 3.0), Some([-9.0, 9.0]));
        assert_eq!(roomy(0.2, 0.31), Some([0.09, 0.42]));
        assert_eq!(roomy(1234.0, 5678.0), Some([0.0, 11_000.0]));
        assert_eq!(roomy(-5678.0, -1234.0), Some([-11_000.0, 3300.0]));
        // One value has no width.
        assert_eq!(roomy(0.0, 0.0), None);
        assert_eq!(roomy(f64::NEG_INFINITY, 1.0), None);
    }

    #[test]
    fn conditions_are_toml_that_a_config_takes() {
        let rows = Expectation { rows: Some([10, 2000]), ..on(None) };
        let age = Expectation { range: Some([0.0, 140.0]), null_share: Some(0.05), ..on(Some("a \"b\"")) };
        let text = to_toml(&[rows.clone(), age.clone()]);
        let (_, parsed) =
            cupola_spec::parse_data("test", &format!("data.source = \"x.csv\"\n{text}")).unwrap();
        assert_eq!(parsed, [rows, age], "{text}");
    }
}
