//! Families with a variational bound: their steps are PyTorch's, what they say of likelihoods is true, and they learn.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use burn::prelude::Device;
use galatea_data::{DataOptions, DataSpec, HostBatch, HostTensor, ImageSpec};
use galatea_kernels::random;
use galatea_models::registry::{FAMILIES, family};
use galatea_models::{Ability, Family, Part, Purpose, Session, Turn};

/// Families with a variational bound over a vector of Gaussians, which share their settings.
fn likely_families() -> impl Iterator<Item = &'static dyn Family> {
    let is_one = |family: &&dyn Family| {
        let keys = family.keys();
        let has = |name: &str| keys.iter().any(|key| key.name == name);
        family.info().abilities.contains(&Ability::Score) && has("network") && !has("r1")
    };
    FAMILIES.iter().copied().filter(is_one)
}

fn session(family: &dyn Family, spec: &DataSpec, settings: &str) -> Box<dyn Session> {
    family.session(&settings.parse().unwrap(), spec, 3, &Device::flex()).unwrap()
}

/// `log p(x)` by adding up over a single latent number: 4,001 points from -8 to 8.
fn by_quadrature(session: &dyn Session, x: &[f32]) -> f64 {
    let count = 4_001;
    let grid: Vec<f32> = (0..count).map(|i| -8.0 + 16.0 * i as f32 / (count - 1) as f32).collect();
    let decoded = session.as_latent().unwrap().decode(&HostTensor::new([count, 1], grid.clone()), None).unwrap();
    let of = |(i, z): (usize, &f32)| {
        let prior = -0.5 * (f64::from(*z).powi(2) + (2.0 * std::f64::consts::PI).ln());
        let pixels = decoded.row(i).iter().zip(x).map(|(mean, x)| {
            let white = (0.5 * (f64::from(*mean) + 1.0)).clamp(1e-9, 1.0 - 1e-9);
            let x = 0.5 * (f64::from(*x) + 1.0);
            x * white.ln() + (1.0 - x) * (1.0 - white).ln()
        });
        (prior + pixels.sum::<f64>()).exp() * 16.0 / (count - 1) as f64
    };
    grid.iter().enumerate().map(of).sum::<f64>().ln()
}

#[test]
fn the_importance_sampled_likelihood_is_the_integral() {
    let spec = DataSpec::Images(ImageSpec { channels: 1, height: 4, width: 5, classes: Vec::new() });
    for family in likely_families() {
        let settings = "latent = 1\nhidden = [16]\nbatch = 32\nbinarise = 'threshold'\nlikelihood = 'bernoulli'";
        let mut session = session(family, &spec, settings);
        let bars = |step: u64| {
            let pixel = |i: u64| if (i % 5 + i / 20 + step).is_multiple_of(3) { 1.0 } else { -1.0 };
            HostBatch { values: HostTensor::new([32, 1, 4, 5], (0..640).map(pixel).collect()), labels: None }
        };
        for step in 1..=80 {
            session.step(Turn { seed: 1, step, steps: 80 }, &[bars(step)]).unwrap();
        }
        let some = HostBatch { values: bars(1).values.slice_rows(0..3), labels: None };
        let score = session.as_score().unwrap();
        let found = score.log_likelihood(&some, 5_000).unwrap();
        let bounds = score.bounds(&some, 2_000).unwrap();
        for (i, found) in found.iter().enumerate() {
            let expected = by_quadrature(&*session, some.values.row(i));
            assert!((found - expected).abs() < 0.05, "{}: {found}, not {expected}", family.info().name);
            assert!(bounds[i].elbo() < expected + 0.05, "{}: {:?}", family.info().name, bounds[i]);
        }
    }
}

#[test]
fn digits_are_learnt() {
    let data = galatea_data::open("digits", &DataOptions::default()).unwrap();
    for family in likely_families() {
        for (network, limit) in [("dense", 175.0), ("conv", 185.0)] {
            let settings = format!(
                "network = '{network}'\nlatent = 16\nhidden = [128]\nwidth = 8\nconditional = 'no'\nbinarise = 'threshold'\n\
                 likelihood = 'bernoulli'\nbatch = 64"
            );
            let mut session = session(family, data.spec(), &settings);
            let steps = 500;
            for step in 1..=steps {
                let indices: Vec<usize> = (0..64).map(|i| (step as usize * 64 + i) * 7 % 8_999).collect();
                session.step(Turn { seed: 1, step, steps }, &[data.batch(&indices).unwrap()]).unwrap();
            }
            let unseen: Vec<usize> = (9_000..9_100).collect();
            let unseen = data.batch(&unseen).unwrap();
            let bounds = session.as_score().unwrap().bounds(&unseen, 1).unwrap();
            let mean = -bounds.iter().map(|bound| bound.elbo()).sum::<f64>() / 100.0;
            assert!(mean < limit, "{} {network}: {mean:.1} nats", family.info().name);
            // Pictures that are given back are like those that went in, and unlike others.
            let back = session.as_reconstruct().unwrap().reconstruct(&unseen).unwrap();
            let apart = |i: usize, j: usize| -> f32 {
                back.row(i).iter().zip(unseen.values.row(j)).map(|(a, b)| (a - b) * (a - b)).sum()
            };
            let found = (0..100).filter(|i| (0..100).all(|j| apart(*i, *i) <= apart(*i, j))).count();
            assert!(found > 30, "{} {network}: {found} of 100 are given back", family.info().name);
        }
    }
}

const STEPS: u64 = 10;
const BATCH: usize = 6;
const SIDE: usize = 16;

/// Ten-step curves against PyTorch in double precision, made by `golden/variational.py`.
#[test]
fn curves_are_those_of_pytorch() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("golden/variational.json")).unwrap();
    for case in golden.as_array().unwrap() {
        let (name, network) = (case["family"].as_str().unwrap(), case["network"].as_str().unwrap());
        let mut text = format!(
            "network = '{network}'\nhidden = [12, 10]\nwidth = 4\nmax_width = 8\nbatch = 6\nlatent = 5\nlearning_rate = 0.01\n\
             schedule = 'constant'\nbeta_1 = 0.5\nbeta_2 = 0.9\nepsilon = 1e-3\n"
        );
        for (key, value) in case["settings"].as_object().unwrap() {
            text.push_str(&format!("{key} = {value}\n"));
        }
        let expected: Vec<[f64; 2]> = serde_json::from_value(case["curve"].clone()).unwrap();
        for (step, (found, expected)) in curve(name, &text).iter().zip(&expected).enumerate() {
            for (found, expected) in found.iter().zip(expected) {
                // Sums of 256 pixels in single precision, of parameters that ten steps of Adam have moved.
                let near = (found - expected).abs() < 3e-4 * expected.abs().max(1.0);
                assert!(near, "{name} {network} {text} step {}: {found}, PyTorch has {expected}", step + 1);
            }
        }
    }
}

fn curve(name: &str, settings: &str) -> Vec<[f64; 2]> {
    let classes = (0..3).map(|class| class.to_string()).collect();
    let spec = DataSpec::Images(ImageSpec { channels: 1, height: SIDE, width: SIDE, classes });
    let mut session = family(name).unwrap().session(&settings.parse().unwrap(), &spec, 0, &Device::flex()).unwrap();
    let parts: Vec<Part> = session.parts().into_iter().map(filled).collect();
    session.load(&parts, Purpose::Training).unwrap();
    let step = |step: u64| {
        let mut values = vec![0.0; BATCH * SIDE * SIDE];
        random::fill_uniform(77, step * 16, &mut values);
        values.iter_mut().for_each(|value| *value = 2.0 * *value - 1.0);
        let labels = Some((0..BATCH as u32).map(|i| i % 3).collect());
        let batch = HostBatch { values: HostTensor::new([BATCH, 1, SIDE, SIDE], values), labels };
        let report = session.step(Turn { seed: 5, step, steps: STEPS }, &[batch]).unwrap();
        ["loss", "kl"].map(|name| report.get(name).unwrap())
    };
    (1..=STEPS).map(step).collect()
}

/// The rule by which both sides fill the arrays of a network.
fn filled(mut part: Part) -> Part {
    if part.name != "autoencoder" {
        return part;
    }
    let fnv = |text: &str| {
        text.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    };
    for (name, tensor) in &mut part.tensors {
        let (scale, offset) = match name.rsplit('.').next().unwrap() {
            "weight" => (0.6, -0.3),
            "bias" => (0.2, -0.1),
            "log_scale" => (0.2, -1.1),
            other => panic!("{other} is not known to `golden/variational.py`"),
        };
        random::fill_uniform(fnv(&format!("autoencoder.{name}")), 0, &mut tensor.values);
        tensor.values.iter_mut().for_each(|value| *value = scale * *value + offset);
    }
    part
}
