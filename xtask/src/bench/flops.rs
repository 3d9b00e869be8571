//! Floating-point operations of a step, counted layer by layer: a multiplication and an addition are two.
//!
//! What is counted is what the networks ask for: products of the layers, those on padding included, as PyTorch's
//! `FlopCounterMode` does; not activations, normalisation, losses and the optimizer, which are memory traffic mostly.

/// A layer whose work is a matrix product.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Layer {
    /// Fully connected.
    Linear { inputs: u64, outputs: u64 },
    /// A convolution, or its transpose, between pictures of which the smaller has `pixels`.
    Conv { inputs: u64, outputs: u64, kernel: u64, pixels: u64 },
}

impl Layer {
    /// Of the forward pass of one example. The gradient by the weights takes as many, and so does that by the input.
    fn forward(self) -> u64 {
        match self {
            Self::Linear { inputs, outputs } => 2 * inputs * outputs,
            Self::Conv { inputs, outputs, kernel, pixels } => 2 * inputs * outputs * kernel * kernel * pixels,
        }
    }
}

fn forward(layers: &[Layer]) -> u64 {
    layers.iter().map(|layer| layer.forward()).sum()
}

/// The gradient by the input, where that of the first layer, the example, is not needed.
fn inner(layers: &[Layer]) -> u64 {
    forward(&layers[1..])
}

/// A step of an adversarial pair with batches of `n`: G(z), D on real and generated examples, back through D; then G(z)
/// and D(G(z)) again, back through both to the weights of G.
pub(crate) fn adversarial(generator: &[Layer], discriminator: &[Layer], n: u64) -> u64 {
    let (g, d) = (forward(generator), forward(discriminator));
    let step_d = g + 2 * (d + d + inner(discriminator));
    let step_g = g + d + d + g + inner(generator);
    n * (step_d + step_g)
}

/// Fully connected layers of these widths.
pub(crate) fn mlp(widths: &[u64]) -> Vec<Layer> {
    widths.windows(2).map(|pair| Layer::Linear { inputs: pair[0], outputs: pair[1] }).collect()
}

/// Generator and discriminator of `dcgan` for pictures of `channels` and `side`: halved until the side is below 8, with 64
/// channels at first, then doubled up to `widest`; kernels of 4.
pub(crate) fn dcgan(side: u64, channels: u64, latent: u64, widest: u64) -> [Vec<Layer>; 2] {
    let (mut side, mut inputs, mut outputs) = (side, channels, 64);
    let mut downs = Vec::new();
    while side >= 8 {
        side /= 2;
        downs.push(Layer::Conv { inputs, outputs, kernel: 4, pixels: side * side });
        inputs = outputs;
        outputs = (2 * outputs).min(widest);
    }
    let features = inputs * side * side;
    let mut generator = vec![Layer::Linear { inputs: latent, outputs: features }];
    generator.extend(downs.iter().rev());
    let mut discriminator = downs;
    discriminator.push(Layer::Linear { inputs: features, outputs: 1 });
    [generator, discriminator]
}

/// 10,000 samples of the generator of `dcgan` for digits.
pub(crate) fn sampling() -> u64 {
    10_000 * forward(&dcgan(28, 1, 100, 256)[0])
}

/// A step of layers of LSTM of `width` and as many inputs, over `length` moments. All gates are one product of what comes
/// in and of the state before, each with its gradients, but for that by the data.
pub(crate) fn lstm(layers: u64, width: u64, length: u64, n: u64) -> u64 {
    let product = 2 * width * 4 * width * length * n;
    let products = 2 * layers;
    product * (3 * products - 1)
}

/// The forward pass of a transformer over `n` sequences of `length` tokens; its gradients take twice as much. Of attention
/// all pairs of positions are counted, as `FlopCounterMode` does.
pub(crate) fn transformer(layers: u64, width: u64, vocabulary: u64, length: u64, n: u64) -> u64 {
    let layer = 2 * (3 + 1 + 4 + 4) * width * width + 2 * 2 * width * length;
    n * length * (layers * layer + 2 * width * vocabulary)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counted by hand for two tiny networks.
    #[test]
    fn every_pass_is_counted_once() {
        let [g, d] = [mlp(&[2, 3]), mlp(&[3, 5, 1])];
        // D: G forward 12, D forward 40, weights 40, inputs of the second layer 10, the last three twice.
        // G: G forward 12, D forward 40, back through D 40, weights of G 12, nothing for z.
        assert_eq!(adversarial(&g, &d, 1), (12 + 2 * (40 + 40 + 10)) + (12 + 40 + 40 + 12));
        assert_eq!(adversarial(&g, &d, 7), 7 * adversarial(&g, &d, 1));
    }

    #[test]
    fn dcgan_is_laid_out_as_the_family_does() {
        let [g, d] = dcgan(28, 1, 100, 256);
        assert_eq!((g.len(), d.len()), (3, 3));
        // 14x14 places of 16 taps and 64 channels, 7x7 of 16 * 64 * 128, and 6272 features.
        let convolutions = 2 * (14 * 14 * 16 * 64 + 7 * 7 * 16 * 64 * 128);
        assert_eq!(forward(&d), convolutions + 2 * 6272);
        assert_eq!(forward(&g), convolutions + 2 * 100 * 6272);
        assert_eq!(dcgan(64, 3, 100, 512)[1].len(), 5);
    }

    /// A layer of width 2 over 3 tokens: 12 products of 2 by 2 for each, and 3 by 3 scores of 2, twice.
    #[test]
    fn transformers_are_counted_by_hand() {
        assert_eq!(transformer(1, 2, 5, 3, 1), 2 * (3 * 12 * 4 + 2 * 3 * 3 * 2 + 3 * 2 * 5));
    }

    /// BURN's prototype counted 1.05 and 10.4 GFLOP for these steps.
    #[test]
    fn steps_are_as_heavy_as_known() {
        let step = adversarial(&mlp(&[100, 128, 256, 512, 1024, 784]), &mlp(&[784, 1024, 512, 256, 128, 1]), 32);
        assert!((step as f64 / 1e9 - 1.05).abs() < 0.01, "{step}");
        let [g, d] = dcgan(28, 1, 100, 256);
        assert!((adversarial(&g, &d, 64) as f64 / 1e9 - 10.4).abs() < 0.1);
    }
}
