//! Counter-based random numbers: the same values for the same place, whoever asks and in whatever order.
//!
//! The generator is Philox4x32 with ten rounds (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy
//! as 1, 2, 3"). Its key is the seed; its counter is made of the stream and of the position in the stream. All that
//! follows is built from additions, products, quotients and square roots in double precision, each rounded by itself and
//! without a mathematical library, so that the values agree on every machine, in vectors of any length and on any number
//! of threads.

use crate::pool::{Shared, parallel_chunks, parallel_for};
use crate::simd::simd_fn;

/// Values of one task.
const TASK: usize = 1 << 11;
/// Positions that are done together.
const TOGETHER: usize = 64;

/// As many words of each of the four kinds.
type Words = [[u32; TOGETHER]; 4];

/// Ten rounds of Philox4x32.
#[inline(always)]
fn philox(mut key: [u32; 2], mut counter: [u32; 4]) -> [u32; 4] {
    const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
    const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
    for _ in 0..10 {
        let a = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let b = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        counter = [(b >> 32) as u32 ^ counter[1] ^ key[0], b as u32, (a >> 32) as u32 ^ counter[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// The four words at position `index` of a stream.
#[inline(always)]
fn block(seed: u64, stream: u64, index: u64) -> [u32; 4] {
    let halves = |v: u64| [v as u32, (v >> 32) as u32];
    let ([i0, i1], [s0, s1]) = (halves(index), halves(stream));
    philox(halves(seed), [i0, i1, s0, s1])
}

/// [`philox`] at `count` positions of a stream from `first` on, one after the other in each of the four words.
#[inline(always)]
fn blocks(seed: u64, stream: u64, first: u64, count: usize, words: &mut Words) {
    for i in 0..count {
        for (words, word) in words.iter_mut().zip(block(seed, stream, first.wrapping_add(i as u64))) {
            words[i] = word;
        }
    }
}

/// Fills `out` with numbers evenly distributed in [0, 1), multiples of 2^-24.
pub fn fill_uniform(seed: u64, stream: u64, out: &mut [f32]) {
    parallel_chunks(out, TASK, |first, part| uniform_part(seed, stream, (first / 4) as u64, part));
}

/// Fills `out` with normally distributed numbers of mean 0 and variance 1 (Box and Muller's method).
pub fn fill_normal(seed: u64, stream: u64, out: &mut [f32]) {
    parallel_chunks(out, TASK, |first, part| normal_part(seed, stream, (first / 4) as u64, part));
}

/// Fills row `i` of `[rows, width]` with the beginning of stream `stream(i)`, as [`fill_normal`] does.
///
/// # Panics
/// If there is not a whole number of rows.
pub fn fill_normal_rows(seed: u64, width: usize, out: &mut [f32], stream: impl Fn(usize) -> u64 + Sync) {
    assert!(out.len().is_multiple_of(width.max(1)), "rows of {width} values");
    let rows = out.len() / width.max(1);
    let together = (TASK / width.max(1)).max(1);
    let out = Shared::new(out);
    parallel_for(rows.div_ceil(together), |task| {
        for row in task * together..((task + 1) * together).min(rows) {
            // SAFETY: each task writes its own rows. Of a single long one, parts are tasks.
            fill_normal(seed, stream(row), unsafe { out.slice(row * width, width) });
        }
    });
}

simd_fn! {
    fn uniform_part<S>(seed: u64, stream: u64, first: u64, out: &mut [f32]) {
        let _ = S::LANES;
        let mut words = [[0; TOGETHER]; 4];
        for (i, out) in out.chunks_mut(4 * TOGETHER).enumerate() {
            blocks(seed, stream, first + (i * TOGETHER) as u64, out.len().div_ceil(4), &mut words);
            for (i, out) in out.chunks_mut(4).enumerate() {
                for (value, words) in out.iter_mut().zip(&words) {
                    *value = (words[i] >> 8) as f32 * (1.0 / 16_777_216.0);
                }
            }
        }
    }
}

simd_fn! {
    fn normal_part<S>(seed: u64, stream: u64, first: u64, out: &mut [f32]) {
        let _ = S::LANES;
        let mut words = [[0; TOGETHER]; 4];
        let mut normal = [[0.0f32; TOGETHER]; 4];
        for (i, out) in out.chunks_mut(4 * TOGETHER).enumerate() {
            let count = out.len().div_ceil(4);
            blocks(seed, stream, first + (i * TOGETHER) as u64, count, &mut words);
            for (words, normal) in words.chunks_exact(2).zip(normal.chunks_exact_mut(2)) {
                let [cosines, sines] = normal else { unreachable!("chunks of two") };
                let values = cosines[..count].iter_mut().zip(&mut sines[..count]);
                for ((cos, sin), (first, second)) in values.zip(words[0].iter().zip(&words[1])) {
                    [*cos, *sin] = normal_pair(*first, *second).map(|normal| normal as f32);
                }
            }
            for (i, out) in out.chunks_mut(4).enumerate() {
                out.iter_mut().zip(&normal).for_each(|(value, normal)| *value = normal[i]);
            }
        }
    }
}

#[inline(always)]
fn normal_pair(first: u32, second: u32) -> [f64; 2] {
    let u = (f64::from(first) + 0.5) * (1.0 / 4_294_967_296.0);
    let radius = (-2.0 * ln(u)).sqrt();
    let (sin, cos) = sin_cos_turns(second);
    [radius * cos, radius * sin]
}

/// `1 / (2 k + 1)`, the coefficients of artanh's series, from the last one that counts. Loops over constants are unrolled
/// early enough for the loops around them to be done in vectors.
const ARTANH: [f64; 12] = {
    let (mut all, mut k) = ([0.0; 12], 0);
    while k < 12 {
        all[k] = 1.0 / (2 * (11 - k) + 1) as f64;
        k += 1;
    }
    all
};

/// The even numbers whose products with their neighbours divide the terms of sine and cosine, from the last one.
const EVEN: [f64; 8] = [16.0, 14.0, 12.0, 10.0, 8.0, 6.0, 4.0, 2.0];

/// Natural logarithm of a positive normal number, to about 1e-15.
#[inline(always)]
fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i32 - 1023;
    let mut m = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    if m > std::f64::consts::SQRT_2 {
        m *= 0.5;
        exponent += 1;
    }
    // ln m = 2 artanh((m - 1) / (m + 1)), whose argument is at most 0.172.
    let t = (m - 1.0) / (m + 1.0);
    let square = t * t;
    let mut sum = 0.0;
    for coefficient in ARTANH {
        sum = sum * square + coefficient;
    }
    f64::from(exponent) * std::f64::consts::LN_2 + 2.0 * t * sum
}

/// Sine and cosine of `turns / 2^32` full turns, to about 1e-16.
#[inline(always)]
fn sin_cos_turns(turns: u32) -> (f64, f64) {
    let quarter = turns.wrapping_add(1 << 29) >> 30;
    let rest = turns.wrapping_sub(quarter << 30) as i32;
    let x = f64::from(rest) * (std::f64::consts::TAU / 4_294_967_296.0);
    let square = x * x;
    let (mut sin, mut cos) = (1.0, 1.0);
    for k in EVEN {
        sin = 1.0 - sin * square / (k * (k + 1.0));
        cos = 1.0 - cos * square / (k * (k - 1.0));
    }
    let sin = sin * x;
    // Turned by quarters; without branches, which would keep this from being done in vectors.
    let (odd, turned) =
        (quarter & 1 == 1, |sign: u32, x: f64| if quarter.wrapping_add(sign) & 2 == 0 { x } else { -x });
    let (sin, cos) = if odd { (cos, sin) } else { (sin, cos) };
    (turned(0, sin), turned(1, cos))
}

/// The number at position `index` of a stream, evenly distributed over all 64-bit numbers.
pub fn u64_at(seed: u64, stream: u64, index: u64) -> u64 {
    let words = block(seed, stream, index / 2);
    let at = 2 * (index % 2) as usize;
    u64::from(words[at]) | u64::from(words[at + 1]) << 32
}

/// A stream read from its beginning, one number after the other.
#[derive(Clone, Debug)]
pub struct Stream {
    seed: u64,
    stream: u64,
    next: u64,
}

impl Stream {
    /// The beginning of a stream.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self { seed, stream, next: 0 }
    }

    /// A number evenly distributed over all 64-bit numbers.
    pub fn next_u64(&mut self) -> u64 {
        let value = u64_at(self.seed, self.stream, self.next);
        self.next = self.next.wrapping_add(1);
        value
    }

    /// A number evenly distributed in [0, 1), a multiple of 2^-53.
    pub fn next_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// A number evenly distributed over 0, 1, .., `n` - 1 (0 if `n` is 0), without bias.
    pub fn below(&mut self, n: u64) -> u64 {
        // Lemire 2019, "Fast random integer generation in an interval".
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            if product as u64 >= n || product as u64 >= n.wrapping_neg() % n.max(1) {
                return (product >> 64) as u64;
            }
        }
    }

    /// Brings the values into a random order, each order being equally likely.
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for i in (1..values.len()).rev() {
            let j = self.below(i as u64 + 1) as usize;
            values.swap(i, j);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the known-answer tests that come with the authors' Random123.
    #[test]
    fn known_answers() {
        assert_eq!(philox([0; 2], [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 2], [u32::MAX; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox([0xa409_3822, 0x299f_31d0], [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
        let words = block(0x299f_31d0_a409_3822, 0x0370_7344_1319_8a2e, 0x85a3_08d3_243f_6a88);
        assert_eq!(words, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn functions_agree_with_the_standard_library() {
        let mut stream = Stream::new(1, 2);
        for _ in 0..10_000 {
            let word = stream.next_u64() as u32;
            let u = (f64::from(word) + 0.5) / 4_294_967_296.0;
            assert!((ln(u) - u.ln()).abs() <= 1e-15 * (1.0 + u.ln().abs()), "{u}");
            let (sin, cos) = sin_cos_turns(word);
            let x = f64::from(word) / 4_294_967_296.0 * std::f64::consts::TAU;
            assert!((sin - x.sin()).abs() < 2e-15 && (cos - x.cos()).abs() < 2e-15, "{word}");
        }
        for turns in [0, 1 << 29, (1 << 29) - 1, 1 << 30, 1 << 31, 3 << 30, 7 << 29, u32::MAX] {
            let (sin, cos) = sin_cos_turns(turns);
            assert!((sin * sin + cos * cos - 1.0).abs() < 1e-15, "{turns}");
        }
        assert_eq!(sin_cos_turns(1 << 30), (1.0, -0.0));
    }

    #[test]
    fn moments() {
        let mut values = vec![0.0f32; 400_001];
        let moment = |values: &[f32], power: i32| {
            values.iter().map(|v| f64::from(*v).powi(power)).sum::<f64>() / values.len() as f64
        };
        fill_normal(7, 3, &mut values);
        for (power, expected) in [(1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)] {
            assert!((moment(&values, power) - expected).abs() < 0.05, "{power}");
        }
        fill_uniform(7, 3, &mut values);
        assert!(values.iter().all(|v| (0.0..1.0).contains(v)));
        for power in 1..5 {
            assert!((moment(&values, power) - 1.0 / f64::from(power + 1)).abs() < 0.005, "{power}");
        }
    }

    #[test]
    fn a_prefix_does_not_depend_on_the_length() {
        let mut whole = [0.0; 41];
        fill_normal(11, 12, &mut whole);
        for n in 0..41 {
            let mut part = vec![0.0; n];
            fill_normal(11, 12, &mut part);
            assert_eq!(part, whole[..n]);
        }
        let mut other = [0.0; 41];
        fill_normal(11, 13, &mut other);
        assert_ne!(whole, other);
    }

    #[test]
    fn below_is_even_and_shuffles_are_permutations() {
        let mut stream = Stream::new(5, 6);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[stream.below(7) as usize] += 1;
        }
        assert!(counts.iter().all(|c| (9_500..10_500).contains(c)), "{counts:?}");
        assert_eq!((stream.below(0), stream.below(1)), (0, 0));
        // A range for which a plain remainder would be far from even.
        let n = 3 << 62;
        let low = (0..30_000).filter(|_| stream.below(n) < 1 << 62).count();
        assert!((9_500..10_500).contains(&low), "{low}");
        let mut values: Vec<u32> = (0..100).collect();
        stream.shuffle(&mut values);
        assert_ne!(values, (0..100).collect::<Vec<_>>());
        values.sort_unstable();
        assert_eq!(values, (0..100).collect::<Vec<_>>());
    }
}
