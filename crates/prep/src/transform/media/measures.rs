//! Brightness, contrast and size of pictures.

use cupola_budget::Budget;

use super::{COPY_SIDE, FileCell, decode_image, picture_size};
use crate::frame::Frame;
use crate::transform::FittedInput;

/// Measures of a picture that tell a change of camera, light or format.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PictureMeasures {
    /// Mean of the grey values, on the scale of the pixels.
    pub brightness: f64,
    /// Standard deviation of the grey values.
    pub contrast: f64,
    /// Width and height in pixels of a picture in a file.
    pub size: Option<[f64; 2]>,
}

impl PictureMeasures {
    /// Names of the measures, those of the size last.
    pub const NAMES: [&'static str; 4] = ["brightness", "contrast", "width", "height"];

    /// Values in the order of the names; none of the size for a picture whose pixels are columns.
    pub fn values(&self) -> impl Iterator<Item = f64> {
        [self.brightness, self.contrast].into_iter().chain(self.size.into_iter().flatten())
    }

    /// Measures of pixels `[channels, height, width]`; `None` without pixels. Opacity does not count.
    #[allow(clippy::cast_precision_loss, reason = "a number of pixels")]
    pub fn of_pixels(pixels: &[f64], channels: usize) -> Option<Self> {
        let plane = pixels.len() / channels.max(1);
        let colours = if channels == 4 { 3 } else { channels };
        if plane == 0 {
            return None;
        }
        let grey = |at: usize| {
            (0..colours).map(|channel| pixels[channel * plane + at]).sum::<f64>() / colours as f64
        };
        let count = plane as f64;
        let brightness = (0..plane).map(grey).sum::<f64>() / count;
        let squares: f64 = (0..plane).map(|at| (grey(at) - brightness).powi(2)).sum();
        Some(Self { brightness, contrast: (squares / count).sqrt(), size: None })
    }
}

impl FittedInput {
    /// Name that the measures of the pictures of this input begin with, and their names; `None` for an input without pictures.
    pub fn picture_names(&self) -> Option<(&str, &'static [&'static str])> {
        let Self::Image { name, columns, .. } = self else { return None };
        match columns.as_slice() {
            [column] if self.reads_files() => Some((column, &PictureMeasures::NAMES)),
            _ => Some((name, &PictureMeasures::NAMES[..2])),
        }
    }

    /// Measures of the picture of a row, at the size that the model reads it with, at most 112 pixels wide and high; `None` for an input
    /// without pictures, and for a missing or broken one.
    pub fn picture_measures(&self, frame: &Frame, row: usize) -> Option<PictureMeasures> {
        let Self::Image { columns, shape: [channels, height, width], .. } = self else { return None };
        let ([name], true) = (columns.as_slice(), self.reads_files()) else {
            let number = |name: &String| frame.get(name)?.number(row).ok().flatten();
            let pixels = columns.iter().map(number).collect::<Option<Vec<_>>>()?;
            return PictureMeasures::of_pixels(&pixels, *channels);
        };
        let file = FileCell { name, column: frame.get(name)?, row, budget: &Budget::unlimited() };
        let size = picture_size(&file.bytes().ok()?.0)?;
        let channels = if *channels == 1 { 1 } else { 3 };
        let shape = [channels, (*height).min(COPY_SIDE), (*width).min(COPY_SIDE)];
        let measures = PictureMeasures::of_pixels(&decode_image(&file, shape).ok()?, channels)?;
        #[allow(clippy::cast_precision_loss, reason = "at most 2^14 pixels")]
        let size = Some([size.width as f64, size.height as f64]);
        Some(PictureMeasures { size, ..measures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Column;

    #[test]
    fn files_and_pixels_are_measured_and_broken_ones_are_not() {
        let image = image::RgbImage::from_fn(4, 2, |x, _| {
            image::Rgb(if x < 2 { [100, 100, 100] } else { [200, 50, 50] })
        });
        let mut png = std::io::Cursor::new(Vec::new());
        image.write_to(&mut png, image::ImageFormat::Png).unwrap();
        let files = [Some(png.get_ref().as_slice()), Some(b"text".as_slice()), None];
        let frame = Frame::default().with("photo", Column::Bytes(files.into_iter().collect()));
        let columns = vec!["photo".to_owned()];
        let input = FittedInput::Image {
            name: "photo".to_owned(),
            columns,
            shape: [3, 2, 4],
            shift: 0.0,
            factor: 1.0,
        };
        let found = input.picture_measures(&frame, 0).unwrap();
        assert_eq!((found.brightness, found.contrast, found.size), (100.0, 0.0, Some([4.0, 2.0])));
        assert_eq!(input.picture_names().unwrap().1.len(), found.values().count());
        assert!(input.picture_measures(&frame, 1).is_none() && input.picture_measures(&frame, 2).is_none());
        let pixels = PictureMeasures::of_pixels(&[0.0, 2.0, 4.0, 6.0], 1).unwrap();
        assert_eq!((pixels.brightness, pixels.contrast), (3.0, 5f64.sqrt()));
        assert!(PictureMeasures::of_pixels(&[], 3).is_none());
    }
}
