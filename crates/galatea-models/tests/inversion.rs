//! Gradients through trained generators, over the registry.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use burn::prelude::Device;
use galatea_data::{DataSpec, HostTensor, ImageSpec};
use galatea_models::registry::FAMILIES;
use galatea_models::{Ability, SampleRequest};

/// Pictures of odd sizes, with and without classes.
fn specs() -> [DataSpec; 2] {
    [(1, 12, 12, 3), (3, 9, 14, 0)].map(|(channels, height, width, classes)| {
        let classes = (0..classes).map(|class| format!("class {class}")).collect();
        DataSpec::Images(ImageSpec { channels, height, width, classes })
    })
}

#[test]
fn what_is_pulled_through_a_generator_is_the_gradient() {
    let able = FAMILIES.iter().filter(|family| family.info().abilities.contains(&Ability::Invert));
    let mut tried = 0;
    for (family, spec) in able.flat_map(|family| specs().map(|spec| (family, spec))) {
        let session = family.session(&toml::Table::new(), &spec, 1, &Device::flex()).unwrap();
        let (Some(invert), Some(latent)) = (session.as_invert(), session.as_latent()) else { continue };
        let request = SampleRequest::new(4, 3);
        let (z, labels) = (latent.latents(&request), request.labels(session.classes()).unwrap());
        // The gradient of the sum of weights times values, against differences along a direction.
        let weight = |at: usize| (at as f32 * 0.37).sin();
        let mut slope = |x: &HostTensor| HostTensor::new(x.shape.clone(), (0..x.values.len()).map(weight).collect());
        let [_, gradient] = invert.pull(&z, labels.as_deref(), &mut slope).unwrap();
        assert_eq!(gradient.shape, z.shape);
        let sum = |far: f32| -> f64 {
            let moved = z.values.iter().enumerate().map(|(i, z)| z + far * weight(3 * i + 1)).collect();
            let moved = HostTensor::new(z.shape.clone(), moved);
            let [x, _] = invert
                .pull(&moved, labels.as_deref(), &mut |x| HostTensor::new(x.shape.clone(), vec![0.0; x.values.len()]))
                .unwrap();
            x.values.iter().enumerate().map(|(at, x)| f64::from(weight(at) * x)).sum()
        };
        // A short way: a ReLU that turns on it bends what is drawn.
        let expected = (sum(1e-3) - sum(-1e-3)) / 2e-3;
        let found: f64 = gradient.values.iter().enumerate().map(|(i, g)| f64::from(g * weight(3 * i + 1))).sum();
        assert!(
            (found - expected).abs() < 0.05 * (expected.abs() + 0.1),
            "{}: {found}, not {expected}",
            family.info().name
        );
        let pulled =
            invert.pull_features(&session.sample(&request).unwrap().values, labels.as_deref(), &mut slope).unwrap();
        let [features, gradient] = pulled.unwrap();
        assert_eq!((features.rows(), gradient.rows()), (3, 3));
        assert!(gradient.values.iter().any(|value| *value != 0.0));
        tried += 1;
    }
    assert!(tried >= 4, "two families, each on two kinds of pictures");
}
