//! Retrainings as lines and tables.

use cupola_monitor::service::VersionFigures;
use cupola_operate::{
    ContestReport, LiveContest, WatchCycle, WatchLook, WatchRecord, WatchState, WatchTrigger,
};
use cupola_report::ComparedMetric;
use cupola_workflow::{GateReport, JudgedCondition};

use crate::draw::{Ui, duration, grouped, metric};

/// Letters of a reason in a table.
const SHOWN: usize = 80;
/// Columns of a measured drift that are listed.
const COLUMNS: usize = 5;

/// One line for a record that was written.
pub fn show_record(ui: Ui, record: &WatchRecord) {
    let words = words(&record.state);
    if !words.is_empty() {
        ui.line(format!("{:<11} {words}", record.state.name()));
    }
}

/// Findings of a look without a retraining.
pub fn show_look(ui: Ui, look: &WatchLook) {
    let evidence = &look.evidence;
    let champion = evidence.champion.as_deref().unwrap_or("none yet");
    ui.line(format!("champion    {champion}"));
    ui.line(format!("data        {}, {} rows", evidence.data.dataset, grouped(evidence.data.rows)));
    if let Some(recent) = &evidence.recent {
        ui.line(format!("recent      {}, {} rows", recent.dataset, grouped(recent.rows)));
    }
    if let Some(drift) = &evidence.drift {
        ui.line(format!(
            "drift       {} of {} columns of {} away from {}",
            drift.drifted,
            drift.columns.len(),
            drift.current,
            drift.reference
        ));
        for (name, value) in drift.columns.iter().take(COLUMNS) {
            ui.line(format!("            {name} {}", metric(*value)));
        }
    }
    evidence.accuracy.iter().for_each(|gate| show_conditions(ui, "accuracy", gate));
    look.notes.iter().for_each(|note| ui.line(format!("note        {note}")));
    for trigger in &evidence.triggers {
        ui.line(format!("trigger     {}: {}", trigger.name, trigger.why));
    }
    match &look.held {
        Some((rule, why)) => ui.line(format!("held        {rule}: {why}")),
        None if evidence.triggers.is_empty() => ui.line("no reason to train"),
        None => ui.line("a pass would begin a retraining"),
    }
}

/// All states of a retraining with their evidence.
pub fn show_cycle(ui: Ui, name: &str, cycle: &WatchCycle) {
    ui.line(format!("retraining  {name}-{}, {}", cycle.number, cycle.state().name()));
    let rows = cycle
        .records
        .iter()
        .map(|record| vec![record.at.clone(), record.state.name().to_owned(), words(&record.state)]);
    ui.table(&["time", "state", "evidence"], &[], rows.collect());
    if let Some(gated) = cycle.gated() {
        for condition in gated.holdout.iter().flat_map(|gate| &gate.conditions) {
            if gated.champion.is_none() && condition.found.is_none() && condition.key.starts_with("versus ") {
                ui.line(format!("holdout     {}: no champion", condition.key));
            } else {
                show_condition(ui, "holdout", condition);
            }
        }
        gated.recent.iter().for_each(|contest| show_contest(ui, "recent", contest));
    }
    for record in &cycle.records {
        match &record.state {
            WatchState::Watched { contest, .. } => show_contest(ui, "watched", contest),
            WatchState::Tried(contest) => show_figures(ui, "canary", contest),
            WatchState::Live(contest) => show_figures(ui, "live", contest),
            _ => {}
        }
    }
}

/// Row of the list of retrainings.
pub fn cycle_row(name: &str, cycle: &WatchCycle) -> Vec<String> {
    let triggers = cycle.triggered().map(|triggered| names(&triggered.triggers)).unwrap_or_default();
    let reason: String = match cycle.state() {
        WatchState::Pending => format!("cupola watch approve {name}-{}", cycle.number),
        state => words(state),
    };
    let short: String = reason.chars().take(SHOWN).collect();
    vec![
        format!("{name}-{}", cycle.number),
        cycle.records.first().map(|record| record.at.clone()).unwrap_or_default(),
        cycle.state().name().to_owned(),
        triggers,
        cycle.trained().map_or_else(|| "-".to_owned(), |trained| trained.package.clone()),
        short,
    ]
}

fn names(triggers: &[WatchTrigger]) -> String {
    triggers.iter().map(|trigger| trigger.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Evidence of a state on one line; empty for a state without any.
fn words(state: &WatchState) -> String {
    match state {
        WatchState::Opened => String::new(),
        WatchState::Held { rule, triggers, why } => format!("{}; {rule}: {why}", names(triggers)),
        WatchState::Triggered(evidence) => {
            let each = evidence.triggers.iter().map(|trigger| format!("{}: {}", trigger.name, trigger.why));
            each.collect::<Vec<_>>().join("; ")
        }
        WatchState::Collected(data) => format!("{}, {} rows", data.dataset, grouped(data.rows)),
        WatchState::Validated { expectations, quarantined } => {
            format!("{expectations} expectations, {quarantined} rows put aside")
        }
        WatchState::Prepared(config) => format!("examples {}, seed {}", config.stage, config.seed),
        WatchState::Trained(trained) if trained.reused => {
            format!("{} by run {}, trained before", trained.package, trained.run)
        }
        WatchState::Trained(trained) => {
            format!("{} by run {} in {}", trained.package, trained.run, duration(trained.seconds))
        }
        WatchState::Gated(gated) => gated.why.clone(),
        WatchState::Pending => "waits for `cupola watch approve`".to_owned(),
        WatchState::Approved { by } => format!("by {by}"),
        WatchState::Declined { by, why } => format!("by {by}: {why}"),
        WatchState::Canary { alias, to } => format!("`{alias}` to version {to}"),
        WatchState::Tried(contest) | WatchState::Live(contest) => {
            let verdict = if contest.worse { "worse" } else { "not worse" };
            format!("{verdict}: {}", contest.why)
        }
        WatchState::Measured { figures: Some(figures), .. } => {
            format!("version {} on {} requests", figures.version, figures.requests)
        }
        WatchState::Measured { why, .. } => why.clone().unwrap_or_default(),
        WatchState::Promoted { alias, from, to, until } => {
            let from = from.map_or_else(|| "nothing".to_owned(), |from| format!("version {from}"));
            let until = until.as_ref().map(|until| format!(", followed until {until}")).unwrap_or_default();
            format!("`{alias}` from {from} to version {to}{until}")
        }
        WatchState::Watched { worse, contest } => {
            let verdict = if *worse { "worse" } else { "not worse" };
            format!("{verdict} than {} on {} newer rows", contest.champion, contest.rows)
        }
        WatchState::RolledBack { from, to, why } => format!("from version {from} to version {to}: {why}"),
        WatchState::Kept { why } | WatchState::Rejected { why } | WatchState::Failed { why, .. } => {
            why.clone()
        }
    }
}

fn show_conditions(ui: Ui, what: &str, gate: &GateReport) {
    gate.conditions.iter().for_each(|condition| show_condition(ui, what, condition));
}

fn show_condition(ui: Ui, what: &str, condition: &JudgedCondition) {
    let found = condition.found.map_or_else(|| "-".to_owned(), metric);
    let (key, outcome) = (&condition.key, condition.outcome.name());
    ui.line(format!("{what:<11} {outcome} {key} {found}, required {}", condition.required));
}

fn show_contest(ui: Ui, what: &str, contest: &ContestReport) {
    ui.line(format!("{what:<11} {} rows of {}", contest.rows, contest.data.dataset));
    let value = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), metric);
    let deciding = deciding_metric(contest);
    let rows = contest.metrics.iter().map(|one| {
        let interval = one.interval.map(|(low, high)| format!("{} to {}", metric(low), metric(high)));
        vec![
            one.name.clone(),
            value(one.first),
            value(one.second),
            value(one.difference),
            interval.unwrap_or_default(),
            if deciding == Some(one.name.as_str()) { "decides" } else { "" }.to_owned(),
        ]
    });
    let header = ["metric", &contest.champion, &contest.challenger, "difference", "95 % interval", "gate"];
    ui.table(&header, &[1, 2, 3], rows.collect());
}

/// Metric that the claim about the challenger is judged by: the one that its key names, else the one whose difference it found.
fn deciding_metric(contest: &ContestReport) -> Option<&str> {
    let claim = contest.gate.conditions.first()?;
    let named = claim.key.split_once('/').map(|(_, name)| name);
    let bare = named.and_then(|name| name.rsplit_once('/')).map(|(_, name)| name);
    let found = claim.found.map(f64::abs);
    let mut metrics = contest.metrics.iter();
    let decides = |one: &&ComparedMetric| match named {
        Some(name) => one.name == name || bare == Some(one.name.as_str()),
        None => found.is_some() && one.difference.map(f64::abs) == found,
    };
    metrics.find(decides).map(|one| one.name.as_str())
}

/// Figures of a server about two versions.
fn show_figures(ui: Ui, what: &str, contest: &LiveContest) {
    let Some((earlier, newer)) = contest.earlier.as_ref().zip(contest.newer.as_ref()) else { return };
    ui.line(format!("{what:<11} {}", contest.why));
    let both = |name: &str, value: &dyn Fn(&VersionFigures) -> String| {
        vec![name.to_owned(), value(earlier), value(newer)]
    };
    let share =
        |count: u64, all: u64| if all == 0 { "-".to_owned() } else { metric(count as f64 / all as f64) };
    let rows = vec![
        both("requests", &|one| one.requests.to_string()),
        both("failed share", &|one| share(one.server_errors, one.requests)),
        both("p99 seconds", &|one| one.p99.map_or_else(|| "-".to_owned(), metric)),
        both("right share", &|one| share(one.right, one.right + one.wrong)),
        both("mean error", &|one| {
            if one.measured == 0 { "-".to_owned() } else { metric(one.absolute_error / one.measured as f64) }
        }),
    ];
    let (first, second) = (format!("version {}", earlier.version), format!("version {}", newer.version));
    ui.table(&["figure", &first, &second], &[1, 2], rows);
}
