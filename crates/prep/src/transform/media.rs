//! Images and sounds in files, as numbers.

mod measures;
mod picture;
mod resize;
#[cfg(test)]
mod tests;
mod view;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cupola_budget::{Budget, Hold};

pub use self::measures::PictureMeasures;
pub use self::picture::{PictureSize, picture_size};

use self::picture::PictureError;
use crate::error::Error;
use crate::frame::{Column, Frame};
use crate::transform::FittedInput;

/// Broken files that one message names.
const NAMED: usize = 5;
/// Largest side of the copy of a picture in pixels.
const COPY_SIDE: usize = 112;
/// Files after a broken one among which others are looked for.
const SEARCHED: usize = 10_000;

/// File in a row of a column.
pub(super) struct FileCell<'a> {
    /// Name of the column.
    pub name: &'a str,
    /// Values of the column.
    pub column: &'a Column,
    /// Index of the row.
    pub row: usize,
    /// Memory and time for its contents.
    pub budget: &'a Budget,
}

impl FileCell<'_> {
    /// Bytes of the file, which text holds in base64, with the memory that they take.
    fn bytes(&self) -> Result<(Cow<'_, [u8]>, Hold), Error> {
        let found = match self.column {
            Column::Bytes(values) if arrow::array::Array::is_valid(values, self.row) => {
                return Ok((values.value(self.row).into(), Hold::none()));
            }
            Column::Text(_) => match self.column.text(self.row) {
                Some(text) => {
                    let hold = self.budget.take(text.len())?;
                    // A data URL has the bytes after the comma.
                    let text = text.rsplit(',').next().unwrap_or_default().trim();
                    // The command `base64` breaks its lines.
                    let text = if text.contains(char::is_whitespace) {
                        Cow::Owned(text.split_whitespace().collect::<String>())
                    } else {
                        Cow::Borrowed(text)
                    };
                    match STANDARD.decode(text.as_bytes()) {
                        Ok(bytes) => return Ok((bytes.into(), hold)),
                        Err(error) => format!("invalid base64 ({error})"),
                    }
                }
                None => "nothing".to_owned(),
            },
            Column::Bytes(_) => "nothing".to_owned(),
            Column::Number { .. } => "a number".to_owned(),
        };
        Err(self.invalid("the bytes of a file, in base64", found))
    }

    fn invalid(&self, expected: &str, found: String) -> Error {
        let remedy = "replace the file, or leave the row out".to_owned();
        let (row, column) = (self.row + 1, self.name.to_owned());
        Error::Value { row, column, expected: expected.to_owned(), found, remedy }
    }
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
/// [`Error::Value`] for a missing or invalid file, [`Error::Exceeded`].
pub(super) fn decode_image(file: &FileCell<'_>, shape: [usize; 3]) -> Result<Vec<f64>, Error> {
    let channels = shape[0];
    if !matches!(channels, 1 | 3 | 4) {
        let found = format!("a shape with {channels} channels");
        return Err(file.invalid("an image with 1, 3 or 4 channels", found));
    }
    let (bytes, _hold) = file.bytes()?;
    let picture = picture::decode(&bytes, file.budget).map_err(|error| match error {
        PictureError::Exceeded(exceeded) => exceeded.into(),
        error => file.invalid("an image (PNG, JPEG, GIF, BMP, WebP)", error.to_string()),
    })?;
    Ok(resize::values(&picture.view(), shape, file.budget)?)
}

/// PNG file of a picture at the size that an input reads it with, at most [`COPY_SIDE`] pixels wide and high; `None` if the
/// input does not read pictures from this column, or the file is broken.
pub(crate) fn picture_copy(input: &FittedInput, name: &str, column: &Column, row: usize) -> Option<Vec<u8>> {
    let FittedInput::Image { columns, shape: [channels, height, width], .. } = input else { return None };
    if columns.as_slice() != [name] {
        return None;
    }
    let (height, width) = ((*height).min(COPY_SIDE), (*width).min(COPY_SIDE));
    let file = FileCell { name, column, row, budget: &Budget::unlimited() };
    let values = decode_image(&file, [*channels, height, width]).ok()?;
    png(&values, [*channels, height, width])
}

/// PNG file of the picture whose pixels are columns of a row, brightened to 0 to 255 if its values go to 1 or 16; `None` if
/// the input has no such pixels.
pub(crate) fn pixel_picture(input: &FittedInput, frame: &Frame, row: usize) -> Option<Vec<u8>> {
    let FittedInput::Image { columns, shape, .. } = input else { return None };
    if columns.len() != shape.iter().product::<usize>() || shape[1].max(shape[2]) > COPY_SIDE {
        return None;
    }
    let number = |name: &String| frame.get(name)?.number(row).ok().flatten();
    let values: Vec<f64> = columns.iter().map(number).collect::<Option<_>>()?;
    let largest = values.iter().copied().fold(0.0, f64::max);
    let factor = [1.0, 16.0].into_iter().find(|top| largest <= *top).map_or(1.0, |top| 255.0 / top);
    png(&values.iter().map(|value| value * factor).collect::<Vec<_>>(), *shape)
}

/// PNG file of pixels `[channels, height, width]` from 0 to 255.
fn png(values: &[f64], [channels, height, width]: [usize; 3]) -> Option<Vec<u8>> {
    let plane = height * width;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rounded and clamped to 0..=255"
    )]
    let byte = |value: f64| value.round().clamp(0.0, 255.0) as u8;
    let pixels: Vec<u8> = (0..plane)
        .flat_map(|at| (0..channels).map(move |channel| (channel, at)))
        .map(|(channel, at)| byte(values[channel * plane + at]))
        .collect();
    let color = match channels {
        1 => image::ExtendedColorType::L8,
        3 => image::ExtendedColorType::Rgb8,
        _ => image::ExtendedColorType::Rgba8,
    };
    let (width, height) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    let mut out = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut out);
    image::ImageEncoder::write_image(encoder, &pixels, width, height, color).ok()?;
    Some(out)
}

/// Decodes the first `steps` samples of a WAV file as numbers from -1 to 1: the mean of its channels, and silence
/// after its end.
///
/// # Errors
/// [`Error::Value`] for a missing or invalid file, [`Error::Exceeded`].
pub(super) fn decode_sound(file: &FileCell<'_>, steps: usize) -> Result<Vec<f64>, Error> {
    let (bytes, _hold) = file.bytes()?;
    let invalid_wav = |error: hound::Error| file.invalid("a WAV file", error.to_string());
    let mut reader = hound::WavReader::new(bytes.as_ref()).map_err(invalid_wav)?;
    let spec = reader.spec();
    let channels = usize::from(spec.channels.max(1));
    let wanted = steps.saturating_mul(channels);
    // A sample has a byte at least.
    let _samples = file.budget.take_each(wanted.min(bytes.len()), 2 * size_of::<f64>())?;
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
        return Err(file.invalid("finite samples", "an infinite or NaN sample".to_owned()));
    }
    Ok(values)
}
