//! Inputs of pictures: sizes, columns of paths, columns of pixels.

use std::collections::HashSet;
use std::path::PathBuf;

use cupola_prep::{Column, Frame, PictureSize, picture_size};
use cupola_spec::{Input, Kind, Source};

use super::sample::DataSample;
use super::{DraftColumn, DraftRole};

/// Pictures whose sizes are read.
const MEASURED: usize = 200;
/// Extensions of pictures that are read.
const EXTENSIONS: [&str; 7] = [".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".jfif"];
/// Sides that pictures of several sizes are resized to.
const SIDES: [usize; 4] = [32, 64, 96, 128];
/// Largest side that is kept as it is.
const KEPT: usize = 64;
/// Fewest columns of pixels of a picture.
const MIN_PIXELS: usize = 36;

/// Input of a column that holds the contents of pictures, with its reason; `None` if none is readable.
pub(super) fn of_contents(name: &str, frame: &Frame) -> Option<(Input, String)> {
    let Some(Column::Bytes(contents)) = frame.get(name) else { return None };
    // Some of every part of the folder, whose files are sorted by class.
    let step = frame.rows().div_ceil(MEASURED).max(1);
    let missing = |row: usize| frame.get(name).is_none_or(|column| column.is_missing(row));
    let sizes = (0..frame.rows()).step_by(step).filter(|row| !missing(*row));
    of_sizes(name, &sizes.filter_map(|row| picture_size(contents.value(row))).collect::<Vec<_>>())
}

/// Input of a column whose values are paths of pictures, with its reason; `None` for any other column.
pub(super) fn of_paths(name: &str, data: &DataSample) -> Option<(Input, String)> {
    let Some(Column::Text(texts)) = data.frame.get(name) else { return None };
    let is_picture = |text: &str| {
        let lower = text.to_lowercase();
        EXTENSIONS.iter().any(|ending| lower.ends_with(ending))
    };
    let rows = data.frame.rows();
    if rows == 0 || !texts.iter().all(|text| text.is_some_and(is_picture)) {
        return None;
    }
    let step = rows.div_ceil(MEASURED).max(1);
    let found = |text: &str| -> Option<PathBuf> {
        data.folders.iter().map(|folder| folder.join(text)).find(|path| path.is_file())
    };
    let read = |row: usize| picture_size(&std::fs::read(found(texts.value(row))?).ok()?);
    let (input, reason) = of_sizes(name, &(0..rows).step_by(step).filter_map(read).collect::<Vec<_>>())?;
    Some((input, format!("paths of pictures; {reason}")))
}

/// Input of pictures of these sizes; `None` without any.
fn of_sizes(name: &str, sizes: &[PictureSize]) -> Option<(Input, String)> {
    let first = sizes.first()?;
    let channels = if sizes.iter().all(|size| size.grey) { 1 } else { 3 };
    let colours = if channels == 1 { "grey" } else { "colour" };
    let distinct: HashSet<(usize, usize)> = sizes.iter().map(|size| (size.width, size.height)).collect();
    let (shape, reason) = if distinct.len() == 1 && first.width.max(first.height) <= KEPT {
        (
            [channels, first.height, first.width],
            format!("all are {}x{}, {colours}", first.width, first.height),
        )
    } else {
        let mut sides: Vec<usize> = sizes.iter().map(|size| size.width.min(size.height)).collect();
        sides.sort_unstable();
        let (least, median, most) = (sides[0], sides[sides.len() / 2], sides[sides.len() - 1]);
        let side = SIDES.into_iter().rev().find(|side| *side <= median).unwrap_or(SIDES[0]);
        let reason = format!(
            "{colours}, the shorter side has {least} to {most} pixels, resized to {side}x{side}; a larger `shape` sees \
             more and costs more"
        );
        ([channels, side, side], reason)
    };
    Some((Input { shape: Some(shape), ..Input::new(name, Kind::Image) }, reason))
}

/// Makes one picture of columns such as `pixel_0` to `pixel_783`, if their number is a square.
pub(super) fn join_pixels(columns: &mut [DraftColumn], data: &DataSample) {
    let prefix = ["pixel_", "pixel", "px_", "px"].into_iter().find(|prefix| {
        let count = columns.iter().filter(|column| column.name.starts_with(prefix)).count();
        count >= MIN_PIXELS && side(count).is_some()
    });
    let Some(prefix) = prefix else { return };
    let own = |column: &DraftColumn| column.name.starts_with(prefix);
    let count = columns.iter().filter(|column| own(column)).count();
    let numeric = |column: &DraftColumn| matches!(data.frame.get(&column.name), Some(Column::Number { .. }));
    let Some(side) = side(count).filter(|_| columns.iter().filter(|c| own(c)).all(numeric)) else { return };
    let input = Input {
        columns: Some(Source::One(format!("{prefix}*"))),
        shape: Some([1, side, side]),
        ..Input::new("pixels", Kind::Image)
    };
    let mut input = Some(input);
    for column in columns.iter_mut().filter(|column| own(column)) {
        column.kind = Some(Kind::Image);
        column.role = DraftRole::Input;
        column.reason = format!("a pixel of {side}x{side}");
        column.input = input.take();
    }
}

/// Side of a square of that many pixels.
fn side(count: usize) -> Option<usize> {
    let side = count.isqrt();
    (side * side == count).then_some(side)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(width: usize, height: usize, grey: bool) -> PictureSize {
        PictureSize { width, height, grey }
    }

    #[test]
    fn small_pictures_of_one_size_are_kept_and_others_resized() {
        let shape = |sizes: &[PictureSize]| of_sizes("image", sizes).unwrap().0.shape.unwrap();
        assert_eq!(shape(&[size(28, 20, true), size(28, 20, true)]), [1, 20, 28]);
        assert_eq!(shape(&[size(28, 28, true), size(28, 28, false)]), [3, 28, 28]);
        assert_eq!(shape(&[size(640, 480, false), size(480, 700, false)]), [3, 128, 128]);
        assert_eq!(shape(&[size(80, 70, false), size(70, 90, false), size(400, 300, false)]), [3, 64, 64]);
        assert_eq!(shape(&[size(10, 12, true), size(12, 10, true)]), [1, 32, 32]);
        assert_eq!(of_sizes("image", &[]), None);
    }
}
