//! Drift of embeddings beside those that are sealed with a model: in reports, and live.

use std::fs;

use base64::Engine as _;
use cupola_registry::sha256_hex;
use serde_json::{Value, json};

use crate::monitor::content::{BAD, GOOD, LEGAL, mail, pictures, report, texts};
use crate::serving::soon;
use crate::support::{Server, TestHome};

const FILE: &str = ".cupola/models/mail/1/monitor.safetensors";
const MANIFEST: &str = ".cupola/models/mail/1/manifest.json";

/// Texts without their labels.
fn words(count: usize, list: &str) -> Vec<Value> {
    let rows = texts(count, list, "none");
    rows.iter().map(|row| json!({ "words": row.split_once(',').unwrap().0 })).collect()
}

fn send(server: &Server, model: &str, rows: &[Value]) {
    for rows in rows.chunks(7) {
        let body = json!({ "rows": rows }).to_string();
        let response = server.post(&format!("/v1/models/{model}/predict"), body, &[]);
        assert_eq!(response.status, 200, "{}", response.text);
    }
}

/// Embeddings of a server that has just started and got these rows.
fn embeddings(home: &TestHome, model: &str, rows: &[Value]) -> Value {
    let server = home.serve(&["--config", "serve.toml"]);
    send(&server, model, rows);
    let monitor = || server.get(&format!("/v1/models/{model}/monitor")).json()["embeddings"].clone();
    soon("the sampled rows are embedded", || {
        let found = monitor();
        found["enabled"] == false || found["waiting"] == 0
    });
    monitor()
}

/// Rows of both classes, or of one where the second list is the first.
fn mixed(lists: [&str; 2]) -> Vec<Value> {
    let [first, second] = lists.map(|list| words(100, list));
    first.into_iter().zip(second).flat_map(|(a, b)| [a, b]).collect()
}

#[test]
fn a_report_needs_no_reference_for_a_model_of_texts() {
    let home = mail();
    assert!(home.read(MANIFEST).contains("\"monitor.safetensors\""));
    home.json(&["models", "verify"]);
    let found = report(&home, "mail", "legal.csv", &["--embeddings", "--embeddings", "mmd"]);
    let sealed = &found["embeddings"];
    assert_eq!((&sealed["split"], &sealed["origin"]), (&json!("test"), &json!("last_layer")), "{sealed}");
    assert!(sealed["reference"].as_u64().unwrap() >= 20, "{sealed}");
    assert_eq!(sealed["methods"][0]["drifted"], true, "{sealed}");
    assert!(found["drifted_by"].to_string().contains("embeddings"), "{found}");
    let same = report(&home, "mail", "mail.csv", &["--embeddings"]);
    let method = &same["embeddings"]["methods"][0];
    assert!(method["drifted"] == false && method["threshold"].as_f64().unwrap() >= 0.55, "{same}");
    let args = ["monitor", "check", "--model", "mail", "--device", "flex", "--data", "legal.csv"];
    let check = home.run(&[&args[..], &["--embeddings", "--max-share", "1"]].concat());
    assert!(check.code == Some(1) && check.stderr.contains("has drifted"), "{}", check.stderr);
}

#[test]
fn a_package_without_values_of_rows_has_no_embeddings() {
    let home = mail();
    home.train(&["--set", "data.example=false"]);
    assert!(!home.read(".cupola/models/mail/2/manifest.json").contains("monitor.safetensors"));
    let args = ["monitor", "report", "--model", "mail:2", "--device", "flex", "--data", "mail.csv"];
    let found = home.run(&[&args[..], &["--embeddings"]].concat());
    assert!(found.code == Some(2) && found.stderr.contains("--reference FILE"), "{}", found.stderr);
    home.write("serve.toml", "[[model]]\nserve = 'mail:2'\n");
    let live = embeddings(&home, "mail", &words(10, GOOD));
    assert!(live["enabled"] == false && live["why"].as_str().unwrap().contains("data.example"), "{live}");
    // A rule on them has the same reason at the start, in place of the columns that the model has.
    home.write(
        "serve.toml",
        "[[model]]\nserve = 'mail:2'\n[[alert]]\nname = 'Topic'\nwhen = { kind = 'drift', column = 'embedding' }\n",
    );
    let found = home.run(&["serve", "--config", "serve.toml", "--port", "0", "--device", "flex"]);
    let reason =
        "alert `Topic`: no embeddings to compare with: mail: the package has no `monitor.safetensors`; train";
    assert!(found.code == Some(2) && found.stderr.contains(reason), "{}", found.stderr);
}

#[test]
fn served_texts_of_another_topic_drift_and_like_ones_do_not() {
    let home = mail();
    home.write("serve.toml", "[monitor]\nembedding_rows = 150\n[[model]]\nserve = 'mail'\n");
    let same = embeddings(&home, "mail", &mixed([GOOD, BAD]));
    assert_eq!((&same["verdict"], &same["rows"]), (&json!("stable"), &json!(150)), "{same}");
    let other = embeddings(&home, "mail", &mixed([LEGAL, LEGAL]));
    assert_eq!((&other["verdict"], &other["windows"]), (&json!("drift"), &json!(1)), "{other}");
    assert!(other["score"].as_f64() > other["threshold"].as_f64(), "{other}");
    let few = embeddings(&home, "mail", &words(30, LEGAL));
    assert_eq!((&few["verdict"], &few["rows"]), (&json!("few_rows"), &json!(30)), "{few}");
    // Nothing of a row is shown, and an excluded input is not sampled.
    assert!(!other.to_string().contains("lawyer"), "{other}");
    for (setting, why) in [("embeddings = false", "embeddings = false"), ("exclude = ['words']", "`words`")] {
        home.write("serve.toml", format!("[monitor]\n{setting}\n[[model]]\nserve = 'mail'\n"));
        let off = embeddings(&home, "mail", &words(10, GOOD));
        assert!(off["enabled"] == false && off["why"].as_str().unwrap().contains(why), "{off}");
    }
}

#[test]
fn the_states_of_servers_are_judged_as_those_of_one_that_got_all_rows() {
    let home = mail();
    home.write("serve.toml", "[monitor]\nembedding_rows = 100\n[[model]]\nserve = 'mail'\n");
    // The rows of the second server, which has most of them, are about another topic.
    let (same, other) = (mixed([GOOD, BAD]), mixed([LEGAL, LEGAL]));
    let state = |file: &str, rows: &[Value]| {
        let server = home.serve(&["--config", "serve.toml"]);
        send(&server, "mail", rows);
        let monitor = || server.get("/v1/models/mail/monitor?state=1").json();
        soon("the sampled rows are embedded", || monitor()["embeddings"]["waiting"] == 0);
        let found = monitor();
        home.write(file, found.to_string());
        found
    };
    let one = state("one.json", &same[..20]);
    state("two.json", &other);
    let sampled = &one["state"]["embeddings"]["windows"][0];
    assert_eq!((&sampled["seen"], sampled["keys"].as_array().unwrap().len()), (&json!(20), 20));
    assert!(!one.to_string().contains("lovely"), "{one}");
    let merge = |args: &[&str]| -> Value {
        let found = home.run(&[&["monitor", "merge"][..], args].concat());
        serde_json::from_str(&found.stdout).unwrap_or_else(|_| panic!("{}", found.stderr))
    };
    let both = merge(&["--model", "mail", "one.json", "two.json"]);
    let found = &both["embeddings"];
    assert_eq!((&found["verdict"], &found["rows"]), (&json!("drift"), &json!(100)), "{found}");
    assert_eq!(both["state"]["embeddings"]["windows"][0]["seen"], 220, "{both}");
    assert_eq!(both["state"]["windows"][0]["table"]["rows"], 220, "{both}");
    assert_eq!(merge(&["--model", "mail", "two.json", "one.json"]), both);
    assert_eq!(merge(&["--model", "mail", "one.json"])["embeddings"]["verdict"], "few_rows");
    // The answer merges further, and so do states of servers that have no embeddings.
    let mut old = one.clone();
    old["state"].as_object_mut().unwrap().remove("embeddings");
    home.write("old.json", old.to_string());
    home.write("both.json", both.to_string());
    assert_eq!(merge(&["both.json", "old.json"])["windows"][0]["table"]["rows"], 240);
    for (args, message) in [
        (["--model", "mail", "old.json"], "no embeddings of mail:1"),
        (["--model", "male", "one.json"], "mail"),
    ] {
        let refused = home.run(&[&["monitor", "merge"][..], &args].concat());
        assert!(refused.code == Some(2) && refused.stderr.contains(message), "{}", refused.stderr);
    }
}

#[test]
fn a_closed_window_is_judged_in_the_background_and_fires_an_alert() {
    let home = mail();
    home.write(
        "serve.toml",
        "[monitor]\nmin_rows = 100\nwindow_rows = 200\n[[model]]\nserve = 'mail'\n[alerts]\nevery = '1s'\n\
         [[alert]]\nname = 'Topic'\nwhen = { kind = 'drift', column = 'embedding' }\n",
    );
    let server = home.serve(&["--config", "serve.toml"]);
    send(&server, "mail", &words(400, LEGAL));
    let labels = "{model=\"mail\",version=\"1\"}";
    let drifted = "cupola_monitor_column_drifted{model=\"mail\",version=\"1\",column=\"embedding\",role=\"embedding\"} 1";
    soon("the window is judged without a report", || server.get("/metrics").text.contains(drifted));
    let metrics = server.get("/metrics").text;
    for name in ["cupola_monitor_embedding_score", "cupola_monitor_embedding_rows"] {
        assert!(metrics.contains(&format!("{name}{labels}")), "{metrics}");
    }
    soon("the alert fires", || {
        let alerts = server.get("/v1/alerts").json();
        alerts["alerts"][0]["labels"]["column"] == "embedding" && alerts["alerts"][0]["status"] == "firing"
    });
    assert!(server.get("/monitor").text.contains("id=\"embeddings\""));
}

#[test]
fn served_picture_files_drift_when_they_are_overexposed() {
    let home = TestHome::new();
    pictures(&home, "pictures", 0, 12);
    home.write(
        "run.toml",
        "name = 'shades'\n[data]\nsource = 'pictures'\n[split]\nvalid = 0.1\ntest = 0.5\n[[inputs]]\nname = 'image'\nkind = 'image'\n\
         shape = [1, 8, 8]\n[[targets]]\nname = 'class'\nkind = 'category'\n[model]\nfamily = 'cnn'\nchannels = [4]\n\
         hidden = 8\n[train]\nepochs = 4\nbatch_size = 8\n",
    );
    home.train(&[]);
    home.write("serve.toml", "[monitor]\nmin_rows = 40\n[[model]]\nserve = 'shades'\n");
    let file = |class: &str, n: usize| {
        let file = image::open(home.path(&format!("pictures/{class}/{n}.png"))).unwrap();
        file.into_luma8()
    };
    let rows = |change: &dyn Fn(u8) -> u8| -> Vec<Value> {
        let all = (0..40).flat_map(|n| [file("dark", n), file("light", n)]);
        all.map(|mut picture| {
            picture.pixels_mut().for_each(|pixel| pixel.0[0] = change(pixel.0[0]));
            let mut bytes = std::io::Cursor::new(Vec::new());
            picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
            json!({ "image": base64::engine::general_purpose::STANDARD.encode(bytes.into_inner()) })
        })
        .collect()
    };
    let same = embeddings(&home, "shades", &rows(&|value| value));
    assert_eq!((&same["verdict"], &same["rows"]), (&json!("stable"), &json!(80)), "{same}");
    let white = embeddings(&home, "shades", &rows(&|_| 255));
    assert_eq!(white["verdict"], "drift", "{white}");
}

#[test]
fn served_pixels_drift_when_they_are_inverted() {
    let home = TestHome::new();
    let packed = fs::File::open(cupola_testkit::root().join("data/digits.csv.gz")).unwrap();
    let text = std::io::read_to_string(flate2::read::GzDecoder::new(packed)).unwrap();
    home.write("digits.csv", &text);
    home.write(
        "run.toml",
        "name = 'digits'\nseed = 7\n[data]\nsource = 'digits.csv'\n[[inputs]]\nname = 'pixels'\nkind = 'image'\n\
         columns = 'pixel_*'\nshape = [1, 8, 8]\n[[targets]]\nname = 'digit'\nkind = 'category'\n[model]\nfamily = 'cnn'\n\
         channels = [8]\nhidden = 16\n[train]\nepochs = 3\nbatch_size = 32\n",
    );
    home.train(&[]);
    home.write("serve.toml", "[monitor]\nembedding_rows = 200\n[[model]]\nserve = 'digits'\n");
    let (head, lines) = text.split_once('\n').unwrap();
    let names: Vec<&str> = head.split(',').map(str::trim).collect();
    let rows = |change: &dyn Fn(f64) -> f64| -> Vec<Value> {
        let row = |line: &str| -> Value {
            let cells = names.iter().zip(line.split(','));
            let pixels = cells.filter(|(name, _)| name.starts_with("pixel_"));
            pixels
                .map(|(name, cell)| ((*name).to_owned(), json!(change(cell.trim().parse().unwrap()))))
                .collect()
        };
        lines.lines().step_by(6).map(row).collect()
    };
    let same = embeddings(&home, "digits", &rows(&|value| value));
    assert_eq!((&same["verdict"], &same["rows"]), (&json!("stable"), &json!(200)), "{same}");
    let inverted = embeddings(&home, "digits", &rows(&|value| 16.0 - value));
    assert_eq!(inverted["verdict"], "drift", "{inverted}");
    assert!(inverted["score"].as_f64() > same["score"].as_f64(), "{inverted}");
}

/// Replaces the embeddings of the package, with the digest in its manifest.
fn replace(home: &TestHome, bytes: &[u8]) {
    let old = sha256_hex(&fs::read(home.path(FILE)).unwrap());
    home.write(MANIFEST, home.read(MANIFEST).replace(&old, &sha256_hex(bytes)));
    fs::write(home.path(FILE), bytes).unwrap();
}

/// The file with vectors of another width.
fn with_width(bytes: &[u8], width: usize) -> Vec<u8> {
    let length = usize::try_from(u64::from_le_bytes(*bytes.first_chunk().unwrap())).unwrap();
    let mut header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    header["embeddings"]["shape"] = json!([30, width]);
    header["embeddings"]["data_offsets"] = json!([0, 30 * width * 4]);
    let mut header = header.to_string();
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    let length = u64::try_from(header.len()).unwrap().to_le_bytes();
    [&length[..], header.as_bytes(), &vec![0; 30 * width * 4]].concat()
}

#[test]
fn damaged_embeddings_are_told_and_the_model_is_served() {
    let home = mail();
    home.write("serve.toml", "[[model]]\nserve = 'mail'\n");
    let good = fs::read(home.path(FILE)).unwrap();
    let mut infinite = good.clone();
    let end = infinite.len();
    infinite[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    let wide = with_width(&good, 5);
    let cases: [(&[u8], &str); 3] = [
        (&good[..end / 2], "monitor.safetensors"),
        (&infinite, "has a value that is not finite"),
        (&wide, "values"),
    ];
    for (bytes, message) in cases {
        replace(&home, bytes);
        let live = embeddings(&home, "mail", &words(20, GOOD));
        assert!(live["why"].as_str().unwrap().contains(message), "{message}: {live}");
        let args = ["monitor", "report", "--model", "mail", "--device", "flex", "--data", "legal.csv"];
        let found = home.run(&[&args[..], &["--embeddings"]].concat());
        assert!(found.code != Some(0) && found.stderr.contains(message), "{message}: {}", found.stderr);
    }
    // Neither does a file whose digest is wrong, or that is gone, stop the server.
    replace(&home, &good);
    fs::write(home.path(FILE), &good[..end / 2]).unwrap();
    let live = embeddings(&home, "mail", &words(20, GOOD));
    assert!(
        live["enabled"] == false && live["why"].as_str().unwrap().contains("monitor.safetensors"),
        "{live}"
    );
    assert_ne!(home.run(&["models", "verify"]).code, Some(0));
    fs::remove_file(home.path(FILE)).unwrap();
    assert_eq!(embeddings(&home, "mail", &words(20, GOOD))["enabled"], false);
}
