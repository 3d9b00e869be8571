//! Networks to named host arrays and back.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::prelude::*;
use galatea_data::HostTensor;
use galatea_kernels::burn::{from_vec, to_vec};

use crate::{Error, Part, Result};

/// The arrays of `module` as the part `name`; array names are the path of fields, `blocks.0.weight`.
pub fn to_part<M: Module>(name: &str, module: &M) -> Part {
    let mut reader = Reader::default();
    module.visit(&mut reader);
    reader.tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    Part { name: name.to_owned(), tensors: reader.tensors }
}

/// `module` with the values of the part called `name` among `parts`.
///
/// # Errors
/// If the part, or one of its arrays, is missing or has another shape.
pub fn from_parts<M: Module>(name: &str, module: M, parts: &[Part]) -> Result<M> {
    let part = find(name, parts)?;
    let known = part.tensors.iter().map(|(name, value)| (name.as_str(), value)).collect();
    let mut writer = Writer { path: Vec::new(), known, problem: None };
    let module = module.map(&mut writer);
    match writer.problem {
        Some(problem) => Err(Error::weights(name, problem)),
        None => Ok(module),
    }
}

/// The part called `name`.
///
/// # Errors
/// If it is missing.
pub fn find<'a>(name: &str, parts: &'a [Part]) -> Result<&'a Part> {
    parts.iter().find(|part| part.name == name).ok_or_else(|| Error::weights(name, "it is missing"))
}

/// The array called `tensor` of `part`, which must have `shape`.
///
/// # Errors
/// If it is missing or has another shape.
pub fn array<'a>(part: &'a Part, tensor: &str, shape: &[usize]) -> Result<&'a HostTensor> {
    let (_, found) = part
        .tensors
        .iter()
        .find(|(name, _)| name == tensor)
        .ok_or_else(|| Error::weights(&part.name, format!("array `{tensor}` is missing")))?;
    if found.shape != shape {
        return Err(Error::weights(&part.name, format!("array `{tensor}` is {:?}, not {shape:?}", found.shape)));
    }
    Ok(found)
}

/// The first rows of a weight `[inputs, outputs]`: those of a latent vector that classes stand beside.
pub fn first_rows(weight: &Tensor<2>, rows: usize) -> HostTensor {
    let [_, outputs] = weight.dims();
    HostTensor::new([rows, outputs], to_vec(weight.clone())[..rows * outputs].to_vec())
}

/// A count as an array, exact up to 2^48.
pub fn count(value: u64) -> HostTensor {
    HostTensor::new([2], vec![(value >> 24) as f32, (value & 0xff_ffff) as f32])
}

/// The count that [`count`] made the array called `tensor` of.
///
/// # Errors
/// As [`array()`].
pub fn counted(part: &Part, tensor: &str) -> Result<u64> {
    let values = &array(part, tensor, &[2])?.values;
    Ok((values[0] as u64) << 24 | values[1] as u64)
}

#[derive(Default)]
struct Reader {
    path: Vec<String>,
    tensors: Vec<(String, HostTensor)>,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let shape = value.dims().to_vec();
        self.tensors.push((self.path.join("."), HostTensor::new(shape, to_vec(value))));
    }
}

struct Writer<'a> {
    path: Vec<String>,
    known: HashMap<&'a str, &'a HostTensor>,
    problem: Option<String>,
}

impl ModuleMapper for Writer<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        let tracked = param.is_require_grad();
        let device = param.val().device();
        let dims = param.val().dims();
        let problem = match self.known.get(path.as_str()) {
            None => format!("array `{path}` is missing"),
            Some(found) if found.shape != dims => format!("array `{path}` is {:?}, not {dims:?}", found.shape),
            Some(found) => {
                let value = from_vec(found.values.clone(), dims, &device).set_require_grad(tracked);
                return Param::initialized(param.id, value);
            }
        };
        self.problem.get_or_insert(problem);
        param
    }
}
