//! Pictures and sounds as numbers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};

use crate::error::Error;
use crate::frame::Column;

/// Largest side of a picture in pixels.
const MOST_PIXELS: u32 = 16_384;

/// The file in a row: bytes, or a text that holds them in base64. Missing ones are refused.
fn file<'a>(name: &str, column: &'a Column, row: usize) -> Result<std::borrow::Cow<'a, [u8]>, Error> {
    let found = match column {
        Column::Bytes(values) if arrow::array::Array::is_valid(values, row) => {
            return Ok(values.value(row).into());
        }
        Column::Text(_) => match column.text(row) {
            // A data URL, as browsers make them, has the bytes after the comma.
            Some(text) => match STANDARD.decode(text.rsplit(',').next().unwrap_or_default().trim()) {
                Ok(bytes) => return Ok(bytes.into()),
                Err(error) => format!("a text that is no base64 ({error})"),
            },
            None => "nothing".to_owned(),
        },
        Column::Bytes(_) => "nothing".to_owned(),
        Column::Number { .. } => "a number".to_owned(),
    };
    Err(wrong(name, row, "the bytes of a file, in base64", found))
}

fn wrong(name: &str, row: usize, expected: &str, found: String) -> Error {
    let remedy = "mend the file, or leave the row out".to_owned();
    Error::Value { row: row + 1, column: name.to_owned(), expected: expected.to_owned(), found, remedy }
}

/// A picture as `[channels, height, width]` numbers of 0 to 255: 1 channel is grey, 3 are red, green and
/// blue, 4 have alpha. It is resized to that size (Catmull-Rom), whatever its proportions.
pub(crate) fn picture(name: &str, column: &Column, row: usize, shape: [usize; 3]) -> Result<Vec<f64>, Error> {
    let [channels, height, width] = shape;
    let bytes = file(name, column, row)?;
    let picture =
        decoded(&bytes).map_err(|why| wrong(name, row, "a picture (PNG, JPEG, GIF, BMP, WebP)", why))?;
    let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
    let (w, h) = (side(width), side(height));
    let picture = if (picture.width(), picture.height()) == (w, h) {
        picture
    } else {
        picture.resize_exact(w, h, FilterType::CatmullRom)
    };
    let pixels = match channels {
        1 => picture.into_luma8().into_raw(),
        3 => picture.into_rgb8().into_raw(),
        4 => picture.into_rgba8().into_raw(),
        _ => {
            return Err(wrong(
                name,
                row,
                "a picture of 1, 3 or 4 channels",
                format!("a shape with {channels}"),
            ));
        }
    };
    let plane = height * width;
    let mut values = vec![0.0; channels * plane];
    for (place, pixel) in pixels.chunks_exact(channels).enumerate() {
        for (channel, value) in pixel.iter().enumerate() {
            values[channel * plane + place] = f64::from(*value);
        }
    }
    Ok(values)
}

fn decoded(bytes: &[u8]) -> Result<DynamicImage, String> {
    let mut reader = ImageReader::new(std::io::Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| error.to_string())?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_PIXELS);
    limits.max_image_height = Some(MOST_PIXELS);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| error.to_string())?;
    // A camera that was held upright says so in EXIF instead of turning the pixels.
    let turned = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| error.to_string())?;
    picture.apply_orientation(turned);
    Ok(picture)
}

/// The first `steps` samples of a WAV file, -1 to 1, its channels' mean; silence after its end.
pub(crate) fn sound(name: &str, column: &Column, row: usize, steps: usize) -> Result<Vec<f64>, Error> {
    let bytes = file(name, column, row)?;
    let said = |error: hound::Error| wrong(name, row, "a WAV file", error.to_string());
    let mut reader = hound::WavReader::new(bytes.as_ref()).map_err(said)?;
    let about = reader.spec();
    let channels = usize::from(about.channels.max(1));
    let wanted = steps * channels;
    let samples: Vec<f64> = match about.sample_format {
        hound::SampleFormat::Float => reader
            .samples::<f32>()
            .take(wanted)
            .map(|s| s.map(f64::from))
            .collect::<Result<_, _>>()
            .map_err(said)?,
        hound::SampleFormat::Int => {
            let most = 2.0_f64.powi(i32::from(about.bits_per_sample) - 1);
            let scaled = reader.samples::<i32>().take(wanted).map(|s| s.map(|s| f64::from(s) / most));
            scaled.collect::<Result<_, _>>().map_err(said)?
        }
    };
    let mut values: Vec<f64> =
        samples.chunks(channels).map(|frame| frame.iter().sum::<f64>() / channels as f64).collect();
    values.resize(steps, 0.0);
    if values.iter().any(|value| !value.is_finite()) {
        return Err(wrong(name, row, "finite samples", "a sample that is not".to_owned()));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use image::codecs::jpeg::JpegEncoder;
    use image::{ExtendedColorType, ImageEncoder};

    use super::*;

    #[test]
    fn a_picture_stands_as_its_camera_was_held() {
        // Eight rows of sixteen pixels, dark on the left; EXIF says: turn it by 90 degrees to the right.
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
            picture("photo", &column, 0, [1, 8, 8]).unwrap()
        };
        let (plain, turned) = (encoded(None), encoded(Some(&upright)));
        assert!(plain[0] < 50.0 && plain[7] > 200.0 && plain[56] < 50.0, "dark on the left: {plain:?}");
        assert!(turned[0] < 50.0 && turned[7] < 50.0 && turned[56] > 200.0, "dark at the top: {turned:?}");
    }
}
