//! Weights of a network that somebody else has trained, from a file that the user names.

use std::collections::BTreeMap;
use std::path::Path;

use galatea_data::HostTensor;
use safetensors::tensor::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};

use super::{hex, pickle};
use crate::{Error, Result};

/// Largest file, and most memory for what it holds. Inception-v3 has 91 MiB.
const LIMIT: usize = 1 << 30;

/// The arrays of a file.
pub(super) struct WeightFile {
    /// By name.
    arrays: BTreeMap<String, HostTensor>,
    path: String,
}

impl WeightFile {
    /// Reads a `.safetensors` file, or one that `torch.save` wrote.
    ///
    /// # Errors
    /// If there is no such file, it is damaged or too large, or it asks for anything but arrays.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let io = |source| galatea_data::Error::io("read", path, source);
        let length = std::fs::metadata(path).map_err(io)?.len();
        let shown = path.display().to_string();
        if length > LIMIT as u64 {
            return Err(invalid(&shown, format!("it has {} MiB, and {} are allowed", length >> 20, LIMIT >> 20)));
        }
        let bytes = std::fs::read(path).map_err(io)?;
        let arrays = match path.extension().is_some_and(|ending| ending == "safetensors") {
            true => safetensors(&bytes),
            false => pickle::read(&bytes, LIMIT),
        };
        Ok(Self { arrays: arrays.map_err(|problem| invalid(&shown, problem))?, path: shown })
    }

    #[cfg(test)]
    pub(super) fn of(arrays: BTreeMap<String, HostTensor>) -> Self {
        Self { arrays, path: "weights".to_owned() }
    }

    /// Whether there is an array of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.arrays.contains_key(name)
    }

    /// The values of an array.
    ///
    /// # Errors
    /// If it is missing, of another shape, or not finite.
    pub(super) fn array(&self, name: &str, shape: &[usize]) -> Result<&[f32]> {
        let Some(array) = self.arrays.get(name) else {
            return Err(invalid(&self.path, format!("array `{name}` is missing")));
        };
        if array.shape != shape {
            return Err(invalid(&self.path, format!("array `{name}` is {:?}, not {shape:?}", array.shape)));
        }
        if let Some(value) = array.values.iter().find(|value| !value.is_finite()) {
            return Err(invalid(&self.path, format!("array `{name}` holds {value}")));
        }
        Ok(&array.values)
    }

    /// SHA-256 over names, shapes and values as f32: the same for the same weights in whatever kind of file.
    pub(super) fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        for (name, array) in &self.arrays {
            hasher.update(format!("{name} {:?}\n", array.shape));
            for part in array.values.chunks(4_096) {
                let bytes: Vec<u8> = part.iter().flat_map(|value| value.to_le_bytes()).collect();
                hasher.update(&bytes);
            }
        }
        hex(&hasher.finalize())
    }
}

fn invalid(path: &str, problem: String) -> Error {
    Error::WeightFile { path: path.to_owned(), problem }
}

fn safetensors(bytes: &[u8]) -> std::result::Result<BTreeMap<String, HostTensor>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| format!("it is no whole safetensors file: {error}"))?;
    let mut arrays = BTreeMap::new();
    for (name, view) in file.iter() {
        let bytes = view.data();
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            Dtype::F16 => bytes.chunks_exact(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            Dtype::BF16 => bytes.chunks_exact(2).map(|b| half::bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            Dtype::I64 => {
                let number = |b: &[u8]| i64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32;
                bytes.chunks_exact(8).map(number).collect()
            }
            other => return Err(format!("array `{name}` is of type {other} and should be F32, F16 or BF16")),
        };
        arrays.insert(name.to_owned(), HostTensor::new(view.shape(), values));
    }
    Ok(arrays)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(name: &str, bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = WeightFile::read(&path).err().unwrap();
        assert!(error.hint().is_some());
        error.to_string().replace(&path.display().to_string(), name)
    }

    #[test]
    fn what_is_no_file_of_weights_is_refused() {
        assert!(refusal("a.pth", b"a text").ends_with("it is neither a zip archive nor an old file of `torch.save`"));
        assert!(refusal("a.safetensors", b"a text").contains("it is no whole safetensors file"));
        assert!(WeightFile::read(Path::new("nowhere.pth")).err().unwrap().to_string().starts_with("cannot read"));
    }

    #[test]
    fn arrays_are_looked_at_before_they_are_taken() {
        let arrays = [("a", vec![2], vec![1.0, f32::NAN]), ("b", vec![1, 2], vec![1.0, 2.0])];
        let file =
            WeightFile::of(arrays.map(|(name, shape, values)| (name.into(), HostTensor::new(shape, values))).into());
        let refusal = |name, shape: &[usize]| file.array(name, shape).unwrap_err().to_string();
        assert!(refusal("a", &[2]).ends_with("array `a` holds NaN"));
        assert!(refusal("b", &[2]).ends_with("array `b` is [1, 2], not [2]"));
        assert!(refusal("c", &[2]).ends_with("array `c` is missing"));
        assert_eq!(file.array("b", &[1, 2]).unwrap(), [1.0, 2.0]);
    }
}
