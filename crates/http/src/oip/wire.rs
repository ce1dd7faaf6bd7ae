//! Elements of tensors as JSON and as raw bytes.

use cupola_runtime::TensorValues;
use half::{bf16, f16};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde_json::Value;

/// Element types of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DataType {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Fp32,
    Fp64,
    Bf16,
    Bytes,
}

const NAMES: [(&str, DataType); 14] = [
    ("BOOL", DataType::Bool),
    ("UINT8", DataType::Uint8),
    ("UINT16", DataType::Uint16),
    ("UINT32", DataType::Uint32),
    ("UINT64", DataType::Uint64),
    ("INT8", DataType::Int8),
    ("INT16", DataType::Int16),
    ("INT32", DataType::Int32),
    ("INT64", DataType::Int64),
    ("FP16", DataType::Fp16),
    ("FP32", DataType::Fp32),
    ("FP64", DataType::Fp64),
    ("BF16", DataType::Bf16),
    ("BYTES", DataType::Bytes),
];

impl DataType {
    pub fn parse(name: &str) -> Result<Self, WireError> {
        let known = NAMES.iter().find(|(known, _)| *known == name);
        known
            .map(|(_, kind)| *kind)
            .ok_or_else(|| WireError(format!("unknown data type `{}`", name.escape_debug())))
    }

    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// Tensor that does not parse.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WireError(pub String);

impl std::fmt::Display for WireError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Tensor of a request.
#[derive(Debug)]
pub(super) struct InputTensor {
    pub name: String,
    pub data_type: DataType,
    pub shape: Vec<i64>,
    pub values: TensorValues,
}

/// Parses raw little-endian elements.
pub(super) fn from_raw(kind: DataType, bytes: &[u8]) -> Result<TensorValues, WireError> {
    fn each<const N: usize, T>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Result<Vec<T>, WireError> {
        let (whole, rest) = bytes.as_chunks::<N>();
        if rest.is_empty() {
            Ok(whole.iter().map(|element| number(*element)).collect())
        } else {
            Err(WireError(format!("expected elements of {N} bytes, found {} bytes", bytes.len())))
        }
    }
    Ok(match kind {
        DataType::Fp32 => TensorValues::Floats(each(bytes, f32::from_le_bytes)?),
        DataType::Fp64 => TensorValues::Doubles(each(bytes, f64::from_le_bytes)?),
        DataType::Fp16 => TensorValues::Floats(each(bytes, |b| f16::from_le_bytes(b).to_f32())?),
        DataType::Bf16 => TensorValues::Floats(each(bytes, |b| bf16::from_le_bytes(b).to_f32())?),
        DataType::Bool | DataType::Uint8 => {
            TensorValues::Doubles(bytes.iter().map(|b| f64::from(*b)).collect())
        }
        DataType::Int8 => TensorValues::Doubles(each(bytes, |b| f64::from(i8::from_le_bytes(b)))?),
        DataType::Uint16 => TensorValues::Doubles(each(bytes, |b| f64::from(u16::from_le_bytes(b)))?),
        DataType::Int16 => TensorValues::Doubles(each(bytes, |b| f64::from(i16::from_le_bytes(b)))?),
        DataType::Uint32 => TensorValues::Doubles(each(bytes, |b| f64::from(u32::from_le_bytes(b)))?),
        DataType::Int32 => TensorValues::Doubles(each(bytes, |b| f64::from(i32::from_le_bytes(b)))?),
        DataType::Uint64 => TensorValues::Doubles(each(bytes, |b| u64::from_le_bytes(b) as f64)?),
        DataType::Int64 => TensorValues::Doubles(each(bytes, |b| i64::from_le_bytes(b) as f64)?),
        DataType::Bytes => TensorValues::Bytes(texts(bytes)?),
    })
}

/// Parses byte strings, each behind its length in four bytes.
fn texts(mut bytes: &[u8]) -> Result<Vec<Vec<u8>>, WireError> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes
            .split_first_chunk::<4>()
            .ok_or_else(|| WireError("the length of an element is incomplete".to_owned()))?;
        let length = u32::from_le_bytes(*length) as usize;
        let text =
            rest.get(..length).ok_or_else(|| WireError("an element is longer than its tensor".to_owned()))?;
        out.push(text.to_vec());
        bytes = &rest[length..];
    }
    Ok(out)
}

/// Raw little-endian bytes of a response's elements.
pub(super) fn to_raw(values: &TensorValues) -> Vec<u8> {
    match values {
        TensorValues::Floats(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        TensorValues::Doubles(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        TensorValues::Bytes(values) => {
            let mut out = Vec::new();
            for value in values {
                out.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
                out.extend(value);
            }
            out
        }
    }
}

/// Flat JSON array of a response's elements. NaN and infinities become `null`.
pub(super) fn to_json(values: &TensorValues) -> Value {
    match values {
        TensorValues::Floats(values) => values.iter().map(|value| Value::from(*value)).collect(),
        TensorValues::Doubles(values) => values.iter().map(|value| Value::from(*value)).collect(),
        TensorValues::Bytes(values) => {
            values.iter().map(|value| Value::from(String::from_utf8_lossy(value).into_owned())).collect()
        }
    }
}

/// Element type of a response's tensor.
pub(super) fn data_type_of(values: &TensorValues) -> DataType {
    match values {
        TensorValues::Floats(_) => DataType::Fp32,
        TensorValues::Doubles(_) => DataType::Fp64,
        TensorValues::Bytes(_) => DataType::Bytes,
    }
}

/// Deepest nesting of arrays.
const MAX_DEPTH: usize = 16;

/// Elements of a JSON array, flattened.
#[derive(Debug, Default)]
pub(super) struct TensorData {
    pub numbers: Vec<f64>,
    pub texts: Vec<Vec<u8>>,
}

impl TensorData {
    /// Elements of a type.
    pub fn values(self, kind: DataType) -> Result<TensorValues, WireError> {
        let name = kind.name();
        match (kind, self.numbers.is_empty(), self.texts.is_empty()) {
            (DataType::Bytes, true, _) => Ok(TensorValues::Bytes(self.texts)),
            (DataType::Bytes, false, _) => {
                Err(WireError(format!("expected texts for {name}, found a number")))
            }
            (_, _, false) => Err(WireError(format!("expected numbers for {name}, found a text"))),
            #[allow(clippy::cast_possible_truncation, reason = "the elements have 32 bits or fewer")]
            (DataType::Fp32 | DataType::Fp16 | DataType::Bf16, ..) => {
                Ok(TensorValues::Floats(self.numbers.into_iter().map(|number| number as f32).collect()))
            }
            _ => Ok(TensorValues::Doubles(self.numbers)),
        }
    }
}

impl<'de> Deserialize<'de> for TensorData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut flat = Self::default();
        deserializer.deserialize_seq(Flattener { flat: &mut flat, depth: 0 })?;
        Ok(flat)
    }
}

struct Flattener<'a> {
    flat: &'a mut TensorData,
    depth: usize,
}

impl<'de> serde::de::DeserializeSeed<'de> for Flattener<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Flattener<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of numbers or texts")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
        if self.depth == MAX_DEPTH {
            return Err(S::Error::custom("arrays are nested too deeply"));
        }
        while seq.next_element_seed(Flattener { flat: self.flat, depth: self.depth + 1 })?.is_some() {}
        Ok(())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.flat.numbers.push(number);
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.visit_f64(number as f64)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.visit_f64(number as f64)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.visit_f64(f64::from(u8::from(value)))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.visit_f64(f64::NAN)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.flat.texts.push(text.as_bytes().to_vec());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_elements_are_read_and_written() {
        let floats = TensorValues::Floats(vec![1.5, -0.25]);
        assert_eq!(from_raw(DataType::Fp32, &to_raw(&floats)).unwrap(), floats);
        let texts = TensorValues::Bytes(vec![b"a".to_vec(), Vec::new(), "é".as_bytes().to_vec()]);
        assert_eq!(from_raw(DataType::Bytes, &to_raw(&texts)).unwrap(), texts);
        assert_eq!(from_raw(DataType::Int8, &[255, 1]).unwrap(), TensorValues::Doubles(vec![-1.0, 1.0]));
        assert_eq!(from_raw(DataType::Fp16, &[0, 0x3c]).unwrap(), TensorValues::Floats(vec![1.0]));
        assert!(from_raw(DataType::Fp32, &[0; 7]).is_err());
        for cut in [&[1, 0, 0][..], &[9, 0, 0, 0, 1], &[255, 255, 255, 255]] {
            assert!(from_raw(DataType::Bytes, cut).is_err(), "{cut:?}");
        }
    }

    #[test]
    fn json_elements_are_flattened() {
        let flat: TensorData = serde_json::from_str("[[1, [2.5, true]], null]").unwrap();
        let TensorValues::Doubles(values) = flat.values(DataType::Fp64).unwrap() else { panic!() };
        assert!(values[..3] == [1.0, 2.5, 1.0] && values[3].is_nan());
        let mixed: TensorData = serde_json::from_str("[1, \"a\"]").unwrap();
        assert!(mixed.values(DataType::Bytes).is_err());
        assert!(
            serde_json::from_str::<TensorData>(&format!("{}{}", "[".repeat(40), "]".repeat(40))).is_err()
        );
        assert!(serde_json::from_str::<TensorData>("[{}]").is_err());
    }
}
