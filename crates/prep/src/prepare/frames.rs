//! Frames that a source passes one after the other.

use crate::error::Error;
use crate::frame::Frame;

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
