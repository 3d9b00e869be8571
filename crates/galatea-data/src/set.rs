//! Pictures held in memory as bytes: what most formats end in.

use std::{collections::HashMap, hash::Hasher, sync::Arc};

use sha2::{Digest, Sha256};

use crate::{
    DataSpec, Dataset, Error, HostBatch, HostTensor, ImageSpec, Result,
    options::{Plan, SIDES},
    parallel, picture,
    settings::nearest,
};

/// The class of every example, and the names of the classes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Labels {
    pub(crate) values: Vec<u32>,
    pub(crate) classes: Vec<String>,
}

impl Labels {
    /// Labels that are numbers in the source: the numbers that occur are the classes, in order.
    pub(crate) fn from_numbers(numbers: &[i64]) -> Self {
        let mut known = numbers.to_vec();
        known.sort_unstable();
        known.dedup();
        let position = |number| known.partition_point(|other| other < number) as u32;
        Self {
            values: numbers.iter().map(position).collect(),
            classes: known.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Pictures as a format has read them.
#[derive(Default)]
pub(crate) struct Raw {
    pub(crate) name: String,
    /// What messages call the source.
    pub(crate) source: String,
    pub(crate) channels: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// `[n, channels, height, width]`.
    pub(crate) pixels: Vec<u8>,
    pub(crate) labels: Option<Labels>,
    /// What the examples are called; empty where they have only numbers.
    pub(crate) names: Vec<String>,
    pub(crate) notes: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

impl Raw {
    fn picture_len(&self) -> usize {
        self.channels * self.height * self.width
    }

    fn len(&self) -> usize {
        self.pixels.len() / self.picture_len()
    }

    /// Does what the options ask for: chooses examples, resizes, changes channels.
    pub(crate) fn finish(mut self, plan: &Plan) -> Result<Arc<dyn Dataset>> {
        let (indices, labels) = choose(self.len(), self.labels.as_ref(), plan)?;
        if indices.len() < self.len() {
            let length = self.picture_len();
            let taken = indices.iter().flat_map(|i| &self.pixels[i * length..(i + 1) * length]);
            self.pixels = taken.copied().collect();
            self.names = indices.iter().filter_map(|i| self.names.get(*i).cloned()).collect();
        }
        self.labels = labels;
        self.resize(plan)?;
        Ok(self.into_dataset())
    }

    /// The pictures as they are.
    pub(crate) fn into_dataset(self) -> Arc<dyn Dataset> {
        Arc::new(ImageSet::new(self))
    }

    /// Brings the pictures to the size and channels that the plan names.
    fn resize(&mut self, plan: &Plan) -> Result<()> {
        let was = (self.width, self.height);
        let small = !SIDES.contains(&was.0) || !SIDES.contains(&was.1);
        if small && plan.size.is_none() {
            let problem = format!("the pictures of `{}` are {}x{} pixels", self.source, was.0, was.1);
            return Err(Error::usage(problem).with_hint(format!(
                "sides must be {} to {}; set `data.size`, such as `data.size=32`, to resize them",
                SIDES.start(),
                SIDES.end()
            )));
        }
        let size = plan.size.unwrap_or(was);
        let channels = plan.channels.unwrap_or(self.channels);
        if size == was && channels == self.channels {
            return Ok(());
        }
        let frame = picture::Frame { size, channels, fit: plan.fit, background: plan.background };
        check_memory(self.len(), frame.len(), plan.memory_bytes)?;
        let mut out = vec![0; self.len() * frame.len()];
        let length = self.picture_len();
        let from = (self.channels, self.height, self.width);
        parallel::chunks(&mut out, frame.len(), false, |i, out| {
            picture::reframe(&self.pixels[i * length..(i + 1) * length], from, &frame, out);
            Ok(())
        });
        self.pixels = out;
        (self.width, self.height, self.channels) = (size.0, size.1, channels);
        Ok(())
    }
}

/// Fails if so many examples of that length need more memory than `data.memory_mib` gives.
pub(crate) fn check_memory(count: usize, example_bytes: usize, memory_bytes: u64) -> Result<()> {
    let bytes = (count as u64).saturating_mul(example_bytes as u64);
    if bytes <= memory_bytes {
        return Ok(());
    }
    let (needed, given) = (bytes.div_ceil(1 << 20), memory_bytes >> 20);
    Err(Error::usage(format!("{count} examples need {needed} MiB of memory, and `data.memory_mib` is {given}"))
        .with_hint("raise `data.memory_mib`"))
}

/// Which examples the plan takes, and their classes numbered anew.
pub(crate) fn choose(len: usize, labels: Option<&Labels>, plan: &Plan) -> Result<(Vec<usize>, Option<Labels>)> {
    let mut indices: Vec<usize> = (0..len).collect();
    let mut labels = labels.cloned();
    if !plan.classes.is_empty() {
        let Some(all) = &mut labels else {
            return Err(Error::usage("`data.classes` is set, but the data have no classes")
                .with_hint("leave `data.classes` out, or put the pictures into one sub-folder per class"));
        };
        let mut renumbered = HashMap::new();
        for name in &plan.classes {
            let Some(old) = all.classes.iter().position(|class| class == name) else {
                let known: Vec<&str> = all.classes.iter().map(String::as_str).collect();
                let hint = match nearest(name, &known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the classes are {}", shortened(&known)),
                };
                return Err(Error::usage(format!("there is no class `{name}`")).with_hint(hint));
            };
            let next = renumbered.len() as u32;
            renumbered.entry(old as u32).or_insert(next);
        }
        indices.retain(|i| renumbered.contains_key(&all.values[*i]));
        all.values.iter_mut().for_each(|value| *value = renumbered.get(value).copied().unwrap_or(0));
        let mut old: Vec<(u32, u32)> = renumbered.into_iter().map(|(old, new)| (new, old)).collect();
        old.sort_unstable();
        all.classes = old.iter().map(|(_, old)| all.classes[*old as usize].clone()).collect();
    }
    if let Some(limit) = plan.limit.filter(|limit| *limit < indices.len()) {
        indices = (0..limit).map(|i| indices[i * indices.len() / limit]).collect();
    }
    if let Some(labels) = &mut labels {
        labels.values = indices.iter().map(|i| labels.values[*i]).collect();
    }
    Ok((indices, labels))
}

fn shortened(names: &[&str]) -> String {
    match names {
        [first @ .., _] if names.len() > 20 => format!("{}, ... ({} in all)", first[..20].join(", "), names.len()),
        _ => names.join(", "),
    }
}

/// A data set whose pictures are in memory.
struct ImageSet {
    raw: Raw,
    spec: DataSpec,
    fingerprint: String,
}

impl ImageSet {
    fn new(raw: Raw) -> Self {
        let spec = image_spec(raw.channels, raw.height, raw.width, raw.labels.as_ref());
        let mut hash = fingerprint_of(&spec);
        hash.update(&raw.pixels);
        for value in raw.labels.iter().flat_map(|labels| &labels.values) {
            hash.update(value.to_le_bytes());
        }
        Self { fingerprint: hex(hash), spec, raw }
    }

    fn picture(&self, index: usize) -> &[u8] {
        let length = self.raw.picture_len();
        &self.raw.pixels[index * length..(index + 1) * length]
    }

    fn call(&self, index: usize) -> String {
        self.raw.names.get(index).map_or_else(|| format!("number {index}"), |name| format!("`{name}`"))
    }
}

impl Dataset for ImageSet {
    fn name(&self) -> &str {
        &self.raw.name
    }

    fn spec(&self) -> &DataSpec {
        &self.spec
    }

    fn len(&self) -> usize {
        self.raw.len()
    }

    fn batch(&self, indices: &[usize]) -> Result<HostBatch> {
        let values = indices.iter().flat_map(|i| self.picture(*i)).map(|byte| unit(*byte)).collect();
        Ok(batch_of(&self.spec, values, self.raw.labels.as_ref(), indices))
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.raw.labels.as_ref().map(|labels| labels.values[index])
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn notes(&self) -> Vec<String> {
        self.raw.notes.clone()
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = self.raw.warnings.clone();
        warnings.extend(warn_of_counts(self.len(), self.raw.labels.as_ref()));
        let mut seen: HashMap<u64, Vec<usize>> = HashMap::new();
        let (mut copies, mut constant) = (Vec::new(), Vec::new());
        for i in 0..self.len() {
            let picture = self.picture(i);
            // A constant picture is reported as such, not as a copy of the other constant ones.
            if picture.chunks(self.raw.height * self.raw.width).all(|plane| plane.iter().all(|byte| *byte == plane[0]))
            {
                constant.push(i);
                continue;
            }
            let mut hasher = std::hash::DefaultHasher::new();
            hasher.write(picture);
            let alike = seen.entry(hasher.finish()).or_default();
            match alike.iter().find(|j| self.picture(**j) == picture) {
                Some(j) => copies.push((i, *j)),
                None => alike.push(i),
            }
        }
        if let Some((copy, of)) = copies.first() {
            let (count, copy, of) = (copies.len(), self.call(*copy), self.call(*of));
            warnings.push(format!("{count} of {} pictures are exact copies, such as {copy} of {of}", self.len()));
        }
        if let Some(first) = constant.first() {
            let (count, first) = (constant.len(), self.call(*first));
            warnings.push(format!("{count} of {} pictures have one colour only, such as {first}", self.len()));
        }
        warnings
    }
}

/// What can be said of any data set from its numbers alone.
pub(crate) fn warn_of_counts(len: usize, labels: Option<&Labels>) -> Vec<String> {
    let mut warnings = Vec::new();
    if len < 50 {
        warnings.push(format!("only {len} examples: a model will learn them by heart; some hundreds are a start"));
    }
    let Some(labels) = labels else { return warnings };
    let mut counts = vec![0usize; labels.classes.len()];
    labels.values.iter().for_each(|value| counts[*value as usize] += 1);
    let by_count = |i: &usize| counts[*i];
    let ends = ((0..counts.len()).min_by_key(by_count), (0..counts.len()).max_by_key(by_count));
    if let (Some(least), Some(most)) = ends {
        let small = counts.iter().filter(|count| **count < 10).count();
        let example = format!("`{}` has {}", labels.classes[least], counts[least]);
        if small > 0 {
            warnings.push(format!("{small} of {} classes have fewer than 10 examples: {example}", counts.len()));
        } else if counts[most] > 10 * counts[least] {
            let most = format!("`{}` has {}", labels.classes[most], counts[most]);
            warnings.push(format!("the classes are of very different size: {example} examples, {most}"));
        }
    }
    warnings
}

/// The specification of pictures with these labels.
pub(crate) fn image_spec(channels: usize, height: usize, width: usize, labels: Option<&Labels>) -> DataSpec {
    let classes = labels.map(|labels| labels.classes.clone()).unwrap_or_default();
    DataSpec::Images(ImageSpec { channels, height, width, classes })
}

/// A batch of `values` for the examples at `indices`.
pub(crate) fn batch_of(spec: &DataSpec, values: Vec<f32>, labels: Option<&Labels>, indices: &[usize]) -> HostBatch {
    let shape: Vec<usize> = std::iter::once(indices.len()).chain(spec.shape()).collect();
    let labels = labels.map(|labels| indices.iter().map(|i| labels.values[*i]).collect());
    HostBatch { values: HostTensor::new(shape, values), labels }
}

/// A byte as a value in [-1, 1].
pub(crate) fn unit(byte: u8) -> f32 {
    f32::from(byte) / 127.5 - 1.0
}

/// A hash that has taken in the specification.
pub(crate) fn fingerprint_of(spec: &DataSpec) -> Sha256 {
    let mut hash = Sha256::new();
    hash.update(format!("{spec:?}"));
    hash
}

/// The hash as text.
pub(crate) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
