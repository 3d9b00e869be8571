//! The case `lstm`: two layers over whole sequences, forward, backward and Adam. The loss is the mean square of the
//! outputs, as on PyTorch's side.

use burn::prelude::{Device, Tensor};
use galatea_kernels::burn::{AdamStep, Recurrent, adam_step, lstm, sum_squares};

use crate::cases::{Work, normal};

const LAYERS: u64 = 2;
const TIME: usize = 64;
const BATCH: usize = 32;
/// Values of an input, and of a state.
const WIDTH: usize = 256;

/// An array that is trained, flat, with its moments; and its shape as a matrix.
struct Trained {
    state: [Tensor<1>; 3],
    shape: [usize; 2],
}

impl Trained {
    fn new(stream: u64, shape: [usize; 2], device: &Device) -> Self {
        let count = shape[0] * shape[1];
        let zeros = || Tensor::zeros([count], device);
        Self { state: [normal(count, stream, device).div_scalar(16.0), zeros(), zeros()], shape }
    }

    /// The values as a leaf of a graph.
    fn leaf(&self) -> Tensor<2> {
        Tensor::from_inner(self.state[0].clone().reshape(self.shape)).require_grad()
    }

    fn step(self, gradient: Tensor<2>, at: &AdamStep) -> Self {
        let [value, first, second] = self.state;
        let (value, first, second) = adam_step(value, gradient.flatten(0, 1), 1.0, first, second, at);
        Self { state: [value, first, second], ..self }
    }
}

/// The case.
pub(crate) fn work() -> Work {
    let device = Device::flex();
    let shapes = [[WIDTH, 4 * WIDTH], [WIDTH, 4 * WIDTH], [1, 4 * WIDTH]];
    let layer = |index: u64| (1..).zip(shapes).map(move |(i, shape)| (3 * index + i, shape));
    let mut trained: Vec<Trained> =
        (0..LAYERS).flat_map(layer).map(|(stream, shape)| Trained::new(stream, shape, &device)).collect();
    let parameters = trained.iter().map(|array| array.shape[0] * array.shape[1]).sum();
    let x: Tensor<3> = normal(TIME * BATCH * WIDTH, 99, &device).reshape([TIME, BATCH, WIDTH]);
    let states = Tensor::<2>::zeros([BATCH, WIDTH], &device);
    let mut step = 0;
    let step = move || {
        let leaves: Vec<Tensor<2>> = trained.iter().map(Trained::leaf).collect();
        let zero = Tensor::from_inner(states.clone());
        let y = leaves.chunks(3).fold(Tensor::from_inner(x.clone()), |x, arrays| {
            let [input, recurrent, bias] = [0, 1, 2].map(|i| arrays[i].clone());
            let weights = Recurrent { input, recurrent, bias: bias.flatten(0, 1) };
            lstm(x, weights, zero.clone(), zero.clone()).0
        });
        let loss = sum_squares(y).div_scalar((TIME * BATCH * WIDTH) as f64);
        let mut gradients = loss.backward();
        step += 1;
        let at = AdamStep { lr: 2e-4, beta_1: 0.5, beta_2: 0.999, epsilon: 1e-8, step };
        let gradients: Vec<_> = leaves.iter().map(|leaf| leaf.grad_remove(&mut gradients)).collect();
        drop(leaves);
        // Moved through, so that the kernel finds the arrays unshared.
        for (array, gradient) in std::mem::take(&mut trained).into_iter().zip(gradients) {
            trained.push(array.step(gradient.ok_or("an array without a gradient")?, &at));
        }
        Ok(())
    };
    Work { parameters: vec![("lstm", parameters)], step: Box::new(step) }
}
