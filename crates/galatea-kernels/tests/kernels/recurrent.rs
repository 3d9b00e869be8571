//! LSTM and GRU against their references, gradients against differences, and both against PyTorch.

use galatea_kernels::gru::{gru, gru_backward, gru_kept};
use galatea_kernels::lstm::{lstm, lstm_backward, lstm_kept};
use galatea_kernels::recurrent::{Recurrence, RecurrentGradients, RecurrentShape, RecurrentWeights};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Lstm,
    Gru,
}

/// Arguments of a layer and of its gradients, in the order `x`, weights by input and state, bias, `h`, `c`; then the
/// gradients by `y` and by the states at the end.
struct Case {
    kind: Kind,
    shape: RecurrentShape,
    given: [Vec<f32>; 6],
    upstream: [Vec<f32>; 3],
}

const NAMES: [&str; 9] = ["y", "h", "c", "dx", "dw", "du", "dbias", "dh", "dc"];

impl Case {
    fn lens(kind: Kind, [time, batch, inputs, hidden]: RecurrentShape) -> ([usize; 6], [usize; 3]) {
        let (gates, state) = (if kind == Kind::Lstm { 4 } else { 3 }, batch * hidden);
        let cells = if kind == Kind::Lstm { state } else { 0 };
        let weights = [inputs * gates * hidden, hidden * gates * hidden, 4 * hidden];
        (
            [time * batch * inputs, weights[0], weights[1], weights[2], state, cells],
            [time * batch * hidden, state, cells],
        )
    }

    /// Normal values; weights scaled so that the gates neither rest at a half nor saturate.
    fn drawn(kind: Kind, shape: RecurrentShape) -> Self {
        let (given, upstream) = Self::lens(kind, shape);
        let scale = [1.0, (shape[2] as f32).powf(-0.5), (shape[3] as f32).powf(-0.5), 0.5, 0.5, 0.5];
        let scaled = |i: usize, len: usize| draw(i as u64, len).iter().map(|value| value * scale[i]).collect();
        Self {
            kind,
            shape,
            given: std::array::from_fn(|i| scaled(i, given[i])),
            upstream: std::array::from_fn(|i| draw(10 + i as u64, upstream[i])),
        }
    }

    /// Outputs and the states at the end, in f64, from the plain formulas.
    fn reference(&self, given: &[Vec<f64>; 6]) -> [Vec<f64>; 3] {
        let [x, w, u, bias, h, c] = given;
        match self.kind {
            Kind::Lstm => reference::lstm(self.shape, x, [w, u, bias], [h, c]),
            Kind::Gru => {
                let [y, h] = reference::gru(self.shape, x, [w, u, bias], h);
                [y, h, Vec::new()]
            }
        }
    }

    /// The kernels' results, as [`NAMES`] has them.
    fn run(&self) -> Vec<Vec<f32>> {
        let [time, batch, _, hidden] = self.shape;
        let [x, input, recurrent, bias, h, c] = &self.given;
        let of = Recurrence { x, weights: RecurrentWeights { input, recurrent, bias }, h };
        let [mut dx, mut dw, mut du, mut dbias] =
            [x, input, recurrent, bias].map(|values| vec![f32::NAN; values.len()]);
        let to = RecurrentGradients { x: Some(&mut dx), input: &mut dw, recurrent: &mut du, bias: &mut dbias };
        let [dy, mut dh, mut dc] = self.upstream.clone();
        let size = batch * hidden;
        let mut y = vec![f32::NAN; time * size];
        let last = |y: &[f32], first: &[f32]| if time == 0 { first.to_vec() } else { y[y.len() - size..].to_vec() };
        let end = match self.kind {
            Kind::Lstm => {
                let mut kept = vec![f32::NAN; lstm_kept(self.shape)];
                lstm(self.shape, of, c, &mut y, &mut kept);
                lstm_backward(self.shape, of, c, [&y, &kept], &dy, [&mut dh, &mut dc], to);
                last(&kept, c)
            }
            Kind::Gru => {
                let mut kept = vec![f32::NAN; gru_kept(self.shape)];
                gru(self.shape, of, &mut y, &mut kept);
                gru_backward(self.shape, of, [&y, &kept], &dy, &mut dh, to);
                Vec::new()
            }
        };
        let h = last(&y, h);
        vec![y, h, end, dx, dw, du, dbias, dh, dc]
    }

    /// Outputs as in the reference, and every `every`-th gradient as its differences say.
    fn check(&self, every: usize) {
        let given = self.given.each_ref().map(|values| double(values));
        let outputs = self.reference(&given);
        let objective = |given: &[Vec<f64>; 6]| -> f64 {
            let all = self.reference(given);
            all.iter().zip(&self.upstream).flat_map(|(y, u)| y.iter().zip(u)).map(|(y, u)| y * f64::from(*u)).sum()
        };
        let gradients: Vec<Vec<(usize, f64)>> = (0..6)
            .map(|which| {
                let at = |i: usize| {
                    let mut moved = given.clone();
                    difference(&given[which], i, |values| {
                        moved[which].copy_from_slice(values);
                        objective(&moved)
                    })
                };
                (0..given[which].len()).step_by(every).map(|i| (i, at(i))).collect()
            })
            .collect();
        let [time, _, inputs, hidden] = self.shape;
        everywhere(
            || self.run(),
            |found| {
                for (i, expected) in outputs.iter().enumerate() {
                    close(
                        &found[i],
                        expected,
                        inputs + hidden,
                        &format!("{:?} {:?}: {}", self.kind, self.shape, NAMES[i]),
                    );
                }
                for ((found, expected), name) in found[3..].iter().zip(&gradients).zip(&NAMES[3..]) {
                    assert!(found.iter().all(|value| value.is_finite()), "{name} {:?}", self.shape);
                    let (places, expected): (Vec<usize>, Vec<f64>) = expected.iter().copied().unzip();
                    let found: Vec<f32> = places.iter().map(|i| found[*i]).collect();
                    let what = format!("{:?} {:?}: {name}, every {every}", self.kind, self.shape);
                    close(&found, &expected, 4 * (inputs + hidden) * (1 + time), &what);
                }
            },
        );
    }
}

#[test]
fn sequences_and_their_gradients() {
    for kind in [Kind::Lstm, Kind::Gru] {
        // All gradients of small ones, of several steps, of a single cell, of none, and without inputs or a batch.
        for shape in [[3, 2, 3, 5], [1, 3, 4, 2], [5, 1, 1, 1], [0, 2, 3, 4], [2, 3, 0, 4], [2, 0, 3, 4]] {
            Case::drawn(kind, shape).check(1);
        }
        // Several panels of units, the last of them narrow; blocks of rows; a single cell on whole panels.
        for shape in [[3, 5, 7, 70], [4, 33, 9, 18], [1, 4, 20, 64], [2, 17, 3, 33]] {
            Case::drawn(kind, shape).check(211);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn sequences_of_any_shape(time in 0usize..5, batch in 0usize..40, inputs in 0usize..9, hidden in 1usize..40) {
        for kind in [Kind::Lstm, Kind::Gru] {
            Case::drawn(kind, [time, batch, inputs, hidden]).check(1009);
        }
    }
}

#[test]
fn a_sequence_is_its_steps_one_by_one() {
    let shape = [6, 3, 4, 40];
    let [time, batch, inputs, hidden] = shape;
    let case = Case::drawn(Kind::Lstm, shape);
    let [x, input, recurrent, bias, h, c] = &case.given;
    let weights = RecurrentWeights { input, recurrent, bias };
    everywhere(
        || {
            let (mut h, mut c, mut all) = (h.clone(), c.clone(), Vec::new());
            for x in x.chunks_exact(batch * inputs) {
                let one = [1, batch, inputs, hidden];
                let mut kept = vec![f32::NAN; lstm_kept(one)];
                let mut y = vec![f32::NAN; batch * hidden];
                lstm(one, Recurrence { x, weights, h: &h }, &c, &mut y, &mut kept);
                c.copy_from_slice(&kept[4 * batch * hidden..]);
                all.extend(&y);
                h = y;
            }
            let whole = case.run().swap_remove(0);
            vec![all, whole]
        },
        |found| {
            assert_eq!(found[0].len(), time * batch * hidden);
            assert_eq!(found[0], found[1]);
        },
    );
}

#[test]
fn what_is_not_a_number_stays_in_its_sequence() {
    for kind in [Kind::Lstm, Kind::Gru] {
        let [time, batch, inputs, hidden] = [4, 20, 3, 35];
        let mut case = Case::drawn(kind, [time, batch, inputs, hidden]);
        // The second step of the third sequence.
        case.given[0][(batch + 2) * inputs] = f32::NAN;
        everywhere(
            || vec![case.run().swap_remove(0)],
            |found| {
                for (row, y) in found[0].chunks_exact(hidden).enumerate() {
                    let touched = row % batch == 2 && row / batch >= 1;
                    assert!(y.iter().all(|value| value.is_nan() == touched), "{kind:?}, row {row}");
                }
            },
        );
    }
}

/// `golden/kernels.py` runs `torch.nn.LSTM` and `torch.nn.GRU` on the same values.
#[test]
fn recurrent_layers_are_those_of_pytorch() {
    let golden = golden();
    for (kind, name) in [(Kind::Lstm, "lstm"), (Kind::Gru, "gru")] {
        let shape: RecurrentShape = serde_json::from_value(golden[name]["shape"].clone()).unwrap();
        let (given, upstream) = Case::lens(kind, shape);
        let case = Case {
            kind,
            shape,
            given: std::array::from_fn(|i| golden_values(i, given[i])),
            upstream: std::array::from_fn(|i| golden_values(10 + i, upstream[i])),
        };
        everywhere(
            || case.run(),
            |found| {
                for (found, key) in found.iter().zip(NAMES).filter(|(found, _)| !found.is_empty()) {
                    close(found, &numbers(&golden[name][key]), 16, &format!("{name}: {key}"));
                }
            },
        );
    }
}
