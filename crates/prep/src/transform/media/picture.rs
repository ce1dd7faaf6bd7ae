//! Decoding of pictures to 8-bit pixels with the values that Pillow's `convert` gives.

mod jpeg;
mod source;

use cupola_budget::{Budget, Exceeded, Hold};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use self::source::Source;
use super::view::PictureView;

/// Largest side of a picture in pixels.
const MAX_SIDE: u16 = 16_384;
/// Largest number of pixels of a picture.
const MAX_PIXELS: u64 = 1 << 27;
/// Pixels that a picture may have whatever the size of its file.
const FREE_PIXELS: u64 = 1 << 24;
/// Pixels per byte of a larger picture. An empty page that was scanned has a few hundred to a thousand.
const PIXELS_PER_BYTE: u64 = 10_000;
/// Bytes that a decoder may need for colour profiles and the like.
const MAX_METADATA: u64 = 1 << 24;

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
    /// Picture whose file is too short for its pixels.
    #[error("{width} x {height} pixels in {bytes} bytes (send a picture with content)")]
    Hollow {
        /// Width in pixels.
        width: u64,
        /// Height in pixels.
        height: u64,
        /// Size of the file.
        bytes: usize,
    },
    /// Memory or time that the request does not have.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    /// Picture of too many pixels.
    #[error("{width} x {height} pixels (at most {MAX_SIDE} a side and {MAX_PIXELS} in all)")]
    Large {
        /// Width in pixels.
        width: u64,
        /// Height in pixels.
        height: u64,
    },
}

/// Decoded picture with the memory that it takes.
pub(super) struct Picture {
    image: DynamicImage,
    orientation: Orientation,
    _hold: Hold,
}

impl Picture {
    /// Decoded pixels with the memory that they take. Other samples than of 8 or 16 bits are converted.
    fn new(image: DynamicImage, orientation: Orientation, hold: Hold) -> Self {
        let image = match PictureView::new(&image, orientation) {
            Some(_) => image,
            None => DynamicImage::ImageRgba8(image.into_rgba8()),
        };
        Self { image, orientation, _hold: hold }
    }

    /// Pixels in upright order, as the EXIF orientation asks; no pixels for a picture without any.
    pub fn view(&self) -> PictureView<'_> {
        PictureView::new(&self.image, self.orientation).unwrap_or_default()
    }
}

/// Size of a picture, as its header gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureSize {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `true` if the pixels are shades of grey.
    pub grey: bool,
}

/// Reads the size of a picture without decoding its pixels; `None` for bytes that are no readable picture.
pub fn picture_size(bytes: &[u8]) -> Option<PictureSize> {
    let reader = ImageReader::with_format(std::io::Cursor::new(bytes), format(bytes)?);
    let decoder = reader.into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (usize::try_from(width).ok()?, usize::try_from(height).ok()?);
    Some(PictureSize { width, height, grey: !decoder.color_type().has_color() })
}

/// Decodes the first frame of a picture. Its memory is taken before, by the size in its header.
pub(super) fn decode(bytes: &[u8], budget: &Budget) -> Result<Picture, PictureError> {
    let Some(format) = format(bytes) else { return Err(unknown(bytes)) };
    match format {
        ImageFormat::Jpeg => jpeg::decode(bytes, budget),
        other => by_image(bytes, other, budget),
    }
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

/// Checks the size that a header claims before anything of that size is allocated.
fn check_size(width: u64, height: u64, bytes: usize) -> Result<(), PictureError> {
    let (side, pixels) = (u64::from(MAX_SIDE), width.saturating_mul(height));
    if width > side || height > side || pixels > MAX_PIXELS {
        return Err(PictureError::Large { width, height });
    }
    if pixels > FREE_PIXELS && pixels / (bytes as u64).max(1) > PIXELS_PER_BYTE {
        return Err(PictureError::Hollow { width, height, bytes });
    }
    Ok(())
}

fn by_image(bytes: &[u8], format: ImageFormat, budget: &Budget) -> Result<Picture, PictureError> {
    let name = name(format).unwrap_or_default();
    let wrong = |error: ImageError| match budget.check() {
        Ok(()) => failure(name, &error),
        Err(late) => late.into(),
    };
    let mut reader = ImageReader::with_format(Source::new(bytes, budget), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(u32::from(MAX_SIDE));
    limits.max_image_height = Some(u32::from(MAX_SIDE));
    limits.max_alloc = Some(MAX_METADATA);
    // Profiles may be compressed, but seldom are larger than their file.
    let mut hold = budget.take(bytes.len())?;
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(wrong)?;
    let (width, height) = decoder.dimensions();
    check_size(u64::from(width), u64::from(height), bytes.len())?;
    let canvas = decoder.total_bytes();
    let copies = match format {
        // The frame of a GIF is decoded apart from its canvas; WebP has planes or an animation's canvas beside it.
        ImageFormat::Gif => 2,
        ImageFormat::WebP => 3,
        _ => 1,
    };
    hold.grow(usize::try_from(canvas.saturating_mul(copies)).unwrap_or(usize::MAX))?;
    if format == ImageFormat::Gif {
        // No frame is larger than the canvas.
        limits.max_alloc = Some(canvas);
        decoder.set_limits(limits).map_err(wrong)?;
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    budget.check()?;
    let image = DynamicImage::from_decoder(decoder).map_err(wrong)?;
    Ok(Picture::new(image, orientation, hold))
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
