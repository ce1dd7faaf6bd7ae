//! Decoding of pictures to 8-bit pixels with the values that Pillow's `convert` gives.

use image::metadata::Orientation;
use image::{
    DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage, RgbaImage,
};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

/// Largest side of a picture in pixels.
const MAX_SIDE: u16 = 16_384;
/// Largest number of pixels of a picture.
const MAX_PIXELS: u64 = 1 << 27;

/// Reason why a file is not a readable picture; completes "found".
#[derive(Debug, thiserror::Error)]
pub(super) enum PictureError {
    /// File without a byte.
    #[error("an empty file")]
    Empty,
    /// Text in place of a file that Git LFS keeps elsewhere.
    #[error("a Git LFS pointer instead of the file (run `git lfs pull`)")]
    Pointer,
    /// Picture in a format that is not read.
    #[error("a picture in the format {0} (convert it to PNG or JPEG)")]
    Foreign(&'static str),
    /// Other content.
    #[error("a file of another kind")]
    Unknown,
    /// File that ends before its last pixel.
    #[error("a truncated {0} file")]
    Truncated(&'static str),
    /// Damaged content.
    #[error("a broken {format} file ({why})")]
    Broken {
        /// Name of the format.
        format: &'static str,
        /// Message of the decoder.
        why: String,
    },
    /// Picture of too many pixels.
    #[error("{width} x {height} pixels (at most {MAX_SIDE} a side and {MAX_PIXELS} in all)")]
    Large {
        /// Width in pixels.
        width: u64,
        /// Height in pixels.
        height: u64,
    },
}

/// Decodes the first frame of a picture, turned as its EXIF orientation asks.
pub(super) fn decode(bytes: &[u8]) -> Result<DynamicImage, PictureError> {
    let Some(format) = format(bytes) else { return Err(unknown(bytes)) };
    let (mut image, orientation) = match format {
        ImageFormat::Jpeg => jpeg(bytes)?,
        other => by_image(bytes, other)?,
    };
    image.apply_orientation(orientation);
    Ok(eight_bits(image))
}

/// Luma by the weights of ITU-R 601, which Pillow and JPEG use; transparency is left out.
pub(super) fn grey(image: DynamicImage) -> GrayImage {
    match image {
        DynamicImage::ImageLuma8(image) => image,
        DynamicImage::ImageLumaA8(image) => {
            GrayImage::from_fn(image.width(), image.height(), |x, y| [image.get_pixel(x, y).0[0]].into())
        }
        other => {
            let image = other.into_rgb8();
            GrayImage::from_fn(image.width(), image.height(), |x, y| [luma(image.get_pixel(x, y).0)].into())
        }
    }
}

fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let sum = u32::from(red) * 19_595 + u32::from(green) * 38_470 + u32::from(blue) * 7_471 + 0x8000;
    u8::try_from(sum >> 16).unwrap_or(u8::MAX)
}

/// Keeps the high byte of 16-bit values. Pillow does so for colours, but cuts 16-bit grey off at 255, which turns
/// nearly every such picture white.
fn eight_bits(image: DynamicImage) -> DynamicImage {
    let (width, height) = (image.width(), image.height());
    let high = |values: Vec<u16>| -> Vec<u8> { values.into_iter().map(|v| v.to_be_bytes()[0]).collect() };
    let stripped = match image {
        DynamicImage::ImageLuma16(image) => {
            GrayImage::from_raw(width, height, high(image.into_raw())).map(DynamicImage::ImageLuma8)
        }
        DynamicImage::ImageLumaA16(image) => {
            image::GrayAlphaImage::from_raw(width, height, high(image.into_raw()))
                .map(DynamicImage::ImageLumaA8)
        }
        DynamicImage::ImageRgb16(image) => {
            RgbImage::from_raw(width, height, high(image.into_raw())).map(DynamicImage::ImageRgb8)
        }
        DynamicImage::ImageRgba16(image) => {
            RgbaImage::from_raw(width, height, high(image.into_raw())).map(DynamicImage::ImageRgba8)
        }
        other => Some(other),
    };
    // The number of values is that of the picture, so there always is one.
    stripped.unwrap_or_default()
}

/// Format by the first bytes; `None` for one that is not read.
fn format(bytes: &[u8]) -> Option<ImageFormat> {
    let found = image::guess_format(bytes).ok()?;
    name(found).map(|_| found)
}

fn name(format: ImageFormat) -> Option<&'static str> {
    match format {
        ImageFormat::Png => Some("PNG"),
        ImageFormat::Jpeg => Some("JPEG"),
        ImageFormat::Gif => Some("GIF"),
        ImageFormat::Bmp => Some("BMP"),
        ImageFormat::WebP => Some("WebP"),
        _ => None,
    }
}

/// Error of a file whose first bytes are those of no readable picture.
fn unknown(bytes: &[u8]) -> PictureError {
    if bytes.is_empty() {
        return PictureError::Empty;
    }
    if bytes.starts_with(b"version https://git-lfs") {
        return PictureError::Pointer;
    }
    let brand = bytes.get(4..12).unwrap_or_default();
    match bytes {
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => PictureError::Foreign("TIFF"),
        _ if brand.starts_with(b"ftypavif") => PictureError::Foreign("AVIF"),
        _ if brand.starts_with(b"ftyphei") || brand.starts_with(b"ftypmif") => PictureError::Foreign("HEIC"),
        [0xFF, 0x0A, ..] => PictureError::Foreign("JPEG XL"),
        _ => PictureError::Unknown,
    }
}

fn check_size(width: u64, height: u64) -> Result<(), PictureError> {
    let side = u64::from(MAX_SIDE);
    if width > side || height > side || width * height > MAX_PIXELS {
        return Err(PictureError::Large { width, height });
    }
    Ok(())
}

fn by_image(bytes: &[u8], format: ImageFormat) -> Result<(DynamicImage, Orientation), PictureError> {
    let name = name(format).unwrap_or_default();
    let wrong = |error: ImageError| failure(name, &error);
    let mut reader = ImageReader::with_format(std::io::Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(u32::from(MAX_SIDE));
    limits.max_image_height = Some(u32::from(MAX_SIDE));
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(wrong)?;
    let (width, height) = decoder.dimensions();
    check_size(u64::from(width), u64::from(height))?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(wrong)?;
    Ok((image, orientation))
}

fn failure(format: &'static str, error: &ImageError) -> PictureError {
    let why = match error {
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            return PictureError::Truncated(format);
        }
        ImageError::Decoding(error) => match std::error::Error::source(error) {
            Some(source) => source.to_string(),
            None => error.to_string(),
        },
        other => other.to_string(),
    };
    let lower = why.to_lowercase();
    let signs = ["unexpected end", "unexpected eof", "truncated", "fill whole buffer"];
    if signs.iter().any(|sign| lower.contains(sign)) {
        return PictureError::Truncated(format);
    }
    let why = one_line(&why);
    PictureError::Broken { format, why }
}

/// Message of a decoder as part of a sentence.
fn one_line(why: &str) -> String {
    why.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches('.').to_owned()
}

/// Decodes a JPEG file strictly: the decoder of `image` fills the part of a damaged file that is missing with grey.
fn jpeg(bytes: &[u8]) -> Result<(DynamicImage, Orientation), PictureError> {
    let broken = |error: zune_jpeg::errors::DecodeErrors| PictureError::Broken {
        format: "JPEG",
        why: one_line(&error.to_string()),
    };
    let lacking = |why: &str| PictureError::Broken { format: "JPEG", why: why.to_owned() };
    if !has_end_of_image(bytes) {
        return Err(PictureError::Truncated("JPEG"));
    }
    let side = usize::from(MAX_SIDE);
    let options = DecoderOptions::default().set_strict_mode(true).set_max_width(side).set_max_height(side);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(broken)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| lacking("it has no size"))?;
    check_size(width as u64, height as u64)?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let colours = if grey { ColorSpace::Luma } else { ColorSpace::RGB };
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    let options = options.jpeg_set_out_colorspace(colours);
    let pixels = JpegDecoder::new_with_options(ZCursor::new(bytes), options).decode().map_err(broken)?;
    let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
    let (width, height) = (side(width), side(height));
    let image = if grey {
        GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8)
    } else {
        RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8)
    };
    let image = image.ok_or_else(|| lacking("it has fewer pixels than its size"))?;
    Ok((image, orientation.unwrap_or(Orientation::NoTransforms)))
}

/// `true` if the markers of a JPEG file lead to an end of image. Segments are skipped as a whole, since EXIF may
/// contain a thumbnail with an end of its own.
fn has_end_of_image(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let (Some(first), Some(second)) = (bytes.get(at), bytes.get(at + 1)) {
        at += match (first, second) {
            (0xFF, 0xD9) => return true,
            // A stuffed byte, a marker without a segment, or a fill byte.
            (0xFF, 0x00 | 0x01 | 0xD0..=0xD8) => 2,
            (0xFF, 0xFF) => 1,
            (0xFF, _) => match (bytes.get(at + 2), bytes.get(at + 3)) {
                (Some(high), Some(low)) => 2 + usize::from(u16::from_be_bytes([*high, *low])),
                _ => return false,
            },
            _ => 1,
        };
    }
    false
}
