//! Tables of late values that do not fit the predictions: missing files and columns, other keys.

use serde_json::json;

use super::{SERVED, home, performance, serve, table};

#[test]
fn mistakes_in_a_table_of_late_values_have_a_remedy() {
    let home = home();
    serve(&home, &[SERVED - 1, SERVED + 3], false);
    let log = home.path(".cupola/predictions/sales");
    let log = log.to_str().unwrap();
    let good = table(SERVED..SERVED + 8);
    home.write("actual.csv", &good);
    home.write("other.csv", good.replace("hour,store,sold", "hour,store,solds"));
    home.write("nokey.csv", good.replace("hour,store,sold", "hour,stores,sold"));
    home.write("bad.csv", "hour,store,sold\nsoon,north,1\n");
    let expected = "--targets takes a table with the key, the time and the target of the series: `store`, `hour`, `sold`";
    let other = "column `sold` is not in other.csv (which has `hour`, `store`, `solds`)";
    for (targets, messages) in [
        ("actuals.csv", ["no such file (did you mean `actual.csv`?)", "check `--targets`", "actuals.csv"]),
        ("other.csv", [other, "did you mean `solds`?", expected]),
        ("nokey.csv", ["column `store` is not in nokey.csv", "did you mean `stores`?", expected]),
        ("bad.csv", ["a time", "bad.csv", "row 1"]),
    ] {
        let args = ["monitor", "performance", "--model", "sales:1", "--device", "flex", "--data", log];
        let output = home.run(&[&args[..], &["--targets", targets]].concat());
        assert_eq!(output.code, Some(2), "{targets}: {}", output.stderr);
        assert!(!output.stderr.contains("data.source"), "{}", output.stderr);
        for message in messages {
            assert!(output.stderr.contains(message), "{targets}: {message}: {}", output.stderr);
        }
    }
}

#[test]
fn a_series_that_the_table_does_not_have_is_told_apart_from_a_value_to_come() {
    let home = home();
    serve(&home, &[SERVED - 1], false);
    let log = home.path(".cupola/predictions/sales/1");
    let found = |rows: String| {
        home.write("actual.csv", rows);
        performance(&home, log.to_str().unwrap(), &["--targets", "actual.csv"])
    };
    // One series in another spelling; of the other one two of four hours are over.
    let of_both = found(table(SERVED - 4..SERVED + 2).replace("south", "South"));
    let late = &of_both["late"];
    let counts = ["joined", "pending", "absent", "gaps"].map(|name| late[name].as_u64().unwrap());
    assert_eq!(counts, [2, 2, 4, 0], "{of_both}");
    assert_eq!((&late["absent_series"], &late["series_without_values"]), (&json!(1), &json!(1)), "{late}");
    let unmatched = json!({
        "predicted": 1,
        "predicted_example": ["south"],
        "table": 1,
        "table_example": ["South"],
        "similar": true
    });
    assert_eq!(of_both["unmatched"], unmatched);
    let notes = of_both["notes"].to_string();
    for sentence in [
        "1 of 2 series of the forecasts is not in the table of --targets: `south`",
        "only the table has `South` (did you mean `south`, in other case?)",
        "4 steps are of series that the table of --targets does not have",
        "2 steps are later than the last value of their series",
    ] {
        assert!(notes.contains(sentence), "{sentence}: {notes}");
    }
    // No series at all: nothing is told to come later.
    let strange = found("hour,store,sold\n2024-01-20 00:00:00,west,1\n".to_owned());
    let late = &strange["late"];
    assert_eq!((&late["absent"], &late["pending"]), (&json!(8), &json!(0)), "{late}");
    let notes = strange["notes"].to_string();
    assert!(notes.contains("only the table has `west`") && notes.contains("[log] hash"), "{notes}");
    assert!(!notes.contains("later than the last value") && !notes.contains("arrived yet"), "{notes}");
    // A table that has them all tells that their values are still to come.
    let all = found(table(SERVED - 4..SERVED));
    assert!(all["unmatched"].is_null() && all["late"]["pending"] == 8, "{all}");
    assert!(all["notes"].to_string().contains("no value for the forecasts has arrived yet"), "{all}");
}
