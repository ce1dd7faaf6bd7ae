//! Pictures compared with Pillow (`scripts/golden/pictures.py`).

use arrow::array::BinaryArray;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use cupola_budget::Budget;

use super::{FileCell, decode_files, picture};
use crate::error::Error;
use crate::frame::{Column, Frame};

#[derive(Deserialize)]
struct Golden {
    good: Vec<Good>,
    broken: Vec<Broken>,
}

#[derive(Deserialize)]
struct Good {
    name: String,
    file: String,
    height: usize,
    width: usize,
    tolerance: u8,
    rgb: String,
    grey: String,
}

#[derive(Deserialize)]
struct Broken {
    name: String,
    file: String,
    says: String,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/pictures.json")).unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

fn column(files: &[&[u8]]) -> Column {
    Column::Bytes(BinaryArray::from_iter_values(files))
}

fn decode_image(name: &str, column: &Column, row: usize, shape: [usize; 3]) -> Result<Vec<f64>, Error> {
    super::decode_image(&FileCell { name, column, row, budget: &Budget::unlimited() }, shape)
}

#[test]
fn pixels_of_every_kind_of_picture_are_those_of_pillow() {
    for good in golden().good {
        let file = column(&[&bytes(&good.file)]);
        for (channels, expected) in [(3, &good.rgb), (1, &good.grey)] {
            let shape = [channels, good.height, good.width];
            let found =
                decode_image("image", &file, 0, shape).unwrap_or_else(|e| panic!("{}: {e}", good.name));
            let expected = bytes(expected);
            assert_eq!(found.len(), expected.len(), "{}", good.name);
            let plane = good.height * good.width;
            for (index, value) in found.into_iter().enumerate() {
                let pixel = f64::from(expected[index % plane * channels + index / plane]);
                assert!(
                    (value - pixel).abs() <= f64::from(good.tolerance),
                    "{}, {channels} channels, value {index}: expected {pixel}, found {value}",
                    good.name
                );
            }
        }
    }
}

#[test]
fn an_opacity_is_the_fourth_channel() {
    let golden = golden().good;
    let fourth = |name: &str| {
        let good = golden.iter().find(|good| good.name == name).unwrap();
        let shape = [4, good.height, good.width];
        let values = decode_image("image", &column(&[&bytes(&good.file)]), 0, shape).unwrap();
        values[3 * good.height * good.width..].to_vec()
    };
    assert!(fourth("rgb.png").iter().all(|opacity| (opacity - 255.0).abs() < 1e-9));
    assert!(fourth("rgba.png").iter().any(|opacity| *opacity < 200.0));
    assert_eq!(fourth("grey_key.png"), [255.0, 0.0, 255.0]);
}

#[test]
fn broken_pictures_are_refused_with_the_reason() {
    for broken in golden().broken {
        let file = column(&[&bytes(&broken.file)]);
        let error = decode_image("image", &file, 0, [3, 4, 4]).err();
        let error = error.unwrap_or_else(|| panic!("{} was accepted", broken.name)).to_string();
        assert!(
            error.contains(&broken.says) && error.contains("row 1, column `image`"),
            "{}: {error}",
            broken.name
        );
    }
}

#[test]
fn every_truncation_of_a_jpeg_file_is_noticed() {
    let is_jpeg = |name: &str| name.rsplit_once('.').is_some_and(|(_, ending)| ending == "jpg");
    for good in golden().good.into_iter().filter(|good| is_jpeg(&good.name)) {
        let file = bytes(&good.file);
        for length in 0..file.len() {
            assert!(
                picture::decode(&file[..length], &Budget::unlimited()).is_err(),
                "{} of {length} bytes was accepted",
                good.name
            );
        }
    }
}

#[test]
fn mutated_pictures_do_not_panic() {
    let mut state = 1_u32;
    let mut draw = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize
    };
    for good in golden().good {
        for _ in 0..50 {
            let mut file = bytes(&good.file);
            for _ in 0..=draw() % 4 {
                let at = draw() % file.len();
                file[at] = draw().to_le_bytes()[0];
            }
            let _ = picture::decode(&file, &Budget::unlimited());
        }
    }
}

#[test]
fn the_message_names_all_broken_files_by_their_path() {
    let golden = golden();
    let good = bytes(&golden.good[0].file);
    let bad = bytes(&golden.broken[0].file);
    let files = [good.as_slice(), &bad, &good, &bad, b""];
    let values = column(&files);
    let paths = ["a/0.png", "a/1.jpg", "b/2.png", "b/3.jpg", "b/4.png"];
    let frame = Frame::default().with("path", Column::texts(paths.map(Some)));
    let decode = |row| decode_image("image", &values, row, [3, 3, 5]);
    let mut decoded = 0;
    let error = decode_files(&frame, decode, |_, _| decoded += 1).unwrap_err().to_string();
    assert_eq!(decoded, 1);
    assert!(
        error.contains("found a truncated JPEG file in a/1.jpg, and 2 more broken files: b/3.jpg, b/4.png"),
        "{error}"
    );
    assert!(!error.contains("b/2.png"), "{error}");
}
