//! Predicts one row with the package `digits` that the example `train` publishes.
//!
//! ```sh
//! cargo run --release --example predict
//! ```

#![allow(clippy::print_stdout, reason = "an example shows its results")]

use std::error::Error;

use cupola_nn::DeviceChoice;
use cupola_registry::Home;
use cupola_runtime::{EngineChoice, Predictor};
use serde_json::{Map, Value};

/// A handwritten zero, 8 x 8 pixels from 0 to 16.
const PIXELS: [u8; 64] = [
    0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0, 0, 3, 15, 2, 0, 11, 8, 0, 0, 4, 12, 0, 0, 8, 8, 0,
    0, 5, 8, 0, 0, 9, 8, 0, 0, 4, 11, 0, 1, 12, 7, 0, 0, 2, 14, 5, 10, 12, 0, 0, 0, 0, 6, 13, 10, 0, 0, 0,
];

fn main() -> Result<(), Box<dyn Error>> {
    let package = Home::new(".cupola".into()).package("digits")?;
    // The CPU needs no probe; `DeviceChoice::Auto` calls it to find out whether a GPU works.
    let device = cupola_nn::open_device(DeviceChoice::Flex, || Err("not probed".to_owned()))?;
    let mut predictor = Predictor::load(&package, EngineChoice::Auto, &device)?;
    // Raw values by the names of the columns, as in a request to the server.
    let row: Map<String, Value> =
        PIXELS.iter().enumerate().map(|(index, pixel)| (format!("pixel_{index}"), (*pixel).into())).collect();
    let examples = predictor.package.examples(&[row])?;
    for prediction in predictor.predict(examples)? {
        println!("{}", serde_json::to_string_pretty(&prediction)?);
    }
    Ok(())
}
