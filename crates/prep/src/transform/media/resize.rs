//! Resampling of pictures, row by row.
//!
//! The values are those of `image::imageops::resize` with Catmull-Rom, which keeps a picture of floats in memory and
//! cannot be interrupted. Here only one row is kept, and the deadline is looked at between rows.

use cupola_budget::{Budget, Exceeded};

use super::view::PictureView;

/// Pixels on each side of a point that Catmull-Rom weighs.
const SUPPORT: f32 = 2.0;

/// Resizes a picture to `[channels, height, width]` numbers from 0 to 255.
///
/// # Errors
/// [`Exceeded`] memory or time.
pub(super) fn values(
    picture: &PictureView<'_>,
    [channels, height, width]: [usize; 3],
    budget: &Budget,
) -> Result<Vec<f64>, Exceeded> {
    let plane = height.saturating_mul(width);
    let line = picture.width().saturating_mul(channels);
    let _rows = budget.take_each(2 * line + 4 * width.max(picture.width()), size_of::<f32>())?;
    let _values = budget.take_each(plane.saturating_mul(channels), size_of::<f64>())?;
    let mut out = vec![0.0; plane * channels];
    if line == 0 || picture.height() == 0 {
        return Ok(out);
    }
    let (mut source, mut sums) = (vec![0.0_f32; line], vec![0.0_f32; line]);
    let is_copy = (picture.height(), picture.width()) == (height, width);
    let columns: Vec<Taps> =
        if is_copy { Vec::new() } else { (0..width).map(|x| Taps::new(x, width, picture.width())).collect() };
    for y in 0..height {
        budget.check()?;
        if is_copy {
            picture.read_row(y, channels, &mut sums);
        } else {
            let taps = Taps::new(y, height, picture.height());
            sums.fill(0.0);
            for (row, weight) in taps.each() {
                picture.read_row(row, channels, &mut source);
                sums.iter_mut().zip(&source).for_each(|(sum, value)| *sum += value * weight);
            }
        }
        for x in 0..width {
            for channel in 0..channels {
                let value = match columns.get(x) {
                    None => sums[x * channels + channel],
                    Some(taps) => {
                        let weighted = taps.each().map(|(at, weight)| sums[at * channels + channel] * weight);
                        weighted.fold(0.0, |sum, value| sum + value).clamp(0.0, 255.0).round()
                    }
                };
                out[channel * plane + y * width + x] = f64::from(value);
            }
        }
    }
    Ok(out)
}

/// Source pixels of one target pixel along an axis, with weights that add up to 1.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

impl Taps {
    /// Taps of pixel `at` of `target` pixels, out of `source` pixels.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "both ends are clamped to the picture"
    )]
    fn new(at: usize, target: usize, source: usize) -> Self {
        let ratio = source as f32 / target as f32;
        let scale = ratio.max(1.0);
        let centre = (at as f32 + 0.5) * ratio;
        let first = ((centre - SUPPORT * scale).floor().max(0.0) as usize).min(source.saturating_sub(1));
        let end =
            ((centre + SUPPORT * scale).ceil().max(0.0) as usize).clamp(first + 1, source.max(first + 1));
        let centre = centre - 0.5;
        let mut weights: Vec<f32> =
            (first..end).map(|index| catmull_rom((index as f32 - centre) / scale)).collect();
        let sum: f32 = weights.iter().fold(0.0, |sum, weight| sum + weight);
        for weight in &mut weights {
            *weight /= sum;
        }
        Self { first, weights }
    }

    fn each(&self) -> impl Iterator<Item = (usize, f32)> {
        (self.first..).zip(self.weights.iter().copied())
    }
}

/// Cubic convolution with a = -0.5 (Keys 1981), in the order of operations of the crate `image`.
fn catmull_rom(x: f32) -> f32 {
    let a = x.abs();
    let sum = if a < 1.0 {
        9.0 * a.powi(3) + -15.0 * a.powi(2) + 6.0
    } else if a < 2.0 {
        -3.0 * a.powi(3) + 15.0 * a.powi(2) + -24.0 * a + 12.0
    } else {
        0.0
    };
    sum / 6.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cupola_budget::{Accounts, MemoryLimits};
    use image::imageops::FilterType;
    use image::metadata::Orientation;
    use image::{DynamicImage, RgbImage};

    use super::*;

    fn picture(width: u32, height: u32) -> DynamicImage {
        let byte = |value: u32| value.to_le_bytes()[0];
        RgbImage::from_fn(width, height, |x, y| {
            [byte((x * 37) ^ (y * 91)), byte(x * y), byte((x + 2 * y).pow(2))].into()
        })
        .into()
    }

    #[test]
    fn values_are_those_of_the_image_crate() {
        for (size, target) in
            [((31, 17), (8, 5)), ((9, 7), (20, 33)), ((64, 3), (5, 5)), ((1, 300), (7, 4)), ((6, 6), (6, 6))]
        {
            let picture = picture(size.0, size.1);
            let expected = picture.resize_exact(target.0, target.1, FilterType::CatmullRom).into_rgb8();
            let view = PictureView::new(&picture, Orientation::NoTransforms).unwrap();
            let (width, height) = (target.0 as usize, target.1 as usize);
            let found = values(&view, [3, height, width], &Budget::unlimited()).unwrap();
            for (x, y, pixel) in expected.enumerate_pixels() {
                for (channel, value) in pixel.0.iter().enumerate() {
                    let own = found[channel * width * height + y as usize * width + x as usize];
                    assert!((own - f64::from(*value)).abs() <= 1.0, "{size:?} to {target:?} at {x}, {y}");
                }
            }
        }
    }

    #[test]
    fn every_orientation_is_that_of_the_image_crate() {
        for number in 1..=8 {
            let orientation = Orientation::from_exif(number).unwrap();
            let upright = picture(7, 4);
            let mut turned = upright.clone();
            turned.apply_orientation(orientation);
            let view = PictureView::new(&upright, orientation).unwrap();
            let plain = PictureView::new(&turned, Orientation::NoTransforms).unwrap();
            assert_eq!((view.width(), view.height()), (plain.width(), plain.height()), "{orientation:?}");
            let shape = [3, view.height(), view.width()];
            let of = |view: &PictureView<'_>| values(view, shape, &Budget::unlimited()).unwrap();
            assert_eq!(of(&view), of(&plain), "{orientation:?}");
        }
    }

    #[test]
    fn time_and_memory_of_the_request_end_it() {
        let picture = picture(200, 200);
        let view = PictureView::new(&picture, Orientation::NoTransforms).unwrap();
        let accounts = Accounts::new(MemoryLimits { server: 5_000, caller: 5_000, request: 5_000 });
        let late = accounts.request(None, Duration::ZERO);
        assert!(matches!(values(&view, [1, 1, 1], &late), Err(Exceeded::Deadline { .. })));
        let small = accounts.request(None, Duration::from_mins(1));
        assert!(matches!(values(&view, [3, 50, 50], &small), Err(Exceeded::Request { .. })));
        assert_eq!(accounts.used(), 0);
    }
}
