//! Encoding of raw rows that have the targets.

use super::{tokens, windows};
use crate::error::Error;
use crate::examples::{Examples, ExamplesWithTargets};
use crate::frame::Frame;
use crate::plan::Plan;
use crate::target::FittedTarget;

/// Rows that are encoded at once: an encoded batch may be far wider than a raw one.
pub(super) const SLICE_ROWS: usize = 4096;

/// Function that passes all frames of a source to a visitor, from the first one on at each call.
pub type FrameStream<'a, E> = &'a dyn Fn(&mut dyn FnMut(Frame) -> Result<(), E>) -> Result<(), E>;

/// Passes all frames in slices. Errors get the number of the row in the stream.
pub(super) fn each_slice<E: From<Error>>(
    stream: FrameStream<'_, E>,
    visit: &mut dyn FnMut(&Frame) -> Result<(), Error>,
) -> Result<(), E> {
    let mut before = 0;
    stream(&mut |frame| {
        for start in (0..frame.rows()).step_by(SLICE_ROWS) {
            let rows = SLICE_ROWS.min(frame.rows() - start);
            visit(&frame.slice(start, rows)).map_err(|error| error.offset_row(before))?;
            before += rows;
        }
        Ok(())
    })
}

/// Encodes raw rows that have the targets, as the network sees them.
///
/// # Errors
/// The first error of the rows.
pub fn examples_with_targets(plan: &Plan, frame: &Frame) -> Result<ExamplesWithTargets, Error> {
    encoded_with_targets(plan, frame).map_err(|error| plan.all_missing(error, frame))
}

fn encoded_with_targets(plan: &Plan, frame: &Frame) -> Result<ExamplesWithTargets, Error> {
    let frame = &plan.derived(frame)?;
    if let FittedTarget::NextToken { .. } = plan.targets.first() {
        return tokens::encode(plan, frame);
    }
    if plan.window().is_some() {
        return windows::encode(plan, frame);
    }
    let compact = plan.encode_with_targets(frame, false)?;
    Ok(ExamplesWithTargets { examples: plan.compact_layout().expand(compact.examples), ..compact })
}

/// Encodes raw rows that have the targets, frame by frame, with the derived rows themselves. Each row must be one
/// example.
///
/// # Errors
/// The first error of the rows, which has the number of the row in the stream, and those of `stream` and `visit`.
pub fn each_with_targets<E: From<Error>>(
    plan: &Plan,
    stream: FrameStream<'_, E>,
    visit: &mut dyn FnMut(ExamplesWithTargets, &Frame) -> Result<(), E>,
) -> Result<(), E> {
    let mut before = 0;
    stream(&mut |frame| {
        for start in (0..frame.rows()).step_by(SLICE_ROWS) {
            let slice = frame.slice(start, SLICE_ROWS.min(frame.rows() - start));
            let derived = plan.derived(&slice).map_err(|error| plan.all_missing(error, &slice));
            let encoded = derived.and_then(|derived| {
                let compact = plan.encode_with_targets(&derived, false);
                Ok((compact.map_err(|error| plan.all_missing(error, &slice))?, derived))
            });
            let (compact, derived) = encoded.map_err(|error| error.offset_row(before))?;
            let expanded = plan.compact_layout().expand(compact.examples);
            visit(ExamplesWithTargets { examples: expanded, targets: compact.targets }, &derived)?;
            before += slice.rows();
        }
        Ok(())
    })
}

/// Passes derived rows to `visit`, slice by slice, with their examples if they are asked for. The columns of the targets may be
/// missing. Each row must be one example if examples are asked for.
///
/// # Errors
/// The first error of the rows, which has the number of the row in the stream, and those of `stream` and `visit`.
#[allow(clippy::type_complexity, reason = "a visitor of two values")]
pub fn each_derived<E: From<Error>>(
    plan: &Plan,
    stream: FrameStream<'_, E>,
    encode: bool,
    visit: &mut dyn FnMut(&Frame, Option<Examples>) -> Result<(), E>,
) -> Result<(), E> {
    let mut before = 0;
    stream(&mut |frame| {
        for start in (0..frame.rows()).step_by(SLICE_ROWS) {
            let slice = frame.slice(start, SLICE_ROWS.min(frame.rows() - start));
            let derived = plan.derived(&slice).map_err(|error| plan.all_missing(error, &slice));
            let derived = derived.map_err(|error| error.offset_row(before))?;
            let examples = if encode {
                let compact = plan.encode(&derived, false).map_err(|error| plan.all_missing(error, &slice));
                Some(plan.compact_layout().expand(compact.map_err(|error| error.offset_row(before))?))
            } else {
                None
            };
            visit(&derived, examples)?;
            before += slice.rows();
        }
        Ok(())
    })
}
