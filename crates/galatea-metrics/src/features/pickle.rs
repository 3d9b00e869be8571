//! Arrays in files that `torch.save` wrote, the zip archives of today and the plain files of before 1.6.
//!
//! A pickle is a program for a machine that may call any function of Python's. Here only what puts arrays of weights together is
//! understood; whatever else a file asks for is an error, and nothing in it is ever run.
//!
//! Sources: the opcodes of Python's `pickletools`; `torch/serialization.py` and `torch/_utils.py` of PyTorch.

use std::collections::{BTreeMap, HashMap};
use std::io::{Cursor, Read};

use galatea_data::HostTensor;

/// Named arrays.
pub(super) type Arrays = BTreeMap<String, HostTensor>;

type Result<T> = std::result::Result<T, String>;

/// Longest pickle; that of a network of a thousand arrays has some hundred kilobytes.
const MOST_PICKLE: u64 = 16 << 20;
/// Most values that a pickle may make.
const MOST_VALUES: usize = 2_000_000;
/// The first pickle of an old file.
const MAGIC: &[u8] = &[0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// The arrays of a file's `bytes`; together they may hold so many `bytes`, as f32, as `limit` says.
///
/// # Errors
/// With what is wrong, if the file is damaged or asks for anything but arrays.
pub(super) fn read(bytes: &[u8], limit: usize) -> Result<Arrays> {
    match bytes.starts_with(b"PK\x03\x04") {
        true => read_archive(bytes, limit),
        false => read_plain(bytes, limit),
    }
}

fn read_archive(bytes: &[u8], limit: usize) -> Result<Arrays> {
    let mut archive =
        zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| format!("it is no whole zip archive: {error}"))?;
    let names: Vec<String> = archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    let pickle = names.iter().find(|name| name.as_str() == "data.pkl" || name.ends_with("/data.pkl"));
    let Some(pickle) = pickle.cloned() else {
        return Err("it holds no `data.pkl`: `torch.save` did not write it".into());
    };
    let root = pickle.trim_end_matches("data.pkl").to_owned();
    let mut take = |name: &str, most: u64| -> Result<Vec<u8>> {
        let mut file = archive.by_name(name).map_err(|error| format!("`{name}` is missing in it: {error}"))?;
        if file.size() > most {
            return Err(format!("`{name}` in it has {} bytes, and {most} are allowed", file.size()));
        }
        let mut out = Vec::new();
        file.by_ref().take(most + 1).read_to_end(&mut out).map_err(|error| format!("`{name}` is damaged: {error}"))?;
        Ok(out).and_then(
            |out: Vec<u8>| if out.len() as u64 > most { Err(format!("`{name}` is too long")) } else { Ok(out) },
        )
    };
    if names.iter().any(|name| *name == format!("{root}byteorder")) {
        let order = take(&format!("{root}byteorder"), 16)?;
        if order != b"little" {
            return Err("its numbers are in big-endian order; save it on an ordinary machine".into());
        }
    }
    let text = take(&pickle, MOST_PICKLE)?;
    let mut machine = Machine::default();
    let (top, _) = machine.run(&text)?;
    let mut storages = HashMap::new();
    let mut left = limit as u64;
    for (key, storage) in machine.storages.clone() {
        let wanted = (storage.count as u64).checked_mul(storage.kind.size() as u64);
        let Some(wanted) = wanted.filter(|wanted| *wanted <= left) else { return Err(too_large(limit)) };
        let bytes = take(&format!("{root}data/{key}"), wanted)?;
        if bytes.len() as u64 != wanted {
            return Err(format!("storage `{key}` has {} bytes and should have {wanted}", bytes.len()));
        }
        left -= wanted;
        storages.insert(key, bytes);
    }
    machine.arrays(top, &storages, limit)
}

fn read_plain(bytes: &[u8], limit: usize) -> Result<Arrays> {
    // A magic number, a version, what the machine was, the arrays, the order of storages; then the storages themselves.
    let is_old = bytes.get(..2) == Some(&[0x80, 2]) && bytes.get(4..14) == Some(MAGIC);
    if !is_old {
        return Err("it is neither a zip archive nor an old file of `torch.save`".into());
    }
    let mut at = 0;
    for _ in 0..3 {
        at += Machine::default().run(&bytes[at..])?.1;
    }
    let mut machine = Machine::default();
    let (top, length) = machine.run(&bytes[at..])?;
    at += length;
    let mut order = Machine::default();
    let (keys, length) = order.run(&bytes[at..])?;
    at += length;
    let Value::List(keys) = order.get(keys)? else { return Err("its list of storages is no list".into()) };
    let mut storages = HashMap::new();
    for key in keys.clone() {
        let Value::Text(key) = order.get(key)? else { return Err("the key of a storage is no text".into()) };
        let Some((_, storage)) = machine.storages.iter().find(|(known, _)| known == key) else {
            return Err(format!("storage `{key}` belongs to no array"));
        };
        let cut = || format!("it ends within storage `{key}`: the file is cut off");
        let header = bytes.get(at..at + 8).ok_or_else(cut)?;
        let count = header.iter().rev().fold(0u64, |all, byte| all << 8 | u64::from(*byte));
        if count != storage.count as u64 {
            return Err(format!("storage `{key}` has {count} numbers and should have {}", storage.count));
        }
        let length = storage.count.checked_mul(storage.kind.size()).ok_or_else(cut)?;
        let end = (at + 8).checked_add(length).ok_or_else(cut)?;
        storages.insert(key.clone(), bytes.get(at + 8..end).ok_or_else(cut)?.to_vec());
        at = end;
    }
    machine.arrays(top, &storages, limit)
}

fn too_large(limit: usize) -> String {
    format!("its arrays are larger than {} MiB", limit >> 20)
}

/// What numbers a storage holds.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Single,
    Double,
    Half,
    Brain,
    Long,
    Int,
    Byte,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "torch FloatStorage" => Self::Single,
            "torch DoubleStorage" => Self::Double,
            "torch HalfStorage" => Self::Half,
            "torch BFloat16Storage" => Self::Brain,
            "torch LongStorage" => Self::Long,
            "torch IntStorage" => Self::Int,
            "torch ByteStorage" => Self::Byte,
            _ => return None,
        })
    }

    fn size(self) -> usize {
        match self {
            Self::Double | Self::Long => 8,
            Self::Single | Self::Int => 4,
            Self::Half | Self::Brain => 2,
            Self::Byte => 1,
        }
    }

    fn number(self, b: &[u8]) -> f32 {
        match self {
            Self::Single => f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
            Self::Double => f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32,
            Self::Half => half::f16::from_le_bytes([b[0], b[1]]).to_f32(),
            Self::Brain => half::bf16::from_le_bytes([b[0], b[1]]).to_f32(),
            Self::Long => i64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32,
            Self::Int => i32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f32,
            Self::Byte => f32::from(b[0]),
        }
    }
}

/// Numbers that arrays are views of.
#[derive(Clone, Copy, Debug)]
struct Storage {
    kind: Kind,
    count: usize,
}

/// Where a value is among all that were made.
type Id = usize;

#[derive(Clone, Debug)]
enum Value {
    None,
    Number(i64),
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A function or type, by module and name.
    Global(String),
    Storage(String),
    Tensor {
        storage: String,
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
    },
}

/// The machine that pickles are programs for. Values are kept in one list, so that what is changed later is changed for all who
/// refer to it.
#[derive(Default)]
struct Machine {
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<usize, Id>,
    storages: Vec<(String, Storage)>,
}

impl Machine {
    /// Runs one pickle. Gives its value, and how many bytes it had.
    fn run(&mut self, program: &[u8]) -> Result<(Id, usize)> {
        let mut input = Input { bytes: program, at: 0 };
        loop {
            if input.at as u64 > MOST_PICKLE || self.values.len() > MOST_VALUES {
                return Err("its list of arrays is too long".into());
            }
            let opcode = input.take(1)?[0];
            match opcode {
                // PROTO, FRAME: of no concern here.
                0x80 => drop(input.take(1)?),
                0x95 => drop(input.take(8)?),
                b'.' => return Ok((self.pop()?, input.at)),
                b'(' => self.marks.push(self.stack.len()),
                b'0' => drop(self.pop()?),
                b'N' => self.push(Value::None),
                0x88 => self.push(Value::Number(1)),
                0x89 => self.push(Value::Number(0)),
                b'J' => {
                    let number = input.number(4)? as u32 as i32;
                    self.push(Value::Number(number.into()));
                }
                b'K' => {
                    let number = input.number(1)?;
                    self.push(Value::Number(number as i64));
                }
                b'M' => {
                    let number = input.number(2)?;
                    self.push(Value::Number(number as i64));
                }
                // LONG1: two's complement of any length; longer ones than 8 bytes are versions and the like, never sizes.
                0x8a => {
                    let length = input.number(1)? as usize;
                    let bytes = input.take(length)?;
                    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
                    let fill = if negative { -1i64 } else { 0 };
                    let number = bytes.iter().take(8).rev().fold(fill, |all, byte| all << 8 | i64::from(*byte));
                    self.push(Value::Number(number));
                }
                b'G' => {
                    input.take(8)?;
                    self.push(Value::None);
                }
                b'X' | b'T' | b'B' => self.text(&mut input, 4)?,
                0x8c | b'U' | b'C' => self.text(&mut input, 1)?,
                b'}' => self.push(Value::Dict(Vec::new())),
                b']' => self.push(Value::List(Vec::new())),
                b')' => self.push(Value::Tuple(Vec::new())),
                b't' => {
                    let items = self.since_mark()?;
                    self.push(Value::Tuple(items));
                }
                0x85..=0x87 => {
                    let count = usize::from(opcode - 0x84);
                    let from = self.stack.len().checked_sub(count).ok_or_else(broken)?;
                    let items = self.stack.split_off(from);
                    self.push(Value::Tuple(items));
                }
                b'q' => self.memorise(input.number(1)? as usize)?,
                b'r' => self.memorise(input.number(4)? as usize)?,
                0x94 => self.memorise(self.memo.len())?,
                b'h' => self.recall(input.number(1)? as usize)?,
                b'j' => self.recall(input.number(4)? as usize)?,
                b'c' => {
                    let name = format!("{} {}", input.line()?, input.line()?);
                    self.push(Value::Global(name));
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let (Value::Text(name), Value::Text(module)) = (self.get(name)?, self.get(module)?) else {
                        return Err(broken());
                    };
                    let name = format!("{module} {name}");
                    self.push(Value::Global(name));
                }
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.set(vec![key, value])?;
                }
                b'u' => {
                    let items = self.since_mark()?;
                    self.set(items)?;
                }
                b'a' => {
                    let item = self.pop()?;
                    self.append(vec![item])?;
                }
                b'e' => {
                    let items = self.since_mark()?;
                    self.append(items)?;
                }
                b'Q' => self.persistent()?,
                b'R' => self.call()?,
                // BUILD: attributes of what has been made, such as the versions of layers.
                b'b' => drop(self.pop()?),
                other => return Err(format!("it uses opcode {other:#04x}, which arrays of weights have no need of")),
            }
        }
    }

    fn push(&mut self, value: Value) {
        self.values.push(value);
        self.stack.push(self.values.len() - 1);
    }

    fn pop(&mut self) -> Result<Id> {
        self.stack.pop().ok_or_else(broken)
    }

    fn get(&self, id: Id) -> Result<&Value> {
        self.values.get(id).ok_or_else(broken)
    }

    fn since_mark(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len()).ok_or_else(broken)?;
        Ok(self.stack.split_off(mark))
    }

    fn text(&mut self, input: &mut Input<'_>, width: usize) -> Result<()> {
        let length = input.number(width)? as usize;
        let text = String::from_utf8_lossy(input.take(length)?).into_owned();
        self.push(Value::Text(text));
        Ok(())
    }

    fn memorise(&mut self, at: usize) -> Result<()> {
        let top = *self.stack.last().ok_or_else(broken)?;
        self.memo.insert(at, top);
        Ok(())
    }

    fn recall(&mut self, at: usize) -> Result<()> {
        let id = *self.memo.get(&at).ok_or_else(broken)?;
        self.stack.push(id);
        Ok(())
    }

    fn set(&mut self, items: Vec<Id>) -> Result<()> {
        let target = *self.stack.last().ok_or_else(broken)?;
        let Some(Value::Dict(pairs)) = self.values.get_mut(target) else { return Err(broken()) };
        pairs.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        Ok(())
    }

    fn append(&mut self, items: Vec<Id>) -> Result<()> {
        let target = *self.stack.last().ok_or_else(broken)?;
        let Some(Value::List(list)) = self.values.get_mut(target) else { return Err(broken()) };
        list.extend(items);
        Ok(())
    }

    /// `('storage', FloatStorage, key, device, count[, view])`.
    fn persistent(&mut self) -> Result<()> {
        let id = self.pop()?;
        let Value::Tuple(items) = self.get(id)? else { return Err(broken()) };
        let [_, kind, key, _, count, ..] = items[..] else { return Err(broken()) };
        if items.get(5).is_some_and(|view| !matches!(self.values[*view], Value::None)) {
            return Err("its storages are views of each other, as PyTorch wrote them before 0.4".into());
        }
        let (Value::Global(name), Value::Text(key), Value::Number(count)) =
            (self.get(kind)?, self.get(key)?, self.get(count)?)
        else {
            return Err(broken());
        };
        let kind = Kind::of(name).ok_or_else(|| format!("it holds a `{name}`, which is no storage of numbers"))?;
        let count = usize::try_from(*count).map_err(|_| broken())?;
        let key = key.clone();
        if !self.storages.iter().any(|(known, _)| *known == key) {
            self.storages.push((key.clone(), Storage { kind, count }));
        }
        self.push(Value::Storage(key));
        Ok(())
    }

    fn call(&mut self) -> Result<()> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let (Value::Tuple(arguments), Value::Global(name)) =
            (self.get(arguments)?.clone(), self.get(function)?.clone())
        else {
            return Err(broken());
        };
        match name.as_str() {
            "collections OrderedDict" => self.push(Value::Dict(Vec::new())),
            "torch._utils _rebuild_tensor_v2" | "torch._utils _rebuild_tensor" => {
                let [storage, offset, shape, strides, ..] = arguments[..] else { return Err(broken()) };
                let (Value::Storage(storage), Value::Number(offset)) = (self.get(storage)?.clone(), self.get(offset)?)
                else {
                    return Err(broken());
                };
                let offset = usize::try_from(*offset).map_err(|_| broken())?;
                let (shape, strides) = (self.sizes(shape)?, self.sizes(strides)?);
                if shape.len() != strides.len() {
                    return Err(broken());
                }
                self.push(Value::Tensor { storage, offset, shape, strides });
            }
            "torch._utils _rebuild_parameter" => {
                let tensor = *arguments.first().ok_or_else(broken)?;
                self.stack.push(tensor);
            }
            other => {
                let other = other.replace(' ', ".");
                return Err(format!(
                    "it asks for `{other}` to be called, which weights have no need of; nothing was run"
                ));
            }
        }
        Ok(())
    }

    fn sizes(&self, id: Id) -> Result<Vec<usize>> {
        let Value::Tuple(items) = self.get(id)? else { return Err(broken()) };
        let size = |id: &Id| match self.get(*id)? {
            Value::Number(size) => usize::try_from(*size).map_err(|_| broken()),
            _ => Err(broken()),
        };
        items.iter().map(size).collect()
    }

    /// What a dictionary of arrays holds.
    fn arrays(&self, top: Id, storages: &HashMap<String, Vec<u8>>, limit: usize) -> Result<Arrays> {
        let Value::Dict(pairs) = self.get(top)? else {
            return Err("it holds no dictionary of arrays; save `model.state_dict()`, not the model".into());
        };
        let mut arrays = Arrays::new();
        let mut left = limit / 4;
        for (key, value) in pairs {
            let (Value::Text(name), Value::Tensor { storage, offset, shape, strides }) =
                (self.get(*key)?, self.get(*value)?)
            else {
                return Err("its dictionary holds other things than arrays; save `model.state_dict()` alone".into());
            };
            let kind = self.storages.iter().find(|(known, _)| known == storage).ok_or_else(broken)?.1.kind;
            let bytes = storages.get(storage).ok_or_else(|| format!("storage `{storage}` is missing in it"))?;
            let count = shape.iter().try_fold(1usize, |all, size| all.checked_mul(*size));
            let Some(count) = count.filter(|count| *count <= left) else { return Err(too_large(limit)) };
            left -= count;
            let outside = || format!("array `{name}` reaches beyond its storage");
            let reach = shape
                .iter()
                .zip(strides)
                .try_fold(*offset, |all, (size, stride)| all.checked_add(size.saturating_sub(1).checked_mul(*stride)?));
            let held = bytes.len() / kind.size();
            if count > 0 && reach.is_none_or(|reach| reach >= held) {
                return Err(outside());
            }
            let mut values = Vec::with_capacity(count);
            let mut place = vec![0usize; shape.len()];
            for _ in 0..count {
                let at = offset + place.iter().zip(strides).map(|(place, stride)| place * stride).sum::<usize>();
                values.push(kind.number(&bytes[at * kind.size()..(at + 1) * kind.size()]));
                for axis in (0..place.len()).rev() {
                    place[axis] += 1;
                    if place[axis] < shape[axis] {
                        break;
                    }
                    place[axis] = 0;
                }
            }
            arrays.insert(name.clone(), HostTensor::new(shape.clone(), values));
        }
        Ok(arrays)
    }
}

fn broken() -> String {
    "its list of arrays is damaged".into()
}

/// Bytes of a program.
struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(count).ok_or_else(broken)?;
        let part = self.bytes.get(self.at..end).ok_or("it ends within its list of arrays: the file is cut off")?;
        self.at = end;
        Ok(part)
    }

    fn number(&mut self, width: usize) -> Result<u64> {
        Ok(self.take(width)?.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte)))
    }

    fn line(&mut self) -> Result<String> {
        let length = self.bytes[self.at..].iter().take(1_000).position(|byte| *byte == b'\n').ok_or_else(broken)?;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.at += 1;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1 << 20;
    /// Written by `tests/golden/inception.py` from the arrays below.
    const ARCHIVE: &[u8] = include_bytes!("../../tests/golden/arrays.pth");
    const PLAIN: &[u8] = include_bytes!("../../tests/golden/arrays-old.pth");

    fn refusal(bytes: &[u8]) -> String {
        read(bytes, LIMIT).unwrap_err()
    }

    #[test]
    fn both_kinds_of_files_are_read_as_torch_reads_them() {
        for file in [ARCHIVE, PLAIN] {
            let arrays = read(file, LIMIT).unwrap();
            let of = |name: &str| (arrays[name].shape.clone(), arrays[name].values.clone());
            assert_eq!(arrays.len(), 6);
            assert_eq!(of("single"), (vec![2, 3], vec![0.0, 0.5, 1.0, 1.5, 2.0, 2.5]));
            // A view of the same storage, by other strides and from another place.
            assert_eq!(of("turned"), (vec![3, 2], vec![0.0, 1.5, 0.5, 2.0, 1.0, 2.5]));
            assert_eq!(of("row"), (vec![3], vec![1.5, 2.0, 2.5]));
            assert_eq!(of("double"), (vec![2], vec![0.1, -7.0]));
            assert_eq!(of("half"), (vec![2], vec![0.25, -2.0]));
            assert_eq!(of("count"), (vec![], vec![12_345.0]));
        }
    }

    #[test]
    fn whatever_is_cut_off_or_changed_is_an_error_and_never_a_panic() {
        for file in [ARCHIVE, PLAIN] {
            for length in 0..file.len() {
                // An archive's list is at its end, so that nothing of a part can be read.
                assert!(read(&file[..length], LIMIT).is_err(), "{length} of {}", file.len());
            }
            for at in 0..file.len() {
                let mut changed = file.to_vec();
                changed[at] ^= 0x55;
                // Numbers may differ then, and most else is noticed; nothing may panic or hang.
                let _ = read(&changed, LIMIT);
            }
            assert!(read(file, 20).unwrap_err().contains("larger than"));
        }
    }

    /// An old file whose dictionary is made by `program`.
    fn old_file(program: &[u8]) -> Vec<u8> {
        let start =
            PLAIN.windows(2).enumerate().filter(|(_, pair)| *pair == [0x80, 2]).map(|(at, _)| at).nth(3).unwrap();
        [&PLAIN[..start], &[0x80, 2], program, b"."].concat()
    }

    #[test]
    fn nothing_that_a_file_asks_for_is_run() {
        let said = refusal(&old_file(b"cos\nsystem\nX\x09\x00\x00\x00echo evil\x85R"));
        assert_eq!(said, "it asks for `os.system` to be called, which weights have no need of; nothing was run");
        let said = refusal(&old_file(b"cbuiltins\neval\n)\x81"));
        assert_eq!(said, "it uses opcode 0x81, which arrays of weights have no need of");
        assert!(refusal(&old_file(b"]")).contains("the file is cut off"));
        for program in [&b"R"[..], b"a", b"s", b"Q", b"t", b"\x87", b"h\x09", b"X\xff\xff\xff\xff"] {
            assert!(read(&old_file(program), LIMIT).is_err());
        }
        assert_eq!(refusal(b"a text"), "it is neither a zip archive nor an old file of `torch.save`");
        assert!(refusal(b"PK\x03\x04").starts_with("it is no whole zip archive"));
    }
}
