//! `encoder`: learns without labels what pictures show, and reads them as features; it draws nothing.
//!
//! Paper: Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations", arXiv:2002.05709,
//! algorithm 1.
//! Differs: in what `crate::encoder` says, which is the network and its step; the features `self` are the same, trained unasked.

use burn::prelude::Device;
use galatea_data::{DataSpec, HostBatch, HostTensor};

use crate::encoder::{self, Config};
use crate::nn::blocks::check_examples;
use crate::{Ability, Demand, Encode, Error, Info, Model, Part, Purpose, Result, SampleRequest, StepReport, Turn};

/// The family.
#[derive(Debug)]
pub struct Encoder {
    encoder: encoder::Encoder,
    batch: usize,
    shape: [usize; 3],
}

impl Model for Encoder {
    const INFO: Info = Info {
        name: "encoder",
        summary: "learns without labels to tell your pictures apart: features for judging and search; draws nothing",
        paper: "Chen et al. 2020, A Simple Framework for Contrastive Learning of Visual Representations, arXiv:2002.05709",
        differs: "a small chain of strided convolutions; views without crops and mirrors; Adam with a cosine",
        modalities: &["images"],
        abilities: &[Ability::Encode],
    };

    const DRAWS: bool = false;

    const STEPS: u64 = 1_000;

    type Config = Config;

    fn check(_config: &Config, spec: &DataSpec) -> Result<()> {
        let [_, height, width] = picture(spec)?;
        if height.min(width) < encoder::LEAST_SIDE {
            return Err(Error::usage(
                format!("pictures of {width}x{height} are too small to be encoded"),
                format!("use {0}x{0} or more", encoder::LEAST_SIDE),
            ));
        }
        Ok(())
    }

    fn new(config: &Config, spec: &DataSpec, seed: u64, device: &Device) -> Result<Self> {
        Self::check(config, spec)?;
        let shape = picture(spec)?;
        Ok(Self { encoder: encoder::Encoder::new(config, shape, seed, device)?, batch: config.batch, shape })
    }

    fn demand(&self) -> Demand {
        Demand { batch: self.batch, batches: 1 }
    }

    fn step(&mut self, turn: Turn, batches: &[HostBatch]) -> Result<StepReport> {
        let mut report = StepReport::default();
        for batch in batches {
            report = self.encoder.step(turn, batch)?;
        }
        Ok(report)
    }

    fn sample(&self, _request: &SampleRequest) -> Result<HostBatch> {
        Err(Error::usage(
            "`encoder` draws no samples: it reads examples",
            "judge it with `galatea eval`, or let its run read for another: `--features trained --feature-weights runs/..`",
        ))
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn parts(&self) -> Vec<Part> {
        self.encoder.parts()
    }

    fn sampling_part(&self) -> &'static str {
        encoder::Encoder::PART
    }

    fn load(&mut self, parts: &[Part], purpose: Purpose) -> Result<()> {
        self.encoder.load(parts, purpose)
    }

    fn parameters(&self) -> Vec<(&'static str, usize)> {
        vec![("encoder", self.encoder.parameters())]
    }

    fn as_encode(&self) -> Option<&dyn Encode> {
        Some(self)
    }
}

impl Encode for Encoder {
    fn encode(&self, examples: &HostBatch) -> Result<HostTensor> {
        check_examples(examples, &self.shape)?;
        self.encoder.read(&examples.values)
    }

    fn labels(&self, _examples: &HostBatch) -> Result<Option<Vec<u32>>> {
        Ok(None)
    }
}

fn picture(spec: &DataSpec) -> Result<[usize; 3]> {
    match spec {
        DataSpec::Images(image) => Ok([image.channels, image.height, image.width]),
        other => Err(Error::usage(format!("`encoder` reads pictures, not {}", other.kind()), "use another family")),
    }
}
