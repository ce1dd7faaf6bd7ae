//! Images and sounds in files, as numbers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, ImageResult, Limits};

use crate::error::Error;
use crate::frame::Column;

/// Largest side of an image in pixels.
const MAX_SIDE: u32 = 16_384;

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
    let remedy = "fix the file, or leave the row out".to_owned();
    Error::Value { row: row + 1, column: name.to_owned(), expected: expected.to_owned(), found, remedy }
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
    let image = decode_pixels(&bytes)
        .map_err(|e| invalid(name, row, "an image (PNG, JPEG, GIF, BMP, WebP)", e.to_string()))?;
    let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
    let (w, h) = (side(width), side(height));
    let image = if (image.width(), image.height()) == (w, h) {
        image
    } else {
        image.resize_exact(w, h, FilterType::CatmullRom)
    };
    let pixels = match channels {
        1 => image.into_luma8().into_raw(),
        3 => image.into_rgb8().into_raw(),
        4 => image.into_rgba8().into_raw(),
        _ => {
            return Err(invalid(
                name,
                row,
                "an image with 1, 3 or 4 channels",
                format!("a shape with {channels} channels"),
            ));
        }
    };
    let plane = height * width;
    let mut values = vec![0.0; channels * plane];
    for (index, pixel) in pixels.chunks_exact(channels).enumerate() {
        for (channel, value) in pixel.iter().enumerate() {
            values[channel * plane + index] = f64::from(*value);
        }
    }
    Ok(values)
}

fn decode_pixels(bytes: &[u8]) -> ImageResult<DynamicImage> {
    let mut reader = ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    // Cameras store their orientation in EXIF instead of rotating the pixels.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image)
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

#[cfg(test)]
mod tests {
    use image::codecs::jpeg::JpegEncoder;
    use image::{ExtendedColorType, ImageEncoder};

    use super::*;

    #[test]
    fn an_image_is_rotated_by_its_exif_orientation() {
        // 8 rows of 16 pixels, dark on the left; EXIF asks for a rotation by 90 degrees to the right.
        let pixels: Vec<u8> = (0..128).map(|place| if place % 16 < 8 { 0 } else { 255 }).collect();
        let upright = *b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let encoded = |exif: Option<&[u8]>| {
            let mut bytes = Vec::new();
            let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 100);
            if let Some(exif) = exif {
                encoder.set_exif_metadata(exif.to_vec()).unwrap();
            }
            encoder.write_image(&pixels, 16, 8, ExtendedColorType::L8).unwrap();
            let column = Column::texts([Some(STANDARD.encode(bytes))]);
            decode_image("photo", &column, 0, [1, 8, 8]).unwrap()
        };
        let (plain, turned) = (encoded(None), encoded(Some(&upright)));
        assert!(plain[0] < 50.0 && plain[7] > 200.0 && plain[56] < 50.0, "dark on the left: {plain:?}");
        assert!(turned[0] < 50.0 && turned[7] < 50.0 && turned[56] > 200.0, "dark at the top: {turned:?}");
    }
}
