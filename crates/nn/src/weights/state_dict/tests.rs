use super::*;

fn small() -> StateDict {
    let mut state = StateDict::default();
    state.insert(
        "a.weight".into(),
        Array { shape: vec![2, 3], data: vec![1.0, -2.0, 3.5, 0.0, f32::MIN, 7.0] },
    );
    state.insert("b".into(), Array { shape: vec![1], data: vec![0.25] });
    state
}

/// A file with this header and `data` zero bytes after it.
fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(vec![0; data]);
    bytes
}

#[test]
fn a_file_reads_back_the_same_and_says_pt() {
    let bytes = small().to_safetensors().unwrap();
    assert_eq!(StateDict::from_safetensors(&bytes).unwrap(), small());
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(metadata.metadata().as_ref().unwrap()["format"], "pt");
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = small().to_safetensors().unwrap();
    for cut in 0..bytes.len() {
        assert!(StateDict::from_safetensors(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn hostile_headers_are_errors_not_panics() {
    let tensor = |dtype: &str, shape: &str, from: u64, to: u64| {
        format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{from},{to}]}}}}"#)
    };
    let cases = [
        ("a header longer than the file", u64::MAX.to_le_bytes().to_vec()),
        ("no JSON", file("not json", 0)),
        ("offsets past the end", file(&tensor("F32", "[4]", 0, 16), 8)),
        ("offsets backwards", file(&tensor("F32", "[1]", 8, 4), 8)),
        ("a shape that overflows", file(&tensor("F32", "[4294967296,4294967296,4294967296]", 0, 4), 4)),
        ("a shape that is not the size", file(&tensor("F32", "[3]", 0, 4), 4)),
        ("an unknown type", file(&tensor("Q9", "[1]", 0, 4), 4)),
        ("a type that is not f32", file(&tensor("F64", "[1]", 0, 8), 8)),
    ];
    for (what, bytes) in cases {
        assert!(StateDict::from_safetensors(&bytes).is_err(), "{what}");
    }
}

#[test]
fn no_file_of_weights_breaks_its_reader() {
    let bytes = small().to_safetensors().unwrap();
    cupola_testkit::fuzz(&[&bytes, &bytes[..bytes.len() / 2]], |bytes| {
        let _ = StateDict::from_safetensors(bytes);
    });
}
