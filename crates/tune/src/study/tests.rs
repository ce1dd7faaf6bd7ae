use std::path::Path;

use indexmap::IndexMap;

use super::*;
use crate::{ParamDistribution, ParamValues, RandomSampler, SearchSpace};

fn identity() -> StudyIdentity {
    StudyIdentity {
        name: "study".to_owned(),
        directions: vec![StudyDirection::Maximize],
        metrics: vec!["accuracy".to_owned()],
        config: "digest".to_owned(),
    }
}

fn open(folder: &Path) -> Study {
    let worker = Worker::new(folder, "host").unwrap();
    Study::open(&folder.join("journal.log"), identity(), worker).unwrap()
}

fn space() -> SearchSpace {
    let params = [("x".to_owned(), ParamDistribution::float(0.0, 1.0).into())];
    SearchSpace::new(params.into_iter().collect::<IndexMap<_, _>>()).unwrap()
}

fn claim(study: &mut Study, trials: usize) -> Claim {
    let (space, sampler) = (space(), RandomSampler);
    let first = None;
    study.claim(&ClaimRequest { space: &space, sampler: &sampler, seed: 1, trials, first }).unwrap()
}

fn claimed(study: &mut Study, trials: usize) -> TrialRecord {
    match claim(study, trials) {
        Claim::Trial(trial) => *trial,
        other => panic!("expected a trial, found {other:?}"),
    }
}

#[test]
#[allow(clippy::float_cmp, reason = "the values are exact")]
fn trials_of_a_worker_that_is_gone_are_claimed_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut gone, mut other) = (open(folder.path()), open(folder.path()));
    let first = claimed(&mut gone, 2);
    gone.set_attribute(first.id, TRIAL_RUN, "run-1".into()).unwrap();
    assert!(!gone.report(first.id, 1, 0.5, &Pruner::None).unwrap());
    let second = claimed(&mut other, 2);
    assert_eq!((first.number, second.number), (0, 1));
    assert!(matches!(claim(&mut other, 2), Claim::Busy));
    other.complete(second.id, vec![0.25]).unwrap();
    assert!(matches!(claim(&mut other, 2), Claim::Busy));
    drop(gone);
    let again = claimed(&mut other, 2);
    assert_eq!((again.id, &again.params), (first.id, &first.params));
    assert_eq!(again.user_attrs[TRIAL_RUN], "run-1");
    assert_eq!(again.intermediate[&1], 0.5);
    other.complete(again.id, vec![0.75]).unwrap();
    assert!(matches!(claim(&mut other, 2), Claim::Done));
    assert_eq!(other.best().unwrap().number, 0);
    assert_eq!(other.trials().len(), 2);
}

#[test]
fn a_worker_that_has_lost_its_trial_cannot_change_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut slow, mut other) = (open(folder.path()), open(folder.path()));
    let trial = claimed(&mut slow, 1);
    slow.release(trial.id).unwrap();
    let taken = claimed(&mut other, 1);
    assert_eq!(taken.id, trial.id);
    for result in [
        slow.complete(trial.id, vec![1.0]),
        slow.heartbeat(trial.id),
        slow.fail(trial.id, "late"),
        slow.report(trial.id, 9, 1.0, &Pruner::None).map(drop),
    ] {
        assert!(matches!(result, Err(StudyError::LostTrial { number: 0 })), "{result:?}");
    }
    other.heartbeat(taken.id).unwrap();
    other.fail(taken.id, "no luck").unwrap();
    let record = other.trials()[0].clone();
    assert_eq!(
        (record.state, record.user_attrs[TRIAL_ERROR].as_str()),
        (JournalTrialState::Fail, Some("no luck"))
    );
}

#[test]
fn a_study_of_another_config_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let other = StudyIdentity { config: "other".to_owned(), ..identity() };
    let journal = folder.path().join("journal.log");
    let refused = Study::open(&journal, other, Worker::new(folder.path(), "host").unwrap());
    assert!(matches!(refused, Err(StudyError::OtherConfig { .. })));
    assert_eq!(Study::metrics_of(&journal, "study", "digest").unwrap(), Some(vec!["accuracy".to_owned()]));
    assert_eq!(Study::metrics_of(&journal, "study", "other").unwrap(), None);
    assert_eq!(std::fs::read_dir(folder.path().join("workers")).unwrap().count(), 0);
}

#[test]
#[allow(clippy::float_cmp, reason = "the values are exact")]
fn a_study_begins_with_earlier_trials_and_its_own_budget() {
    let folder = tempfile::tempdir().unwrap();
    let mut study = open(folder.path());
    let params = |x: f64| ParamValues::from_iter([("x".to_owned(), x)]);
    let earlier = |x: f64, values: Option<Vec<f64>>| EarlierTrial {
        params: params(x),
        values,
        source: "trial 3 of other".to_owned(),
    };
    let trials = [earlier(0.25, Some(vec![0.9])), earlier(0.75, None)];
    assert_eq!(study.begin_with(&space(), Some(&params(0.5)), &trials).unwrap(), 2);
    // It has begun.
    assert_eq!(study.begin_with(&space(), None, &trials).unwrap(), 0);
    assert_eq!((study.imported(), study.best().map(|best| best.number)), (1, Some(0)));
    let mut found = Vec::new();
    while let Claim::Trial(trial) = claim(&mut study, 3) {
        found.push(trial.params["x"].0);
        study.complete(trial.id, vec![0.5]).unwrap();
    }
    // Its own values, those of the queue, and a sample.
    assert_eq!((found.len(), &found[..2]), (3, &[0.5, 0.75][..]));
    assert_eq!(study.trials().len(), 4);
    // Another process reads the same.
    assert_eq!(open(folder.path()).trials(), study.trials());
}
