//! Pixels of a decoded picture, turned as its orientation asks, without a copy.

use image::DynamicImage;
use image::metadata::Orientation;

/// Samples of all pixels, row by row.
#[derive(Clone, Copy)]
enum Samples<'a> {
    Bytes(&'a [u8]),
    /// Samples whose high byte counts. Pillow keeps it for colours, but cuts 16-bit grey off at 255, which turns
    /// nearly every such picture white.
    Words(&'a [u16]),
}

impl Samples<'_> {
    fn get(&self, at: usize) -> u8 {
        match self {
            Self::Bytes(samples) => samples.get(at).copied().unwrap_or_default(),
            Self::Words(samples) => samples.get(at).map_or(0, |word| word.to_be_bytes()[0]),
        }
    }
}

impl Default for Samples<'_> {
    fn default() -> Self {
        Self::Bytes(&[])
    }
}

/// Pixels of a picture in their upright order. The default has none.
#[derive(Default)]
pub(super) struct PictureView<'a> {
    samples: Samples<'a>,
    /// Samples of a pixel: grey, grey and opacity, colours, or colours and opacity.
    depth: usize,
    width: usize,
    height: usize,
    /// Index of the first pixel, and distances of the next one to the right and below.
    origin: usize,
    right: isize,
    below: isize,
}

impl<'a> PictureView<'a> {
    /// View of a picture of 8-bit or 16-bit samples; `None` for any other.
    pub fn new(image: &'a DynamicImage, orientation: Orientation) -> Option<Self> {
        let (samples, depth) = match image {
            DynamicImage::ImageLuma8(image) => (Samples::Bytes(image.as_raw()), 1),
            DynamicImage::ImageLumaA8(image) => (Samples::Bytes(image.as_raw()), 2),
            DynamicImage::ImageRgb8(image) => (Samples::Bytes(image.as_raw()), 3),
            DynamicImage::ImageRgba8(image) => (Samples::Bytes(image.as_raw()), 4),
            DynamicImage::ImageLuma16(image) => (Samples::Words(image.as_raw()), 1),
            DynamicImage::ImageLumaA16(image) => (Samples::Words(image.as_raw()), 2),
            DynamicImage::ImageRgb16(image) => (Samples::Words(image.as_raw()), 3),
            DynamicImage::ImageRgba16(image) => (Samples::Words(image.as_raw()), 4),
            _ => return None,
        };
        let (w, h) = (image.width() as usize, image.height() as usize);
        let (step, row) = (1, isize::try_from(w).ok()?);
        let last_row = h.saturating_sub(1) * w;
        let last = (w * h).saturating_sub(1);
        let (origin, right, below) = match orientation {
            Orientation::NoTransforms => (0, step, row),
            Orientation::FlipHorizontal => (w.saturating_sub(1), -step, row),
            Orientation::FlipVertical => (last_row, step, -row),
            Orientation::Rotate180 => (last, -step, -row),
            Orientation::Rotate90 => (last_row, -row, step),
            Orientation::Rotate270 => (w.saturating_sub(1), row, -step),
            Orientation::Rotate90FlipH => (0, row, step),
            Orientation::Rotate270FlipH => (last, -row, -step),
        };
        let is_turned = matches!(
            orientation,
            Orientation::Rotate90
                | Orientation::Rotate270
                | Orientation::Rotate90FlipH
                | Orientation::Rotate270FlipH
        );
        let (width, height) = if is_turned { (h, w) } else { (w, h) };
        Some(Self { samples, depth, width, height, origin, right, below })
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Reads a row as `channels` numbers a pixel: 1 is grey, 3 are colours, 4 add the opacity.
    pub fn read_row(&self, y: usize, channels: usize, into: &mut [f32]) {
        let first = self.index(0, y) * self.depth;
        if let (Samples::Bytes(samples), 1) = (self.samples, self.right)
            && channels == self.depth
            && let Some(row) = samples.get(first..first + self.width * self.depth)
        {
            into.iter_mut().zip(row).for_each(|(value, byte)| *value = f32::from(*byte));
            return;
        }
        for (x, pixel) in into.chunks_exact_mut(channels.max(1)).enumerate() {
            let [red, green, blue, opacity] = self.pixel(self.index(x, y) * self.depth);
            match pixel {
                [grey] if self.depth < 3 => *grey = f32::from(red),
                [grey] => *grey = f32::from(luma([red, green, blue])),
                [r, g, b, rest @ ..] => {
                    (*r, *g, *b) = (f32::from(red), f32::from(green), f32::from(blue));
                    rest.fill(f32::from(opacity));
                }
                _ => {}
            }
        }
    }

    /// Index of a pixel, which lies in the picture by the construction of origin and distances.
    fn index(&self, x: usize, y: usize) -> usize {
        let along = |count: usize, step: isize| step.wrapping_mul(count.cast_signed());
        self.origin.wrapping_add_signed(along(x, self.right)).wrapping_add_signed(along(y, self.below))
    }

    fn pixel(&self, at: usize) -> [u8; 4] {
        let of = |sample: usize| self.samples.get(at + sample);
        match self.depth {
            1 => [of(0), of(0), of(0), u8::MAX],
            2 => [of(0), of(0), of(0), of(1)],
            3 => [of(0), of(1), of(2), u8::MAX],
            _ => [of(0), of(1), of(2), of(3)],
        }
    }
}

/// Luma by the weights of ITU-R 601, which Pillow and JPEG use; transparency is left out.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let sum = u32::from(red) * 19_595 + u32::from(green) * 38_470 + u32::from(blue) * 7_471 + 0x8000;
    u8::try_from(sum >> 16).unwrap_or(u8::MAX)
}
