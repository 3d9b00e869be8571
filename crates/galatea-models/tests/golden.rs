//! Ten-step loss curves against PyTorch, made by `golden/adversarial.py`: every loss and every penalty, with PyTorch's
//! double backward on its side and the differentiable input gradient on ours.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use burn::prelude::Device;
use galatea_data::{DataSpec, HostBatch, HostTensor, ImageSpec};
use galatea_kernels::random;
use galatea_models::registry::family;
use galatea_models::{Part, Purpose, Turn};

const STEPS: u64 = 10;
const BATCH: usize = 6;
const SIDE: usize = 16;

/// Losses are of the order of 1; the reference is in double precision.
const TOLERANCE: f64 = 2e-4;

#[test]
fn loss_curves_are_those_of_pytorch() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("golden/adversarial.json")).unwrap();
    for (name, own) in [
        ("gan", "hidden_g = [12, 10]\nhidden_d = [12, 10]\nslope_d = 0.2\n"),
        ("dcgan", "width = 4\nmax_width = 8\nslope_d = 0.2\nnorm_g = 'batch'\n"),
    ] {
        for case in golden[name].as_array().unwrap() {
            let settings = case["settings"].as_object().unwrap();
            let mut text = own.to_owned();
            text.push_str("batch = 6\nlatent = 5\nlearning_rate_g = 0.01\nlearning_rate_d = 0.01\n");
            text.push_str("beta_1 = 0.5\nbeta_2 = 0.9\nepsilon = 1e-3\nema = 0.9\n");
            for (key, value) in settings {
                text.push_str(&format!("{key} = {value}\n"));
            }
            let found = curve(name, &text);
            let expected: Vec<[f64; 2]> = serde_json::from_value(case["curve"].clone()).unwrap();
            for (step, (found, expected)) in found.iter().zip(&expected).enumerate() {
                for (found, expected) in found.iter().zip(expected) {
                    assert!(
                        (found - expected).abs() < TOLERANCE * expected.abs().max(1.0),
                        "{name} {settings:?}, step {}: {found}, PyTorch has {expected}",
                        step + 1
                    );
                }
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
    (1..=STEPS)
        .map(|step| {
            let batches: Vec<_> = (0..session.demand().batches as u64).map(|round| batch(step * 16 + round)).collect();
            let report = session.step(Turn { seed: 5, step, steps: STEPS }, &batches).unwrap();
            [report.get("loss_d").unwrap(), report.get("loss_g").unwrap()]
        })
        .collect()
}

fn batch(stream: u64) -> HostBatch {
    let mut values = vec![0.0; BATCH * SIDE * SIDE];
    random::fill_uniform(77, stream, &mut values);
    values.iter_mut().for_each(|value| *value = 2.0 * *value - 1.0);
    let labels = Some((0..BATCH as u32).map(|i| i % 3).collect());
    HostBatch { values: HostTensor::new([BATCH, 1, SIDE, SIDE], values), labels }
}

/// The rule by which both sides fill the arrays of a network.
fn filled(mut part: Part) -> Part {
    if part.name != "generator" && part.name != "discriminator" {
        return part;
    }
    for (name, tensor) in &mut part.tensors {
        let (scale, offset) = match name.rsplit('.').next().unwrap() {
            "weight" => (0.6, -0.3),
            "bias" => (0.2, -0.1),
            "gamma" => (0.4, 0.8),
            "beta" => (0.2, -0.1),
            "singular" => (1.0, 0.1),
            _ => continue,
        };
        random::fill_uniform(fnv(&format!("{}.{name}", part.name)), 0, &mut tensor.values);
        tensor.values.iter_mut().for_each(|value| *value = scale * *value + offset);
        if name.ends_with("singular") {
            let norm = tensor.values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
            tensor.values.iter_mut().for_each(|value| *value = (f64::from(*value) / norm) as f32);
        }
    }
    part
}

fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |value, byte| (value ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
