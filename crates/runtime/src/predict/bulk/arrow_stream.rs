//! Decoding of Arrow's stream format.
//!
//! A stream says how many rows, fields and bytes its messages have, and the decoder believes it: a column of nulls
//! takes no bytes for any number of rows, buffers may overlap, one value of a dictionary may stand in every row. Each
//! message is checked and charged before it is decoded, and what its columns unfold to before they are copied.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::{Field, Message, RecordBatch as BatchHeader, root_as_message};
use arrow::record_batch::RecordBatch;
use cupola_budget::Budget;
use cupola_nn::catch_panic;
use cupola_prep::{ColumnType, Signature};

use super::Batches;
use crate::error::Error;

/// Fields of a schema, nested ones included.
const MAX_FIELDS: usize = 65_536;
/// Bytes of a field in memory, and of its column in each batch.
const FIELD: usize = 512;
/// Bytes of a value before and after its conversion.
const VALUE: usize = 16;
/// Bytes of a value that becomes a text.
const TEXT: usize = 96;

/// Decodes a stream within the budget of its request.
///
/// # Errors
/// [`Error::Body`] for an invalid stream, [`Error::Exceeded`].
pub(in crate::predict) fn arrow_stream(
    signature: &Signature,
    body: &[u8],
    budget: &Budget,
) -> Result<Batches, Error> {
    // The decoder panics at unknown types.
    let decoded = catch_panic(|| decode(signature, body, budget));
    decoded.unwrap_or_else(|panic| Err(invalid(&ArrowError::IpcError(panic.into()))))
}

fn decode(signature: &Signature, body: &[u8], budget: &Budget) -> Result<Batches, Error> {
    // The decoder copies buffers that are not aligned.
    budget.charge_each(body.len(), 2)?;
    let (mut decoder, buffer) = (StreamDecoder::new(), Buffer::from(body));
    let mut checked = CheckedStream { budget, columns: None };
    let mut batches: Vec<RecordBatch> = Vec::new();
    let mut at = 0;
    loop {
        let length = checked.message(&body[at..])?;
        // Behind the last message are the end of the stream, and bytes that the decoder refuses.
        let end = length.map_or(body.len(), |length| at + length);
        let mut part = buffer.slice_with_length(at, end - at);
        while !part.is_empty() {
            if let Some(batch) = decoder.decode(&mut part).map_err(|error| invalid(&error))? {
                budget.check()?;
                budget.charge(unfolded(signature, &batch))?;
                batches.push(batch);
            }
        }
        at = end;
        if length.is_none() {
            break;
        }
    }
    decoder.finish().map_err(|error| invalid(&error))?;
    let schema = batches.first().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
    Ok((schema, batches))
}

fn invalid(error: &ArrowError) -> Error {
    Error::Body { why: error.to_string() }
}

fn wrong(why: &str) -> Error {
    invalid(&ArrowError::IpcError(why.to_owned()))
}

/// Checks of a stream's messages in their order.
struct CheckedStream<'a> {
    budget: &'a Budget,
    /// Columns of the schema, once it has been read.
    columns: Option<usize>,
}

impl CheckedStream<'_> {
    /// Checks the message at the start of `rest` and returns its length; `None` at the end of the stream.
    fn message(&mut self, rest: &[u8]) -> Result<Option<usize>, Error> {
        let Some((marker, after)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        // Streams of Arrow before 0.15 have no continuation marker.
        let (length, after) = match marker {
            [255, 255, 255, 255] => match after.split_first_chunk::<4>() {
                Some((length, after)) => (length, after),
                None => return Err(wrong("a message is truncated")),
            },
            length => (length, after),
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 {
            return Ok(None);
        }
        self.budget.check()?;
        let Some((head, after)) = after.split_at_checked(length) else {
            return Err(wrong("a message is longer than the body"));
        };
        let message = root_as_message(head).map_err(|error| wrong(&format!("a message: {error}")))?;
        let size = usize::try_from(message.bodyLength()).unwrap_or(usize::MAX);
        if size > after.len() {
            return Err(wrong("a message is longer than the body"));
        }
        self.header(message, size)?;
        Ok(Some(rest.len() - after.len() + size))
    }

    fn header(&mut self, message: Message<'_>, size: usize) -> Result<(), Error> {
        if let Some(schema) = message.header_as_schema() {
            if self.columns.is_some() {
                return Err(wrong("there are two schemas"));
            }
            let fields = schema.fields();
            let mut left = MAX_FIELDS;
            for field in fields.iter().flatten() {
                count_fields(field, &mut left)?;
            }
            self.budget.charge_each(MAX_FIELDS - left, FIELD)?;
            self.columns = Some(fields.map_or(0, |fields| fields.len()));
        }
        if let Some(batch) = message.header_as_record_batch() {
            let columns = self.columns.unwrap_or(0);
            self.budget.charge_each(columns, FIELD)?;
            self.batch(batch, size, columns.max(1))?;
        }
        if let Some(batch) = message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data()) {
            self.batch(batch, size, 1)?;
        }
        Ok(())
    }

    /// Charges the rows that a batch claims, and checks that its buffers lie side by side in `size` bytes.
    fn batch(&self, batch: BatchHeader<'_>, size: usize, columns: usize) -> Result<(), Error> {
        if batch.compression().is_some() {
            return Err(wrong(
                "a batch is compressed; send it uncompressed, or compress the whole body with gzip",
            ));
        }
        let rows = usize::try_from(batch.length()).map_err(|_| wrong("a batch has a negative length"))?;
        self.budget.charge_each(rows, columns.saturating_mul(VALUE))?;
        let lengths = batch.buffers().into_iter().flatten().map(|buffer| u64::try_from(buffer.length()));
        let sum = lengths.map(|length| length.unwrap_or(u64::MAX)).fold(0, u64::saturating_add);
        if sum > size as u64 {
            return Err(wrong("the buffers of a batch are longer than the batch"));
        }
        Ok(())
    }
}

/// Counts a field and those in it. A few bytes can claim many fields, since messages may refer to one several times.
fn count_fields(field: Field<'_>, left: &mut usize) -> Result<(), Error> {
    *left =
        left.checked_sub(1).ok_or_else(|| wrong("there are too many fields; send the model's columns"))?;
    for child in field.children().into_iter().flatten() {
        count_fields(child, left)?;
    }
    Ok(())
}

/// Bytes of the texts that the columns of a batch unfold to, beyond [`VALUE`] for each value.
fn unfolded(signature: &Signature, batch: &RecordBatch) -> usize {
    let is_text = |name: &str| {
        let input = signature.inputs.iter().find(|input| input.name == name);
        input.is_some_and(|input| input.kind != ColumnType::Number)
    };
    let schema = batch.schema();
    let each = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
        let texts = if is_text(field.name()) { batch.num_rows().saturating_mul(TEXT) } else { 0 };
        texts.saturating_add(text_bytes(column).saturating_mul(2))
    });
    each.fold(0, usize::saturating_add)
}

/// Bytes of all texts or binary values of an array, of those that rows share as often as they are shared.
fn text_bytes(array: &ArrayRef) -> usize {
    let of_views = |views: &[u128]| {
        let lengths = views.iter().map(|view| {
            let [a, b, c, d, ..] = view.to_le_bytes();
            u32::from_le_bytes([a, b, c, d]) as usize
        });
        lengths.fold(0, usize::saturating_add)
    };
    match array.data_type() {
        // Lists and structs are left out.
        kind if kind.is_nested() => 0,
        DataType::Utf8View => of_views(array.as_string_view().views()),
        DataType::BinaryView => of_views(array.as_binary_view().views()),
        DataType::Dictionary(..) => dictionary_bytes(array),
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::FixedSizeBinary(_) => array.to_data().get_slice_memory_size().unwrap_or(usize::MAX),
        _ => 0,
    }
}

fn dictionary_bytes(array: &ArrayRef) -> usize {
    let dictionary = array.as_any_dictionary();
    let values = dictionary.values();
    if values.is_empty() {
        return 0;
    }
    let lengths: Vec<usize> = (0..values.len()).map(|index| text_bytes(&values.slice(index, 1))).collect();
    let keys = dictionary.normalized_keys();
    let each = keys.into_iter().map(|key| lengths.get(key).copied().unwrap_or(0));
    each.fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use arrow::array::{DictionaryArray, Float64Array, Int8Array, NullArray, StringArray, StringViewArray};
    use arrow::datatypes::Int8Type;
    use arrow::ipc::writer::StreamWriter;
    use cupola_budget::{Accounts, Exceeded, MemoryLimits};
    use cupola_prep::{ExactColumns, Frame};

    use super::*;

    fn signature() -> Signature {
        Signature { inputs: Vec::new(), outputs: Vec::new(), window: None, query: None }
    }

    fn written(batch: &RecordBatch, times: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
        (0..times).for_each(|_| writer.write(batch).unwrap());
        writer.finish().unwrap();
        bytes
    }

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, column)| (name, column, true)),
        )
        .unwrap()
    }

    fn stream() -> Vec<u8> {
        let numbers = Arc::new(Float64Array::from(vec![1.5, 2.5]));
        let texts = Arc::new(StringArray::from(vec![Some("x"), None]));
        written(&batch(vec![("a", numbers), ("b", texts), ("c", Arc::new(NullArray::new(2)))]), 1)
    }

    /// Reads a stream with 64 MiB.
    fn read(bytes: &[u8]) -> Result<Batches, Error> {
        let accounts = Accounts::new(MemoryLimits::of_server(64 << 20));
        arrow_stream(&signature(), bytes, &accounts.request(None, Duration::from_mins(1)))
    }

    fn is_refused(bytes: &[u8]) -> bool {
        matches!(read(bytes), Err(Error::Exceeded(Exceeded::Request { .. })))
    }

    #[test]
    fn no_stream_breaks_the_reader_or_allocates_more_than_its_size() {
        let bytes = stream();
        let (schema, batches) = read(&bytes).unwrap();
        assert_eq!((schema.fields().len(), batches[0].num_rows()), (3, 2));
        assert!(read(&bytes[..bytes.len() - 40]).is_err());
        assert!(read(b"\xff\xff\xff\xff\xff\xff\xff\x7f").is_err());
        cupola_testkit::fuzz(&[&bytes, &bytes[..bytes.len() / 2]], |body| {
            if let Ok((schema, batches)) = read(body) {
                let exact = ExactColumns::default();
                let _ = catch_panic(|| Frame::from_batches(&schema, &batches, &exact)).unwrap();
            }
        });
    }

    #[test]
    fn rows_without_bytes_are_summed_over_all_batches() {
        let nulls = |rows| batch(vec![("a", Arc::new(NullArray::new(rows)) as ArrayRef)]);
        assert!(is_refused(&written(&nulls(1 << 40), 1)));
        let many = written(&nulls(100_000), 1_000);
        assert!(many.len() < 200_000, "{}", many.len());
        assert!(is_refused(&many));
        let (_, batches) = read(&written(&nulls(1_000), 100)).unwrap();
        assert_eq!(batches.len(), 100);
    }

    #[test]
    fn values_that_rows_share_are_counted_in_each_row() {
        let long = "x".repeat(100_000);
        let keys = Int8Array::from(vec![0_i8; 10_000]);
        let shared = DictionaryArray::<Int8Type>::new(keys, Arc::new(StringArray::from(vec![long.as_str()])));
        assert!(is_refused(&written(&batch(vec![("a", Arc::new(shared))]), 1)));
        let mut views = arrow::array::StringViewBuilder::new().with_deduplicate_strings();
        (0..10_000).for_each(|_| views.append_value(&long));
        let views: StringViewArray = views.finish();
        assert!(is_refused(&written(&batch(vec![("a", Arc::new(views))]), 1)));
        let few = DictionaryArray::<Int8Type>::from_iter(["a", "b", "a"].map(Some));
        assert!(read(&written(&batch(vec![("a", Arc::new(few))]), 1)).is_ok());
    }

    #[test]
    fn a_stream_of_a_hundred_thousand_rows_is_read() {
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![0.5; 50_000]));
        let accounts = Accounts::new(MemoryLimits::of_server(1 << 30));
        let budget = accounts.request(None, Duration::from_mins(1));
        let bytes = written(&batch(vec![("a", Arc::clone(&numbers)), ("b", numbers)]), 2);
        let (_, batches) = arrow_stream(&signature(), &bytes, &budget).unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 100_000);
    }

    #[test]
    fn a_late_request_ends_between_messages() {
        let accounts = Accounts::new(MemoryLimits::default());
        let late = accounts.request(None, Duration::ZERO);
        let result = arrow_stream(&signature(), &stream(), &late);
        assert!(matches!(result, Err(Error::Exceeded(Exceeded::Deadline { .. }))));
    }
}
