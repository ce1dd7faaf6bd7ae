//! Rows of a comparison that the other model may have been trained on.

use cupola_registry::{Home, Package, RunDataset, RunFolder, sha256_hex};
use cupola_spec::{Data, Run, SplitBy};

use crate::config;
use crate::error::Error;

/// Origin of the rows of a run: what decides which of them are trained on.
pub(crate) struct SplitOrigin<'a> {
    pub run: &'a Run,
    pub dataset: &'a RunDataset,
}

/// Warning about a version that is compared on the test rows of a run, if it may have been trained on some of them: its
/// run has divided other data, or divided them otherwise, or is not in the home. `None` if both have divided rows alike.
pub(crate) fn unfair_comparison(home: &Home, own: &SplitOrigin<'_>, other: &Package) -> Option<String> {
    let label = other.label();
    let Ok((run, dataset)) = origin(home, other) else {
        return Some(format!(
            "the run of {label} is not in this home, so it may have been trained on rows of this comparison"
        ));
    };
    let differences = differences(own, &SplitOrigin { run: &run, dataset: &dataset });
    let (last, rest) = differences.split_last()?;
    let all = if rest.is_empty() { (*last).to_owned() } else { format!("{} and {last}", rest.join(", ")) };
    Some(format!(
        "{label} was trained with {all}, so it may have been trained on rows of this comparison and look better than it is"
    ))
}

/// Config and data of the run that published a package.
fn origin(home: &Home, package: &Package) -> Result<(Run, RunDataset), Error> {
    let lineage = &package.manifest.lineage;
    let folder = RunFolder::open(home, &lineage.run)?;
    let text = folder.config_text()?;
    if sha256_hex(text.as_bytes()) != lineage.config_sha256 {
        return Err(Error::ConfigChanged { path: folder.config() });
    }
    let no_files = |path: &str| Err(format!("no such file: {path}"));
    let run = config::parse(home, &folder.config().to_string_lossy(), &text, &[], &no_files)?;
    Ok((run, folder.record()?.dataset))
}

/// Differences by which a row may be a test row of one run and a training row of the other.
fn differences(own: &SplitOrigin<'_>, other: &SplitOrigin<'_>) -> Vec<&'static str> {
    let test = |origin: &SplitOrigin<'_>| origin.dataset.test.as_ref().map(|test| test.sha256.clone());
    // Rows of a test source are trained on by neither.
    if own.dataset.test.is_some() && test(own) == test(other) {
        return Vec::new();
    }
    let (a, b) = (own.run, other.run);
    // The hash of a row's content decides, wherever the row is and whatever is beside it.
    let by_content =
        matches!(a.split.by, SplitBy::Random | SplitBy::Group | SplitBy::Predefined | SplitBy::KFold)
            && !a.by_time();
    [
        (a.seed != b.seed, "another seed"),
        (a.split != b.split || a.series != b.series, "another split"),
        (content(a) != content(b), "rows that are read or derived otherwise"),
        (test(own) != test(other), "other test data"),
        (
            own.dataset.source.sha256 != other.dataset.source.sha256 && !by_content,
            "another version of the data",
        ),
    ]
    .into_iter()
    .filter_map(|(differs, what)| differs.then_some(what))
    .collect()
}

/// Settings that decide the content of a row, which its hash is of.
fn content(run: &Run) -> impl PartialEq + use<'_> {
    let Data { query, sql, null, decimal, day_first, columns, paragraphs, .. } = &run.data;
    ((query, sql, null, decimal, day_first, columns, paragraphs), &run.clean, &run.features)
}

#[cfg(test)]
mod tests {
    use cupola_store::DatasetVersion;

    use super::*;

    const CONFIG: &str = "name = 'm'\nseed = 1\n[data]\nsource = 'a.csv'\n[split]\nby = 'random'\n\
        [[targets]]\nname = 'y'\nkind = 'category'\n[model]\nfamily = 'gbdt'\n";

    fn run(text: &str) -> Run {
        cupola_spec::parse("run.toml", text, &[], &|path| Err(path.to_owned())).unwrap()
    }

    fn dataset(source: &str, test: Option<&str>) -> RunDataset {
        let version =
            |sha256: &str| DatasetVersion { sha256: sha256.to_owned(), ..DatasetVersion::default() };
        RunDataset { source: version(source), test: test.map(version) }
    }

    #[test]
    fn only_what_moves_rows_between_the_splits_is_a_difference() {
        let (base, one) = (run(CONFIG), dataset("1", None));
        let of = |text: &str, data: &RunDataset| {
            let own = run(text);
            let other = SplitOrigin { run: &base, dataset: &one };
            differences(&SplitOrigin { run: &own, dataset: data }, &other)
        };
        assert!(of(CONFIG, &one).is_empty());
        assert!(of(&format!("{CONFIG}rounds = 50\n"), &one).is_empty());
        // A row keeps its split in a larger table.
        assert!(of(CONFIG, &dataset("2", None)).is_empty());
        let seed = CONFIG.replace("seed = 1", "seed = 2");
        assert_eq!(of(&seed, &one), ["another seed"]);
        let split = CONFIG.replace("'random'", "'stratified'");
        assert_eq!(of(&split, &dataset("2", None)), ["another split", "another version of the data"]);
        let feature = CONFIG.replace("[model]", "[[features]]\nname = 'z'\nsql = 'x + 1'\n[model]");
        assert_eq!(of(&feature, &one), ["rows that are read or derived otherwise"]);
        assert_eq!(of(CONFIG, &dataset("1", Some("t"))), ["other test data"]);
    }

    #[test]
    fn test_rows_of_their_own_are_seen_by_no_training() {
        let (a, b) = (run(CONFIG), run(&CONFIG.replace("seed = 1", "seed = 2")));
        let data = dataset("1", Some("t"));
        let (own, other) = (SplitOrigin { run: &a, dataset: &data }, SplitOrigin { run: &b, dataset: &data });
        assert!(differences(&own, &other).is_empty());
    }
}
