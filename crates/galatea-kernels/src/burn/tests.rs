//! The fused operations against those made of Burn's own: values and gradients, in either order in memory.

use super::*;
use crate::attention::AttentionShape;
use crate::pictures::Alteration;

fn vector(values: &[f32]) -> Tensor<1> {
    from_vec(values.to_vec(), [values.len()], &Device::flex())
}

/// The first three steps of `torch.optim.Adam(lr=0.1, betas=(0.5, 0.99), eps=1e-8)` on 1 with gradients 1, -2, 0.5.
#[test]
fn adam_steps_as_published() {
    let (mut value, mut first, mut second) = (vector(&[1.0]), vector(&[0.0]), vector(&[0.0]));
    let (mut x, mut m, mut v) = (1.0f64, 0.0f64, 0.0f64);
    for (step, gradient) in [(1, 1.0f32), (2, -2.0), (3, 0.5)] {
        let at = AdamStep { lr: 0.1, beta_1: 0.5, beta_2: 0.99, epsilon: 1e-8, step };
        (value, first, second) = adam_step(value, vector(&[gradient]), 1.0, first, second, &at);
        let g = f64::from(gradient);
        (m, v) = (0.5 * m + 0.5 * g, 0.99 * v + 0.01 * g * g);
        let t = step as i32;
        x -= 0.1 * (m / (1.0 - 0.5f64.powi(t))) / ((v / (1.0 - 0.99f64.powi(t))).sqrt() + 1e-8);
    }
    assert!((f64::from(to_vec(value)[0]) - x).abs() < 1e-6);
}

#[test]
fn the_transposed_operations_are_the_gradients_by_the_input() {
    let device = Device::flex().autodiff();
    let draw = |shape: [usize; 4], stream| {
        let mut values = vec![0.0; shape.iter().product()];
        crate::random::fill_normal(3, stream, &mut values);
        from_vec(values, shape, &device)
    };
    let (x, w) = (draw([2, 3, 9, 8], 0).require_grad(), draw([5, 3, 4, 4], 1));
    let at = ConvGeometry { stride: [2, 2], padding: [1, 1], output_padding: [0, 0] };
    let y = conv2d(x.clone(), w.clone(), None, at, Activation::Identity);
    let g = draw(y.dims(), 2);
    let tape = (y * g.clone()).sum().backward();
    let expected = to_vec(x.grad(&tape).unwrap());
    // 9 rows are halved to 4, of which 8 come back: one is added.
    let back = ConvGeometry { output_padding: [1, 0], ..at };
    let found = to_vec(conv_transpose2d(g, w, None, back, Activation::Identity));
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4));
}

#[test]
fn losses_keep_what_is_not_a_number() {
    let logits = from_vec(vec![f32::NAN, 1.0], [2, 1], &Device::flex());
    assert!(to_vec(softplus_mean(logits.clone(), 1.0))[0].is_nan());
    let large = from_vec(vec![1e4, -1e4], [2, 1], &Device::flex());
    assert!((to_vec(softplus_mean(large, 1.0))[0] - 5e3).abs() < 1.0);
}

fn draw<const D: usize>(stream: u64, shape: [usize; D]) -> Tensor<D> {
    let mut values = vec![0.0; shape.iter().product()];
    crate::random::fill_normal(11, stream, &mut values);
    from_vec(values, shape, &Device::flex().autodiff())
}

fn leaf<const D: usize>(stream: u64, shape: [usize; D]) -> Tensor<D> {
    draw(stream, shape).require_grad()
}

fn close<const D: usize>(found: Tensor<D>, expected: Tensor<D>, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let (found, expected) = (to_vec(found), to_vec(expected));
    let scale = expected.iter().fold(1.0f32, |scale, value| scale.max(value.abs()));
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert!((found - expected).abs() <= 3e-5 * scale, "{what} at {i}: {found}, not {expected}");
    }
}

const FUNCTIONS: [Activation; 5] =
    [Activation::Identity, Activation::Relu, Activation::LeakyRelu(0.2), Activation::Tanh, Activation::Sigmoid];

/// Gradients of `sum(y u)` by three leaves, once through each version of an operation.
fn compare<const A: usize, const B: usize, const C: usize, const Y: usize>(
    what: &str,
    leaves: (Tensor<A>, Tensor<B>, Tensor<C>),
    operation: impl Fn(bool, Tensor<A>, Tensor<B>, Tensor<C>) -> Tensor<Y>,
) {
    let (a, b, c) = leaves;
    let found = operation(true, a.clone(), b.clone(), c.clone());
    let expected = operation(false, a.clone(), b.clone(), c.clone());
    let u = draw(99, expected.dims());
    close(found.clone().inner(), expected.clone().inner(), what);
    let (tape, own) = ((found * u.clone()).sum().backward(), (expected * u).sum().backward());
    close(a.grad(&tape).unwrap(), a.grad(&own).unwrap(), &format!("{what}, first gradient"));
    close(b.grad(&tape).unwrap(), b.grad(&own).unwrap(), &format!("{what}, second gradient"));
    close(c.grad(&tape).unwrap(), c.grad(&own).unwrap(), &format!("{what}, third gradient"));
}

#[test]
fn linear_layers_agree() {
    for [m, inputs, outputs] in [[3, 5, 7], [32, 100, 40], [4, 33, 1]] {
        for function in FUNCTIONS {
            let leaves = (leaf(1, [m, inputs]), leaf(2, [inputs, outputs]), leaf(3, [outputs]));
            compare(&format!("linear {function:?}"), leaves, |fused, x, w, b| match fused {
                true => linear(x, w, Some(b), function),
                false => plain::linear(x, w, Some(b), function),
            });
        }
        // The gradient by the input, itself differentiable; and no bias.
        let leaves = (leaf(1, [m, outputs]), leaf(2, [inputs, outputs]), leaf(3, [1, inputs]));
        compare("transposed linear", leaves, |fused, g, w, u| match fused {
            true => linear_transposed(g, w) * u,
            false => g.matmul(w.transpose()) * u,
        });
    }
}

#[test]
fn convolutions_agree() {
    for ([n, inputs, height, width], outputs, kernel, stride, padding, output_padding) in [
        ([2, 1, 9, 8], 12, [4, 4], [2, 2], [1, 1], [1, 0]),
        ([3, 20, 6, 7], 9, [3, 2], [1, 2], [1, 0], [0, 1]),
        // Neighbours share products.
        ([2, 17, 6, 14], 20, [4, 4], [2, 2], [1, 1], [0, 0]),
    ] {
        let at = ConvGeometry { stride, padding, output_padding: [0, 0] };
        let back = ConvGeometry { output_padding, ..at };
        for function in FUNCTIONS {
            let x = leaf(1, [n, inputs, height, width]);
            let leaves = (x, leaf(2, [outputs, inputs, kernel[0], kernel[1]]), leaf(3, [outputs]));
            // Permuted twice, so that pictures come in both orders.
            compare(&format!("convolution {function:?}"), leaves, |fused, x, w, b| match fused {
                true => conv2d(unflatten(flatten(x), [inputs, height, width]), w, Some(b), at, function),
                false => plain::conv2d(x, w, Some(b), at, [1, 1], 1, function),
            });
            let x = leaf(1, [n, outputs, height, width]);
            let leaves = (x, leaf(2, [outputs, inputs, kernel[0], kernel[1]]), leaf(3, [inputs]));
            compare(&format!("transposed convolution {function:?}"), leaves, |fused, x, w, b| match fused {
                true => conv_transpose2d(x, w, Some(b), back, function),
                false => plain::conv_transpose2d(x, w, Some(b), back, function),
            });
        }
    }
}

#[test]
fn batch_normalisation_agrees() {
    for rows in [1, 3] {
        for function in FUNCTIONS {
            let leaves = (leaf(1, [3, 5, 4, 2]), leaf(2, [rows, 5]), leaf(3, [rows, 5]));
            compare(&format!("batch norm {function:?}"), leaves, |fused, x, gamma, beta| match fused {
                true => batch_norm(x, gamma, beta, 1e-3, function).0,
                false => plain::batch_norm(x, gamma, beta, 1e-3, function).0,
            });
        }
        let [x, scale, shift] =
            [draw(1, [3, 5, 4, 2]).inner(), draw(2, [rows, 5, 1, 1]).inner(), draw(3, [rows, 5, 1, 1]).inner()];
        let [scale, shift] = [scale, shift].map(|values| values.reshape([rows, 5]));
        let found = scale_shift(x.clone(), scale.clone(), shift.clone(), Activation::Relu);
        close(found, plain::scale_shift(x, scale, shift, Activation::Relu), "scale and shift");
    }
}

#[test]
fn losses_and_slopes_agree() {
    for sign in [-1.0, 1.0] {
        let leaves = || (leaf(1, [9, 1]), leaf(2, [1, 1]), leaf(3, [1, 1]));
        compare("softplus", leaves(), |fused, x, a, b| {
            let loss = if fused { softplus_mean(x, sign) } else { plain::softplus_mean(x, sign) };
            loss.unsqueeze::<2>() * a + b
        });
        compare("hinge", leaves(), |fused, x, a, b| {
            let loss = if fused { hinge_mean(x, sign) } else { plain::hinge_mean(x, sign) };
            loss.unsqueeze::<2>() * a + b
        });
    }
    let y = draw(4, [2, 12, 3, 5]);
    let leaves = (leaf(1, [2, 12, 3, 5]), leaf(2, [1, 12, 1, 1]), leaf(3, [1, 1, 1, 5]));
    compare("slope of a leaky ReLU", leaves, |fused, g, a, b| {
        let through = match fused {
            true => leaky_relu_backward(g, y.clone(), 0.3),
            false => plain::leaky_relu_backward(g, y.clone(), 0.3),
        };
        through * a + b
    });
}

#[test]
fn what_others_hold_is_not_changed() {
    let (value, held) = (draw(1, [300]).inner(), draw(1, [300]).inner());
    let kept = value.clone();
    let zeros = || Tensor::zeros([300], &value.device());
    let at = AdamStep { lr: 0.1, beta_1: 0.9, beta_2: 0.99, epsilon: 1e-8, step: 1 };
    let (new, ..) = adam_step(value.clone(), held.clone(), 1.0, zeros(), zeros(), &at);
    close(kept.clone(), held.clone(), "a value that is shared");
    assert_ne!(to_vec(new.clone()), to_vec(held.clone()));
    let average = lerp(kept.clone(), new.clone(), 0.5);
    close(kept, held, "an average that is shared");
    close(average, plain::lerp(value, new, 0.5), "average");
}

#[test]
fn dot_products_and_joined_batches_agree() {
    let leaves = (leaf(1, [5, 70]), leaf(2, [5, 70]), leaf(3, [5, 1]));
    compare("dot products of rows", leaves, |fused, a, b, c| match fused {
        true => row_dots(a, b) * c,
        false => (a * b).sum_dim(1) * c,
    });
    let leaves = (leaf(1, [5, 7]), leaf(2, [5, 9]), leaf(3, [5, 1]));
    compare("columns side by side", leaves, |fused, a, b, c| match fused {
        true => first_columns(beside(a, b), 12) * c,
        false => Tensor::cat(vec![a, b], 1).narrow(1, 0, 12) * c,
    });
    let leaves = (leaf(1, [2, 3, 4, 5]), leaf(2, [7, 9]), leaf(3, [1]));
    compare("sums of squares", leaves, |fused, a, b, c| match fused {
        true => sum_squares(a) * c + sum_squares(b),
        false => a.powi_scalar(2).sum() * c + b.powi_scalar(2).sum(),
    });
    for channels in [1, 3] {
        let leaves = (leaf(1, [2, channels, 3, 4]), leaf(2, [5, channels, 3, 4]), leaf(3, [1, channels, 1, 1]));
        compare("joined batches", leaves, |fused, a, b, c| match fused {
            true => join(a, b) * c,
            false => Tensor::cat(vec![a, b], 0) * c,
        });
    }
}

#[test]
fn changes_of_pictures_agree() {
    let turned = [0.9, 0.2, -0.7, -0.2, 0.9, 1.3];
    let all = [
        Alteration::NONE,
        Alteration { brightness: 0.3, saturation: 1.7, contrast: 0.6, ..Alteration::NONE },
        Alteration { from: turned, hole: [1.0, 3.0, 0.0, 4.0], ..Alteration::NONE },
        Alteration { brightness: -0.2, saturation: 0.0, contrast: 1.4, from: turned, hole: [0.0, 9.0, 2.0, 3.0] },
    ];
    for channels in [1, 3] {
        let leaves = (leaf(1, [4, channels, 5, 6]), leaf(2, [1, channels, 1, 1]), leaf(3, [1]));
        compare("changes of pictures", leaves, |fused, x, a, b| {
            // In either order in memory.
            let x = unflatten(flatten(x), [channels, 5, 6]) * b.unsqueeze();
            let changed = if fused { alter(x, &all) } else { plain::alter(x, &all) };
            changed * a
        });
    }
    let x = draw(5, [1, 3, 5, 6]).inner();
    assert_eq!(to_vec(alter(x.clone(), &all[..1])), to_vec(x));
}

#[test]
fn cross_entropy_agrees() {
    let labels = [3, 0, 1, 3, 2, 2, 1];
    let masked = from_vec(vec![f32::NEG_INFINITY, 3.0], [1, 2], &Device::flex());
    assert_eq!(to_vec(cross_entropy(masked.clone(), &[1])), [0.0]);
    assert_eq!(to_vec(plain::cross_entropy(masked, &[1])), [0.0]);
    let leaves = (leaf(1, [7, 4]), leaf(2, [1, 1]), leaf(3, [1, 1]));
    compare("cross-entropy", leaves, |fused, x, a, b| {
        let loss = if fused { cross_entropy(x, &labels) } else { plain::cross_entropy(x, &labels) };
        loss.unsqueeze::<2>() * a + b
    });
}

#[test]
fn bernoulli_likelihoods_agree() {
    let targets = draw(4, [5, 37]).clamp(0.0, 1.0);
    let leaves = (leaf(1, [5, 37]), leaf(2, [5, 1]), leaf(3, [1, 1]));
    compare("Bernoulli likelihood", leaves, |fused, x, a, b| {
        let rows = if fused { bernoulli_rows(x, targets.clone()) } else { plain::bernoulli_rows(x, targets.clone()) };
        rows * a + b
    });
}

#[test]
fn convolutions_along_one_dimension_agree() {
    let at = Conv1dGeometry { stride: 2, padding: 1, output_padding: 1 };
    let function = Activation::LeakyRelu(0.2);
    let options = burn::tensor::ops::ConvOptions::new([2], [1], [1], 1);
    let leaves = (leaf(1, [3, 9, 11]), leaf(2, [5, 9, 4]), leaf(3, [5]));
    compare("convolution along a line", leaves, |fused, x, w, b| match fused {
        true => conv1d(x, w, Some(b), at, function),
        false => {
            let y = burn::tensor::module::conv1d(x, w, Some(b), options.clone());
            burn::tensor::activation::leaky_relu(y, 0.2)
        }
    });
    let options = burn::tensor::ops::ConvTransposeOptions::new([2], [1], [1], [1], 1);
    let leaves = (leaf(1, [3, 5, 6]), leaf(2, [5, 9, 4]), leaf(3, [9]));
    compare("transposed convolution along a line", leaves, |fused, x, w, b| match fused {
        true => conv_transpose1d(x, w, Some(b), at, Activation::Identity),
        false => burn::tensor::module::conv_transpose1d(x, w, Some(b), options.clone()),
    });
}

#[test]
fn dilated_and_grouped_convolutions_are_those_of_burn() {
    // A kernel of 2 whose places are 2 apart is one of 3 with a hole.
    let at = ConvGeometry { stride: [1, 1], padding: [0, 0], output_padding: [0, 0] };
    let x = draw(1, [2, 4, 5, 6]);
    let w = draw(2, [3, 4, 2, 2]);
    let mut holes = Tensor::<4>::zeros([3, 4, 3, 3], &x.device());
    for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let place = w.clone().narrow(2, i, 1).narrow(3, j, 1);
        holes = holes.slice_assign([0..3, 0..4, 2 * i..2 * i + 1, 2 * j..2 * j + 1], place);
    }
    let found = conv2d_dilated(x.clone(), w, None, at, [2, 2], 1, Activation::Relu);
    close(found, conv2d(x.clone(), holes, None, at, Activation::Relu), "dilated");
    // Two groups are two convolutions side by side.
    let w = draw(3, [6, 2, 2, 3]);
    let half =
        |k: usize| conv2d(x.clone().narrow(1, 2 * k, 2), w.clone().narrow(0, 3 * k, 3), None, at, Activation::Tanh);
    let expected = Tensor::cat(vec![half(0), half(1)], 1);
    close(conv2d_dilated(x.clone(), w.clone(), None, at, [1, 1], 2, Activation::Tanh), expected, "grouped");
}

#[test]
fn layer_and_group_normalisation_agree() {
    for function in FUNCTIONS {
        let leaves = (leaf(1, [5, 3, 33]), leaf(2, [33]), leaf(3, [33]));
        compare(&format!("layer norm {function:?}"), leaves, |fused, x, gamma, beta| match fused {
            true => layer_norm(x, gamma, beta, 1e-3, function),
            false => plain::layer_norm(x.reshape([15, 33]), gamma, beta, 1e-3, function).reshape([5, 3, 33]),
        });
        for (rows, groups) in [(1, 2), (3, 6)] {
            let leaves = (leaf(1, [3, 6, 4, 5]), leaf(2, [rows, 6]), leaf(3, [rows, 6]));
            compare(&format!("group norm {function:?}"), leaves, |fused, x, gamma, beta| match fused {
                true => group_norm(x, groups, gamma, beta, 1e-3, function),
                false => plain::group_norm(x, groups, gamma, beta, 1e-3, function),
            });
        }
    }
}

#[test]
fn recurrent_layers_agree() {
    for [time, batch, inputs, hidden] in [[1, 1, 1, 1], [5, 3, 7, 20], [4, 33, 2, 40]] {
        let shape = format!("{time}, {batch}, {inputs}, {hidden}");
        for gates in [4, 3] {
            let run = |fused: bool, x: Tensor<3>, weights: Recurrent, h: Tensor<2>, c: Tensor<2>| match (gates, fused) {
                (4, true) => lstm(x, weights, h, c),
                (4, false) => plain::lstm(x, weights, h, c),
                (_, true) => (gru(x, weights, h), c),
                (_, false) => (plain::gru(x, weights, h), c),
            };
            let (columns, what) = (gates * hidden, format!("{gates} gates, {shape}"));
            let (h, c) = (leaf::<2>(7, [batch, hidden]), leaf::<2>(8, [batch, hidden]));
            let leaves = (leaf(1, [time, batch, inputs]), leaf(2, [inputs, columns]), leaf(3, [hidden, columns]));
            compare(&format!("{what}, by the weights"), leaves, |fused, x, input, recurrent| {
                let bias = draw(4, [4 * hidden]);
                run(fused, x, Recurrent { input, recurrent, bias }, h.clone(), c.clone()).0
            });
            let leaves = (leaf(5, [4 * hidden]), h.clone(), leaf::<2>(8, [batch, hidden]));
            compare(&format!("{what}, by the states"), leaves, |fused, bias, h, c| {
                let x = draw(1, [time, batch, inputs]);
                let (input, recurrent) = (draw(2, [inputs, columns]), draw(3, [hidden, columns]));
                // A GRU has no cell: it is given a gradient of its own.
                let y = run(fused, x, Recurrent { input, recurrent, bias }, h, c.clone()).0;
                if gates == 4 { y } else { y + c.unsqueeze() }
            });
            let weights = |fused| {
                let bias = draw(4, [4 * hidden]).inner();
                let (input, recurrent) = (draw(2, [inputs, columns]).inner(), draw(3, [hidden, columns]).inner());
                let x = draw(1, [time, batch, inputs]).inner();
                run(fused, x, Recurrent { input, recurrent, bias }, h.clone().inner(), c.clone().inner())
            };
            let ((y, last), (expected, expected_last)) = (weights(true), weights(false));
            close(y, expected, &format!("{what}, without a graph"));
            close(last, expected_last, &format!("{what}, last cell"));
        }
    }
}

#[test]
fn optimizers_agree() {
    let state = || [0, 1, 2, 3].map(|stream| draw(20 + stream, [70]).inner());
    let ([v, g, m, s], rate) = (state(), 0.1);
    let s = s.powi_scalar(2);
    let at = AdamStep { lr: rate, beta_1: 0.9, beta_2: 0.99, epsilon: 1e-8, step: 3 };
    let (found, ..) = adamw_step(v.clone(), g.clone(), 0.5, m.clone(), s.clone(), &at, 0.2);
    let shrunk = v.clone().mul_scalar(1.0 - 0.1 * 0.2);
    let half = g.clone().mul_scalar(0.5);
    close(found, plain::adam_step(shrunk, half.clone(), m.clone(), s.clone(), &at).0, "AdamW");
    for momentum in [0.0, 0.8] {
        let at = RmsPropStep { lr: rate, decay: 0.9, epsilon: 1e-6, momentum };
        let found = rmsprop_step(v.clone(), g.clone(), 0.5, s.clone(), m.clone(), &at);
        let expected = plain::rmsprop_step(v.clone(), half.clone(), s.clone(), m.clone(), &at);
        close(found.0, expected.0, "RMSProp");
        close(found.1, expected.1, "RMSProp, squares");
        close(found.2, expected.2, "RMSProp, velocity");
        for nesterov in [false, true] {
            let at = SgdStep { lr: rate, momentum, nesterov };
            let found = sgd_step(v.clone(), g.clone(), 0.5, m.clone(), &at);
            let expected = plain::sgd_step(v.clone(), half.clone(), m.clone(), &at);
            close(found.0, expected.0, "SGD");
            close(found.1, expected.1, "SGD, velocity");
        }
    }
}

#[test]
fn what_sequences_need_agrees() {
    let rows = [3, 0, 3, 4, 1, 3];
    compare("rows", (leaf(1, [5, 7]), leaf(2, [6, 7]), leaf(3, [6, 7])), |fused, table, a, b| {
        (if fused { pick(table, &rows) } else { plain::pick(table, &rows) }) * a + b
    });
    compare("gelu", (leaf(1, [9, 33]), leaf(2, [9, 33]), leaf(3, [9, 33])), |fused, x, a, b| {
        (if fused { gelu(x) } else { plain::gelu(x) }) * a + b
    });
    for (batch, time, heads, size) in [(2, 5, 3, 4), (1, 40, 2, 18), (3, 1, 1, 32), (1, 70, 1, 34)] {
        for rotary in [None, Some(100.0)] {
            let shape = AttentionShape { batch, time, heads, size, rotary };
            let (n, width) = (batch * time, shape.width());
            let leaves = (leaf(1, [n, 3 * width]), leaf(2, [n, width]), leaf(3, [n, width]));
            compare(&format!("{shape:?}"), leaves, |fused, qkv, a, b| {
                (if fused { attention(qkv, shape) } else { plain::attention(qkv, shape) }) * a + b
            });
        }
    }
}
