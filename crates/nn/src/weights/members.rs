//! Safetensors files of several models in one, each under a prefix of its own.

use std::collections::HashMap;

use safetensors::tensor::{SafeTensors, TensorView};

use crate::error::Error;

/// One file with the tensors of all `files`: those of the first are named `0.NAME`, those of the second `1.NAME`.
///
/// # Errors
/// [`Error::Safetensors`] for a damaged file.
pub fn join_safetensors(files: &[&[u8]]) -> Result<Vec<u8>, Error> {
    let parsed: Vec<SafeTensors<'_>> = files
        .iter()
        .map(|bytes| SafeTensors::deserialize(bytes).map_err(invalid))
        .collect::<Result<_, _>>()?;
    let mut all: Vec<(String, TensorView<'_>)> = Vec::new();
    for (member, file) in parsed.iter().enumerate() {
        all.extend(file.tensors().into_iter().map(|(name, view)| (format!("{member}.{name}"), view)));
    }
    write(all)
}

/// File of one member of a file that [`join_safetensors`] has made.
///
/// # Errors
/// [`Error::Safetensors`] for a damaged file, and one without tensors of that member.
pub fn member_safetensors(joined: &[u8], member: usize) -> Result<Vec<u8>, Error> {
    let file = SafeTensors::deserialize(joined).map_err(invalid)?;
    let prefix = format!("{member}.");
    let own = file.tensors().into_iter();
    let own = own.filter_map(|(name, view)| Some((name.strip_prefix(&prefix)?.to_owned(), view)));
    let own: Vec<(String, TensorView<'_>)> = own.collect();
    if own.is_empty() {
        return Err(Error::Safetensors { why: format!("it has no tensors of member {member}") });
    }
    write(own)
}

fn write(tensors: Vec<(String, TensorView<'_>)>) -> Result<Vec<u8>, Error> {
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize(tensors, Some(metadata)).map_err(invalid)
}

#[allow(clippy::needless_pass_by_value, reason = "it maps an error")]
fn invalid(error: safetensors::SafeTensorError) -> Error {
    Error::Safetensors { why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::Dtype;

    use super::*;
    use crate::weights::{Array, StateDict};

    #[test]
    fn a_member_is_what_was_joined() {
        let mut weights = StateDict::default();
        weights.insert("trunk.0.weight".to_owned(), Array { shape: vec![1, 2], data: vec![1.5, -2.0] });
        let network = weights.to_safetensors().unwrap();
        let bytes = TensorView::new(Dtype::U8, vec![3], &[7, 8, 9]).unwrap();
        let trees = write(vec![("trees".to_owned(), bytes)]).unwrap();
        let files: [&[u8]; 11] =
            [&network, &trees, &trees, &trees, &trees, &trees, &trees, &trees, &trees, &trees, &network];
        let joined = join_safetensors(&files).unwrap();
        for (index, file) in files.iter().enumerate() {
            assert_eq!(member_safetensors(&joined, index).unwrap(), *file, "{index}");
        }
        assert!(member_safetensors(&joined, 11).is_err());
        assert!(join_safetensors(&[b"{}"]).is_err());
    }
}
