//! The page: one HTML file without any other, complete without scripts, of at most 2 MB.

mod classification;
mod confusion;
mod data;
mod errors;
mod explain;
pub(crate) mod markup;
mod metrics;
mod numbers;
mod overview;
mod subgroups;

pub(crate) use metrics::{baseline, bounds, digits, finite};
pub(crate) use overview::{main_split, p_value, verdict};

use crate::document::{Detail, Evaluation, SplitEvaluation, TargetEvaluation};
use crate::text::{cut, escape, name, several};
use markup::{Room, dim, part};

/// Largest page in bytes.
pub const PAGE_BYTES: usize = 2_000_000;

/// Kept free for the frame of the page, the contents and closing sentences.
pub(crate) const FRAME: usize = 150_000;

/// Splits and targets whose metrics are shown.
const TABLES: usize = 40;

/// Splits and targets that are shown in detail.
const DETAILS: usize = 8;

/// Content security policy: the page loads and runs only itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'";

/// Part of the page with an entry in the contents.
pub(crate) struct Section {
    /// HTML.
    pub title: String,
    /// HTML.
    pub body: String,
    /// Entries below, as identifier and text.
    pub parts: Vec<(String, &'static str)>,
}

/// Self-contained page about an evaluation, of at most [`PAGE_BYTES`] whatever the data: long lists are cut, with the
/// number of what is left out, and what would still make the page too large is replaced by a sentence.
pub fn html(evaluation: &Evaluation) -> String {
    let mut room = Room::new(PAGE_BYTES - FRAME);
    let header = room.take(overview::header(evaluation));
    let mut sections = Vec::new();
    let add = |title: &str, body: String, sections: &mut Vec<Section>| {
        if !body.is_empty() {
            sections.push(Section { title: title.to_owned(), body, parts: Vec::new() });
        }
    };
    // The order of the page is that of importance, so what does not fit is at its end; data and model are small.
    if let Some(comparison) = &evaluation.comparison {
        add("Comparison of two models", room.take(overview::comparison(comparison)), &mut sections);
    }
    add("Metrics", room.take(tables(evaluation)), &mut sections);
    add("Training", room.take(overview::learning(&evaluation.learning)), &mut sections);
    let data = evaluation.data.as_ref().map(|data| room.take(data::data(data))).unwrap_or_default();
    let model = room.take(overview::model(&evaluation.model));
    sections.extend(details(evaluation, &mut room));
    add("Data", data, &mut sections);
    add("Model", model, &mut sections);
    let title = format!("{} evaluation", escape(&cut(&evaluation.model.package, 80)));
    assemble(&title, &header, &sections)
}

/// Metrics of each split and target.
fn tables(evaluation: &Evaluation) -> String {
    let all: Vec<_> = pairs(evaluation).collect();
    let shown: String = all
        .iter()
        .take(TABLES)
        .filter(|(_, target)| !target.metrics.is_empty())
        .map(|(split, target)| {
            let rows = several(split.rows, "row");
            format!(
                "<h3>{} <small>{rows}</small></h3>{}",
                place(split, target),
                metrics::metrics(&target.metrics)
            )
        })
        .collect();
    let legend = "<p class=\"dim scale\">Dot: value on a scale from 0 to 1, or from 0 to the largest of the numbers. \
        Line: 95 % interval. Tick: trivial model.</p>";
    if shown.is_empty() { shown } else { shown + legend + &markup::further(all.len(), TABLES, "table") }
}

fn pairs(evaluation: &Evaluation) -> impl Iterator<Item = (&SplitEvaluation, &TargetEvaluation)> {
    evaluation.splits.iter().flat_map(|split| split.targets.iter().map(move |target| (split, target)))
}

/// Name of a split, and of the target where there are several.
fn place(split: &SplitEvaluation, target: &TargetEvaluation) -> String {
    if split.targets.len() > 1 {
        format!("{}, {}", name(&split.split), name(&target.target))
    } else {
        name(&split.split)
    }
}

/// Plots and tables of each split and target, in their order. Where not all have room, the main split has.
fn details(evaluation: &Evaluation, room: &mut Room) -> Vec<Section> {
    let main = main_split(evaluation).map(|split| split.split.as_str());
    let mut all: Vec<_> = pairs(evaluation).enumerate().collect();
    all.sort_by_key(|(_, (split, _))| Some(split.split.as_str()) != main);
    let mut found: Vec<(usize, Section)> = Vec::new();
    let mut left = 0;
    for (number, (split, target)) in all {
        if found.len() == DETAILS {
            left += 1;
            continue;
        }
        let mut section = Section { title: place(split, target), body: String::new(), parts: Vec::new() };
        let mut add = |title: &'static str, body: String| {
            if !body.is_empty() {
                let id = format!("p{number}-{}", section.parts.len());
                section.body += &format!("<div id=\"{id}\">{}</div>", part(title, &body));
                section.parts.push((id, title));
            }
        };
        match &target.detail {
            Detail::None => {}
            Detail::Classification(detail) => {
                add("Confusion", room.take(confusion::confusion(detail)));
                add("Classes", room.take(classification::classes(detail)));
                add("Curves", room.take(classification::curves(detail, &target.metrics)));
            }
            Detail::Regression(detail) => {
                add("Predictions and residuals", room.take(numbers::regression(detail)));
            }
            Detail::Forecast(detail) => add("Forecasts", room.take(numbers::forecast(detail))),
            Detail::Score(detail) => add("Scores", room.take(numbers::score(detail))),
        }
        add("Subgroups", room.take(subgroups::subgroups(&target.subgroups, &target.metrics)));
        add("Error slices", room.take(errors::slices(&target.slices)));
        add("Importance", room.take(explain::importance(&target.importance)));
        add("Dependence", room.take(explain::dependence(&target.dependence)));
        add("Worst errors", errors::worst(&target.worst, room));
        if !section.body.is_empty() {
            found.push((number, section));
        }
    }
    found.sort_by_key(|(number, _)| *number);
    let mut sections: Vec<Section> = found.into_iter().map(|(_, section)| section).collect();
    if left > 0
        && let Some(last) = sections.last_mut()
    {
        last.body += &dim(&format!("Not shown in detail: {}.", several(left, "further split or target")));
    }
    sections
}

/// Page of a title, which is HTML, and its sections.
pub(crate) fn assemble(title: &str, header: &str, sections: &[Section]) -> String {
    let mut contents = String::new();
    let mut body = String::new();
    for (at, Section { title, body: inner, parts }) in sections.iter().enumerate() {
        contents += &format!("<li><a href=\"#s{at}\">{title}</a>");
        if !parts.is_empty() {
            let below: String =
                parts.iter().map(|(id, title)| format!("<li><a href=\"#{id}\">{title}</a></li>")).collect();
            contents += &format!("<ul>{below}</ul>");
        }
        contents += "</li>";
        body += &format!("<section id=\"s{at}\"><h2>{title}</h2>{inner}</section>\n");
    }
    let style = include_str!("page/style.css");
    let script = include_str!("page/sort.js");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n\
         <nav aria-label=\"Contents\"><details open><summary>Contents</summary><ul>{contents}</ul></details></nav>\n\
         <main>\n{header}\n{body}</main>\n<script>\n{script}</script>\n</body>\n</html>\n"
    )
}
