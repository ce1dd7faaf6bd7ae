use std::cell::Cell;

use super::*;
use crate::{Array, StateDict};

macro_rules! golden {
    ($($name:literal),* $(,)?) => {
        [$(include_bytes!(concat!("../../golden/", $name, ".safetensors")).as_slice()),*]
    };
}

/// Files that another library has written.
const FILES: [&[u8]; 6] = golden!["table", "cnn", "tabm", "lstm", "llama", "combined"];

/// Bytes that count how much of them is read.
struct Counted<'a> {
    bytes: &'a [u8],
    largest: Cell<usize>,
    total: Cell<usize>,
}

impl ReadAt for Counted<'_> {
    fn length(&self) -> u64 {
        self.bytes.length()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.largest.set(self.largest.get().max(buffer.len()));
        self.total.set(self.total.get() + buffer.len());
        self.bytes.read_exact_at(buffer, offset)
    }
}

/// Bits of all values, which tell NaN from NaN.
fn bits(array: &Array) -> (&[usize], Vec<u32>) {
    (&array.shape, array.data.iter().map(|x| x.to_bits()).collect())
}

/// Checks that a file and its weights in memory are the same, or both invalid.
fn compare(bytes: &[u8]) {
    let (memory, file) = (StateDict::from_safetensors(bytes), SafetensorsFile::open(bytes));
    assert_eq!(memory.is_ok(), file.is_ok(), "{:?}, {:?}", memory.err(), file.err());
    let (Ok(memory), Ok(file)) = (memory, file) else { return };
    assert_eq!(memory.names().collect::<Vec<_>>(), file.names());
    for name in file.names() {
        let (expected, found) = (memory.get(name).unwrap(), file.read(name).unwrap());
        assert_eq!(file.shape(name).unwrap(), expected.shape);
        assert_eq!(bits(&found), bits(expected), "{name}");
        if expected.shape.len() == 2 {
            let (a, b) = (memory.read_transposed(name).unwrap(), file.read_transposed(name).unwrap());
            assert_eq!(bits(&a), bits(&b), "{name} transposed");
        }
    }
    assert!(matches!(file.read("none"), Err(Error::Missing { .. })));
    assert!(matches!(file.read_transposed("none"), Err(Error::Missing { .. })));
}

#[test]
fn a_file_has_the_weights_of_the_state_dict() {
    for bytes in FILES {
        assert!(SafetensorsFile::open(bytes).is_ok());
        compare(bytes);
    }
}

#[test]
fn a_large_weight_is_read_in_parts_of_whole_rows() {
    let (rows, columns) = (1_500, 700);
    let mut state = StateDict::default();
    let data: Vec<f32> = (0..=u16::MAX).cycle().take(rows * columns).map(f32::from).collect();
    state.insert("matrix".into(), Array { shape: vec![rows, columns], data: data.clone() });
    state.insert("vector".into(), Array { shape: vec![rows * columns], data });
    let bytes = state.to_safetensors().unwrap();
    compare(&bytes);
    let counted = Counted { bytes: &bytes, largest: Cell::default(), total: Cell::default() };
    let file = SafetensorsFile::open(counted).unwrap();
    file.bytes.total.set(0);
    let mut parts = 0;
    file.visit("matrix", &mut |part| {
        assert_eq!(part.len() % columns, 0);
        parts += 1;
    })
    .unwrap();
    assert!(parts > 3, "{parts}");
    assert_eq!(file.read_transposed("matrix").unwrap().shape, [columns, rows]);
    file.read("vector").unwrap();
    assert_eq!(file.bytes.total.get(), 3 * 4 * rows * columns);
    assert!(file.bytes.largest.get() <= 4 * PART, "{}", file.bytes.largest.get());
}

#[test]
fn a_file_that_shrinks_after_it_was_opened_is_an_error() {
    let whole = FILES[0];
    let mut file = SafetensorsFile::open(whole).unwrap();
    file.bytes = &whole[..whole.len() / 2];
    let names: Vec<String> = file.names().into_iter().map(str::to_owned).collect();
    let failed = names.iter().filter(|name| matches!(file.read(name), Err(Error::Read { .. })));
    assert!(failed.count() > 0);
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = FILES[0];
    for cut in (0..bytes.len()).step_by(7) {
        assert!(SafetensorsFile::open(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn no_header_allocates_more_than_the_file_has() {
    let header = |size: u64| [&size.to_le_bytes()[..], b"{}"].concat();
    for size in [3, HEADER_LIMIT, HEADER_LIMIT + 1, u64::MAX] {
        let error = SafetensorsFile::open(header(size).as_slice()).unwrap_err();
        assert!(matches!(error, Error::Safetensors { .. }), "{error}");
    }
    assert!(SafetensorsFile::open(header(2).as_slice()).is_ok());
}

#[test]
fn no_file_is_read_otherwise_than_the_state_dict() {
    let mut state = StateDict::default();
    state.insert("a.weight".into(), Array { shape: vec![2, 3], data: vec![1.0, -2.0, 3.5, 0.0, 9.0, 7.0] });
    state.insert("b".into(), Array { shape: vec![1], data: vec![0.25] });
    let bytes = state.to_safetensors().unwrap();
    cupola_testkit::fuzz(&[&bytes, &bytes[..bytes.len() / 2]], compare);
}
