//! The cases `lm-train` and `lm-write`: nanoGPT's CPU setting, on tokens that are made up.

use burn::prelude::Device;
use galatea::{DataSpec, Decoding, HostBatch, HostTensor, Session, TextSpec, Vocabulary, registry};
use galatea_kernels::random::Stream;
use galatea_models::Turn;

use crate::Result;
use crate::cases::{BATCHES, SEED, Work};

/// Tokens that a model sees at a time.
const CONTEXT: usize = 64;
/// Different tokens, as many as the text of nanoGPT's has characters.
const VOCABULARY: u32 = 65;

fn session() -> Result<Box<dyn Session>> {
    let family = registry::family("lm")?;
    let preset = family.presets().iter().find(|preset| preset.name == "nanogpt").ok_or("`lm` has lost a preset")?;
    let mut settings: toml::Table = preset.settings.parse()?;
    settings.remove("train");
    let characters = (0..VOCABULARY).filter_map(|i| char::from_u32(u32::from('A') + i)).collect();
    let vocabulary = Vocabulary::Characters { characters };
    let text = TextSpec { length: CONTEXT + 1, vocabulary, start: 0, end: None, characters_per_token: 1.0 };
    Ok(family.session(&settings, &DataSpec::Text(text), SEED, &Device::flex())?)
}

/// A training step.
pub(crate) fn training() -> Result<Work> {
    let mut session = session()?;
    let n = session.demand().batch;
    let batch = |index: u64| {
        let mut stream = Stream::new(SEED, index);
        let tokens = (0..n * (CONTEXT + 1)).map(|_| stream.below(VOCABULARY.into()) as f32).collect();
        [HostBatch { values: HostTensor::new([n, CONTEXT + 1], tokens), labels: None }]
    };
    let batches: Vec<[HostBatch; 1]> = (0..BATCHES).map(batch).collect();
    let parameters = session.parameters();
    let mut step = 0;
    let step = move || {
        let examples = &batches[step % batches.len()];
        step += 1;
        session.step(Turn { seed: SEED, step: step as u64, steps: 1 << 30 }, examples)?;
        Ok(())
    };
    Ok(Work { parameters, step: Box::new(step) })
}

/// One text, token by token.
pub(crate) fn writing() -> Result<Work> {
    let session = session()?;
    let parameters = session.parameters();
    let step = move || {
        let complete = session.as_complete().ok_or("`lm` does not write")?;
        let mut left = CONTEXT;
        Ok(complete.complete(&[], &Decoding::default(), (SEED, 0), &mut |_| {
            left -= 1;
            left > 0
        })?)
    };
    Ok(Work { parameters, step: Box::new(step) })
}
