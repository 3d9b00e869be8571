//! Random numbers are the same on every instruction set and on any number of threads, and stay what they are: samples
//! and resumed runs depend on it.

use super::*;

/// Seed, stream, and digests of normal and of uniform values, computed one value after the other, before there were vectors.
const DIGESTS: &[(u64, u64, u64, u64)] = &[
    (0, 0, 0x299d_f6f5_b677_5572, 0xed6c_73a2_e979_14ce),
    (7, 3, 0x8214_8e67_e4cd_e1da, 0x7cc0_6c36_cb59_0d69),
    (0x0123_4567_89ab_cdef, 0x0200_0000_0000_3039, 0x74c6_9e41_5fb4_7124, 0x103c_4679_d54a_32b5),
];

/// FNV-1a over the bits.
fn digest(values: &[f32]) -> u64 {
    values
        .iter()
        .flat_map(|value| value.to_bits().to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn values_never_change() {
    for (seed, stream, normal, uniform) in DIGESTS {
        everywhere(
            || {
                let [mut a, mut b] = [vec![0.0; 100_003], vec![0.0; 10_001]];
                random::fill_normal(*seed, *stream, &mut a);
                random::fill_uniform(*seed, *stream, &mut b);
                vec![a, b]
            },
            |found| assert_eq!((digest(&found[0]), digest(&found[1])), (*normal, *uniform), "{seed} {stream}"),
        );
    }
}

#[test]
fn rows_are_streams() {
    for (rows, width) in [(5, 3), (64, 100), (1, 20_000), (3, 5_001), (0, 7), (4, 0)] {
        let stream = |row: usize| 1 << 40 | row as u64;
        let expected: Vec<f32> = (0..rows)
            .flat_map(|row| {
                let mut out = vec![0.0; width];
                random::fill_normal(9, stream(row), &mut out);
                out
            })
            .collect();
        everywhere(
            || vec![filled(rows * width, |out| random::fill_normal_rows(9, width, out, stream))],
            |found| assert_eq!(found[0], expected),
        );
    }
}
