//! Augmentation of images in training, as a pure function of (seed, epoch, example).

use cupola_spec::{Augment, Block, Input};

use super::Plan;
use crate::examples::Examples;
use crate::stats::{draw, unit};
use crate::transform::FittedInput;

/// Random flips, crops and erasures of the images of a run.
#[derive(Debug, Clone, Default)]
pub struct Augmenter {
    images: Vec<ImageAugmenter>,
}

#[derive(Debug, Clone)]
struct ImageAugmenter {
    spec: Augment,
    /// Index of the first pixel in an example.
    start: usize,
    /// `[channels, height, width]`.
    shape: [usize; 3],
    /// Scaled value of a pixel that was 0.
    blank: f32,
}

impl Augmenter {
    /// Creates the augmentation of all inputs that declare one.
    #[allow(clippy::cast_possible_truncation)]
    pub fn new(inputs: &[Input], plan: &Plan) -> Self {
        let layout = plan.layout();
        let mut start = match layout.blocks.first() {
            Some(table @ Block::Table { .. }) => table.dense_width(),
            _ => 0,
        };
        let mut images = Vec::new();
        for fitted in &plan.inputs {
            let Some(block) = fitted.block() else { continue };
            if let FittedInput::Image { name, shape, shift, factor, .. } = fitted
                && let Some(spec) = inputs.iter().find(|i| i.name == *name).and_then(|i| i.augment)
            {
                images.push(ImageAugmenter { spec, start, shape: *shape, blank: (-shift * factor) as f32 });
            }
            start += block.dense_width();
        }
        Self { images }
    }

    /// Augments the images of a batch in place. `rows` are the indices of the examples in the training split.
    pub fn apply(&self, examples: &mut Examples, rows: &[usize], seed: u64, epoch: u64) {
        let width = examples.layout.dense_width();
        for (index, image) in self.images.iter().enumerate() {
            let purpose = format!("augment {index}");
            for (example, &row) in examples.dense.chunks_mut(width.max(1)).zip(rows) {
                let size: usize = image.shape.iter().product();
                let pixels = &mut example[image.start..image.start + size];
                // Up to eight draws per row. Their order must stay, so that a resumed run repeats them.
                let draws = |k: u64| unit(draw(seed, &purpose, epoch, row as u64 * 8 + k));
                image.augment(pixels, &draws);
            }
        }
    }
}

impl ImageAugmenter {
    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_precision_loss)]
    fn augment(&self, pixels: &mut [f32], unit: &impl Fn(u64) -> f64) {
        let [_, height, width] = self.shape;
        let flip = self.spec.flip && unit(0) < 0.5;
        let span = (2 * self.spec.crop + 1) as f64;
        let shift = |k| (unit(k) * span).floor() as isize - self.spec.crop as isize;
        let (down, right) = if self.spec.crop > 0 { (shift(1), shift(2)) } else { (0, 0) };
        if flip || down != 0 || right != 0 {
            for plane in pixels.chunks_mut(height * width) {
                let old = plane.to_vec();
                for (index, value) in plane.iter_mut().enumerate() {
                    let (row, column) = ((index / width) as isize - down, (index % width) as isize - right);
                    let inside = (0..height as isize).contains(&row) && (0..width as isize).contains(&column);
                    let column = if flip { width as isize - 1 - column } else { column };
                    let from = (row * width as isize + column).unsigned_abs();
                    *value = if inside { old[from] } else { self.blank };
                }
            }
        }
        if self.spec.erase > 0.0 && unit(3) < self.spec.erase {
            self.erase(pixels, unit);
        }
    }

    /// Blanks a rectangle of 2 % to 20 % of the area whose sides have a ratio of 0.3 to 3.3.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    fn erase(&self, pixels: &mut [f32], unit: &impl Fn(u64) -> f64) {
        let [_, height, width] = self.shape;
        let area = (0.02 + 0.18 * unit(4)) * (height * width) as f64;
        let ratio = (0.3_f64.ln() + unit(5) * (3.3_f64.ln() - 0.3_f64.ln())).exp();
        let side = |x: f64, max: usize| (x.sqrt().round() as usize).clamp(1, max);
        let (h, w) = (side(area * ratio, height), side(area / ratio, width));
        let corner = unit(6) * ((height - h + 1) * (width - w + 1)) as f64;
        let (top, left) = (corner as usize / (width - w + 1), corner as usize % (width - w + 1));
        for plane in pixels.chunks_mut(height * width) {
            for row in top..top + h {
                plane[row * width + left..row * width + left + w].fill(self.blank);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "pixels are moved, not computed")]
mod tests {
    use super::*;

    fn image(spec: Augment) -> ImageAugmenter {
        ImageAugmenter { spec, start: 0, shape: [1, 2, 3], blank: 9.0 }
    }

    #[test]
    fn a_flip_mirrors_and_a_crop_shifts_in_blank_pixels() {
        let mut pixels = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        image(Augment { flip: true, ..Augment::default() }).augment(&mut pixels, &|_| 0.1);
        assert_eq!(pixels, [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]);
        // 0.9 of three shifts is +1: one down, one right.
        image(Augment { crop: 1, ..Augment::default() }).augment(&mut pixels, &|_| 0.9);
        assert_eq!(pixels, [9.0, 9.0, 9.0, 9.0, 3.0, 2.0]);
    }

    #[test]
    fn a_rectangle_stays_inside_for_any_draw() {
        for k in 0..1000 {
            let mut pixels = [1.0; 6];
            let unit = |i: u64| unit(draw(k, "t", 0, i));
            image(Augment { erase: 1.0, ..Augment::default() }).augment(&mut pixels, &unit);
            let blank = pixels.iter().filter(|x| **x > 1.0).count();
            assert!((1..6).contains(&blank), "{blank}");
        }
    }
}
