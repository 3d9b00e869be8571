//! Tests of the family's networks.

use super::*;
use crate::nn::adversarial::tests::{crowded, packs, slope_is_the_gradient};

#[test]
fn the_slope_of_packs_that_are_told_of_each_other_is_exact() {
    let config = Config { width: 4, max_width: 8, adversarial: crowded(), ..Config::default() };
    let device = Device::flex().autodiff();
    for classes in [0, 6] {
        let critic = Discriminator::new(&config, [6, 17, 14], classes, &mut WeightDraw::new(1, &device));
        slope_is_the_gradient(&critic, packs([6, 6, 17, 14], classes));
    }
}

#[test]
fn what_batches_settle_is_what_they_settle_together() {
    let config = Config { width: 4, max_width: 8, ..Config::default() };
    let device = Device::flex().autodiff();
    let generator = Generator::new(&config, [1, 16, 16], 0, &mut WeightDraw::new(1, &device)).valid();
    let device = Device::flex();
    let request = SampleRequest::new(0, 12);
    let z = from_vec(
        noise::sample_latents(3, request.range, config.adversarial.latent).values,
        [12, config.adversarial.latent],
        &device,
    );
    let first = |batches: Vec<Tensor<2>>| {
        let settled = generator.clone().settled(batches.into_iter().map(|z| (z, None)));
        [settled.norms[0].mean.val(), settled.norms[0].variance.val()].map(to_vec)
    };
    // Of the first layer it is the same exactly: nothing before it depends on the batch.
    let (whole, parts) = (first(vec![z.clone()]), first(z.split(4, 0)));
    for (whole, parts) in whole.iter().flatten().zip(parts.iter().flatten()) {
        assert!((whole - parts).abs() < 1e-5 * (1.0 + whole.abs()), "{whole} and {parts}");
    }
}
