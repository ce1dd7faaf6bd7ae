//! Universal Binary JSON, draft 12, as far as `XGBoost` writes it (<https://ubjson.org>).
//!
//! Counts are compared with the bytes that are left, so a short file can't ask for much memory.

use serde_json::{Map, Number, Value};

/// Deepest nesting.
const MOST_LEVELS: usize = 64;

/// Parses a document.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, &'static str> {
    let mut reader = Reader { rest: bytes };
    let kind = reader.byte()?;
    let value = reader.value(kind, 0)?;
    if reader.rest.is_empty() { Ok(value) } else { Err("it goes on after its end") }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or("it ends early")?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const SIZE: usize>(&mut self) -> Result<[u8; SIZE], &'static str> {
        let (taken, rest) = self.rest.split_first_chunk::<SIZE>().ok_or("it ends early")?;
        self.rest = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, &'static str> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Next byte that is not a filler.
    fn marker(&mut self) -> Result<u8, &'static str> {
        loop {
            match self.byte()? {
                b'N' => {}
                byte => return Ok(byte),
            }
        }
    }

    /// Value behind its marker.
    fn value(&mut self, kind: u8, level: usize) -> Result<Value, &'static str> {
        if level > MOST_LEVELS {
            return Err("it is nested too deeply");
        }
        Ok(match kind {
            b'Z' => Value::Null,
            b'T' => Value::Bool(true),
            b'F' => Value::Bool(false),
            b'i' | b'U' | b'I' | b'l' | b'L' => Value::from(self.integer(kind)?),
            // Infinity and NaN are not JSON; keys that are read have neither.
            b'd' => float(f64::from(f32::from_be_bytes(self.array()?))),
            b'D' => float(f64::from_be_bytes(self.array()?)),
            b'S' => Value::String(self.text()?),
            b'C' => Value::String(char::from(self.byte()?).to_string()),
            b'[' => self.list(level)?,
            b'{' => self.object(level)?,
            _ => return Err("it has an unknown marker"),
        })
    }

    fn integer(&mut self, kind: u8) -> Result<i64, &'static str> {
        Ok(match kind {
            b'i' => i64::from(i8::from_be_bytes(self.array()?)),
            b'U' => i64::from(self.byte()?),
            b'I' => i64::from(i16::from_be_bytes(self.array()?)),
            b'l' => i64::from(i32::from_be_bytes(self.array()?)),
            b'L' => i64::from_be_bytes(self.array()?),
            _ => return Err("a length is not a whole number"),
        })
    }

    fn length(&mut self) -> Result<usize, &'static str> {
        let kind = self.marker()?;
        usize::try_from(self.integer(kind)?).map_err(|_| "a length is negative")
    }

    fn text(&mut self) -> Result<String, &'static str> {
        let length = self.length()?;
        let bytes = self.bytes(length)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| "a text is not UTF-8")
    }

    /// Type and count of a container, if it has them.
    fn header(&mut self) -> Result<(Option<u8>, Option<usize>), &'static str> {
        let mut kind = None;
        if self.rest.first() == Some(&b'$') {
            self.byte()?;
            kind = Some(self.byte()?);
            if self.rest.first() != Some(&b'#') {
                return Err("a container has a type without a count");
            }
        }
        if self.rest.first() != Some(&b'#') {
            return Ok((kind, None));
        }
        self.byte()?;
        let count = self.length()?;
        let empty = matches!(kind, Some(b'Z' | b'T' | b'F' | b'N'));
        // Every value takes a byte at least, but for types that are values.
        if empty || count > self.rest.len() {
            return Err("a container has a count that can't be");
        }
        Ok((kind, Some(count)))
    }

    fn list(&mut self, level: usize) -> Result<Value, &'static str> {
        let (kind, count) = self.header()?;
        let mut items = Vec::new();
        while count.is_none_or(|count| items.len() < count) {
            let own = match kind {
                Some(kind) => kind,
                None => self.marker()?,
            };
            if own == b']' && count.is_none() {
                break;
            }
            items.push(self.value(own, level + 1)?);
        }
        Ok(Value::Array(items))
    }

    fn object(&mut self, level: usize) -> Result<Value, &'static str> {
        let (kind, count) = self.header()?;
        let (mut entries, mut read) = (Map::new(), 0);
        while count.is_none_or(|count| read < count) {
            if count.is_none() && self.rest.first() == Some(&b'}') {
                self.byte()?;
                break;
            }
            let key = self.text()?;
            let own = match kind {
                Some(kind) => kind,
                None => self.marker()?,
            };
            entries.insert(key, self.value(own, level + 1)?);
            read += 1;
        }
        Ok(Value::Object(entries))
    }
}

fn float(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}
