//! Forecasts and windows joined with values that arrive later.

mod tables;

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::TestHome;

/// Hours of the series; those from `SERVED` on are not known when the model is trained.
const HOURS: usize = 460;
const SERVED: usize = 400;
const WINDOW: usize = 24;
const HORIZON: usize = 4;

/// Value of a store in an hour.
fn sold(store: &str, hour: usize) -> f64 {
    let level = if store == "north" { 100.0 } else { 20.0 };
    let wave = (hour as f64 * std::f64::consts::TAU / 24.0).sin();
    let noise = ((hour * 7919 % 13) as f64 - 6.0) / 3.0;
    ((level * (1.0 + 0.3 * wave) + noise) * 1e4).round() / 1e4
}

/// Hour of January 2024.
fn time(hour: usize) -> String {
    format!("2024-01-{:02} {:02}:00:00", 1 + hour / 24, hour % 24)
}

fn row(store: &str, hour: usize) -> String {
    format!("{},{store},{}\n", time(hour), sold(store, hour))
}

/// Rows of both stores.
fn table(hours: impl Iterator<Item = usize>) -> String {
    let rows = hours.flat_map(|hour| [row("north", hour), row("south", hour)]);
    format!("hour,store,sold\n{}", rows.collect::<String>())
}

fn home() -> TestHome {
    let home = TestHome::new();
    home.write(
        "run.toml",
        format!(
            "name = \"sales\"\nseed = 1\n[data]\nsource = \"sales.csv\"\n[series]\ntime = \"hour\"\nkey = \"store\"\n\
             [split]\nby = \"time\"\nvalid = 0.1\ntest = 0.1\n[uncertainty]\nmethod = \"split\"\ncoverage = 0.8\n\
             share = 0.2\n[[inputs]]\nname = \"sold\"\nkind = \"series\"\nwindow = {WINDOW}\n[[targets]]\n\
             name = \"sold\"\nkind = \"forecast\"\nhorizon = {HORIZON}\nseason = 24\n[model]\nfamily = \"dlinear\"\n\
             [train]\nepochs = 5\nbatch_size = 32\n"
        ),
    );
    home.write("sales.csv", table(0..SERVED));
    home.train(&[]);
    home
}

/// Forecasts of both stores from each of some hours, as the server answered them.
fn serve(home: &TestHome, origins: &[usize], feedback: bool) -> Vec<(String, usize, Vec<f64>)> {
    home.write("serve.toml", "[[model]]\nserve = 'sales:1'\n[log]\nshare = 1.0\n");
    let server = home.serve(&["--config", "serve.toml"]);
    let mut found = Vec::new();
    for (index, &origin) in origins.iter().enumerate() {
        // The history is longer than the window, and its rows come in no order.
        let history = table((origin - WINDOW - 3..=origin).rev());
        let id = format!("late-{index}");
        let headers = [("content-type", "text/csv"), ("x-request-id", id.as_str())];
        let response = server.post("/v1/models/sales/predict", history, &headers);
        assert_eq!(response.status, 200, "{}", response.text);
        for (row, line) in response.text.lines().enumerate() {
            let line: Value = serde_json::from_str(line).unwrap();
            let store = line["series"]["store"].as_str().unwrap().to_owned();
            let values = line["sold"]["value"].as_array().unwrap();
            if feedback {
                let truth: Vec<f64> = (1..=HORIZON).map(|step| sold(&store, origin + step)).collect();
                let body = json!({ "rows": [{ "request_id": id, "row": row + 1, "sold": truth }] });
                let stored = server.post("/v1/models/sales/feedback", body.to_string(), &[]);
                assert_eq!(stored.status, 200, "{}", stored.text);
            }
            found.push((store, origin, values.iter().map(|own| own.as_f64().unwrap()).collect()));
        }
    }
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    found
}

fn performance(home: &TestHome, data: &str, more: &[&str]) -> Value {
    let args = ["monitor", "performance", "--model", "sales:1", "--device", "flex", "--data", data];
    home.json(&[&args[..], more].concat())
}

fn close(found: &Value, expected: f64) -> bool {
    found.as_f64().is_some_and(|found| (found - expected).abs() < 1e-6 * expected.abs().max(1.0))
}

/// Mean absolute error of the steps whose hour is known.
fn mae(
    served: &[(String, usize, Vec<f64>)],
    step: Option<usize>,
    known: impl Fn(&str, usize) -> bool,
) -> f64 {
    let steps = served.iter().flat_map(|(store, origin, values)| {
        values.iter().enumerate().map(move |(at, value)| (store, *origin, at + 1, *value))
    });
    let errors = steps.filter(|(store, origin, ahead, _)| {
        step.is_none_or(|step| step == *ahead) && known(store, origin + ahead)
    });
    let errors: Vec<f64> =
        errors.map(|(store, origin, ahead, value)| (value - sold(store, origin + ahead)).abs()).collect();
    errors.iter().sum::<f64>() / errors.len() as f64
}

#[test]
fn late_values_join_the_forecasts_of_a_server_by_series_and_time() {
    let home = home();
    let origins: Vec<usize> = (0..12).map(|at| SERVED - 1 + 3 * at).chain([SERVED - 1]).collect();
    let served = serve(&home, &origins, false);
    assert_eq!(served.len(), 26);
    let log = home.path(".cupola/predictions/sales/1");
    let log = log.to_str().unwrap();
    // Without values there is nothing to measure, and the remedy is named.
    let args = ["monitor", "performance", "--model", "sales:1", "--device", "flex", "--data", log];
    let output = home.run(&args);
    assert!(output.code == Some(2) && output.stderr.contains("--targets FILE"), "{}", output.stderr);

    // Values until hour 430, unordered, one of them twice, one contradicted, one missing, and a row of no store.
    let last = 430;
    let mut rows: Vec<String> =
        table((SERVED..=last).rev()).lines().skip(1).map(|row| format!("{row}\n")).collect();
    rows.retain(|own| *own != row("south", SERVED + 2));
    rows.insert(0, format!("{},north,1\n", time(SERVED + 5)));
    rows.push(row("south", SERVED + 7));
    rows.push(format!("{},,3\n", time(SERVED)));
    home.write("actual.csv", format!("hour,store,sold\n{}", rows.concat()));
    let more = ["--targets", "actual.csv", "--chunks", "day", "--out", "page"];
    let found = performance(&home, log, &more);
    let late = &found["late"];
    let known = |store: &str, hour: usize| hour <= last && (store, hour) != ("south", SERVED + 2);
    // The same forecast was asked for twice.
    let served = &served[..24];
    assert_eq!((&found["rows"], &late["repeated_forecasts"]), (&json!(24), &json!(2)), "{found}");
    assert_eq!((&late["steps"], &late["gaps"]), (&json!(96), &json!(1)), "{late}");
    assert_eq!((&late["pending"], &late["joined"]), (&json!(14), &json!(81)), "{late}");
    for name in ["repeated", "contradicting", "incomplete"] {
        assert_eq!(late[name], 1, "{name}: {late}");
    }
    assert!(
        late["unordered"].as_u64() > Some(50) && found["notes"].to_string().contains("sorted by time"),
        "{late}"
    );
    let forecast = &found["forecast"];
    assert!(close(&forecast["overall"]["mae"], mae(served, None, known)), "{forecast}");
    let steps = forecast["steps"].as_array().unwrap();
    assert_eq!(steps.len(), HORIZON);
    for (at, step) in steps.iter().enumerate() {
        assert!(close(&step["metrics"]["mae"], mae(served, Some(at + 1), known)), "{step}");
    }
    let north: Vec<_> = served.iter().filter(|own| own.0 == "north").cloned().collect();
    let series = forecast["series"].as_array().unwrap();
    let own = series.iter().find(|own| own["series"] == json!(["north"])).unwrap();
    assert!(close(&own["metrics"]["mae"], mae(&north, None, known)), "{own}");
    // The log has the intervals that nobody asked for, and MASE divides by the naive error of the plan.
    assert_eq!(forecast["coverage"], 0.8);
    assert!(
        forecast["overall"]["coverage"].as_f64().is_some_and(|own| (0.0..=1.0).contains(&own)),
        "{forecast}"
    );
    let plan: Value = serde_json::from_str(&home.read(".cupola/models/sales/1/plan.json")).unwrap();
    let naive = plan["target"]["naive"].as_f64().unwrap();
    assert!(close(&forecast["overall"]["mase"], mae(served, None, known) / naive), "{forecast}");
    let adwin = &found["changes"][0];
    assert_eq!((&adwin["detector"], &adwin["seen"]), (&json!("adwin"), &json!(20)), "{found}");
    let page = home.read("page/performance.html");
    assert!(page.contains("Steps ahead") && page.contains("81 of 96 steps have a value"), "{page}");
    let table = home.run(&[&args[..], &["--targets", "actual.csv"]].concat());
    assert!(table.stdout.contains("step ahead") && table.stdout.contains("24 forecasts"), "{}", table.stdout);

    // Rows that the model was not trained on give thresholds and estimates.
    home.write("holdout.csv", table_text(SERVED, HOURS));
    let found = performance(&home, log, &["--targets", "actual.csv", "--reference", "holdout.csv"]);
    let own = &found["chunks"][0]["metrics"]["mae"];
    assert!(own["upper_threshold"].as_f64().is_some() && own["estimate"].as_f64().is_some(), "{found}");
    // The table begins after the first forecast, so that this one has no values before it.
    assert!(found["notes"].to_string().contains("estimated from the forecasts alone"), "{found}");
    // Estimates need no value of the forecasts, and the rows of the series are there with feedback or without.
    let estimated = performance(&home, log, &["--reference", "holdout.csv", "--chunks", "count:1"]);
    assert_eq!((&estimated["labelled"], &estimated["late"]["joined"]), (&json!(0), &json!(0)), "{estimated}");
    let estimate = estimated["chunks"][0]["metrics"]["mae"]["estimate"].as_f64().unwrap();
    let realised = mae(served, None, |_, hour| hour < HOURS);
    assert!(estimate > 0.5 * realised && estimate < 2.0 * realised, "{estimate} {realised}");
    let steps = estimated["forecast"]["steps"].as_array().unwrap();
    assert!(steps.iter().all(|step| step["expected"]["mae"].as_f64() > Some(0.0)), "{estimated}");
    home.write("all.csv", table_text(0, HOURS));
    let found = performance(&home, log, &["--targets", "all.csv", "--reference", "holdout.csv"]);
    assert!(!found["notes"].to_string().contains("estimated from"), "{found}");
    // A history is its own table: each window is predicted.
    let found = performance(&home, "holdout.csv", &[]);
    let windows = 2 * (HOURS - SERVED - WINDOW + 1);
    assert_eq!((&found["rows"], &found["late"]["pending"]), (&json!(windows), &json!(2 * 10)), "{found}");
}

fn table_text(from: usize, to: usize) -> String {
    let mut text = String::from("hour,store,sold\n");
    for hour in from..to {
        write!(text, "{}{}", row("north", hour), row("south", hour)).unwrap();
    }
    text
}

#[test]
fn feedback_of_forecasts_joins_by_request() {
    let home = home();
    let served = serve(&home, &[SERVED - 1, SERVED + 3], true);
    let log = home.path(".cupola/predictions/sales");
    let found = performance(&home, log.to_str().unwrap(), &[]);
    assert_eq!((&found["feedback"]["joined"], &found["late"]["joined"]), (&json!(4), &json!(16)), "{found}");
    assert!(close(&found["forecast"]["overall"]["mae"], mae(&served, None, |_, _| true)), "{found}");
}

#[test]
fn late_classes_join_the_windows_of_a_server() {
    let home = TestHome::new();
    home.write(
        "run.toml",
        "name = \"state\"\nseed = 1\n[data]\nsource = \"state.csv\"\n[series]\ntime = \"hour\"\nkey = \"store\"\n\
         [split]\nby = \"time\"\nvalid = 0.1\ntest = 0.1\n[[inputs]]\nname = \"sold\"\nkind = \"series\"\nwindow = 3\n\
         [[targets]]\nname = \"level\"\nkind = \"category\"\n[model]\nfamily = \"gru\"\n[train]\nepochs = 2\n\
         batch_size = 32\n",
    );
    let level = |store: &str, hour: usize| if sold(store, hour) > 60.0 { "high" } else { "low" };
    let labelled = |hours: std::ops::Range<usize>| {
        let rows = hours.flat_map(|hour| {
            ["north", "south"]
                .map(|store| format!("{},{}\n", row(store, hour).trim_end(), level(store, hour)))
        });
        format!("hour,store,sold,level\n{}", rows.collect::<String>())
    };
    home.write("state.csv", labelled(0..300));
    home.train(&[]);
    home.write("serve.toml", "[[model]]\nserve = 'state:1'\n[log]\nshare = 1.0\n");
    let server = home.serve(&["--config", "serve.toml"]);
    let headers = [("content-type", "text/csv")];
    let response = server.post("/v1/models/state/predict", labelled(300..312), &headers);
    assert_eq!(response.status, 200, "{}", response.text);
    assert_eq!(response.text.lines().count(), 20);
    let right = response.text.lines().filter(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let store = line["series"]["store"].as_str().unwrap();
        let hour = (300..312).find(|hour| line["series"]["hour"] == time(*hour)).unwrap();
        line["level"]["value"] == level(store, hour)
    });
    let right = right.count();
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    home.write("late.csv", labelled(305..311));
    let log = home.path(".cupola/predictions/state/1");
    let args = ["monitor", "performance", "--model", "state:1", "--device", "flex", "--chunks", "count:1"];
    let found = home.json(&[&args[..], &["--data", log.to_str().unwrap(), "--targets", "late.csv"]].concat());
    let late = &found["late"];
    assert_eq!((&found["rows"], &found["labelled"]), (&json!(20), &json!(12)), "{found}");
    // Windows that end before the first late row have none, and those of the last hour wait for theirs.
    assert_eq!(
        (&late["joined"], &late["gaps"], &late["pending"]),
        (&json!(12), &json!(6), &json!(2)),
        "{late}"
    );
    // A series that the table does not have is apart from windows that wait.
    home.write("shouted.csv", labelled(305..311).replace("north", "NORTH"));
    let found =
        home.json(&[&args[..], &["--data", log.to_str().unwrap(), "--targets", "shouted.csv"]].concat());
    let late = &found["late"];
    assert_eq!(
        [&late["joined"], &late["gaps"], &late["pending"], &late["absent"]],
        [6, 3, 1, 10].map(Value::from).each_ref(),
        "{late}"
    );
    assert_eq!(found["unmatched"]["predicted_example"], json!(["north"]), "{found}");
    assert!(found["notes"].to_string().contains("`NORTH` (did you mean `north`, in other case?)"), "{found}");
    home.write("all.csv", labelled(300..312));
    let found = home.json(&[&args[..], &["--data", log.to_str().unwrap(), "--targets", "all.csv"]].concat());
    let accuracy = &found["chunks"][0]["metrics"]["accuracy"]["realised"];
    assert!(close(accuracy, right as f64 / 20.0), "{found} {right}");
    // A history has the classes of its own windows.
    let found = home.json(&[&args[..], &["--data", "all.csv"]].concat());
    assert_eq!((&found["rows"], &found["labelled"]), (&json!(20), &json!(20)), "{found}");
}
