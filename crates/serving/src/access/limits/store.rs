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

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    use super::*;

    /// A real store on a free port.
    struct RealStore {
        child: Child,
        port: u16,
    }

    impl RealStore {
        /// `None` where it is not installed.
        fn start() -> Option<Self> {
            let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut command = Command::new("redis-server");
            command.args(["--bind", "127.0.0.1", "--save", "", "--requirepass", "p@ss", "--port"]);
            let child = command.arg(port.to_string()).stdout(Stdio::null()).spawn().ok()?;
            Some(Self { child, port })
        }

        async fn counters(&self, replica: &str) -> CounterStore {
            let address = format!("redis://:p%40ss@127.0.0.1:{}/1", self.port);
            let mut store =
                CounterStore::new(StoreAddress::parse(&address).unwrap(), "test", replica.to_owned());
            for _ in 0..100 {
                if store.exchange(&[]).await.is_ok() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            store
        }
    }

    impl Drop for RealStore {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    fn report(rate: f64, tokens: u64, requests: u64, known: u64) -> UsageReport {
        UsageReport { id: "jwt:a b\r\n\"".to_owned(), rate, tokens, requests, known }
    }

    #[tokio::test]
    async fn the_scripts_count_for_all_replicas() {
        let Some(real) = RealStore::start() else {
            let _ = std::io::stderr().write_all(b"skipped: redis-server is not installed\n");
            return;
        };
        let (mut a, mut b) = (real.counters("a").await, real.counters("b").await);
        let first = a.exchange(&[report(50.0, 20, 20, 0)]).await.unwrap();
        assert_eq!(first.replicas, 2);
        assert_eq!(first.usage, [UsageAnswer { tokens: 30.0, requests: 20 }]);
        let second = b.exchange(&[report(50.0, 40, 40, 5)]).await.unwrap().usage[0];
        // Less than a second of refilling.
        assert!((-10.0..40.0).contains(&second.tokens) && second.requests == 60, "{second:?}");
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let full = a.exchange(&[report(50.0, 0, 0, 60)]).await.unwrap().usage[0];
        assert_eq!(full, UsageAnswer { tokens: 50.0, requests: 60 });
        // A store that knows less than a replica has lost it.
        let known = a.exchange(&[report(0.0, 0, 1, 500)]).await.unwrap().usage[0];
        assert_eq!(known, UsageAnswer { tokens: 1.0, requests: 501 });
        a.leave().await.unwrap();
        assert_eq!(b.exchange(&[]).await.unwrap().replicas, 1);
    }

    #[tokio::test]
    async fn a_wrong_password_and_a_silent_server_are_errors() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let open =
            |address: String| CounterStore::new(StoreAddress::parse(&address).unwrap(), "t", "a".to_owned());
        let error =
            open(format!("redis://{}", silent.local_addr().unwrap())).exchange(&[]).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let Some(real) = RealStore::start() else { return };
        real.counters("a").await;
        let error = open(format!("redis://127.0.0.1:{}", real.port)).exchange(&[]).await.err().unwrap();
        assert!(error.to_string().contains("NOAUTH"), "{error}");
    }
}
