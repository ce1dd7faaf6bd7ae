//! Layout of padded images in planes.

use std::ops::Range;

use super::ConvShape;
use super::products::{LANES, PackedRows};

/// Columns that one pass of the products should have at least, so that their ends weigh little.
const COLUMNS: usize = 1 << 10;
/// Chunks of images that a batch should have at least, so that threads can share them.
const CHUNKS: usize = 4;

/// Layout of a few images, channel by channel.
///
/// A channel has a plane for each pair of remainders of its padded coordinates by the stride. The pixel at padded
/// coordinates `(row, column)` of image `n` lies at `n * image + row / stride * pitch + column / stride` of its plane. The
/// output at `(row, column)` has the place `n * image + row * pitch + column`. With a stride of 1, the border on the right
/// of a row is that on the left of the next one.
pub(super) struct Planes {
    pub shape: ConvShape,
    /// Images that are processed together.
    pub images: usize,
    /// Distance between two rows.
    pitch: usize,
    /// Distance between two images.
    image: usize,
    /// Distance between two planes of the input.
    plane: usize,
    /// Distance of a tap from the place of its output, at most; zeros before the gradient of the first output.
    pub margin: usize,
    /// Place before the first pixel of the input in any plane.
    pub first: usize,
    output_size: [usize; 2],
}

/// Weights and distances that give the gradient of one plane of each input channel.
pub(super) struct GradientTaps {
    /// Remainders of the plane.
    pub plane: [usize; 2],
    /// `[channels, output * taps of the plane]`
    pub weight: PackedRows,
    /// Start of the row of each column of `weight`, from [`Planes::first`].
    pub offsets: Vec<usize>,
}

impl Planes {
    pub fn new(shape: &ConvShape) -> Self {
        let [high, wide] = shape.output_size();
        // Length along an axis, with the border on one side or on both.
        let along = |axis: usize, output: usize| {
            let (size, padding, stride) = (shape.size[axis], shape.padding[axis], shape.stride[axis]);
            let length = if stride == 1 { size + padding } else { (size + 2 * padding).div_ceil(stride) };
            length.max(output)
        };
        let pitch = along(1, wide);
        let image = along(0, high) * pitch;
        let images = COLUMNS.div_ceil(image.max(1)).min(shape.images.div_ceil(CHUNKS)).max(1);
        let reach = |axis: usize| (shape.kernel[axis] - 1) * shape.dilation[axis] / shape.stride[axis];
        let margin = reach(0) * pitch + reach(1);
        let first = shape.padding[0] / shape.stride[0] * pitch + shape.padding[1] / shape.stride[1];
        let mut this =
            Self { shape: *shape, images, pitch, image, plane: 0, margin, first, output_size: [high, wide] };
        this.plane = odd_lines((images * image).max(this.columns()) + margin);
        this
    }

    /// Places of the outputs of all images, in whole vectors.
    pub fn columns(&self) -> usize {
        let [high, wide] = self.output_size;
        ((self.images - 1) * self.image + high.saturating_sub(1) * self.pitch + wide).next_multiple_of(LANES)
    }

    /// Places of the pixels of a plane from [`Self::first`] on, in whole vectors.
    pub fn input_columns(&self) -> usize {
        let last = |axis: usize| {
            (self.shape.size[axis] + self.shape.padding[axis]).saturating_sub(1) / self.shape.stride[axis]
        };
        let end = (self.images - 1) * self.image + last(0) * self.pitch + last(1) + 1;
        (end - self.first).next_multiple_of(LANES)
    }

    /// Distance between two channels of the gradient.
    pub fn gradient_plane(&self) -> usize {
        odd_lines(self.margin + self.columns().max(self.first + self.input_columns()))
    }

    /// Start of the row of each channel and tap, in the order of the weights.
    pub fn offsets(&self, channels: usize) -> Vec<usize> {
        let mut offsets = Vec::with_capacity(channels * self.shape.taps());
        for channel in 0..channels {
            offsets
                .extend(self.taps().map(|(remainders, distance)| {
                    self.plane_of(channel, remainders) * self.plane + distance
                }));
        }
        offsets
    }

    /// Plane and distance of each tap.
    fn taps(&self) -> impl Iterator<Item = ([usize; 2], usize)> + '_ {
        let ConvShape { kernel, stride, dilation, .. } = self.shape;
        (0..kernel[0]).flat_map(move |row| (0..kernel[1]).map(move |column| [row, column])).map(move |tap| {
            let at = [tap[0] * dilation[0], tap[1] * dilation[1]];
            let distance = at[0] / stride[0] * self.pitch + at[1] / stride[1];
            ([at[0] % stride[0], at[1] % stride[1]], distance)
        })
    }

    fn plane_of(&self, channel: usize, remainders: [usize; 2]) -> usize {
        let stride = self.shape.stride;
        (channel * stride[0] + remainders[0]) * stride[1] + remainders[1]
    }

    /// For each group, the planes of the input that any tap reads.
    pub fn gradient_taps(&self, weight: &[f32]) -> Vec<Vec<GradientTaps>> {
        let [channels, output] = self.shape.group_channels();
        let (taps, stride) = (self.shape.taps(), self.shape.stride);
        let group = |group: usize| {
            let weight = &weight[group * output * channels * taps..][..output * channels * taps];
            let planes = (0..stride[0]).flat_map(|row| (0..stride[1]).map(move |column| [row, column]));
            let each = planes.map(|plane| {
                let own: Vec<(usize, usize)> = self
                    .taps()
                    .enumerate()
                    .filter(|(_, tap)| tap.0 == plane)
                    .map(|(i, tap)| (i, tap.1))
                    .collect();
                let columns: Vec<(usize, usize, usize)> = (0..output)
                    .flat_map(|o| own.iter().map(move |(tap, distance)| (o, *tap, *distance)))
                    .collect();
                let offset = |(o, _, distance): &(usize, usize, usize)| {
                    o * self.gradient_plane() + self.margin - distance
                };
                let offsets = columns.iter().map(offset).collect();
                let weight = PackedRows::new([channels, columns.len()], |channel, column| {
                    let (o, tap, _) = columns[column];
                    weight[(o * channels + channel) * taps + tap]
                });
                GradientTaps { plane, weight, offsets }
            });
            each.filter(|taps| !taps.offsets.is_empty()).collect()
        };
        (0..self.shape.groups).map(group).collect()
    }

    /// Replaces `out` by the planes of these channels of `x` `[images, channels, height, width]`.
    pub fn fill(&self, x: &[f32], channels: Range<usize>, out: &mut Vec<f32>) {
        let ConvShape { size: [height, width], stride, padding, .. } = self.shape;
        let all = self.shape.channels * height * width;
        self.clear(out, channels.len() * stride[0] * stride[1] * self.plane, x.len() / all.max(1));
        for (n, x) in x.chunks_exact(all.max(1)).enumerate() {
            for (channel, x) in
                x.chunks_exact(height * width).skip(channels.start).take(channels.len()).enumerate()
            {
                for (row, line) in x.chunks_exact(width).enumerate() {
                    let row = row + padding[0];
                    let place = n * self.image + row / stride[0] * self.pitch;
                    if stride[1] == 1 {
                        let start =
                            self.plane_of(channel, [row % stride[0], 0]) * self.plane + place + padding[1];
                        out[start..start + width].copy_from_slice(line);
                        continue;
                    }
                    for remainder in 0..stride[1] {
                        let start = self.plane_of(channel, [row % stride[0], remainder]) * self.plane + place;
                        let (from, to) = self.first_of(remainder);
                        let values = line.iter().skip(from).step_by(stride[1]);
                        out[start + to..].iter_mut().zip(values).for_each(|(out, x)| *out = *x);
                    }
                }
            }
        }
    }

    /// Prepares planes of `count` values for some images: zeros, unless the buffer has the planes of as many images as
    /// possible. Those have the same borders, and all else is overwritten.
    fn clear(&self, out: &mut Vec<f32>, count: usize, images: usize) {
        if out.len() != count || images < self.images {
            out.clear();
            out.resize(count, 0.0);
        }
    }

    /// First column of an image whose padded column has this remainder, and its place in the row.
    fn first_of(&self, remainder: usize) -> (usize, usize) {
        let (padding, stride) = (self.shape.padding[1], self.shape.stride[1]);
        let column = (remainder + stride - padding % stride) % stride;
        (column, (column + padding) / stride)
    }

    /// Replaces `out` by the planes of these channels of `gradient` `[images, output, height, width]`, each after a margin
    /// of zeros.
    pub fn fill_gradient(&self, gradient: &[f32], channels: Range<usize>, out: &mut Vec<f32>) {
        let [high, wide] = self.output_size;
        let plane = self.gradient_plane();
        let all = self.shape.output * high * wide;
        self.clear(out, channels.len() * plane, gradient.len() / all.max(1));
        for (n, image) in gradient.chunks_exact(all).enumerate() {
            let own = image.chunks_exact(high * wide).skip(channels.start).take(channels.len());
            for (out, channel) in out.chunks_exact_mut(plane).zip(own) {
                for (row, line) in channel.chunks_exact(wide).enumerate() {
                    let start = self.margin + n * self.image + row * self.pitch;
                    out[start..start + wide].copy_from_slice(line);
                }
            }
        }
    }

    /// Copies the outputs from their places in `wide` `[output of the group, columns]` into `y`
    /// `[images, output, height, width]`, from channel `first` on.
    pub fn extract_output(&self, wide: &[f32], bias: Option<&[f32]>, first: usize, y: &mut [f32]) {
        let [high, width] = self.output_size;
        for (n, image) in y.chunks_exact_mut(self.shape.output * high * width).enumerate() {
            let own = image.chunks_exact_mut(high * width).skip(first);
            for (channel, (y, wide)) in own.zip(wide.chunks_exact(self.columns())).enumerate() {
                let bias = bias.map_or(0.0, |bias| bias[channel]);
                for (row, line) in y.chunks_exact_mut(width).enumerate() {
                    let start = n * self.image + row * self.pitch;
                    for (y, x) in line.iter_mut().zip(&wide[start..start + width]) {
                        *y = x + bias;
                    }
                }
            }
        }
    }

    /// Copies the pixels of a plane from `found` `[channels of the group, input columns]` into `dx`
    /// `[images, channels, height, width]`, from channel `first` on.
    pub fn extract_input(&self, found: &[f32], plane: [usize; 2], first: usize, dx: &mut [f32]) {
        let ConvShape { size: [height, width], stride, padding, .. } = self.shape;
        for (n, image) in dx.chunks_exact_mut(self.shape.channels * height * width).enumerate() {
            let own = image.chunks_exact_mut(height * width).skip(first);
            for (dx, found) in own.zip(found.chunks_exact(self.input_columns())) {
                let (from, to) = self.first_of(plane[1]);
                for (row, line) in dx.chunks_exact_mut(width).enumerate() {
                    let row = row + padding[0];
                    if row % stride[0] != plane[0] {
                        continue;
                    }
                    let start = n * self.image + row / stride[0] * self.pitch + to - self.first;
                    let out = line.iter_mut().skip(from).step_by(stride[1]);
                    out.zip(&found[start..]).for_each(|(out, x)| *out = *x);
                }
            }
        }
    }
}

/// Smallest odd number of whole vectors that holds `count` values: planes at distances of a power of two would share
/// the same lines of the cache.
fn odd_lines(count: usize) -> usize {
    (count.div_ceil(LANES) | 1) * LANES
}
