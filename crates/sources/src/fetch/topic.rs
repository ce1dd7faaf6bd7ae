//! Messages of a Kafka topic, JSON objects, written as JSON lines.
//!
//! Partitions are read one after another, each from the offset of the last version to the current end. They
//! are assigned without a consumer group, since the offsets are part of the dataset's version
//! (<https://kafka.apache.org/protocol#The_Messages_Fetch>).

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::Fetched;
use cupola_store::{StagedFile, digest_texts};

use crate::error::Error;
use crate::error::io_error;
use crate::fetch::cache::SourceCache;
use crate::location::TopicLocation;
use crate::progress::{ProgressSink, ProgressUnit};

/// Time without an answer after which a broker counts as unreachable.
const PATIENCE: Duration = Duration::from_secs(30);

/// Offset of the first unread message of each partition.
type Offsets = BTreeMap<i32, i64>;

/// Writes the messages beyond the offsets `after` to the cache; all messages if it is `None`.
pub(super) fn fetch(
    shown: &str,
    topic: &TopicLocation,
    properties: &BTreeMap<String, String>,
    after: Option<&str>,
    cache: &SourceCache,
    progress: &dyn ProgressSink,
) -> Result<Fetched, Error> {
    let wrong = |why: String| Error::Remote { location: shown.to_owned(), why };
    let client =
        |error: KafkaError| wrong(format!("{error}; is the broker there, and the topic's name right?"));
    let from: Offsets = match after {
        None => Offsets::new(),
        Some(text) => serde_json::from_str(text)
            .map_err(|_| wrong(format!("invalid offsets `{text}`; add the dataset again")))?,
    };
    let consumer = consumer(topic, properties).map_err(client)?;
    let ranges = ranges(&consumer, topic, &from, &client, &wrong)?;
    let count: i64 = ranges.values().map(|(from, to)| to - from).sum();
    if count == 0 {
        return Err(Error::Empty {
            path: shown.to_owned(),
            after: " in the topic beyond what has been read",
        });
    }
    let spans: Vec<String> = ranges.iter().map(|(p, (from, to))| format!("{p}:{from}-{to}")).collect();
    let folder = cache.folder("topic", &digest_texts([topic.brokers.as_str(), &topic.name]))?;
    let path = folder.join(format!("{}@{}.jsonl", topic.name, spans.join(",")));
    progress.begin(shown, ProgressUnit::Rows, u64::try_from(count).ok());
    let written = write(&consumer, topic, &ranges, &path, progress, &client, &wrong);
    progress.end();
    written?;
    let offsets: Offsets = ranges.into_iter().map(|(partition, (_, to))| (partition, to)).collect();
    let position = serde_json::to_string(&offsets).map_err(|error| wrong(error.to_string()))?;
    Ok(Fetched { path, position: Some(position) })
}

fn consumer(
    topic: &TopicLocation,
    properties: &BTreeMap<String, String>,
) -> Result<BaseConsumer, KafkaError> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &topic.brokers)
        .set("group.id", "cupola")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed");
    for (key, value) in properties {
        config.set(key, value);
    }
    config.create()
}

/// First offset and end offset to read of each partition.
fn ranges(
    consumer: &BaseConsumer,
    topic: &TopicLocation,
    from: &Offsets,
    client: &impl Fn(KafkaError) -> Error,
    wrong: &impl Fn(String) -> Error,
) -> Result<BTreeMap<i32, (i64, i64)>, Error> {
    let metadata = consumer.fetch_metadata(Some(&topic.name), PATIENCE).map_err(client)?;
    let found = metadata.topics().first().filter(|found| found.error().is_none());
    let partitions = found.map(rdkafka::metadata::MetadataTopic::partitions).unwrap_or_default();
    if partitions.is_empty() {
        return Err(wrong(format!("the broker has no topic `{}`; check its name", topic.name)));
    }
    let mut ranges = BTreeMap::new();
    for partition in partitions.iter().map(rdkafka::metadata::MetadataPartition::id) {
        let (low, high) = consumer.fetch_watermarks(&topic.name, partition, PATIENCE).map_err(client)?;
        let begin = from.get(&partition).copied().unwrap_or(low);
        if begin < low {
            return Err(wrong(format!(
                "messages {begin} to {low} of partition {partition} are gone from the broker before they were read; add the dataset again under another name, and pull more often than the topic's retention"
            )));
        }
        ranges.insert(partition, (begin, high.max(begin)));
    }
    Ok(ranges)
}

fn write(
    consumer: &BaseConsumer,
    topic: &TopicLocation,
    ranges: &BTreeMap<i32, (i64, i64)>,
    path: &Path,
    progress: &dyn ProgressSink,
    client: &impl Fn(KafkaError) -> Error,
    wrong: &impl Fn(String) -> Error,
) -> Result<(), Error> {
    let mut staged = StagedFile::new(path)?;
    let mut out = BufWriter::new(staged.file_mut());
    for (&partition, &(from, to)) in ranges.iter().filter(|(_, (from, to))| from < to) {
        let mut assigned = TopicPartitionList::new();
        assigned.add_partition_offset(&topic.name, partition, Offset::Offset(from)).map_err(client)?;
        consumer.assign(&assigned).map_err(client)?;
        let (mut next, mut heard) = (from, Instant::now());
        while next < to {
            match consumer.poll(Duration::from_millis(200)) {
                Some(Ok(message)) if message.partition() == partition => {
                    heard = Instant::now();
                    if message.offset() >= to {
                        break;
                    }
                    next = message.offset() + 1;
                    let row = row(message.payload()).map_err(|why| {
                        wrong(format!("message {} of partition {partition}: {why}", message.offset()))
                    })?;
                    if let Some(row) = row {
                        out.write_all(row.as_bytes())
                            .and_then(|()| out.write_all(b"\n"))
                            .map_err(io_error(path))?;
                        progress.advance(1);
                    }
                }
                // The last offsets belong to aborted messages or transaction markers, which are not
                // delivered.
                Some(Err(KafkaError::PartitionEOF(of))) if of == partition => break,
                Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => {}
                // librdkafka reconnects on its own.
                Some(Err(error)) if heard.elapsed() > PATIENCE => return Err(client(error)),
                None if heard.elapsed() > PATIENCE => {
                    return Err(wrong(format!(
                        "partition {partition} is silent since message {next}; try again, nothing is kept of it"
                    )));
                }
                Some(Err(_)) | None => {}
            }
        }
    }
    out.flush().map_err(io_error(path))?;
    drop(out);
    Ok(staged.commit()?)
}

/// Converts a message to a line; `None` for a message without a value, which marks a deletion.
fn row(payload: Option<&[u8]>) -> Result<Option<String>, String> {
    let Some(payload) = payload else { return Ok(None) };
    let value: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(payload).map_err(|error| format!("expected a JSON object: {error}"))?;
    serde_json::to_string(&value).map(Some).map_err(|error| error.to_string())
}
