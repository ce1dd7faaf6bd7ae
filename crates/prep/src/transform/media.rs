//! Images and sounds in files, as numbers.

mod picture;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::DynamicImage;
use image::imageops::FilterType;

use crate::error::Error;
use crate::frame::{Column, Frame};

/// Broken files that one message names.
const NAMED: usize = 5;
/// Files after a broken one among which others are looked for.
const SEARCHED: usize = 10_000;

/// The file in a row: bytes, or text that holds them in base64.
fn file<'a>(name: &str, column: &'a Column, row: usize) -> Result<std::borrow::Cow<'a, [u8]>, Error> {
    let found = match column {
        Column::Bytes(values) if arrow::array::Array::is_valid(values, row) => {
            return Ok(values.value(row).into());
        }
        Column::Text(_) => match column.text(row) {
            // A data URL has the bytes after the comma.
            Some(text) => match STANDARD.decode(text.rsplit(',').next().unwrap_or_default().trim()) {
                Ok(bytes) => return Ok(bytes.into()),
                Err(error) => format!("invalid base64 ({error})"),
            },
            None => "nothing".to_owned(),
        },
        Column::Bytes(_) => "nothing".to_owned(),
        Column::Number { .. } => "a number".to_owned(),
    };
    Err(invalid(name, row, "the bytes of a file, in base64", found))
}

fn invalid(name: &str, row: usize, expected: &str, found: String) -> Error {
    let remedy = "replace the file, or leave the row out".to_owned();
    Error::Value { row: row + 1, column: name.to_owned(), expected: expected.to_owned(), found, remedy }
}

/// Decodes the files of all rows and hands over their values. The message about a broken file names it, and others like
/// it, by the column `path` of a folder.
pub(super) fn decode_files(
    frame: &Frame,
    decode: impl Fn(usize) -> Result<Vec<f64>, Error>,
    mut each: impl FnMut(usize, Vec<f64>),
) -> Result<(), Error> {
    let path = |row: usize| frame.get("path").and_then(|paths| Some(paths.text(row)?.into_owned()));
    for row in 0..frame.rows() {
        let mut error = match decode(row) {
            Ok(values) => {
                each(row, values);
                continue;
            }
            Err(error) => error,
        };
        if let Error::Value { found, .. } = &mut error
            && let Some(own) = path(row)
        {
            let after = (row + 1..frame.rows()).take(SEARCHED);
            let others: Vec<String> = after.filter(|row| decode(*row).is_err()).filter_map(path).collect();
            *found = format!("{found} in {own}{}", named(&others));
        }
        return Err(error);
    }
    Ok(())
}

/// `, and 7 others: a.png, ...`, or empty.
fn named(others: &[String]) -> String {
    if others.is_empty() {
        return String::new();
    }
    let first = others[..others.len().min(NAMED)].join(", ");
    let more = if others.len() > NAMED { ", ..." } else { "" };
    let count = others.len();
    format!(", and {count} more broken {}: {first}{more}", if count == 1 { "file" } else { "files" })
}

/// Decodes an image to `[channels, height, width]` numbers from 0 to 255: 1 channel is grey, 3 are red, green and
/// blue, 4 add alpha. The image is resized to this shape (Catmull-Rom) without regard to its proportions.
///
/// # Errors
/// [`Error::Value`] for a missing or invalid file.
pub(super) fn decode_image(
    name: &str,
    column: &Column,
    row: usize,
    shape: [usize; 3],
) -> Result<Vec<f64>, Error> {
    let [channels, height, width] = shape;
    let bytes = file(name, column, row)?;
    let image = picture::decode(&bytes)
        .map_err(|error| invalid(name, row, "an image (PNG, JPEG, GIF, BMP, WebP)", error.to_string()))?;
    let image = match channels {
        1 => DynamicImage::ImageLuma8(picture::grey(image)),
        3 => DynamicImage::ImageRgb8(image.into_rgb8()),
        4 => DynamicImage::ImageRgba8(image.into_rgba8()),
        _ => {
            return Err(invalid(
                name,
                row,
                "an image with 1, 3 or 4 channels",
                format!("a shape with {channels} channels"),
            ));
        }
    };
    let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
    let (w, h) = (side(width), side(height));
    let image = if (image.width(), image.height()) == (w, h) {
        image
    } else {
        image.resize_exact(w, h, FilterType::CatmullRom)
    };
    let pixels = image.into_bytes();
    let plane = height * width;
    let mut values = vec![0.0; channels * plane];
    for (index, pixel) in pixels.chunks_exact(channels).enumerate() {
        for (channel, value) in pixel.iter().enumerate() {
            values[channel * plane + index] = f64::from(*value);
        }
    }
    Ok(values)
}

/// Decodes the first `steps` samples of a WAV file as numbers from -1 to 1: the mean of its channels, and silence
/// after its end.
///
/// # Errors
/// [`Error::Value`] for a missing or invalid file.
pub(super) fn decode_sound(name: &str, column: &Column, row: usize, steps: usize) -> Result<Vec<f64>, Error> {
    let bytes = file(name, column, row)?;
    let invalid_wav = |error: hound::Error| invalid(name, row, "a WAV file", error.to_string());
    let mut reader = hound::WavReader::new(bytes.as_ref()).map_err(invalid_wav)?;
    let spec = reader.spec();
    let channels = usize::from(spec.channels.max(1));
    let wanted = steps * channels;
    let samples: Vec<f64> = match spec.sample_format {
        hound::SampleFormat::Float => reader
            .samples::<f32>()
            .take(wanted)
            .map(|s| s.map(f64::from))
            .collect::<Result<_, _>>()
            .map_err(invalid_wav)?,
        hound::SampleFormat::Int => {
            let most = 2.0_f64.powi(i32::from(spec.bits_per_sample) - 1);
            let scaled = reader.samples::<i32>().take(wanted).map(|s| s.map(|s| f64::from(s) / most));
            scaled.collect::<Result<_, _>>().map_err(invalid_wav)?
        }
    };
    let mut values: Vec<f64> =
        samples.chunks(channels).map(|frame| frame.iter().sum::<f64>() / channels as f64).collect();
    values.resize(steps, 0.0);
    if values.iter().any(|value| !value.is_finite()) {
        return Err(invalid(name, row, "finite samples", "an infinite or NaN sample".to_owned()));
    }
    Ok(values)
}
