//! The cases.

use burn::prelude::{Device, Tensor};
use galatea::{DataSpec, HostBatch, HostTensor, ImageSpec, SampleRequest, Session, registry};
use galatea_kernels::burn::{AdamStep, adam_step, from_vec, linear};
use galatea_kernels::{Activation, random};
use galatea_models::Turn;

use crate::{Result, lstm, text};

/// Batches of made-up examples that steps take in turn.
pub(crate) const BATCHES: u64 = 8;
/// Seed of weights, noise and made-up data.
pub(crate) const SEED: u64 = 1;

/// A case, ready to be run.
pub(crate) struct Work {
    /// Trainable values, by network.
    pub(crate) parameters: Vec<(&'static str, usize)>,
    /// What is timed.
    pub(crate) step: Box<dyn FnMut() -> Result<()>>,
}

/// A training step of a family.
pub(crate) struct Training {
    family: &'static str,
    /// Settings, over those that all these cases share.
    settings: &'static str,
    /// Channels and side of the pictures.
    pictures: (usize, usize),
}

/// Adversarial training and nothing else: no penalty, no average, no classes.
const PLAIN: &str = r#"
    conditional = "no"
    loss = "non-saturating"
    schedule = "constant"
    r1 = 0.0
    ema = 0.0
    latent = 100
    learning_rate_g = 2e-4
    learning_rate_d = 2e-4
    beta_1 = 0.5
    beta_2 = 0.999
    epsilon = 1e-8
"#;

const TRAININGS: &[(&str, Training)] = &[
    ("mlp-32", Training { family: "gan", settings: "batch = 32", pictures: (1, 28) }),
    ("mlp-256", Training { family: "gan", settings: "batch = 256", pictures: (1, 28) }),
    ("dcgan-28", Training { family: "dcgan", settings: "batch = 64", pictures: (1, 28) }),
    ("dcgan-64", Training { family: "dcgan", settings: "batch = 32\nmax_width = 512", pictures: (3, 64) }),
    (
        "listing",
        Training {
            family: "gan",
            settings: "batch = 32\nslope_d = 0.0\nlearning_rate_g = 1e-4\nlearning_rate_d = 1e-4\nbeta_1 = 0.9\nepsilon = 1e-7",
            pictures: (1, 28),
        },
    ),
];

/// The case called `name`.
pub(crate) fn make(name: &str, variant: Option<&str>) -> Result<Work> {
    if TRAININGS.iter().any(|(known, _)| *known == name) {
        return training(name);
    }
    match name {
        "sample" => sampling(),
        "adam" => Ok(adam()),
        "sgemm" => Ok(sgemm(variant.unwrap_or("1024").parse()?)),
        "lstm" => Ok(lstm::work()),
        "lm-train" => text::training(),
        "lm-write" => text::writing(),
        _ => Err(format!("there is no case `{name}`").into()),
    }
}

/// A fresh model of the case `name`.
pub(crate) fn session(name: &str) -> Result<Box<dyn Session>> {
    let training = TRAININGS.iter().find(|(known, _)| *known == name).map(|(_, training)| training);
    let Training { family, settings, pictures: (channels, side) } =
        training.ok_or_else(|| format!("`{name}` trains no model"))?;
    let mut table: toml::Table = PLAIN.parse()?;
    table.extend(settings.parse::<toml::Table>()?);
    let spec = ImageSpec { channels: *channels, height: *side, width: *side, classes: Vec::new() };
    Ok(registry::family(family)?.session(&table, &DataSpec::Images(spec), SEED, &Device::flex())?)
}

/// Batch number `index` for `session`: values uniform in `[-1, 1)`.
pub(crate) fn batch(session: &dyn Session, index: u64) -> HostBatch {
    let mut shape = vec![session.demand().batch];
    shape.extend(session.spec().shape());
    let mut values = vec![0.0; shape.iter().product()];
    random::fill_uniform(SEED, index, &mut values);
    values.iter_mut().for_each(|value| *value = 2.0 * *value - 1.0);
    HostBatch { values: HostTensor::new(shape, values), labels: None }
}

fn training(name: &str) -> Result<Work> {
    let mut session = session(name)?;
    let batches: Vec<[HostBatch; 1]> = (0..BATCHES).map(|i| [batch(&*session, i)]).collect();
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

fn sampling() -> Result<Work> {
    let session = session("dcgan-28")?;
    let parameters = session.parameters().into_iter().filter(|(name, _)| *name == "generator").collect();
    let step = move || Ok(session.sample(&SampleRequest::new(SEED, 10_000)).map(drop)?);
    Ok(Work { parameters, step: Box::new(step) })
}

/// Ten arrays of a million values.
fn adam() -> Work {
    const ARRAYS: usize = 10;
    const VALUES: usize = 1_000_000;
    let device = Device::flex();
    let draw = |stream: usize| normal(VALUES, stream as u64, &device);
    let zeros = || Tensor::zeros([VALUES], &device);
    let gradients: Vec<Tensor<1>> = (0..ARRAYS).map(|i| draw(ARRAYS + i)).collect();
    let mut state: Vec<[Tensor<1>; 3]> = (0..ARRAYS).map(|i| [draw(i), zeros(), zeros()]).collect();
    let mut count = 0;
    let step = move || {
        count += 1;
        let at = AdamStep { lr: 2e-4, beta_1: 0.5, beta_2: 0.999, epsilon: 1e-8, step: count };
        // Moved through, so that the kernel finds the arrays unshared, as in training.
        let before = std::mem::take(&mut state);
        state.extend(before.into_iter().zip(&gradients).map(|([value, first, second], gradient)| {
            let (value, first, second) = adam_step(value, gradient.clone(), 1.0, first, second, &at);
            [value, first, second]
        }));
        Ok(())
    };
    Work { parameters: vec![("arrays", ARRAYS * VALUES)], step: Box::new(step) }
}

/// The product of two square matrices.
fn sgemm(n: usize) -> Work {
    let device = Device::flex();
    let [a, b] = [0, 1].map(|stream| normal(n * n, stream, &device).reshape([n, n]));
    let step = move || {
        drop(linear(a.clone(), b.clone(), None, Activation::Identity));
        Ok(())
    };
    Work { parameters: Vec::new(), step: Box::new(step) }
}

pub(crate) fn normal(count: usize, stream: u64, device: &Device) -> Tensor<1> {
    let mut values = vec![0.0; count];
    random::fill_normal(SEED, stream, &mut values);
    from_vec(values, [count], device)
}
