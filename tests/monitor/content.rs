//! Drift of texts, pictures and embeddings.

use std::fs;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::TestHome;

pub const GOOD: &str = "lovely warm friendly quick helpful clean quiet bright tasty fresh";
pub const BAD: &str = "broken cold rude slow dirty loud dark stale late lost";
pub const LEGAL: &str = "contract clause lawyer invoice court tenant landlord notice claim payment";

/// Texts of six words of a list, with their label.
pub fn texts(count: usize, list: &str, label: &str) -> Vec<String> {
    let words: Vec<&str> = list.split(' ').collect();
    let text = |row: usize| {
        let place = |at: usize| (row * 7919 + at * 104_729 + row * at * 31) / 7 % words.len();
        let chosen: Vec<&str> = (0..6).map(|at| words[place(at)]).collect();
        format!("{},{label}", chosen.join(" "))
    };
    (0..count).map(text).collect()
}

/// A model of texts, its training data `mail.csv`, and files with texts of other words and with those of one class.
pub fn mail() -> TestHome {
    let home = TestHome::new();
    let rows = [texts(300, GOOD, "good"), texts(300, BAD, "bad")].concat();
    home.write("mail.csv", format!("words,label\n{}\n", rows.join("\n")));
    home.write("legal.csv", format!("words,label\n{}\n", texts(200, LEGAL, "bad").join("\n")));
    home.write("bad.csv", format!("words,label\n{}\n", texts(200, BAD, "bad").join("\n")));
    home.write(
        "run.toml",
        "name = \"mail\"\nseed = 1\n[data]\nsource = \"mail.csv\"\n[[inputs]]\nname = \"words\"\nkind = \"text\"\n\
         tokens = { kind = \"word\", vocabulary = 50, length = 8 }\n[[targets]]\nname = \"label\"\n\
         kind = \"category\"\n[model]\nfamily = \"text_transformer\"\nblocks = 1\nwidth = 8\nheads = 2\n\
         [train]\nepochs = 4\nbatch_size = 16\n[train.optimizer]\nlearning_rate = 1e-2\n",
    );
    home.train(&[]);
    home
}

pub fn report(home: &TestHome, model: &str, data: &str, more: &[&str]) -> Value {
    let args = ["monitor", "report", "--model", model, "--device", "flex", "--data", data];
    home.json(&[&args[..], more].concat())
}

fn column<'a>(report: &'a Value, name: &str) -> &'a Value {
    let columns = report["columns"].as_array().unwrap();
    columns.iter().find(|column| column["name"] == name).unwrap_or_else(|| panic!("no `{name}` in {report}"))
}

#[test]
fn texts_drift_by_a_classifier_with_rows_and_with_a_profile() {
    let home = mail();
    let reference = ["--reference", "mail.csv", "--no-predictions"];
    for more in [&reference[..], &["--no-predictions"]] {
        let found = report(&home, "mail", "legal.csv", more);
        let words = column(&found, "words");
        assert_eq!((&words["method"], &words["drifted"]), (&json!("perc_text_content_drift"), &json!(true)));
        assert!(words["score"].as_f64() > words["threshold"].as_f64(), "{words}");
        let found = report(&home, "mail", "mail.csv", more);
        assert_eq!(column(&found, "words")["drifted"], false, "{found}");
    }
    let found = report(&home, "mail", "legal.csv", &["--method", "words", "--no-predictions"]);
    assert_eq!(column(&found, "words")["method"], "words");
}

#[test]
fn embeddings_are_compared_by_the_methods_that_are_asked_for() {
    let home = mail();
    let more = ["--reference", "mail.csv", "--embeddings", "--embeddings", "mmd", "--out", "drift"];
    let found = report(&home, "mail", "bad.csv", &more);
    let embeddings = &found["embeddings"];
    assert_eq!((&embeddings["origin"], &embeddings["current"]), (&json!("last_layer"), &json!(200)));
    let methods = embeddings["methods"].as_array().unwrap();
    assert_eq!((&methods[0]["method"], &methods[1]["method"]), (&json!("model"), &json!("mmd")));
    assert!(methods.iter().all(|method| method["drifted"] == true), "{embeddings}");
    assert!(home.read("drift/monitor.html").contains("Embeddings"));
    let same = report(&home, "mail", "mail.csv", &["--reference", "mail.csv", "--embeddings", "model"]);
    assert_eq!(same["embeddings"]["methods"][0]["drifted"], false, "{same}");
    let args = ["monitor", "report", "--model", "mail", "--data", "mail.csv", "--embeddings"];
    let unknown = home.run(&[&args[..], &["modell", "--reference", "mail.csv"]].concat());
    assert!(
        unknown.code == Some(2) && unknown.stderr.contains("expected one of model"),
        "{}",
        unknown.stderr
    );
}

/// Pictures of two classes in folders, brighter by `more` and of this width.
pub fn pictures(home: &TestHome, folder: &str, more: u8, width: u32) {
    for (class, shade) in [("dark", 30_u8), ("light", 180)] {
        let folder = home.path(&format!("{folder}/{class}"));
        fs::create_dir_all(&folder).unwrap();
        for n in 0..40_u8 {
            let shade = shade + n / 2 + more;
            let picture = image::GrayImage::from_fn(width, 9, |x, y| {
                image::Luma([shade + u8::try_from(x * y % 7).unwrap()])
            });
            picture.save(folder.join(format!("{n}.png"))).unwrap();
        }
    }
}

#[test]
fn pictures_drift_by_their_brightness_and_size() {
    let home = TestHome::new();
    pictures(&home, "pictures", 0, 12);
    pictures(&home, "bright", 40, 16);
    home.write(
        "run.toml",
        "name = 'shades'\n[data]\nsource = 'pictures'\n[[inputs]]\nname = 'image'\nkind = 'image'\nshape = [1, 8, 8]\n\
         [[targets]]\nname = 'class'\nkind = 'category'\n[model]\nfamily = 'cnn'\nchannels = [4]\nhidden = 8\n\
         [train]\nepochs = 4\nbatch_size = 8\n",
    );
    home.train(&[]);
    let same = report(&home, "shades", "pictures", &["--no-predictions"]);
    let bright = report(&home, "shades", "bright", &["--no-predictions"]);
    for (name, moved) in [("image brightness", true), ("image width", true), ("image height", false)] {
        assert_eq!(column(&same, name)["drifted"], false, "{name}: {same}");
        assert_eq!(column(&bright, name)["drifted"], moved, "{name}: {bright}");
    }
    let shift = column(&bright, "image brightness");
    let means = ["reference", "current"].map(|side| shift[side]["mean"].as_f64().unwrap());
    assert!((means[1] - means[0] - 40.0).abs() < 5.0, "{shift}");

    // A server measures the pictures of its requests.
    home.write("serve.toml", "[monitor]\nmin_rows = 20\n[[model]]\nserve = 'shades'\n");
    let server = home.serve(&["--config", "serve.toml"]);
    for n in 0..40 {
        let file = fs::read(home.path(&format!("bright/light/{n}.png"))).unwrap();
        let row = json!({ "image": base64::engine::general_purpose::STANDARD.encode(file) });
        let response = server.post("/v1/models/shades/predict", json!({ "rows": [row] }).to_string(), &[]);
        assert_eq!(response.status, 200, "{}", response.text);
    }
    let live = server.get("/v1/models/shades/monitor?window=all").json();
    let brightness = column(&live, "image brightness");
    assert_eq!((&brightness["rows"], &brightness["verdict"]), (&json!(40), &json!("drift")), "{live}");
}
