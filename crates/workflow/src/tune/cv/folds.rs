//! Runs of the folds: which config each has, and which of them are done.

use std::collections::HashSet;

use cupola_prep::{EmptyFold, Frame, first_empty_fold};
use cupola_registry::{Home, RunFolder, RunRecord, Status, sha256_hex};
use cupola_spec::{Run, SplitBy, TargetKind};
use serde_json::json;

use crate::CODE_VERSION;
use crate::config::ConfigSource;
use crate::error::Error;
use crate::session::Session;

/// Division of the rows of a config into folds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FoldPlan {
    /// `split.by` of the folds.
    pub by: &'static str,
    pub folds: usize,
    pub repeats: usize,
    /// `true` to search settings within each fold.
    nested: bool,
    seed: u64,
}

/// State of the run of a fold.
pub(super) enum FoldState {
    Finished(Box<RunRecord>),
    /// It has a checkpoint that training continues from.
    Resumable(String),
    New,
}

impl FoldPlan {
    /// Folds that keep what the config's split keeps: time, groups, or the shares of the classes.
    ///
    /// # Errors
    /// [`Error::CrossValidation`] for a config without folds.
    pub fn of(run: &Run, folds: usize, repeats: usize, nested: bool) -> Result<Self, Error> {
        let refused = |why: &str, remedy| Error::CrossValidation { why: why.to_owned(), remedy };
        let by = match run.split.by {
            _ if run.by_time() => "time",
            SplitBy::Group => "group",
            SplitBy::Predefined => {
                let why = "`split.by = \"predefined\"` names the test rows, so there are no folds to choose";
                return Err(refused(why, "write `stratified`, `group` or `time`"));
            }
            SplitBy::KFold => "k_fold",
            _ if run.data.stream => "k_fold",
            _ => "stratified",
        };
        let averaged =
            |kind| matches!(kind, TargetKind::Category | TargetKind::Number | TargetKind::Forecast);
        if let Some(target) = run.targets.iter().find(|target| !averaged(target.kind)) {
            let why = format!("the predictions of `{}` have no average", target.name);
            return Err(refused(&why, "choose a config that predicts a class, a number or a forecast"));
        }
        if run.data.test_source.is_some() {
            let why = "`data.test_source` has the test rows, so there are no folds to choose";
            return Err(refused(why, "remove it, or use `cupola train`"));
        }
        if repeats > 1 && by == "time" {
            let why = "folds in the order of time are the same in each repeat";
            return Err(refused(why, "leave --repeat out"));
        }
        Ok(Self { by, folds, repeats, nested, seed: run.seed })
    }

    /// Repeat and fold of each run, in order.
    pub fn runs(&self) -> impl Iterator<Item = [usize; 2]> + use<> {
        let folds = self.folds;
        (0..self.repeats).flat_map(move |repeat| (0..folds).map(move |fold| [repeat, fold]))
    }

    /// Config of the run of one fold. A repeat has a seed of its own.
    pub fn config(&self, config: &ConfigSource, [repeat, fold]: [usize; 2]) -> ConfigSource {
        let overrides = [
            format!("split.by={}", self.by),
            format!("split.folds={}", self.folds),
            format!("split.fold={fold}"),
            format!("seed={}", self.seed.wrapping_add(repeat as u64)),
        ];
        config.clone().with_more_overrides(overrides)
    }

    /// Checks that each fold of the first repeat has rows to train, to choose and to test on. A stream, whose rows are not
    /// in memory, is not checked.
    ///
    /// # Errors
    /// [`Error::CrossValidation`] for the first fold without rows; sources that cannot be read.
    pub fn check_rows(&self, session: &Session<'_>, config: &ConfigSource) -> Result<(), Error> {
        let folds = (0..self.folds).map(|fold| session.run_config(&self.config(config, [0, fold])));
        let runs: Vec<Run> = folds.collect::<Result<_, _>>()?;
        let Some(run) = runs.first().filter(|run| !run.data.stream) else { return Ok(()) };
        let group = run.split.column.as_deref().filter(|_| run.split.by == SplitBy::Group);
        let look = |frame: &Frame, _: Option<&Frame>| {
            let empty = first_empty_fold(&runs, frame)?;
            let groups = group.and_then(|name| frame.get(name)).map(|column| {
                let names = (0..frame.rows()).map(|row| column.text(row).unwrap_or_default());
                names.collect::<HashSet<_>>().len()
            });
            Ok(empty.map(|empty| (empty, groups)))
        };
        let (found, ..) = session.with_frames(run, &config.roots(), look)?;
        let Some((EmptyFold { fold, part, rows }, groups)) = found else { return Ok(()) };
        let values = group.zip(groups).map(|(name, groups)| format!(" in {groups} groups of `{name}`"));
        Err(Error::CrossValidation {
            why: format!(
                "fold {} of {} has no rows in the {part} split, of {rows} rows{}",
                fold + 1,
                self.folds,
                values.unwrap_or_default()
            ),
            remedy: "lower --folds, or change `split.valid`",
        })
    }

    /// Key of the runs of these folds with these files: more repeats belong to the same key.
    pub fn key(&self, run: &Run, digests: &[&str]) -> Result<String, Error> {
        let config = toml::to_string(&run.sealed)?;
        let mut key = json!([CODE_VERSION, config, digests, self.by, self.folds]);
        if let Some(key) = key.as_array_mut().filter(|_| self.nested) {
            key.push("nested".into());
        }
        Ok(sha256_hex(key.to_string().as_bytes()))
    }
}

/// State of the run of a fold in the home of the cross-validation.
pub(super) fn state(home: &Home, run: &Run) -> Result<FoldState, Error> {
    let sha256 = sha256_hex(toml::to_string(&run.sealed)?.as_bytes());
    let mut found: Vec<(RunFolder, RunRecord)> =
        RunFolder::all(home)?.into_iter().filter(|(_, record)| record.config_sha256 == sha256).collect();
    found.sort_by(|a, b| b.1.created.cmp(&a.1.created));
    let is_whole =
        |record: &RunRecord| record.package.as_ref().is_some_and(|package| home.package(package).is_ok());
    let finished = found.iter().find(|(_, record)| record.status == Status::Finished && is_whole(record));
    if let Some((_, record)) = finished {
        return Ok(FoldState::Finished(Box::new(record.clone())));
    }
    let resumable = |(folder, record): &&(RunFolder, RunRecord)| {
        let has_checkpoint = || folder.checkpoint_steps().is_ok_and(|steps| !steps.is_empty());
        // Trees have no checkpoints: their run begins anew under its id.
        record.status != Status::Finished && (run.trees.is_some() || has_checkpoint())
    };
    Ok(found
        .iter()
        .find(resumable)
        .map_or(FoldState::New, |(_, record)| FoldState::Resumable(record.id.clone())))
}
