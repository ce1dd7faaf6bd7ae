//! Bodies of many rows: JSON lines, CSV with a header, Arrow's IPC stream.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::buffer::Buffer;
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::root_as_message;
use arrow::record_batch::RecordBatch;
use cupola_nn::catch_panic;
use cupola_prep::{Frame, Signature};
use cupola_spec::did_you_mean;

use super::package::LoadedPackage;
use super::rows::{frame_of, json_lines};
use crate::error::Error;

/// Format of a body of many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkFormat {
    /// One JSON object on each line.
    Lines,
    /// Comma-separated values with a header.
    Csv,
    /// Arrow's IPC stream format.
    Arrow,
}

impl BulkFormat {
    /// Format of a content type; `None` for any other content type.
    pub fn from_content_type(content_type: &str) -> Option<Self> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        match kind {
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/jsonlines"
            | "application/x-jsonlines" => Some(Self::Lines),
            "text/csv" => Some(Self::Csv),
            "application/vnd.apache.arrow.stream" => Some(Self::Arrow),
            _ => None,
        }
    }
}

impl LoadedPackage {
    /// Rows of a body as columns.
    ///
    /// # Errors
    /// [`Error::Body`] for a body that can't be parsed, [`Error::Value`] for the first invalid value.
    pub fn parse_bulk(&self, format: BulkFormat, body: &[u8]) -> Result<Frame, Error> {
        let unreadable = |error: ArrowError| Error::Body { why: error.to_string() };
        let (schema, batches) = match format {
            BulkFormat::Lines => return lines(&self.signature, body),
            BulkFormat::Csv => csv(&self.signature, body).map_err(unreadable)?,
            BulkFormat::Arrow => arrow_stream(body).map_err(unreadable)?,
        };
        let mut names = BTreeSet::new();
        if let Some(field) = schema.fields().iter().find(|field| !names.insert(field.name().as_str())) {
            let why = format!("the column `{}` is there twice; send it once", field.name());
            return Err(Error::Body { why });
        }
        let frame = Frame::from_batches(&schema, &batches, &self.plan.exact_columns())?;
        match self.signature.inputs.iter().find(|input| frame.get(&input.name).is_none()) {
            Some(input) => Err(Error::Value {
                row: 1,
                column: input.name.clone(),
                expected: "a value",
                found: format!("no such column{}", did_you_mean(&input.name, frame.names())),
                remedy: "send every column of the model",
            }),
            None => Ok(frame),
        }
    }
}

pub(super) fn lines(signature: &Signature, body: &[u8]) -> Result<Frame, Error> {
    frame_of(signature, &json_lines(body)?)
}

/// Reads all columns as the exact texts, which the plan gives their meaning. The delimiter is the one with which the header
/// has most columns of the signature.
pub(super) fn csv(signature: &Signature, body: &[u8]) -> Result<Batches, ArrowError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let header = |delimiter: u8| -> Result<Schema, ArrowError> {
        Format::default()
            .with_header(true)
            .with_delimiter(delimiter)
            .infer_schema(body, Some(0))
            .map(|found| found.0)
    };
    let known = |schema: &Schema| {
        let is_known = |name: &str| signature.inputs.iter().any(|input| input.name == name.trim());
        schema.fields().iter().filter(|field| is_known(field.name())).count()
    };
    let mut best = (b',', header(b',')?);
    for delimiter in *b";\t|" {
        if known(&best.1) == signature.inputs.len() {
            break;
        }
        if let Ok(other) = header(delimiter)
            && known(&other) > known(&best.1)
        {
            best = (delimiter, other);
        }
    }
    let (delimiter, found) = best;
    let fields = found.fields().iter().map(|field| Field::new(field.name().trim(), DataType::Utf8, true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let reader = ReaderBuilder::new(Arc::clone(&schema)).with_header(true).with_delimiter(delimiter);
    Ok((schema, reader.build_buffered(body)?.collect::<Result<_, _>>()?))
}

/// Batches and their schema.
type Batches = (Arc<Schema>, Vec<RecordBatch>);

/// Decodes Arrow's stream format. The sizes that messages declare are compared with the body first, because the decoder
/// would allocate whatever they declare.
pub(super) fn arrow_stream(body: &[u8]) -> Result<Batches, ArrowError> {
    check_sizes(body)?;
    // The decoder panics at unknown types.
    catch_panic(|| decode(body)).unwrap_or_else(|panic| Err(ArrowError::IpcError(panic.into())))
}

fn decode(body: &[u8]) -> Result<Batches, ArrowError> {
    let (mut decoder, mut buffer) = (StreamDecoder::new(), Buffer::from(body));
    let mut batches: Vec<RecordBatch> = Vec::new();
    while let Some(batch) = decoder.decode(&mut buffer)? {
        // A column of nulls takes no bytes, and may declare any number of rows.
        if batch.num_rows() > body.len() {
            return Err(ArrowError::IpcError("there are more rows than bytes".to_owned()));
        }
        batches.push(batch);
    }
    decoder.finish()?;
    let schema = batches.first().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
    Ok((schema, batches))
}

/// Checks that every message ends within the body and that none is compressed.
fn check_sizes(mut rest: &[u8]) -> Result<(), ArrowError> {
    let wrong = |why: &str| Err(ArrowError::IpcError(why.to_owned()));
    while let Some((marker, after)) = rest.split_first_chunk::<4>() {
        // Streams of Arrow before 0.15 have no continuation marker.
        let (length, after) = match marker {
            [255, 255, 255, 255] => match after.split_first_chunk::<4>() {
                Some((length, after)) => (length, after),
                None => return wrong("a message is truncated"),
            },
            length => (length, after),
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 {
            return Ok(());
        }
        let Some((head, after)) = after.split_at_checked(length) else {
            return wrong("a message is longer than the body");
        };
        let message =
            root_as_message(head).map_err(|error| ArrowError::IpcError(format!("a message: {error}")))?;
        let batch = message.header_as_record_batch().or_else(|| message.header_as_dictionary_batch()?.data());
        if batch.is_some_and(|batch| batch.compression().is_some()) {
            return wrong(
                "a batch is compressed; send it uncompressed, or compress the whole body with gzip",
            );
        }
        let size = usize::try_from(message.bodyLength()).unwrap_or(usize::MAX);
        let Some((_, after)) = after.split_at_checked(size) else {
            return wrong("a message is longer than the body");
        };
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, NullArray, StringArray};
    use arrow::ipc::writer::StreamWriter;

    use cupola_prep::ExactColumns;

    use super::*;

    fn stream() -> Vec<u8> {
        let numbers = Arc::new(Float64Array::from(vec![1.5, 2.5]));
        let texts = Arc::new(StringArray::from(vec![Some("x"), None]));
        let nothing = Arc::new(NullArray::new(2));
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("a", numbers as _, true),
            ("b", texts as _, true),
            ("c", nothing as _, true),
        ])
        .unwrap();
        let mut bytes = Vec::new();
        let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        bytes
    }

    #[test]
    fn no_stream_breaks_the_reader_or_allocates_more_than_its_size() {
        let bytes = stream();
        let (schema, batches) = arrow_stream(&bytes).unwrap();
        assert_eq!((schema.fields().len(), batches[0].num_rows()), (3, 2));
        assert!(arrow_stream(&bytes[..bytes.len() - 40]).is_err());
        assert!(arrow_stream(b"\xff\xff\xff\xff\xff\xff\xff\x7f").is_err());
        cupola_testkit::fuzz(&[&bytes, &bytes[..bytes.len() / 2]], |body| {
            if let Ok((schema, batches)) = arrow_stream(body) {
                let _ =
                    catch_panic(|| Frame::from_batches(&schema, &batches, &ExactColumns::default())).unwrap();
            }
        });
    }
}
