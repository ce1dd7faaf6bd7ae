//! Order of time: forecasts, and splits of rows that are sorted by a time.

use cupola_prep::{TimeGrid, time_grid, time_order};
use cupola_spec::{DatePart, Input, Kind, Series, Source, TargetKind};

use super::sample::DataSample;
use super::{Draft, DraftColumn, DraftRole, DraftSplit};

const HOUR: f64 = 3600.0;
const DAY: f64 = 24.0 * HOUR;
/// Share of equal steps from which on times are regular.
const REGULAR: f64 = 0.9;
/// Fewest rows of a series that is forecast.
const MIN_ROWS: usize = 60;
/// Most distinct values of a key of series.
const MAX_SERIES: usize = 1000;
/// Most columns besides the target that a forecast looks at.
const MAX_CHANNELS: usize = 7;

/// Window, horizon and season of a forecast, in rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lengths {
    window: usize,
    horizon: usize,
    season: usize,
}

/// Decides on a forecast or a split by time, as the columns of times suggest. `asked` is the kind of the target that
/// the user gave.
pub(super) fn order(draft: &mut Draft, data: &DataSample, asked: Option<TargetKind>) {
    match draft.target.kind {
        TargetKind::Number if asked.is_none() => {
            if let Some((time, key, grid)) = regular(draft, data) {
                forecast(draft, data, Some((&time, key)), grid);
                return;
            }
        }
        TargetKind::Forecast => {
            let found = regular(draft, data);
            let grid = found.as_ref().map_or_else(|| rows_as_steps(data), |(.., grid)| *grid);
            forecast(draft, data, found.as_ref().map(|(time, key, _)| (time.as_str(), key.clone())), grid);
            return;
        }
        TargetKind::Reconstruct => {
            reconstruct(draft);
            return;
        }
        TargetKind::NextToken => {
            only_the_text(draft);
            return;
        }
        // Groups decide the split of a ranking.
        TargetKind::Rank => return,
        TargetKind::Category | TargetKind::Number => {}
    }
    by_time(draft, data);
}

/// Steps of a series without a column of times.
fn rows_as_steps(data: &DataSample) -> TimeGrid {
    TimeGrid { step: 0.0, regular: 1.0, series: 1, shortest: data.frame.rows() }
}

/// Column of dates at regular steps, and the key that tells series apart if there are several.
fn regular(draft: &Draft, data: &DataSample) -> Option<(String, Option<String>, TimeGrid)> {
    let dates = draft.columns.iter().filter(|column| column.kind == Some(Kind::Date));
    let keys: Vec<&str> = draft
        .columns
        .iter()
        .filter(|column| column.role != DraftRole::Target && (2..=MAX_SERIES).contains(&column.distinct))
        .filter(|column| column.kind == Some(Kind::Category) || column.kind.is_none())
        .map(|column| column.name.as_str())
        .collect();
    for date in dates {
        let format = format_of(date);
        let of = |key: Option<&str>| {
            let grid = time_grid(&data.frame, &date.name, format.as_deref(), key)?;
            (grid.regular >= REGULAR && grid.shortest >= MIN_ROWS).then_some(grid)
        };
        if let Some(grid) = of(None) {
            return Some((date.name.clone(), None, grid));
        }
        if let Some((key, grid)) = keys.iter().find_map(|key| Some((*key, of(Some(key))?))) {
            return Some((date.name.clone(), Some(key.to_owned()), grid));
        }
    }
    None
}

fn format_of(column: &DraftColumn) -> Option<String> {
    column.input.as_ref().and_then(|input| input.format.clone())
}

/// Makes the draft a forecast of its target.
fn forecast(draft: &mut Draft, data: &DataSample, order: Option<(&str, Option<String>)>, grid: TimeGrid) {
    let lengths = lengths(grid, data.complete);
    draft.target.kind = TargetKind::Forecast;
    draft.target.horizon = Some(lengths.horizon);
    draft.target.season = Some(lengths.season);
    if let Some((time, key)) = order {
        let format = draft.columns.iter().find(|column| column.name == time).and_then(format_of);
        draft.series = Series { time: Some(time.to_owned()), key: key.clone().map(Source::One), format };
        draft.target_reason = format!(
            "`{time}` has regular steps, so the next {} rows are forecast from {} rows; for a number of each row by \
             itself, use --kind number",
            lengths.horizon, lengths.window
        );
        set_role(draft, time, DraftRole::Time, "the times that rows are sorted by");
        if let Some(key) = &key {
            set_role(draft, key, DraftRole::Key, "tells the series apart");
        }
    } else {
        draft.target_reason = format!(
            "the next {} rows are forecast from {} rows, in the order of the file",
            lengths.horizon, lengths.window
        );
        draft
            .warnings
            .push("no column of times is found, so the rows must be in the order of time".to_owned());
    }
    channels(draft, lengths.window);
}

/// Makes one series of the target and the other numbers, and leaves all other columns out.
fn channels(draft: &mut Draft, window: usize) {
    let target = draft.target.name.clone();
    let mut names = vec![target.clone()];
    for column in &mut draft.columns {
        if column.role != DraftRole::Input {
            continue;
        }
        if column.kind == Some(Kind::Number) && column.missing == 0 && names.len() <= MAX_CHANNELS {
            names.push(column.name.clone());
            "numbers, of which the forecast sees the past".clone_into(&mut column.reason);
        } else {
            column.role = DraftRole::LeftOut;
            column.reason.push_str("; a forecast reads numbers without gaps only");
        }
        column.input = None;
    }
    let single = names.len() == 1;
    let name = if single { target } else { "history".to_owned() };
    let columns = (!single).then_some(Source::Many(names));
    // The past of the target is an input too.
    draft.inputs = vec![Input { window: Some(window), columns, ..Input::new(&name, Kind::Series) }];
}

fn set_role(draft: &mut Draft, name: &str, role: DraftRole, reason: &str) {
    if let Some(column) = draft.columns.iter_mut().find(|column| column.name == name) {
        column.role = role;
        column.input = None;
        let kind = column.reason.clone();
        column.reason = format!("{kind}: {reason}");
    }
}

/// Lengths that suit the step, cut to what the shortest series holds.
fn lengths(grid: TimeGrid, complete: bool) -> Lengths {
    let near = |seconds: f64| (grid.step - seconds).abs() < 0.05 * seconds;
    let natural = if near(HOUR) {
        Lengths { window: 168, horizon: 24, season: 24 }
    } else if near(DAY) {
        Lengths { window: 28, horizon: 7, season: 7 }
    } else if near(7.0 * DAY) {
        Lengths { window: 52, horizon: 4, season: 52 }
    } else if (28.0 * DAY..=31.0 * DAY).contains(&grid.step) {
        Lengths { window: 24, horizon: 12, season: 12 }
    } else {
        Lengths { window: 48, horizon: 12, season: 1 }
    };
    if !complete {
        return natural;
    }
    // A tenth of the rows validates and a fifth tests: each must hold several horizons, and training several windows.
    let horizon = natural.horizon.min(grid.shortest / 20).max(1);
    let window = natural.window.min(grid.shortest / 5).max(2);
    let season = if natural.season < grid.shortest / 4 { natural.season } else { 1 };
    Lengths { window, horizon, season }
}

/// Splits rows that are sorted by a time in that order.
fn by_time(draft: &mut Draft, data: &DataSample) {
    let Some((column, format)) = time_order(&data.frame) else { return };
    let Some(own) = draft.columns.iter_mut().find(|own| own.name == column) else { return };
    if own.role == DraftRole::Target {
        return;
    }
    let reason = format!(
        "rows are in the order of `{column}`: the model is tested on the last ones, because a random split would let it \
         learn from rows after those that it is tested on"
    );
    if own.kind == Some(Kind::Number) {
        own.role = DraftRole::Time;
        own.input = None;
    } else if let Some(input) = own.input.as_mut().filter(|input| input.kind == Kind::Date) {
        // Years of later rows are beyond all that training has seen.
        let parts =
            input.parts.take().unwrap_or_else(|| vec![DatePart::Month, DatePart::Day, DatePart::Weekday]);
        input.parts = Some(parts.into_iter().filter(|part| *part != DatePart::Year).collect());
        own.reason.push_str(", without the year, which later rows exceed");
    }
    draft.split = Some(DraftSplit { column, format, reason });
}

/// Leaves out what cannot be reconstructed.
fn reconstruct(draft: &mut Draft) {
    for column in draft.columns.iter_mut().filter(|column| column.role == DraftRole::Input) {
        let embedded = column.input.as_ref().is_some_and(|input| input.encode.is_some());
        if embedded || !matches!(column.kind, Some(Kind::Number | Kind::Category | Kind::Image)) {
            column.role = DraftRole::LeftOut;
            column.input = None;
            column.reason.push_str("; not a part of what is reconstructed");
        }
    }
}

/// Leaves out everything but the text of a language model.
fn only_the_text(draft: &mut Draft) {
    let text = draft.target.name.clone();
    for column in draft.columns.iter_mut().filter(|column| column.name != text) {
        column.role = DraftRole::LeftOut;
        column.input = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_follow_the_step_and_fit_the_shortest_series() {
        let of = |step: f64, shortest: usize| {
            let found = lengths(TimeGrid { step, regular: 1.0, series: 1, shortest }, true);
            (found.window, found.horizon, found.season)
        };
        assert_eq!(of(HOUR, 10_000), (168, 24, 24));
        assert_eq!(of(DAY, 1000), (28, 7, 7));
        assert_eq!(of(31.0 * DAY, 144), (24, 7, 12));
        assert_eq!(of(DAY, 60), (12, 3, 7));
        assert_eq!(of(600.0, 60), (12, 3, 1));
    }
}
