//! Serialization protocol of Redis, version 2 (RESP2), as far as the scripts need it.
//!
//! A client crate is not used: `redis` switches on features of a crate below Burn, so that all of it is built again, and
//! `redis-protocol` 6.0 does not build without features of `futures`.

/// Deepest nesting of arrays.
const MAX_DEPTH: usize = 4;
/// Longest line of a length, number or message.
const MAX_LINE: usize = 4_096;

/// Reply of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// Message of a failed command.
    Error(String),
    /// Status or text; bytes that are not UTF-8 are replaced.
    Text(String),
    Integer(i64),
    Array(Vec<Reply>),
    Null,
}

/// Appends a command: an array of texts.
pub(super) fn encode(command: &[String], out: &mut Vec<u8>) {
    out.extend(format!("*{}\r\n", command.len()).bytes());
    for part in command {
        out.extend(format!("${}\r\n", part.len()).bytes());
        out.extend(part.bytes());
        out.extend(b"\r\n");
    }
}

/// First reply in `bytes` and its length; `None` if it is not complete yet.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Reply, usize)>, &'static str> {
    let mut reader = ReplyReader { bytes, at: 0 };
    let reply = reader.reply(0)?;
    Ok(reply.map(|reply| (reply, reader.at)))
}

struct ReplyReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> ReplyReader<'a> {
    /// Bytes up to the end of the line; `None` if the end is missing.
    fn line(&mut self) -> Result<Option<&'a [u8]>, &'static str> {
        let rest = &self.bytes[self.at..];
        match rest.windows(2).take(MAX_LINE).position(|pair| pair == b"\r\n") {
            Some(length) => {
                self.at += length + 2;
                Ok(Some(&rest[..length]))
            }
            None if rest.len() > MAX_LINE => Err("a line of the store's reply is too long"),
            None => Ok(None),
        }
    }

    fn reply(&mut self, depth: usize) -> Result<Option<Reply>, &'static str> {
        let Some(line) = self.line()? else { return Ok(None) };
        let [kind, rest @ ..] = line else { return Err("a line of the store's reply is empty") };
        let text = || String::from_utf8_lossy(rest).into_owned();
        let number = || std::str::from_utf8(rest).ok().and_then(|text| text.parse::<i64>().ok());
        let number = || number().ok_or("expected a number in the store's reply");
        match kind {
            b'+' => Ok(Some(Reply::Text(text()))),
            b'-' => Ok(Some(Reply::Error(text()))),
            b':' => Ok(Some(Reply::Integer(number()?))),
            b'$' => self.text(number()?),
            b'*' => self.array(number()?, depth),
            _ => Err("the store does not speak the protocol of Redis"),
        }
    }

    fn text(&mut self, length: i64) -> Result<Option<Reply>, &'static str> {
        // A length of -1 stands for no value.
        let Ok(length) = usize::try_from(length) else { return Ok(Some(Reply::Null)) };
        let rest = &self.bytes[self.at..];
        let Some(end) = length.checked_add(2).filter(|end| *end <= rest.len()) else { return Ok(None) };
        if &rest[length..end] != b"\r\n" {
            return Err("a text of the store's reply has another length than it states");
        }
        self.at += end;
        Ok(Some(Reply::Text(String::from_utf8_lossy(&rest[..length]).into_owned())))
    }

    fn array(&mut self, length: i64, depth: usize) -> Result<Option<Reply>, &'static str> {
        let Ok(length) = usize::try_from(length) else { return Ok(Some(Reply::Null)) };
        if depth >= MAX_DEPTH {
            return Err("the store's reply is nested too deeply");
        }
        // Grows by what is there, not by what a length promises.
        let mut items = Vec::new();
        for _ in 0..length {
            let Some(item) = self.reply(depth + 1)? else { return Ok(None) };
            items.push(item);
        }
        Ok(Some(Reply::Array(items)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_arrays_of_texts() {
        let mut bytes = b"x".to_vec();
        encode(&["EVAL".to_owned(), "é\r\n".to_owned()], &mut bytes);
        assert_eq!(bytes, "x*2\r\n$4\r\nEVAL\r\n$4\r\né\r\n\r\n".as_bytes());
    }

    #[test]
    fn replies_are_read_as_the_specification_writes_them() {
        let text = |text: &str| Reply::Text(text.to_owned());
        for (bytes, expected) in [
            ("+OK\r\n", text("OK")),
            ("-ERR unknown\r\n", Reply::Error("ERR unknown".to_owned())),
            (":-42\r\n", Reply::Integer(-42)),
            ("$5\r\nhello\r\n", text("hello")),
            ("$0\r\n\r\n", text("")),
            ("$-1\r\n", Reply::Null),
            ("*-1\r\n", Reply::Null),
            (
                "*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
                Reply::Array(vec![text("a"), Reply::Array(vec![Reply::Integer(1)])]),
            ),
        ] {
            assert_eq!(parse(bytes.as_bytes()), Ok(Some((expected, bytes.len()))), "{bytes:?}");
            for end in 0..bytes.len() {
                assert_eq!(parse(&bytes.as_bytes()[..end]), Ok(None), "{:?}", &bytes[..end]);
            }
            let more = format!("{bytes}+more");
            assert_eq!(parse(more.as_bytes()).unwrap().unwrap().1, bytes.len());
        }
    }

    #[test]
    fn malformed_replies_are_refused() {
        for bytes in
            ["HTTP/1.1 400\r\n", ":x\r\n", "$1\r\nabc\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "\r\n"]
        {
            assert!(parse(bytes.as_bytes()).is_err(), "{bytes:?}");
        }
        assert!(parse(&[b'+'; MAX_LINE + 2]).is_err());
        // A promise of many items takes no memory.
        assert_eq!(parse(b"*9223372036854775807\r\n:1\r\n"), Ok(None));
        assert_eq!(parse(b"$9223372036854775807\r\nab"), Ok(None));
    }
}
