//! Small requests that would cost much.

use std::fs;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::{Server, TestHome};

/// Start of an Arrow stream with two columns of nulls, `x` and `y`, by pyarrow 26.
const ARROW_SCHEMA: &str = "/////5gAAAAQAAAAAAAKAAwABgAFAAgACgAAAAABBAAMAAAACAAIAAAABAAIAAAABAAAAAIAAAA8AAAABAAAANz///8AAAEBEAAAABQAAAAEAAAAAAAAAAEAAAB5AAAAzP///xAAFAAIAAYABwAMAAAAEAAQAAAAAAABARAAAAAYAAAABAAAAAAAAAABAAAAeAAAAAQABAAEAAAAAAAAAA==";
/// Batch of it that claims ten million rows.
const ARROW_BATCH: &str = "/////2gAAAAUAAAAAAAAAAAACgAOAAYABQAIAAoAAAAAAwQAEAAAAAAACgAUAAwABAAIAAoAAAAUAAAADAAAAICWmAAAAAAAAAAAAAIAAACAlpgAAAAAAICWmAAAAAAAgJaYAAAAAACAlpgAAAAAAA==";

const BLOBS: &str = "/v1/models/blobs/predict";
const SHADES: &str = "/v1/models/shades/predict";

fn blobs() -> TestHome {
    let home = TestHome::with_blobs(200, "[train]\nepochs = 3\n");
    home.train(&[]);
    home
}

/// Home with a model of grey pictures of 8 x 8 pixels.
fn shades() -> TestHome {
    let home = TestHome::new();
    for (class, shade) in [("dark", 30_u8), ("light", 200)] {
        let folder = home.path(&format!("pictures/{class}"));
        fs::create_dir_all(&folder).unwrap();
        for n in 0..20_u8 {
            image::GrayImage::from_pixel(8, 8, image::Luma([shade + n]))
                .save(folder.join(format!("{n}.png")))
                .unwrap();
        }
    }
    home.write(
        "run.toml",
        "name = 'shades'\n[data]\nsource = 'pictures'\n[[inputs]]\nname = 'image'\nkind = 'image'\nshape = [1, 8, 8]\n\
         [[targets]]\nname = 'class'\nkind = 'category'\n[model]\nfamily = 'cnn'\nchannels = [2]\nhidden = 4\n[train]\nepochs = 2\n",
    );
    home.train(&[]);
    home
}

/// GIF of 35 bytes or so with a canvas of this size and a frame of one pixel.
fn hollow_gif(width: u16, height: u16) -> Vec<u8> {
    let mut file = b"GIF89a".to_vec();
    file.extend(width.to_le_bytes());
    file.extend(height.to_le_bytes());
    file.extend([0x80, 0, 0, 0, 0, 0, 255, 255, 255]);
    file.extend([0x2C, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0, 0x3B]);
    file
}

fn picture_row(file: &[u8]) -> String {
    json!({ "rows": [{ "image": STANDARD.encode(file) }] }).to_string()
}

/// Longest time that a health check takes while `work` runs.
fn slowest_health(server: &Server, work: impl FnOnce() + Send) -> Duration {
    std::thread::scope(|scope| {
        let work = scope.spawn(work);
        let mut slowest = Duration::ZERO;
        while !work.is_finished() {
            let began = Instant::now();
            assert_eq!(server.get("/health/live").status, 200);
            slowest = slowest.max(began.elapsed());
            std::thread::sleep(Duration::from_millis(5));
        }
        work.join().unwrap();
        slowest
    })
}

#[test]
fn pictures_that_claim_a_huge_size_are_refused_at_once_while_health_answers() {
    let home = shades();
    let server = home.serve(&["--model", "shades", "--memory-mib", "512"]);
    for (width, height) in [(16_384, 16_384), (16_384, 8_192), (65_535, 65_535), (16_000, 4_000)] {
        let row = picture_row(&hollow_gif(width, height));
        let began = Instant::now();
        let slowest = slowest_health(&server, || {
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        let response = server.post(SHADES, &row, &[]);
                        let status = response.status;
                        assert!(
                            [413, 422, 429].contains(&status),
                            "{width} x {height}: {status} {}",
                            response.text
                        );
                    });
                }
            });
        });
        assert!(began.elapsed() < Duration::from_secs(5), "{width} x {height}: {:?}", began.elapsed());
        assert!(slowest < Duration::from_secs(1), "{width} x {height}: health took {slowest:?}");
    }
    let peak = server.peak_bytes();
    assert!(peak < 1 << 30, "the server took {peak} bytes");
}

#[test]
fn a_photo_of_twelve_megapixels_is_answered() {
    let home = shades();
    let server = home.serve(&["--model", "shades"]);
    let mut file = std::io::Cursor::new(Vec::new());
    let byte = |value: u32| value.to_le_bytes()[0];
    image::RgbImage::from_fn(4_000, 3_000, |x, y| [byte(x / 16), byte(y / 12), 40].into())
        .write_to(&mut file, image::ImageFormat::Png)
        .unwrap();
    let response = server.post(SHADES, picture_row(file.get_ref()), &[]);
    assert_eq!(response.status, 200, "{}", response.text);
}

#[test]
fn the_rows_of_an_arrow_stream_are_summed() {
    let home = blobs();
    let server = home.serve(&["--model", "blobs", "--memory-mib", "512"]);
    let mut body = STANDARD.decode(ARROW_SCHEMA).unwrap();
    let batch = STANDARD.decode(ARROW_BATCH).unwrap();
    (0..2_200).for_each(|_| body.extend(&batch));
    body.extend([255, 255, 255, 255, 0, 0, 0, 0]);
    assert!(body.len() < 300_000);
    let kind = [("content-type", "application/vnd.apache.arrow.stream")];
    let began = Instant::now();
    let response = server.post(BLOBS, &body, &kind);
    assert_eq!(response.status, 413, "{}", response.text);
    assert_eq!(response.json()["error"]["code"], "too_large");
    assert!(began.elapsed() < Duration::from_secs(5));
    let peak = server.peak_bytes();
    assert!(peak < 1 << 30, "the server took {peak} bytes");
}

#[test]
fn rows_without_content_are_refused_and_ordinary_ones_answered() {
    let home = blobs();
    let server = home.serve(&["--model", "blobs"]);
    let csv = [("content-type", "text/csv")];
    let lines = [("content-type", "application/x-ndjson")];
    let many = |row: &str| row.repeat((12 << 20) / row.len());
    for (body, kind) in [
        (format!("{{\"rows\": [{}{{}}]}}", many("{},")), None),
        (format!("{{\"rows\": [{}[]]}}", many("[],")), None),
        (format!("{{\"rows\": [{{\"x\": [{}[]]}}]}}", many("[],")), None),
        (many("{}\n"), Some(&lines)),
        (many(","), Some(&csv)),
        (format!("x,y\n{}", many("\n")), Some(&csv)),
    ] {
        let kind = kind.map_or(&[][..], |kind| &kind[..]);
        let response = server.post(BLOBS, &body, kind);
        assert!([400, 413, 422].contains(&response.status), "{} {}", response.status, response.text);
    }
    let row = "0.5,-0.25\n";
    let response = server.post(BLOBS, format!("x,y\n{}", row.repeat(10_000)), &csv);
    assert_eq!(response.status, 200, "{}", response.text);
    assert_eq!(response.text.lines().count(), 10_000);
    let response = server.post(BLOBS, format!("x,y\n{}", row.repeat(100_000)), &csv);
    assert_eq!((response.status, response.text.lines().count()), (200, 100_000));
    let rows = vec![json!({"x": 0.5, "y": -0.25}); 10_000];
    assert_eq!(server.post(BLOBS, json!({ "rows": rows }).to_string(), &[]).status, 200);
}

#[test]
fn requests_share_the_memory_of_the_server_and_get_it_back() {
    let home = blobs();
    let server = home.serve(&["--model", "blobs", "--memory-mib", "64"]);
    let body = format!("x,y\n{}", "0.5,-0.25\n".repeat(30_000));
    let csv = [("content-type", "text/csv")];
    assert_eq!(server.post(BLOBS, &body, &csv).status, 200);
    let statuses: Vec<(u16, bool)> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    let response = server.post(BLOBS, &body, &csv);
                    (response.status, response.header("retry-after").is_some())
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert!(statuses.iter().any(|(status, _)| *status == 200), "{statuses:?}");
    for (status, retries) in statuses {
        assert!(status == 200 || (status == 429 && retries), "{status}");
    }
    assert_eq!(server.post(BLOBS, &body, &csv).status, 200);
}

#[test]
fn the_memory_of_a_server_must_be_a_sensible_number() {
    let home = blobs();
    for value in ["0", "-1", "63", "NaN", "99999999999"] {
        let output = home.run(&["serve", "--model", "blobs", &format!("--memory-mib={value}")]);
        assert_eq!(output.code, Some(2), "{value}: {}", output.stderr);
    }
}
