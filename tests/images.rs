use std::fs;

use serde_json::json;

use crate::support::TestHome;

const TRAIN: &str = "[split]\nvalid = 0.2\n[train]\nepochs = 2\n";

fn image<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ["deploy", "image", "--model", "blobs"].into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn an_image_is_written_again_with_the_same_digest() {
    let home = TestHome::with_blobs(120, TRAIN);
    home.train(&[]);
    let (first, second) = (home.json(&image(&[])), home.json(&image(&["--out", "again.tar"])));
    assert_eq!((&first["image"], &first["models"]), (&json!("blobs:1"), &json!(["blobs:1"])));
    assert_eq!(first["digest"], second["digest"]);
    assert!(home.path("blobs-1.tar").is_file() && second["layers"][1]["cached"] == true, "{second}");
    // Less than the program and the model together.
    let program = fs::metadata(env!("CARGO_BIN_EXE_cupola")).unwrap().len();
    assert!(first["bytes"].as_u64().unwrap() < program, "{first}");
    for (more, expected) in [
        (&["--tag", "Blobs"][..], "invalid image name"),
        (&["--binary", "run.toml"], "not a program"),
        (&["--binary", "/bin/true"], "not a build of cupola"),
        (&["--binary", "/dev/zero"], "not a regular file"),
        (&["--model", ""], "invalid model ``"),
        (&["--", "--unknown", "80"], "unexpected argument"),
        (&["--", "--host", "127.0.0.1"], "the image decides `--host`"),
        (&["--format", "oci", "--out", ".cupola"], "is not an image layout"),
    ] {
        let output = home.run(&image(more));
        assert!(output.code == Some(2) && output.stderr.contains(expected), "{more:?}: {}", output.stderr);
    }
}

#[test]
fn a_server_is_asked_for_its_health() {
    let home = TestHome::with_blobs(120, TRAIN);
    home.train(&[]);
    let server = home.serve(&["--model", "blobs"]);
    let url = server.url.clone();
    assert_eq!(home.run(&["serve", "--health", &url]).code, Some(0));
    server.terminate();
    server.wait();
    assert_eq!(home.run(&["serve", "--health", &url]).code, Some(1));
}

#[test]
fn a_server_takes_the_last_of_equal_options() {
    let home = TestHome::with_blobs(120, TRAIN);
    home.train(&[]);
    // The helper gives a port and a device before these.
    let server = home.serve(&["--model", "blobs", "--device", "flex", "--queue", "1", "--queue", "9"]);
    assert_eq!(server.get("/health/ready").status, 200);
}
