//! Three steps of each optimizer against PyTorch's.

use galatea_kernels::optim::{AdamStep, RmsPropStep, SgdStep, adam, adamw, rmsprop, sgd};

use super::*;

/// More than one task; the values are those of PyTorch's 41 over and over.
const LEN: usize = 40_001;

#[test]
fn optimizers_are_those_of_pytorch() {
    let golden = golden();
    for name in ["adam", "adamw", "rmsprop", "rmsprop_momentum", "sgd", "sgd_momentum", "sgd_nesterov"] {
        let expected = numbers(&golden["optimizers"][name]);
        let expected: Vec<f64> = (0..LEN).map(|i| expected[i % 41]).collect();
        everywhere(|| vec![three_steps(name)], |found| close(&found[0], &expected, 1, name));
    }
}

fn three_steps(name: &str) -> Vec<f32> {
    let mut values = golden_values(0, LEN);
    let [mut first, mut second] = [LEN; 2].map(|len| vec![0.0; len]);
    let none = &mut [][..];
    for step in 1..=3 {
        // The kernel halves what was doubled.
        let gradient: Vec<f32> = golden_values(step as usize, LEN).iter().map(|value| 2.0 * value).collect();
        let at = AdamStep { lr: 0.125, beta_1: 0.5, beta_2: 0.875, epsilon: 0.0625, step };
        let rms = |momentum| RmsPropStep { lr: 0.125, decay: 0.875, epsilon: 0.0625, momentum };
        let momentum = |momentum, nesterov| SgdStep { lr: 0.125, momentum, nesterov };
        match name {
            "adam" => adam(&mut values, &gradient, 0.5, &mut first, &mut second, &at),
            "adamw" => adamw(&mut values, &gradient, 0.5, &mut first, &mut second, &at, 0.25),
            "rmsprop" => rmsprop(&mut values, &gradient, 0.5, &mut first, none, &rms(0.0)),
            "rmsprop_momentum" => rmsprop(&mut values, &gradient, 0.5, &mut first, &mut second, &rms(0.75)),
            "sgd" => sgd(&mut values, &gradient, 0.5, none, &momentum(0.0, false)),
            "sgd_momentum" => sgd(&mut values, &gradient, 0.5, &mut first, &momentum(0.75, false)),
            _ => sgd(&mut values, &gradient, 0.5, &mut first, &momentum(0.75, true)),
        }
    }
    values
}
