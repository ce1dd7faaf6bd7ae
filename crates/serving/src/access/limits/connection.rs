//! Connection to a store with the protocol of Redis (RESP2).

use std::io::{Error as IoError, ErrorKind};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

use super::resp::{Reply, encode, parse};

/// Longest time to connect, and to wait for all answers of an exchange.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Port of Redis.
const PORT: u16 = 6379;
/// Most bytes of answers that wait for their end.
const MAX_BYTES: usize = 4 << 20;

/// Reason why an address is invalid.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct InvalidAddress(String);

/// Address of a store, with user, password and number of the database.
pub(super) struct StoreAddress {
    host: String,
    port: u16,
    /// Commands at the beginning of each connection.
    greeting: Vec<Vec<String>>,
}

impl StoreAddress {
    /// Parses `redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]`. The reason of an error holds no password.
    pub fn parse(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = |why: &str| InvalidAddress(why.to_owned());
        let url = Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
        let host = url.host_str().filter(|host| !host.is_empty() && url.scheme() == "redis");
        let host = host
            .ok_or_else(|| invalid("a host is missing, or it is not redis://"))?
            .trim_matches(['[', ']'])
            .to_owned();
        let mut greeting = Vec::new();
        if let Some(password) = url.password() {
            let users = Some(url.username()).filter(|user| !user.is_empty());
            let parts = ["AUTH"].into_iter().chain(users).chain([password]);
            greeting.push(parts.map(percent_decoded).collect::<Result<_, _>>()?);
        }
        let database = url.path().trim_start_matches('/');
        if !database.is_empty() {
            let number: u16 = database.parse().map_err(|_| invalid("the database must be a number"))?;
            greeting.push(vec!["SELECT".to_owned(), number.to_string()]);
        }
        Ok(Self { host, port: url.port().unwrap_or(PORT), greeting })
    }
}

/// Text with the bytes in place of `%XX`.
fn percent_decoded(text: &str) -> Result<String, InvalidAddress> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, behind @ ..] = rest {
        let hex = if *first == b'%' { behind.get(..2) } else { None };
        if let Some(decoded) = hex.and_then(|hex| const_hex::decode(hex).ok()) {
            bytes.extend(decoded);
            rest = &behind[2..];
        } else {
            bytes.push(*first);
            rest = behind;
        }
    }
    String::from_utf8(bytes).map_err(|_| InvalidAddress("user and password must be UTF-8".to_owned()))
}

/// Open connection.
pub(super) struct StoreConnection {
    stream: TcpStream,
    /// Bytes that were received and belong to no complete answer.
    received: Vec<u8>,
}

impl StoreConnection {
    /// Connects and identifies itself.
    pub async fn open(address: &StoreAddress) -> Result<Self, IoError> {
        let connect = TcpStream::connect((address.host.as_str(), address.port));
        let stream = tokio::time::timeout(TIMEOUT, connect).await.map_err(|_| late())??;
        stream.set_nodelay(true)?;
        let mut this = Self { stream, received: Vec::new() };
        if !address.greeting.is_empty() {
            this.call(&address.greeting).await?;
        }
        Ok(this)
    }

    /// Sends all commands at once and returns their answers in order. After an error the connection is out of step, and must
    /// not be used again.
    pub async fn call(&mut self, commands: &[Vec<String>]) -> Result<Vec<Reply>, IoError> {
        let exchange = async {
            let mut bytes = Vec::new();
            for command in commands {
                encode(command, &mut bytes);
            }
            self.stream.write_all(&bytes).await?;
            let mut answers = Vec::with_capacity(commands.len());
            while answers.len() < commands.len() {
                answers.push(self.answer().await?);
            }
            Ok(answers)
        };
        tokio::time::timeout(TIMEOUT, exchange).await.map_err(|_| late())?
    }

    async fn answer(&mut self) -> Result<Reply, IoError> {
        loop {
            if let Some((reply, length)) = parse(&self.received).map_err(invalid)? {
                self.received.drain(..length);
                return match reply {
                    Reply::Error(why) => Err(invalid(&why)),
                    reply => Ok(reply),
                };
            }
            if self.received.len() > MAX_BYTES {
                return Err(invalid("the answer is too long"));
            }
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

fn invalid(why: &str) -> IoError {
    IoError::new(ErrorKind::InvalidData, why.to_owned())
}

fn late() -> IoError {
    IoError::new(ErrorKind::TimedOut, "no answer within a second")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_users_passwords_and_databases() {
        let greeting = |text: &str| StoreAddress::parse(text).unwrap().greeting;
        assert!(greeting("redis://db.example").is_empty());
        assert_eq!(greeting("redis://:p%40ss@db:7000/3"), [vec!["AUTH", "p@ss"], vec!["SELECT", "3"]]);
        assert_eq!(greeting("redis://me:pass@[::1]:7000"), [vec!["AUTH", "me", "pass"]]);
        let address = StoreAddress::parse("redis://[::1]").unwrap();
        assert_eq!((address.host.as_str(), address.port), ("::1", PORT));
        for wrong in ["redis://", "http://db", "redis://db:99999", "redis://db/x", "db:6379"] {
            assert!(StoreAddress::parse(wrong).is_err(), "{wrong}");
        }
    }
}
