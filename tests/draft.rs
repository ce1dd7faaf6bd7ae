//! From raw data to a package without a config that somebody wrote.

use std::fmt::Write as _;
use std::fs;

use image::{GrayImage, Luma};
use serde_json::Value;

use crate::support::TestHome;

/// Drafts a config, tries it with a smoke run, and returns the draft.
#[track_caller]
fn tried(home: &TestHome, args: &[&str]) -> Value {
    let mut init = vec!["init", "--force"];
    init.extend(args);
    let drafted = home.json(&init);
    assert_eq!(drafted["path"], "run.toml");
    assert_eq!(drafted["config"].as_str().unwrap(), home.read("run.toml"));
    home.json(&["check", "--config", "run.toml"]);
    home.train(&["--smoke"]);
    // The same without a file.
    let mut train = vec!["train", "--smoke", "--device", "flex"];
    train.extend(args);
    home.json(&train);
    drafted["draft"].clone()
}

fn role(draft: &Value, name: &str) -> String {
    let columns = draft["columns"].as_array().unwrap();
    let column = columns.iter().find(|column| column["name"] == name).unwrap();
    format!("{} {}", column["role"].as_str().unwrap(), column["kind"].as_str().unwrap_or("none"))
}

fn messy() -> String {
    let mut text = "id,signup,plan,revenue,share,notes,age,churn\n".to_owned();
    for row in 0..240 {
        let age = if row % 9 == 0 { String::new() } else { (18 + row * 31 % 60).to_string() };
        let _ = writeln!(
            text,
            "C{row:04},{:02}/{:02}/2024,{},\"$1,{:03}.50\",{} %,the parcel of order {row} came {},{age},{}",
            1 + row * 7 % 28,
            1 + row * 5 % 12,
            ["free", "pro", "team"][row % 3],
            100 + row * 3,
            row % 100,
            ["late again", "just in time"][row % 2],
            ["yes", "no"][usize::from(row % 4 > 1)]
        );
    }
    text
}

#[test]
fn a_messy_table_trains_from_a_file_and_a_target() {
    let home = TestHome::new();
    home.write("churn.csv", messy());
    let draft = tried(&home, &["--data", "churn.csv", "--target", "churn"]);
    for (name, expected) in [
        ("id", "left_out none"),
        ("signup", "input date"),
        ("plan", "input category"),
        ("revenue", "input number"),
        ("share", "input number"),
        ("notes", "input text"),
        ("age", "input number"),
        ("churn", "target category"),
    ] {
        assert_eq!(role(&draft, name), expected, "{name}");
    }
    // A real run publishes, keeps its config, and predicts rows as people write them.
    let args =
        ["train", "--data", "churn.csv", "--target", "churn", "--device", "flex", "--set", "train.epochs=1"];
    let trained = home.json(&args);
    assert_eq!(trained["package"], "churn:1");
    home.write(
        "row.csv",
        "signup,plan,revenue,share,notes,age\n13/08/2024,pro,\"$1,250.50\",12 %,the parcel came late,33\n",
    );
    let output = home.run(&["predict", "--model", "churn", "--input", "row.csv", "--device", "flex"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(output.stdout.contains("\"churn\""), "{}", output.stdout);
}

#[test]
fn an_existing_config_stays_unless_force_is_given() {
    let home = TestHome::new();
    home.write("blobs.csv", cupola_testkit::blobs(120));
    home.write("run.toml", "mine");
    let output = home.run(&["init", "--data", "blobs.csv", "--target", "side"]);
    assert_eq!((output.code, home.read("run.toml").as_str()), (Some(2), "mine"));
    assert!(output.stderr.contains("--force"), "{}", output.stderr);
    let output = home.run(&["init", "--data", "blobs.csv", "--target", "side", "--output", "-"]);
    assert!(output.stdout.contains("[[targets]]"), "{}", output.stdout);
    let output = home.run(&["init", "--data", "blobs.csv", "--output", "-"]);
    assert_eq!(output.code, Some(2));
    assert!(output.stderr.contains("`side`") && output.stderr.contains("--target"), "{}", output.stderr);
}

#[test]
fn a_number_is_a_regression_and_overrides_apply() {
    let home = TestHome::new();
    let mut text = "area,rooms,town,price\n".to_owned();
    for row in 0..200 {
        let (area, rooms) = (40 + row * 13 % 90, 1 + row % 5);
        let _ = writeln!(
            text,
            "{area}.5,{rooms},{},{}",
            ["north", "south"][row % 2],
            1000 * area + 500 * rooms + row
        );
    }
    home.write("homes.csv", text);
    let draft = tried(&home, &["--data", "homes.csv", "--target", "price"]);
    assert_eq!(draft["target"]["kind"], "number");
    assert_eq!(draft["model"]["family"]["family"], "gbdt");
    let checked = home.json(&[
        "check",
        "--data",
        "homes.csv",
        "--target",
        "price",
        "--set",
        "model={ family = \"mlp\" }",
    ]);
    assert!(checked["parameters"].as_u64().unwrap() > 256 * 256, "{checked}");
}

#[test]
fn folders_of_pictures_and_lists_of_their_paths_train() {
    let home = TestHome::new();
    let mut list = "file,kind\n".to_owned();
    for (class, shade) in [("dark", 30_u8), ("light", 200)] {
        fs::create_dir_all(home.path("photos").join(class)).unwrap();
        for number in 0..30_u8 {
            let picture =
                GrayImage::from_fn(12, 12, |x, _| Luma([shade + number % 20 + u8::try_from(x).unwrap()]));
            let name = format!("photos/{class}/{number}.png");
            picture.save(home.path(&name)).unwrap();
            let _ = writeln!(list, "{name},{class}");
        }
    }
    home.write("list.csv", list);
    let draft = tried(&home, &["--data", "photos"]);
    assert_eq!(draft["target"]["name"], "class");
    assert_eq!(draft["inputs"][0]["shape"], serde_json::json!([1, 12, 12]));
    assert_eq!(draft["model"]["family"]["family"], "cnn");
    let draft = tried(&home, &["--data", "list.csv", "--target", "kind"]);
    assert_eq!(draft["files"], "file");
    assert_eq!(role(&draft, "file"), "input image");
}

#[test]
fn texts_in_a_column_and_in_a_folder_train() {
    let home = TestHome::new();
    let mut text = "message,label\n".to_owned();
    for row in 0..80 {
        let _ = writeln!(text, "call {row} now to win a prize or two,{}", ["spam", "ham"][row % 2]);
        let class = ["good", "bad"][row % 2];
        fs::create_dir_all(home.path("reviews").join(class)).unwrap();
        home.write(
            &format!("reviews/{class}/{row}.txt"),
            format!("a {class} stay in room {row} of the house"),
        );
    }
    home.write("spam.csv", text);
    for args in [&["--data", "spam.csv", "--target", "label"][..], &["--data", "reviews"]] {
        let draft = tried(&home, args);
        assert_eq!(draft["model"]["family"]["family"], "text_transformer", "{args:?}");
    }
    let draft = tried(&home, &["--data", "spam.csv", "--target", "message", "--kind", "next_token"]);
    assert_eq!(draft["model"]["family"]["family"], "gpt");
}

#[test]
fn series_are_forecast_and_anomalies_scored() {
    let home = TestHome::new();
    let mut text = "hour,load,wind\n".to_owned();
    for row in 0..600 {
        let _ = writeln!(
            text,
            "2024-01-{:02} {:02}:00,{}.5,{}.25",
            1 + row / 24,
            row % 24,
            50 + row % 24 * 3,
            row * 7 % 13
        );
    }
    home.write("load.csv", text);
    let draft = tried(&home, &["--data", "load.csv", "--target", "load"]);
    assert_eq!(draft["target"]["kind"], "forecast");
    assert_eq!(draft["series"]["time"], "hour");
    assert_eq!(draft["target"]["season"], 24);
    let draft = tried(&home, &["--data", "load.csv", "--kind", "reconstruct"]);
    assert_eq!(draft["model"]["family"]["family"], "autoencoder");
}

#[test]
fn a_random_split_of_rows_in_the_order_of_time_is_noticed() {
    let home = TestHome::new();
    let mut text = "when,x,y\n".to_owned();
    for row in 0..120 {
        let _ = writeln!(
            text,
            "2024-{:02}-{:02},{},{}",
            1 + row / 28,
            1 + row % 28,
            row % 11,
            ["a", "b"][row % 2]
        );
    }
    home.write("t.csv", text);
    let config = "name = \"t\"\n[data]\nsource = \"t.csv\"\n[[targets]]\nname = \"y\"\nkind = \"category\"\n[model]\nfamily = \"mlp\"\n";
    home.write("run.toml", config);
    let noticed = |checked: &Value| checked["suspicions"].to_string().contains("random split");
    assert!(noticed(&home.json(&["check", "--config", "run.toml"])));
    home.write("run.toml", format!("{config}[split]\nby = \"time\"\ncolumn = \"when\"\n"));
    assert!(!noticed(&home.json(&["check", "--config", "run.toml"])));
}

#[test]
fn families_are_listed_with_their_defaults() {
    let home = TestHome::new();
    let listed = home.json(&["models", "families"]);
    let mlp = listed.as_array().unwrap().iter().find(|info| info["family"] == "mlp").unwrap();
    assert_eq!(mlp["defaults"]["hidden"], serde_json::json!([256, 256]));
    let shown = home.run(&["models", "families"]).stdout;
    assert!(shown.contains("gbdt") && shown.contains("patchtst"), "{shown}");
}
