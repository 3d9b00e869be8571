//! Arrays as safetensors.

use std::{collections::BTreeMap, path::Path};

use galatea_data::HostTensor;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};

use crate::{Error, Result};

/// Named arrays.
pub(crate) type Tensors = Vec<(String, HostTensor)>;

/// The file of these arrays and texts: the same bytes for the same contents.
///
/// Written here, since the `safetensors` crate keeps texts in a hash map, and the order of one differs from process to
/// process.
pub(crate) fn encode(tensors: &[(String, HostTensor)], texts: &BTreeMap<String, String>) -> Vec<u8> {
    let mut header = Map::new();
    if !texts.is_empty() {
        header.insert("__metadata__".into(), json!(texts));
    }
    let mut end = 0;
    for (name, tensor) in tensors {
        let start = end;
        end += 4 * tensor.values.len();
        header.insert(name.clone(), json!({"dtype": "F32", "shape": tensor.shape, "data_offsets": [start, end]}));
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    // The values begin at a multiple of 8.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut out = Vec::with_capacity(8 + header.len() + end);
    out.extend((header.len() as u64).to_le_bytes());
    out.extend(header);
    for (_, tensor) in tensors {
        out.extend(tensor.values.iter().flat_map(|value| value.to_le_bytes()));
    }
    out
}

/// The arrays of a file, sorted by name, and its texts.
pub(crate) fn decode(bytes: &[u8], path: &Path) -> Result<(Tensors, BTreeMap<String, String>)> {
    let invalid = |problem: String| Error::invalid(path, problem, "name a file that `galatea export` wrote");
    let broken = |error| invalid(format!("this is no whole safetensors file: {error}"));
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let texts = header.metadata().clone().unwrap_or_default().into_iter().collect();
    let file = SafeTensors::deserialize(bytes).map_err(broken)?;
    let mut tensors = Vec::with_capacity(file.len());
    for (name, view) in file.iter() {
        if view.dtype() != Dtype::F32 {
            return Err(invalid(format!("array `{name}` is of type {} and should be F32", view.dtype())));
        }
        let values =
            view.data().chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        tensors.push((name.to_owned(), HostTensor::new(view.shape(), values.collect())));
    }
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    Ok((tensors, texts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_and_texts_come_back_and_bytes_are_the_same() {
        let tensors: Tensors = vec![
            ("a.weight".into(), HostTensor::new([2, 3], vec![0.0, -0.0, 1e-40, f32::MAX, 0.1, -7.5])),
            ("b".into(), HostTensor::new(Vec::new(), vec![3.0])),
            ("empty".into(), HostTensor::new([0, 4], vec![])),
        ];
        let texts: BTreeMap<String, String> =
            [("format", "1"), ("name", "é\n\"")].map(|(k, v)| (k.into(), v.into())).into();
        let bytes = encode(&tensors, &texts);
        let (read, read_texts) = decode(&bytes, Path::new("a")).unwrap();
        assert_eq!((&read, &read_texts), (&tensors, &texts));
        assert_eq!(read[0].1.values[1].to_bits(), (-0.0f32).to_bits());
        assert_eq!(encode(&read, &read_texts), bytes);
        assert!(decode(&encode(&tensors, &BTreeMap::new()), Path::new("a")).unwrap().1.is_empty());
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        let bytes = encode(&[("a".into(), HostTensor::new([2], vec![1.0, 2.0]))], &BTreeMap::new());
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length], Path::new("a")).is_err(), "{length}");
        }
        let mut other = bytes.clone();
        let at = other.windows(3).position(|part| part == b"F32").unwrap();
        other[at] = b'I';
        let error = decode(&other, Path::new("a")).unwrap_err().to_string();
        assert_eq!(error, "`a`: array `a` is of type I32 and should be F32");
        assert!(decode(b"a text file", Path::new("a")).is_err());
    }
}
