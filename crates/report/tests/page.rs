//! The page as a whole: its size, hostile names, numbers that are none, and what it says of the data.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

#[path = "../examples/pages/documents.rs"]
mod documents;

use cupola_report::{
    Bar, ColumnSummary, DataSection, Detail, Distribution, Evaluation, Histogram, Importance, LearningCurve,
    Line, PAGE_BYTES, Subgroup, SubgroupTable, WorstContent, WorstError, html, markdown,
};
use proptest::prelude::*;
use serde_json::Value;

/// Tags with their attributes, without texts and values of attributes.
fn skeleton(html: &str) -> String {
    let mut rest = html;
    let mut found = String::new();
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        for raw in ["<style>", "<script>"] {
            if rest.starts_with(raw) {
                let close = raw.replace('<', "</");
                rest = &rest[rest.find(&close).expect("a closing tag")..];
            }
        }
        let mut quoted = false;
        let end = rest.find(|c| {
            quoted ^= c == '"';
            c == '>' && !quoted
        });
        let tag = &rest[..=end.expect("the end of a tag")];
        found.extend(tag.split('"').step_by(2));
        rest = &rest[tag.len()..];
    }
    // A long name has its whole text as its title, and leaves room for fewer numbers beside an axis.
    found.replace("<bdi title=>", "<bdi>").replace("<text class= x= y=></text>", "")
}

/// Document whose texts are all replaced, each by another one.
fn renamed(document: &Evaluation, text: &str) -> Evaluation {
    fn walk(value: &mut Value, text: &str, count: &mut usize) {
        match value {
            Value::String(old)
                if !["none", "target", "test"].contains(&old.as_str()) && !old.starts_with("iVBOR") =>
            {
                *count += 1;
                *old = format!("{count}{text}");
            }
            Value::Array(all) => all.iter_mut().for_each(|value| walk(value, text, count)),
            Value::Object(all) => all.values_mut().for_each(|value| walk(value, text, count)),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(document).unwrap();
    walk(&mut value, text, &mut 0);
    serde_json::from_value(value).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_text_of_the_data_is_markup(parts in prop::collection::vec(
        prop::sample::select(vec![
            "<script>alert(1)</script>", "\"", "'", "<", ">", "&", "\" onload=\"x", "-->", "</td>", "]]>", "\u{0}",
            "\u{202e}", "שלום", "\u{7f}", "|", "`", "\n", "</title>", "<!--",
        ]),
        1..4,
    )) {
        let text: String = parts.concat().chars().take(45).collect();
        for (name, document) in documents::all() {
            let page = html(&renamed(&document, &text));
            let plain = html(&renamed(&document, "a"));
            prop_assert!(skeleton(&page) == skeleton(&plain), "other tags in {}", name);
            let raw = |text: &str| text.contains(['\u{202e}', '\u{0}', '\u{7f}']);
            prop_assert!(!raw(&page), "control characters in {}", name);
            let table = markdown(&renamed(&document, &text));
            prop_assert!(!raw(&table), "control characters in {}", name);
            // A cell of a table cannot end its row or column early.
            let separators = |text: &str| {
                let ends = text.lines().filter(|line| line.starts_with("| "));
                ends.map(|line| line.replace("\\|", "").matches('|').count()).collect::<Vec<_>>()
            };
            prop_assert_eq!(separators(&table), separators(&markdown(&renamed(&document, "a"))), "{}", name);
        }
    }
}

fn histogram(count: usize) -> Histogram {
    Histogram { edges: (0..=count).map(|at| at as f64).collect(), counts: vec![2.0; count] }
}

#[test]
fn a_page_has_at_most_two_megabytes_and_says_what_it_leaves_out() {
    let long = "a very long name ".repeat(30);
    let classes: Vec<String> = (0..1000).map(|at| format!("{long}{at}")).collect();
    let mut all = documents::all();
    let mut document = all.remove(0).1;
    let census = all.remove(0).1;
    let mut target = document.splits[1].targets[0].clone();
    let Detail::Classification(detail) = &mut target.detail else { panic!("digits are classes") };
    let curve = |class: &String| Line {
        label: class.clone(),
        points: (0..200).map(|at| (f64::from(at) / 200.0, f64::from(at % 7) / 7.0)).collect(),
    };
    detail.confusion =
        (0..1000_u64).map(|row| (0..1000).map(|column| (row * column) % 11).collect()).collect();
    detail.reports = vec![(0.5, 0.5, 0.5, 10); 1000];
    detail.roc = classes.iter().map(curve).collect();
    detail.scores = classes.iter().map(|class| (class.clone(), histogram(50), histogram(50))).collect();
    detail.classes = classes;
    let group = &census.splits[0].targets[0].subgroups[0].groups[0];
    target.subgroups = vec![
        SubgroupTable {
            columns: vec![long.clone()],
            groups: (0..5000).map(|_| Subgroup { values: vec![long.clone()], ..group.clone() }).collect(),
            ..SubgroupTable::default()
        };
        2
    ];
    target.importance = (0..10_000)
        .map(|at| Importance { column: format!("{at}{long}"), increase: 1.0, interval: Some((0.5, 1.5)) })
        .collect();
    let error =
        |content| WorstError { row: 1, target: long.clone(), predicted: long.clone(), error: 1.0, content };
    target.worst = (0..100).map(|_| error(WorstContent::Picture("A".repeat(23_000)))).collect();
    document.splits = (0..9).map(|_| document.splits[1].clone()).collect();
    for split in &mut document.splits {
        split.targets = vec![target.clone()];
    }
    let bars = |count| (0..count).map(|_| Bar { label: long.clone(), value: 1.0 }).collect();
    let column = |at: usize| ColumnSummary {
        name: format!("{at}{long}"),
        kind: "number".into(),
        role: "input".into(),
        missing: vec![0.5; 3],
        distributions: vec![
            Distribution::Numbers(histogram(200)),
            Distribution::Values { top: bars(100), other: 3.0 },
            Distribution::Numbers(Histogram::default()),
        ],
    };
    document.data = Some(DataSection {
        source: long.clone(),
        splits: ["train", "valid", "test"].map(|split| (split.into(), 10)).to_vec(),
        columns: (0..10_000).map(column).collect(),
    });
    let page = html(&document);
    assert!(page.len() <= PAGE_BYTES, "{}", page.len());
    for said in [
        "9,940 further columns",
        "4,970 further groups",
        "960 further classes",
        "would be larger than 2 MB",
        "that have curves",
    ] {
        assert!(page.contains(said), "{said}");
    }
    // The numbers that count are there all the same.
    assert!(page.contains("0.9733") && page.contains("id=\"s0\"") && page.ends_with("</html>\n"));
    assert!(markdown(&document).len() < 60_000, "{}", markdown(&document).len());
}

/// Every number with a fraction becomes `value`.
fn poisoned(document: &Evaluation, value: f64) -> Evaluation {
    let mut document = document.clone();
    let points = |lines: &mut Vec<Line>| {
        lines.iter_mut().flat_map(|l| &mut l.points).for_each(|p| *p = (value, value));
    };
    for curve in &mut document.learning {
        curve.points.iter_mut().for_each(|point| *point = (value, value));
    }
    for target in document.splits.iter_mut().flat_map(|split| &mut split.targets) {
        let groups = target.subgroups.iter_mut().flat_map(|table| &mut table.groups);
        for metric in target.metrics.iter_mut().chain(groups.flat_map(|group| &mut group.metrics)) {
            (metric.value, metric.interval, metric.baseline) =
                (Some(value), Some((value, value)), Some(value));
        }
        match &mut target.detail {
            Detail::Classification(detail) => {
                for lines in [&mut detail.roc, &mut detail.calibration, &mut detail.gain, &mut detail.lift] {
                    points(lines);
                }
                detail.reports.iter_mut().for_each(|report| *report = (value, value, value, report.3));
                detail.scores.iter_mut().for_each(|score| score.1.counts.fill(value));
            }
            Detail::Regression(detail) => {
                detail.predicted.fill((value, value));
                detail.residuals.fill((value, 1.0));
                detail.residual_histogram.edges.fill(value);
            }
            Detail::Forecast(detail) => {
                points(&mut detail.by_step);
                detail.bands.iter_mut().for_each(|band| band.fill((value, value, value)));
                detail.coverage = Some(value);
            }
            Detail::Score(detail) => {
                detail.threshold = Some(value);
                detail.normal.edges.fill(value);
            }
            Detail::None => {}
        }
        target
            .importance
            .iter_mut()
            .for_each(|one| (one.increase, one.interval) = (value, Some((value, value))));
        for one in &mut target.dependence {
            one.partial.fill((value, value));
            one.mean = Some(value);
        }
        for slice in &mut target.slices {
            (slice.error, slice.overall, slice.interval) = (value, value, Some((value, value)));
        }
        target.worst.iter_mut().for_each(|worst| worst.error = value);
    }
    for column in document.data.iter_mut().flat_map(|data| &mut data.columns) {
        column.missing.fill(value);
        for distribution in &mut column.distributions {
            match distribution {
                Distribution::Numbers(histogram) => histogram.edges.fill(value),
                Distribution::Values { other, .. } => *other = value,
            }
        }
    }
    document
}

#[test]
fn no_number_that_is_none_is_drawn() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, f64::MIN_POSITIVE, -0.0] {
        for (name, document) in documents::all() {
            let page = html(&poisoned(&document, value));
            let body = &page[page.find("<body>").unwrap()..page.find("<script>").unwrap()];
            for word in ["NaN", ">inf", "\"inf", "-inf", " inf"] {
                assert!(!body.contains(word), "{word} in {name} of {value}");
            }
        }
    }
}

#[test]
fn the_same_document_gives_the_same_page_which_needs_nothing_else() {
    for (name, document) in documents::all() {
        let page = html(&document);
        assert_eq!(page, html(&document), "{name}");
        let copy: Evaluation = serde_json::from_str(&serde_json::to_string(&document).unwrap()).unwrap();
        assert_eq!(page, html(&copy), "{name}");
        for outside in ["src=\"http", "href=\"http", "url(", "@import", "<link"] {
            assert!(!page.contains(outside), "{outside} in {name}");
        }
        // Every plot has a label, and every identifier is used once.
        for plot in page.split("<svg ").skip(1).filter(|plot| !plot.starts_with("class=\"key\"")) {
            let open = &plot[..plot.find('>').unwrap()];
            assert!(open.contains("role=\"img\"") && open.contains("aria-label=\""), "{open} in {name}");
            assert!(!open.contains("aria-label=\"\""), "{open} in {name}");
        }
        let mut ids: Vec<&str> =
            page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "{name}");
    }
}

#[test]
fn an_empty_document_is_a_page() {
    let page = html(&Evaluation::default());
    assert!(page.contains("<h1>Evaluation</h1>") && page.ends_with("</html>\n"), "{page}");
    assert_eq!(markdown(&Evaluation::default()), "## Evaluation\n");
}

#[test]
fn intervals_of_forecasts_are_bands_and_effects_have_the_level_of_the_predictions() {
    let of = |wanted: &str| documents::all().into_iter().find(|(name, _)| *name == wanted).unwrap().1;
    let page = html(&of("forecast"));
    assert_eq!(page.matches("class=\"band c1\" d=\"M").count(), 8, "four plots, each with a legend");
    assert!(page.contains("90 % interval"));
    let mut census = of("census");
    let target = &mut census.splits[0].targets[0];
    target.dependence.truncate(1);
    let own = &mut target.dependence[0];
    (own.partial, own.accumulated) = (vec![(0.0, 0.2), (1.0, 0.4)], vec![(0.0, -0.1), (1.0, 0.1)]);
    own.mean = Some(0.3);
    let page = html(&census);
    // Effects of -0.1 and 0.1 around a mean of 0.3 are the line of the partial dependence.
    let figure = &page[page.find("partial dependence").unwrap()..];
    let path = |class: &str| {
        let start = format!("<path class=\"line {class}\" d=\"");
        let mut paths = figure.split(&start).skip(1);
        let drawn = paths.find(|path| !path.starts_with("M1 6H25")).unwrap();
        drawn[..drawn.find('"').unwrap()].to_owned()
    };
    assert_eq!(path("c0"), path("c1"));
}

#[test]
fn splits_keep_their_order_and_one_thing_more_is_shown() {
    let mut document = documents::all().into_iter().find(|(name, _)| *name == "digits").unwrap().1;
    document.splits[0].targets = document.splits[1].targets.clone();
    let page = html(&document);
    let place = |title: &str| page.find(&format!("<h2><bdi>{title}</bdi></h2>")).unwrap();
    assert!(place("valid") < place("test"));
    let curve = document.learning[0].clone();
    document.learning =
        (0..13).map(|at| LearningCurve { metric: format!("metric_{at}"), ..curve.clone() }).collect();
    let page = html(&document);
    assert!(page.contains("metric 12") && !page.contains("further metric"));
}

#[test]
fn markdown_has_short_tables() {
    let spam = documents::all().into_iter().find(|(name, _)| *name == "spam").unwrap().1;
    let expected = "## Evaluation of `spam:1`\n\n\
        **F1 0.9511** on test (95 % interval 0.9199 to 0.9823). Better than a trivial model, which has 0.\n\n\
        ### test (1,115 rows)\n\n\
        | metric | value | 95 % interval | trivial model |\n\
        | --- | ---: | ---: | ---: |\n\
        | `f1` | 0.9511 | 0.9199 to 0.9823 | 0.0000 |\n\
        | `accuracy` | 0.9871 | 0.9790 to 0.9952 | 0.8661 |\n";
    assert_eq!(markdown(&spam), expected);
}
