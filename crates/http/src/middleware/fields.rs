//! Number of fields of a gRPC message, counted before it is decoded: an empty tensor is two bytes of a message, and
//! several hundred in memory.

use crate::error::ApiError;

/// Most fields of a message and of its tensors.
pub(super) const MAX_FIELDS: usize = 65_536;
/// Most elements of bytes in its tensors. Other elements need about as much memory as bytes of the message.
const MAX_ELEMENTS: usize = 1 << 20;
/// Numbers of the fields whose own fields count too, by level: `inputs` and `outputs` of `ModelInferRequest`, then the
/// `contents` of an input.
const NESTED: [&[u64]; 2] = [&[5, 6], &[5]];

/// Part of a message that is read next.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// Number and type of a field, so far.
    Tag { value: u64, shift: u32 },
    /// Length of a field with this number, so far.
    Length { field: u64, value: usize, shift: u32 },
    /// Number of variable length.
    Varint,
    /// Rest of a field.
    Rest(usize),
}

impl Part {
    const TAG: Self = Self::Tag { value: 0, shift: 0 };
}

/// Count of the fields of a message that arrives in pieces.
#[derive(Debug)]
pub(super) struct FieldCount {
    part: Part,
    /// Bytes that are left of each message around the next part, from the outermost one.
    nested: Vec<usize>,
    count: usize,
    elements: usize,
}

impl Default for FieldCount {
    fn default() -> Self {
        Self { part: Part::TAG, nested: Vec::new(), count: 0, elements: 0 }
    }
}

impl FieldCount {
    /// Reads a piece of the message. What is not a message is left to its decoder.
    ///
    /// # Errors
    /// [`ApiError`] for too many fields.
    pub fn read(&mut self, mut data: &[u8]) -> Result<(), ApiError> {
        while let Some((&byte, after)) = data.split_first() {
            let used = match self.part {
                Part::Rest(left) => {
                    let used = left.min(data.len()).min(self.nested.last().copied().unwrap_or(usize::MAX));
                    self.part = if used == left { Part::TAG } else { Part::Rest(left - used) };
                    data = &data[used..];
                    used
                }
                other => {
                    self.part = self.next(other, byte)?;
                    data = after;
                    1
                }
            };
            self.leave(used);
        }
        Ok(())
    }

    /// Part that follows a byte.
    fn next(&mut self, part: Part, byte: u8) -> Result<Part, ApiError> {
        let (low, last) = (u64::from(byte & 0x7F), byte < 0x80);
        Ok(match part {
            Part::Tag { value, shift } => {
                let value = value | low.checked_shl(shift).unwrap_or(0);
                if last { self.field(value)? } else { Part::Tag { value, shift: shift.saturating_add(7) } }
            }
            Part::Length { field, value, shift } => {
                let low = usize::from(byte & 0x7F);
                let value = value | low.checked_shl(shift).unwrap_or(0);
                let shift = shift.saturating_add(7);
                match (last, value) {
                    (false, _) => Part::Length { field, value, shift },
                    (true, 0) => Part::TAG,
                    (true, _) if self.is_nested(field) => {
                        // This byte is taken off the lengths too.
                        self.nested.push(value.saturating_add(1));
                        Part::TAG
                    }
                    (true, _) => Part::Rest(value),
                }
            }
            Part::Varint if last => Part::TAG,
            other => other,
        })
    }

    /// Part that follows a tag.
    fn field(&mut self, tag: u64) -> Result<Part, ApiError> {
        let (count, limit) = match self.nested.len() {
            2.. => (&mut self.elements, MAX_ELEMENTS),
            _ => (&mut self.count, MAX_FIELDS),
        };
        *count += 1;
        if *count > limit {
            return Err(ApiError::too_many_fields(limit));
        }
        Ok(match tag & 7 {
            0 => Part::Varint,
            1 => Part::Rest(8),
            2 => Part::Length { field: tag >> 3, value: 0, shift: 0 },
            5 => Part::Rest(4),
            _ => Part::TAG,
        })
    }

    /// `true` if a field is a message whose fields are counted.
    fn is_nested(&self, field: u64) -> bool {
        NESTED.get(self.nested.len()).is_some_and(|fields| fields.contains(&field))
    }

    /// Leaves messages whose last byte is read, whatever they have begun: the decoder refuses a field that goes beyond
    /// its message, unless it passes over the message as an unknown one.
    fn leave(&mut self, used: usize) {
        self.nested.iter_mut().for_each(|left| *left = left.saturating_sub(used));
        if let Some(level) = self.nested.iter().position(|left| *left == 0) {
            self.nested.truncate(level);
            self.part = Part::TAG;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields that are counted, whatever the pieces that the message arrives in; `None` if it is refused.
    fn count(message: &[u8]) -> Option<usize> {
        let whole = {
            let mut fields = FieldCount::default();
            fields.read(message).ok().map(|()| fields.count)
        };
        let sizes = if message.len() > 1_000 { 7..8 } else { 1..9 };
        for size in sizes {
            let mut fields = FieldCount::default();
            let read = message.chunks(size).try_for_each(|piece| fields.read(piece));
            assert_eq!(read.ok().map(|()| fields.count), whole, "pieces of {size} bytes");
        }
        whole
    }

    /// Field 5 with this content.
    fn tensor(content: &[u8]) -> Vec<u8> {
        let (mut message, mut length) = (vec![0x2A], content.len());
        while length >= 0x80 {
            message.push(0x80 | (length & 0x7F).to_le_bytes()[0]);
            length >>= 7;
        }
        message.push(length.to_le_bytes()[0]);
        message.extend(content);
        message
    }

    #[test]
    fn fields_of_messages_and_tensors_are_counted() {
        assert_eq!(count(b""), Some(0));
        // A text, a number of two bytes, eight and four bytes.
        assert_eq!(count(b"\x0a\x03abc\x08\x80\x01\x0912345678\x0d1234"), Some(4));
        // A tensor with a name and a type, and one raw content whose bytes look like fields.
        assert_eq!(count(b"\x2a\x08\x0a\x01a\x12\x03F32\x3a\x04\x2a\x00\x2a\x00"), Some(4));
        // Elements of a tensor are no fields of it.
        assert_eq!(count(b"\x2a\x0b\x2a\x06\x42\x00\x42\x00\x42\x00\x0a\x01a\x0a\x01b"), Some(4));
        assert_eq!(count(&[0x2A, 0].repeat(1_000)), Some(1_000));
        // Lengths and numbers that never end, and a field that is longer than its tensor.
        assert_eq!(count(&[0x2A].iter().chain(&[0xFF; 50]).copied().collect::<Vec<_>>()), Some(1));
        assert_eq!(count(b"\x2a\x02\x0a\x7f\x2a\x00\x2a\x00"), Some(4));
        assert_eq!(count(b"\x32\x04\x2a\x02\x0a\x7f\x2a\x00\x2a\x00"), Some(4), "an unknown field");
    }

    #[test]
    fn messages_of_too_many_fields_are_refused_whatever_their_level() {
        assert_eq!(count(&[0x2A, 0].repeat(MAX_FIELDS)), Some(MAX_FIELDS));
        assert_eq!(count(&[0x2A, 0].repeat(MAX_FIELDS + 1)), None);
        assert_eq!(count(&tensor(&[0x22, 0].repeat(MAX_FIELDS))), None);
        let elements = |count| tensor(&tensor(&[0x42, 0].repeat(count)));
        assert_eq!(count(&elements(MAX_ELEMENTS)), Some(2));
        assert_eq!(count(&elements(MAX_ELEMENTS + 1)), None);
    }

    #[test]
    fn no_message_breaks_the_count() {
        let seed = b"\x0a\x01a\x2a\x08\x0a\x01a\x12\x03F32\x3a\x04\x2a\x00\x2a\x00";
        cupola_testkit::fuzz(&[seed], |message| {
            let _ = FieldCount::default().read(message);
        });
    }
}
