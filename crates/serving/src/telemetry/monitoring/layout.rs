//! Watched columns of a package, with the reference profile that it has.

use cupola_monitor::sketch::{SketchColumn, SketchKind, SketchLayout};
use cupola_monitor::{ColumnRole, ReferenceColumn, ReferenceProfile};
use cupola_prep::{ColumnType, Signature};
use cupola_registry::Package;

use super::settings::MonitorSettings;

/// File of a package with its reference profile.
const PROFILE: &str = "monitor.json";
/// Most columns of a version that are watched.
const MOST_COLUMNS: usize = 2000;
/// Most classes of a target whose probabilities are watched.
const MOST_CLASSES: usize = 10;

/// Watched columns of a version.
pub(super) struct WatchedColumns {
    pub layout: SketchLayout,
    /// Reason why there is no drift, with the remedy; `None` with a reference.
    pub without_reference: Option<String>,
    /// Columns beyond the limit, which are not watched.
    pub left_out: usize,
}

/// Columns of a package. A profile that does not fit leaves a version without drift and keeps nothing from being served.
pub(super) fn watched(
    package: &Package,
    signature: &Signature,
    settings: &MonitorSettings,
) -> WatchedColumns {
    let (profile, without_reference) = match profile(package) {
        Ok(profile) => (Some(profile), None),
        Err(why) => (None, Some(why)),
    };
    let mut columns = columns(profile.as_ref(), signature);
    columns.retain(|column| !settings.exclude.contains(&column.name));
    let left_out = columns.len().saturating_sub(MOST_COLUMNS);
    columns.truncate(MOST_COLUMNS);
    for column in &mut columns {
        column.rule = settings.rules.of(column);
    }
    WatchedColumns { layout: SketchLayout::new(columns, settings.shows_values), without_reference, left_out }
}

/// Profile of a package. The error is the reason why there is none, with the remedy.
fn profile(package: &Package) -> Result<ReferenceProfile, String> {
    let remedy = "train and publish the model again";
    if !package.manifest.files.contains_key(PROFILE) {
        return Err(format!("the package has no reference profile; {remedy} with this version of Cupola"));
    }
    let bytes = package
        .read_within(PROFILE, ReferenceProfile::MOST_BYTES as u64)
        .map_err(|error| format!("{error}; {remedy}"))?;
    let profile = ReferenceProfile::parse(&bytes).map_err(|error| format!("{error}; {remedy}"))?;
    if package.manifest.files.get("plan.json") != Some(&profile.plan_sha256) {
        return Err(format!("`{PROFILE}` is the profile of another plan; {remedy}"));
    }
    Ok(profile)
}

/// Inputs and outputs of the signature, with their references; then probabilities.
fn columns(profile: Option<&ReferenceProfile>, signature: &Signature) -> Vec<SketchColumn> {
    let column = |role, name: &str, kind: ColumnType, categories: Option<&Vec<String>>| {
        if let Some(reference) = profile.and_then(|profile| profile.find(role, name, None)) {
            return Some(SketchColumn::with_reference(reference));
        }
        let kind = match kind {
            ColumnType::Number => SketchKind::Number,
            ColumnType::Category => SketchKind::Category,
            ColumnType::Text => SketchKind::Text,
            ColumnType::Date | ColumnType::File => return None,
        };
        let values = categories.map_or(&[][..], Vec::as_slice);
        Some(SketchColumn::without_reference(name, role, kind, values))
    };
    let inputs = signature.inputs.iter();
    let inputs = inputs.filter_map(|c| column(ColumnRole::Input, &c.name, c.kind, c.categories.as_ref()));
    // Measures of pictures are no columns of a request.
    let is_measure = |own: &&ReferenceColumn| signature.inputs.iter().all(|input| input.name != own.name);
    let measures = profile.into_iter().flat_map(|one| one.with_role(ColumnRole::Input)).filter(is_measure);
    let measures = measures.map(SketchColumn::with_reference);
    let outputs = signature.outputs.iter();
    let outputs =
        outputs.filter_map(|c| column(ColumnRole::Prediction, &c.name, c.kind, c.categories.as_ref()));
    let mut all: Vec<SketchColumn> = outputs.chain(inputs).chain(measures).collect();
    for output in &signature.outputs {
        let probabilities = profile.into_iter().flat_map(|one| one.with_role(ColumnRole::Probability));
        let own = probabilities.filter(|reference| reference.name == output.name);
        all.extend(own.take(MOST_CLASSES).map(SketchColumn::with_reference));
    }
    all
}

#[cfg(test)]
mod tests {
    use cupola_prep::{InputColumn, OutputColumn};

    use super::*;

    #[test]
    fn without_a_profile_the_columns_of_the_signature_are_watched_predictions_first() {
        let input = |name: &str, kind, categories: Option<&[&str]>| InputColumn {
            name: name.to_owned(),
            kind,
            nullable: true,
            categories: categories.map(|all| all.iter().map(|&one| one.to_owned()).collect()),
        };
        let signature = Signature {
            inputs: vec![
                input("size", ColumnType::Number, None),
                input("day", ColumnType::Date, None),
                input("colour", ColumnType::Category, Some(&["red", "blue"])),
            ],
            outputs: vec![OutputColumn {
                name: "price".to_owned(),
                kind: ColumnType::Number,
                categories: None,
                positive: None,
                length: None,
                frequency: None,
                orders: None,
            }],
            window: None,
            query: None,
        };
        let columns = columns(None, &signature);
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["price", "size", "colour"]);
        assert_eq!(columns[2].values(), ["red", "blue"]);
    }
}
