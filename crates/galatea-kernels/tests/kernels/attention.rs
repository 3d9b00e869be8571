//! Attention, its activation and rows of tables against their references, gradients against differences.

use galatea_kernels::attention::{AttentionShape, attend, attention, attention_backward, turn};
use galatea_kernels::gelu::{gelu, gelu_backward};
use galatea_kernels::rows::{pick_rows, pick_rows_backward};

use super::*;

fn check(shape: AttentionShape, every: usize) {
    let values = shape.batch * shape.time * shape.width();
    let (qkv, g) = (draw(1, 3 * values), draw(2, values));
    let expected = reference::attention(shape, &double(&qkv));
    let objective =
        |qkv: &[f64]| -> f64 { reference::attention(shape, qkv).iter().zip(&g).map(|(y, g)| y * f64::from(*g)).sum() };
    let places: Vec<usize> = (0..qkv.len()).step_by(every).collect();
    let gradients: Vec<f64> = places.iter().map(|i| difference(&double(&qkv), *i, objective)).collect();
    everywhere(
        || {
            vec![
                filled(values, |y| attention(shape, &qkv, y)),
                filled(3 * values, |dqkv| attention_backward(shape, &qkv, &g, dqkv)),
            ]
        },
        |found| {
            close(&found[0], &expected, shape.size, &format!("{shape:?}"));
            assert!(found[1].iter().all(|value| value.is_finite()), "{shape:?}");
            let some: Vec<f32> = places.iter().map(|i| found[1][*i]).collect();
            close(&some, &gradients, 4 * shape.size + shape.time, &format!("gradient of {shape:?}, every {every}"));
        },
    );
}

#[test]
fn attention_of_any_shape() {
    for rotary in [None, Some(10_000.0)] {
        // All gradients of small ones; of none, and of a single position.
        for (batch, time, heads, size) in [(2, 3, 2, 4), (1, 1, 1, 2), (3, 7, 1, 6), (0, 3, 2, 4), (2, 0, 2, 4)] {
            check(AttentionShape { batch, time, heads, size, rotary }, 1);
        }
        // Several blocks of positions, the last of them narrow; several panels of a head.
        for (batch, time, heads, size) in [(2, 70, 3, 16), (1, 33, 1, 40), (1, 64, 2, 32)] {
            check(AttentionShape { batch, time, heads, size, rotary }, 613);
        }
    }
    check(AttentionShape { batch: 1, time: 4, heads: 3, size: 5, rotary: None }, 1);
}

/// One position after the other, as a text is written, gives what all together do.
#[test]
fn attention_step_by_step() {
    let (heads, size, time, room) = (3, 10, 37, 40);
    let width = heads * size;
    for rotary in [None, Some(10_000.0)] {
        let shape = AttentionShape { batch: 2, time, heads, size, rotary };
        let qkv = draw(1, 2 * time * 3 * width);
        let expected = reference::attention(shape, &double(&qkv));
        everywhere(
            || {
                let mut keys = vec![f32::NAN; 2 * room * width];
                let (mut values, mut all) = (keys.clone(), vec![f32::NAN; 2 * time * width]);
                for t in 0..time {
                    let mut q = Vec::new();
                    for row in 0..2 {
                        let of = &qkv[(row * time + t) * 3 * width..][..3 * width];
                        let mut both = of[..2 * width].to_vec();
                        if let Some(base) = rotary {
                            turn(base, t, size, &mut both);
                        }
                        let at = (row * room + t) * width;
                        keys[at..at + width].copy_from_slice(&both[width..]);
                        values[at..at + width].copy_from_slice(&of[2 * width..]);
                        q.extend(&both[..width]);
                    }
                    let y = filled(2 * width, |y| attend(heads, size, &q, &keys, &values, room, t + 1, y));
                    for row in 0..2 {
                        let at = (row * time + t) * width;
                        all[at..at + width].copy_from_slice(&y[row * width..(row + 1) * width]);
                    }
                }
                vec![all]
            },
            |found| close(&found[0], &expected, size, "step by step"),
        );
    }
}

#[test]
fn later_positions_do_not_reach_earlier_ones() {
    let shape = AttentionShape { batch: 2, time: 50, heads: 2, size: 8, rotary: None };
    let (before, mut qkv) = (draw(1, 2 * 50 * 48), draw(1, 2 * 50 * 48));
    // Position 20 of the first sequence.
    qkv[20 * 48..21 * 48].fill(3.0);
    everywhere(
        || [&before, &qkv].map(|qkv| filled(2 * 50 * 16, |y| attention(shape, qkv, y))).to_vec(),
        |found| {
            let same = |row: usize| found[0][row * 16..(row + 1) * 16] == found[1][row * 16..(row + 1) * 16];
            assert!((0..100).all(|row| same(row) != (20..50).contains(&row)));
        },
    );
}

#[test]
fn gelu_and_its_slope() {
    for n in [0, 1, 7, 100, 20_000] {
        let x: Vec<f32> = draw(1, n).iter().map(|x| 3.0 * x).collect();
        let g = draw(2, n);
        let expected = reference::gelu(&double(&x));
        let slopes: Vec<f64> = x
            .iter()
            .zip(&g)
            .map(|(x, g)| f64::from(*g) * difference(&[f64::from(*x)], 0, |x| reference::gelu(x)[0]))
            .collect();
        everywhere(
            || vec![filled(n, |y| gelu(&x, y)), filled(n, |dx| gelu_backward(&x, &g, dx))],
            |found| {
                close(&found[0], &expected, 1, "gelu");
                for ((found, expected), g) in found[1].iter().zip(&slopes).zip(&g) {
                    assert!(
                        (f64::from(*found) - expected).abs() <= 1e-5 * f64::from(g.abs()),
                        "{found}, not {expected}"
                    );
                }
            },
        );
    }
    everywhere(|| vec![filled(3, |y| gelu(&[f32::NAN; 3], y))], |found| assert!(found[0].iter().all(|y| y.is_nan())));
}

#[test]
fn rows_are_picked_and_their_gradients_added() {
    for (count, width) in [(5, 3), (65, 200), (1, 1)] {
        let rows: Vec<u32> = (0..300).map(|i| (i * i % count) as u32).collect();
        let (table, g) = (draw(1, count * width), draw(2, rows.len() * width));
        let mut sums = vec![0.0f64; count * width];
        for (row, g) in rows.iter().zip(g.chunks_exact(width)) {
            let sums = &mut sums[*row as usize * width..][..width];
            sums.iter_mut().zip(g).for_each(|(sum, g)| *sum += f64::from(*g));
        }
        everywhere(
            || {
                vec![
                    filled(rows.len() * width, |out| pick_rows(width, &table, &rows, out)),
                    filled(count * width, |out| pick_rows_backward(width, &g, &rows, out)),
                ]
            },
            |found| {
                let picked = rows.iter().flat_map(|row| &table[*row as usize * width..][..width]);
                assert!(found[0].iter().eq(picked));
                close(&found[1], &sums, rows.len(), "sums of rows");
            },
        );
    }
}
