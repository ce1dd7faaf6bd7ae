//! Places that rows come from: folders as people have them, and addresses that hold secrets.

use std::fs;

use serde_json::Value;

use crate::support::TestHome;

const SHADES: &str = "name = 'shades'\n[data]\nsource = 'photos'\n[[inputs]]\nname = 'image'\nkind = 'image'\nshape = [1, 4, 4]\n\
     [[targets]]\nname = 'class'\nkind = 'category'\n[model]\nfamily = 'mlp'\nhidden = [4]\n";

/// Folder with 20 pictures each of two classes.
fn photos() -> TestHome {
    let home = TestHome::new();
    for (class, shade) in [("dark", 30_u8), ("light", 200)] {
        fs::create_dir_all(home.path(&format!("photos/{class}"))).unwrap();
        for n in 0..20_u8 {
            let picture =
                image::GrayImage::from_fn(4, 4, |x, y| image::Luma([shade + n + (x * y % 16) as u8]));
            picture.save(home.path(&format!("photos/{class}/{n}.png"))).unwrap();
        }
    }
    home.write("run.toml", SHADES);
    home
}

fn copy(home: &TestHome, from: &str, to: &str) {
    fs::create_dir_all(home.path(to).parent().unwrap()).unwrap();
    fs::copy(home.path(from), home.path(to)).unwrap();
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_systems_leave_in_a_folder_is_no_class_and_is_said_once() {
    let home = photos();
    let clean = home.json(&["check", "--config", "run.toml"]);
    copy(&home, "photos/dark/1.png", "photos/dark/.ipynb_checkpoints/1-checkpoint.png");
    copy(&home, "photos/dark/1.png", "photos/.trash/light/1.png");
    copy(&home, "photos/dark/1.png", "photos/__MACOSX/dark/._1.png");
    copy(&home, "photos/dark/1.png", "photos/light/._2.png");
    home.write("photos/light/.DS_Store", "x");
    home.write("photos/Thumbs.db", "x");
    home.write("photos/dark/labels.csv", "a\n1\n");
    fs::create_dir(home.path("photos/grey")).unwrap();
    let found = home.json(&["check", "--config", "run.toml"]);
    assert!(clean["dataset"]["sha256"].is_string(), "{clean}");
    assert_eq!(found["dataset"]["sha256"], clean["dataset"]["sha256"], "{found}");
    let notes = texts(&found["notes"]);
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert!(
        notes[0].contains("hidden files and folders are left out: ") && notes[0].contains(".trash"),
        "{notes:?}"
    );
    assert!(notes[1].contains("only pictures are read; left out: dark/labels.csv"), "{notes:?}");
    assert!(notes[2].contains("subfolders without pictures: grey"), "{notes:?}");
}

#[test]
fn broken_pictures_are_named_by_their_path() {
    let home = photos();
    let picture =
        image::RgbImage::from_fn(16, 16, |x, y| image::Rgb([(x % 16) as u8 * 9, (y % 16) as u8 * 9, 90]));
    picture.save(home.path("whole.jpg")).unwrap();
    let bytes = fs::read(home.path("whole.jpg")).unwrap();
    home.write("photos/dark/half.jpg", &bytes[..bytes.len() / 2]);
    home.write("photos/light/page.png", "<!doctype html>");
    for command in ["check", "prepare"] {
        let output = home.run(&[command, "--config", "run.toml"]);
        assert_eq!(output.code, Some(2), "{}", output.stdout);
        let message = output.stderr.replace('\n', " ");
        let named = message.contains("dark/half.jpg") || message.contains("light/page.png");
        assert!(named && message.contains("column `image`"), "{message}");
        let reason = message.contains("a truncated JPEG file") || message.contains("a file of another kind");
        assert!(reason, "{message}");
    }
    home.write("photos/dark/half.jpg", &bytes);
    fs::remove_file(home.path("photos/light/page.png")).unwrap();
    home.json(&["check", "--config", "run.toml"]);
}

#[test]
fn globs_leave_out_hidden_files() {
    let home = TestHome::with_blobs(60, "");
    fs::create_dir(home.path("parts")).unwrap();
    copy(&home, "blobs.csv", "parts/a.csv");
    let config = home.read("run.toml");
    home.write("run.toml", config.replace("\"blobs.csv\"", "\"parts/*.csv\""));
    let clean = home.json(&["check", "--config", "run.toml"])["dataset"].clone();
    copy(&home, "blobs.csv", "parts/._a.csv");
    copy(&home, "blobs.csv", "parts/.old.csv");
    assert_eq!(home.json(&["check", "--config", "run.toml"])["dataset"]["sha256"], clean["sha256"]);
}

#[test]
fn secrets_come_from_files_of_agents_and_from_listed_commands() {
    let home = TestHome::with_blobs(60, "");
    let config = home.read("run.toml");
    home.write("vault.json", r#"{"data": {"data": {"file": "blobs.csv"}}}"#);
    home.write("run.toml", config.replace("\"blobs.csv\"", "\"${file:vault.json#data/data/file}\""));
    home.json(&["check", "--config", "run.toml"]);
    home.write("run.toml", config.replace("\"blobs.csv\"", "\"${cmd:where}\""));
    let refused = home.run(&["check", "--config", "run.toml"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("${cmd:where} is not allowed"), "{}", refused.stderr);
    fs::create_dir_all(home.root()).unwrap();
    home.write(".cupola/secrets.toml", "[commands]\nwhere = [\"printf\", \"blobs.csv\\n\"]\n");
    home.json(&["check", "--config", "run.toml"]);
}
