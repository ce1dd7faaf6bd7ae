//! Counters of all replicas in a store with the protocol of Redis.

use std::io::{Error as IoError, ErrorKind};

use super::connection::{StoreAddress, StoreConnection};
use super::resp::Reply;
use super::usage::{UsageAnswer, UsageReport};

/// Notes that a replica is alive, and returns the number of those that were within 5 seconds.
const PRESENCE: &str = r"
local t = redis.call('TIME')
redis.call('ZADD', KEYS[1], t[1], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', t[1] - 5)
redis.call('EXPIRE', KEYS[1], 60)
return {tostring(redis.call('ZCARD', KEYS[1]))}
";

/// Takes spent tokens from a bucket that holds a second of the rate, counts requests of the day (UTC), and returns both.
/// The clock is the store's, so those of the replicas may differ. Debts are bounded.
const SPEND: &str = r"
local rate, tokens, requests, known = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local t = redis.call('TIME')
local now = t[1] + t[2] / 1000000
local day, burst = math.floor(now / 86400), math.max(rate, 1)
local old = redis.call('HMGET', KEYS[1], 'level', 'at', 'day', 'used')
local level, used = burst, known
if old[1] then
  level = math.min(burst, tonumber(old[1]) + math.max(0, now - tonumber(old[2])) * rate)
  used = 0
  if tonumber(old[3]) == day then used = math.max(tonumber(old[4]), known) end
end
level = math.max(level - tokens, -10 * burst - 100)
used = used + requests
redis.call('HSET', KEYS[1], 'level', string.format('%.9g', level), 'at', string.format('%.6f', now),
  'day', day, 'used', string.format('%.0f', used))
redis.call('EXPIRE', KEYS[1], 172800)
return {string.format('%.9g', level), string.format('%.0f', used)}
";

/// Counters in the store, over a connection that is opened when it is needed.
pub(super) struct CounterStore {
    address: StoreAddress,
    connection: Option<StoreConnection>,
    /// Names in the store begin with it.
    prefix: String,
    /// Id of this replica.
    replica: String,
}

/// Answer to an exchange: the number of replicas, and one answer per report.
pub(super) struct StoreAnswer {
    pub replicas: u32,
    pub usage: Vec<UsageAnswer>,
}

impl CounterStore {
    /// Counters of the group `prefix`, as the replica `replica`.
    pub fn new(address: StoreAddress, prefix: &str, replica: String) -> Self {
        Self { address, connection: None, prefix: prefix.to_owned(), replica }
    }

    /// Runs commands. A connection that fails is dropped, and the next call opens another one.
    async fn call(&mut self, commands: &[Vec<String>]) -> Result<Vec<Reply>, IoError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => StoreConnection::open(&self.address).await?,
        };
        let answers = connection.call(commands).await?;
        self.connection = Some(connection);
        Ok(answers)
    }

    fn replicas_key(&self) -> String {
        format!("{}:replicas", self.prefix)
    }

    /// Reports that this replica is alive and what its callers have spent.
    pub async fn exchange(&mut self, reports: &[UsageReport]) -> Result<StoreAnswer, IoError> {
        let mut commands = vec![evaluate(PRESENCE, self.replicas_key(), &[&self.replica])];
        commands.extend(reports.iter().map(|report| {
            let key = format!("{}:key:{}", self.prefix, report.id);
            let UsageReport { rate, tokens, requests, known, .. } = report;
            let numbers = [rate.to_string(), tokens.to_string(), requests.to_string(), known.to_string()];
            evaluate(SPEND, key, &numbers)
        }));
        let answers = self.call(&commands).await?;
        let mut answers = answers.iter().map(numbers);
        let replicas = answers.next().unwrap_or_else(malformed)?;
        let usage = answers.map(|answer| match answer?.as_slice() {
            [tokens, requests] => Ok(UsageAnswer { tokens: *tokens, requests: whole(*requests) }),
            _ => malformed(),
        });
        let usage = usage.collect::<Result<_, _>>()?;
        let replicas = replicas.first().map_or(1, |count| whole(*count));
        Ok(StoreAnswer { replicas: u32::try_from(replicas).unwrap_or(u32::MAX), usage })
    }

    /// Tells the store that this replica ends, so that the others take over its parts at once.
    pub async fn leave(&mut self) -> Result<(), IoError> {
        let command = vec!["ZREM".to_owned(), self.replicas_key(), self.replica.clone()];
        self.call(&[command]).await.map(drop)
    }
}

/// Command that runs a script on a key.
fn evaluate(script: &str, key: String, arguments: &[impl AsRef<str>]) -> Vec<String> {
    let mut command = vec!["EVAL".to_owned(), script.to_owned(), "1".to_owned(), key];
    command.extend(arguments.iter().map(|argument| argument.as_ref().to_owned()));
    command
}

/// Numbers in an array of texts.
fn numbers(reply: &Reply) -> Result<Vec<f64>, IoError> {
    let Reply::Array(items) = reply else { return malformed() };
    let number = |item: &Reply| match item {
        Reply::Text(text) => text.parse().ok(),
        _ => None,
    };
    items.iter().map(number).collect::<Option<_>>().map_or_else(malformed, Ok)
}

fn malformed<T>() -> Result<T, IoError> {
    Err(IoError::new(ErrorKind::InvalidData, "the answer is not a list of numbers"))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count; the cast saturates")]
fn whole(number: f64) -> u64 {
    number as u64
}
