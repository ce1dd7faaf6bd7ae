//! Strict decoding of JPEG: the decoder of `image` fills the part of a damaged file that is missing with grey.

use cupola_budget::Budget;
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::{MAX_SIDE, Picture, PictureError, check_size, one_line};

/// Pixels that all scans of a file may visit. A progressive picture has about ten scans, and a decoder visits every
/// block in each of them, however few bytes the scan has.
const MAX_VISITS: u64 = 1 << 31;

/// Decodes a file whose scans are complete.
pub(super) fn decode(bytes: &[u8], budget: &Budget) -> Result<Picture, PictureError> {
    let broken =
        |error: DecodeErrors| PictureError::Broken { format: "JPEG", why: one_line(&error.to_string()) };
    let lacking = |why: &str| PictureError::Broken { format: "JPEG", why: why.to_owned() };
    let markers = Markers::of(bytes);
    if !markers.ends {
        return Err(PictureError::Truncated("JPEG"));
    }
    let side = usize::from(MAX_SIDE);
    let options = DecoderOptions::default().set_strict_mode(true).set_max_width(side).set_max_height(side);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(broken)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| lacking("it has no size"))?;
    check_size(width as u64, height as u64, bytes.len())?;
    let pixels = width * height;
    if (pixels as u64).saturating_mul(markers.scans) > MAX_VISITS {
        return Err(lacking("it has more scans than its size allows"));
    }
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let colours = if grey { ColorSpace::Luma } else { ColorSpace::RGB };
    let channels = if grey { 1 } else { 3 };
    // Coefficients of several scans have 16 bits each; there are up to four components.
    let coefficients = match (markers.scans, grey) {
        (..=1, _) => 0,
        (_, true) => 2,
        (_, false) => 6,
    };
    let hold = budget.take_each(pixels, channels + coefficients)?;
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    let options = options.jpeg_set_out_colorspace(colours);
    budget.check()?;
    let pixels = JpegDecoder::new_with_options(ZCursor::new(bytes), options).decode().map_err(broken)?;
    let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
    let (width, height) = (side(width), side(height));
    let image = if grey {
        GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8)
    } else {
        RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8)
    };
    let image = image.ok_or_else(|| lacking("it has fewer pixels than its size"))?;
    Ok(Picture::new(image, orientation.unwrap_or(Orientation::NoTransforms), hold))
}

/// Markers of a file up to its end of image.
struct Markers {
    /// `true` if there is an end of image.
    ends: bool,
    /// Starts of scans.
    scans: u64,
}

impl Markers {
    /// Follows the markers. Segments are skipped as a whole, since EXIF may contain a thumbnail with an end of its
    /// own.
    fn of(bytes: &[u8]) -> Self {
        let (mut at, mut scans) = (2, 0);
        while let (Some(first), Some(second)) = (bytes.get(at), bytes.get(at + 1)) {
            scans += u64::from((*first, *second) == (0xFF, 0xDA));
            at += match (first, second) {
                (0xFF, 0xD9) => return Self { ends: true, scans },
                // A stuffed byte, a marker without a segment, or a fill byte.
                (0xFF, 0x00 | 0x01 | 0xD0..=0xD8) => 2,
                (0xFF, 0xFF) => 1,
                (0xFF, _) => match (bytes.get(at + 2), bytes.get(at + 3)) {
                    (Some(high), Some(low)) => 2 + usize::from(u16::from_be_bytes([*high, *low])),
                    _ => break,
                },
                _ => 1,
            };
        }
        Self { ends: false, scans }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scans_are_counted_up_to_the_end() {
        let scan = [0xFF, 0xDA, 0, 2, 1, 2, 0xFF, 0, 3];
        let file = [&[0xFF, 0xD8][..], &scan, &scan, &[0xFF, 0xD9], &scan].concat();
        let markers = Markers::of(&file);
        assert_eq!((markers.ends, markers.scans), (true, 2));
        assert!(!Markers::of(&file[..12]).ends);
    }
}
