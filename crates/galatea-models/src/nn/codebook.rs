//! A table of vectors that stand for all others: each is the moving average of those that it is the nearest to.
//!
//! Paper: van den Oord et al. 2017, "Neural Discrete Representation Learning", arXiv:1711.00937, section 3.1 and appendix
//! A.1.
//! Differs: a vector that is hardly ever the nearest takes the place of one that was just seen, as the random restarts of
//! Dhariwal et al. 2020, "Jukebox", arXiv:2005.00341, section 3.1; so do all at the beginning.

use galatea_data::HostTensor;
use galatea_kernels::Activation;
use galatea_kernels::burn::to_vec;
use galatea_kernels::linear::linear;
use galatea_kernels::random::Stream;

use super::noise::WeightDraw;
use super::weights;
use crate::{Part, Result};

/// Share of the mean use below which a vector is replaced, and the use that its successor begins with.
const DEAD: f32 = 0.05;
const REVIVED: f32 = 0.25;

/// The table, and the averages that it is made of.
#[derive(Clone, Debug)]
pub struct Codebook {
    /// Length of a vector.
    width: usize,
    /// `[count, width]`.
    vectors: Vec<f32>,
    /// How many vectors each has stood for in a step: moving averages, `[count]`.
    counts: Vec<f32>,
    /// The sums of those, `[count, width]`.
    sums: Vec<f32>,
}

impl Codebook {
    /// `count` vectors of length `width`, normally distributed, in use by nobody.
    pub fn new([count, width]: [usize; 2], draw: &mut WeightDraw) -> Self {
        let vectors = to_vec(draw.normal([count, width], 1.0));
        Self { width, vectors, counts: vec![0.0; count], sums: vec![0.0; count * width] }
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// For each of `rows`, `[n, width]`, the number of the nearest vector; the first of several.
    pub fn nearest(&self, rows: &[f32]) -> Vec<u32> {
        let (n, count, width) = (rows.len() / self.width, self.len(), self.width);
        // The square of the distance, without that of the row, which is the same for all: |e|^2 - 2 e x.
        let mut turned = vec![0.0; self.vectors.len()];
        let mut squares = vec![0.0; count];
        for (code, vector) in self.vectors.chunks_exact(width).enumerate() {
            vector.iter().enumerate().for_each(|(i, value)| turned[i * count + code] = -2.0 * value);
            squares[code] = vector.iter().map(|value| value * value).sum();
        }
        let mut apart = vec![0.0; n * count];
        linear([n, width, count], rows, &turned, Some(&squares), Activation::Identity, &mut apart);
        let least = |apart: &[f32]| (0..count).reduce(|a, b| if apart[b] < apart[a] { b } else { a }).unwrap_or(0);
        apart.chunks_exact(count).map(|apart| least(apart) as u32).collect()
    }

    /// The vectors of `codes`, one after the other.
    ///
    /// # Panics
    /// If there is no such vector.
    pub fn vectors_of(&self, codes: &[u32]) -> Vec<f32> {
        let of = |code: &u32| &self.vectors[*code as usize * self.width..(*code as usize + 1) * self.width];
        codes.iter().flat_map(of).copied().collect()
    }

    /// Puts vectors that hardly anything is near to in the place of some of `rows`, `[n, width]`, which `draws` chooses.
    /// Returns how many there were.
    pub fn revive(&mut self, rows: &[f32], mut draws: Stream) -> usize {
        let (n, width) = (rows.len() / self.width, self.width);
        let mean = n as f32 / self.len() as f32;
        let mut revived = 0;
        for code in 0..self.len() {
            if n == 0 || self.counts[code] >= DEAD * mean {
                continue;
            }
            let at = draws.below(n as u64) as usize * width;
            let own = code * width..(code + 1) * width;
            self.counts[code] = REVIVED * mean;
            self.vectors[own.clone()].copy_from_slice(&rows[at..at + width]);
            self.sums[own].iter_mut().zip(&rows[at..at + width]).for_each(|(sum, value)| *sum = REVIVED * mean * value);
            revived += 1;
        }
        revived
    }

    /// Lets each vector follow the mean of those of `rows`, `[n, width]`, that it is the nearest to, as `codes` say.
    pub fn follow(&mut self, rows: &[f32], codes: &[u32], decay: f32) {
        let (count, width) = (self.len(), self.width);
        let (mut counts, mut sums) = (vec![0.0f32; count], vec![0.0f32; count * width]);
        for (row, code) in rows.chunks_exact(width).zip(codes) {
            let code = *code as usize;
            counts[code] += 1.0;
            sums[code * width..(code + 1) * width].iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        let towards = |average: &mut [f32], now: &[f32]| {
            average.iter_mut().zip(now).for_each(|(average, now)| *average = decay * *average + (1.0 - decay) * now);
        };
        towards(&mut self.counts, &counts);
        towards(&mut self.sums, &sums);
        for (code, vector) in self.vectors.chunks_exact_mut(width).enumerate() {
            let sums = &self.sums[code * width..(code + 1) * width];
            if self.counts[code] > 1e-6 {
                vector.iter_mut().zip(sums).for_each(|(value, sum)| *value = sum / self.counts[code]);
            }
        }
    }

    /// The table as the array of a part.
    pub fn table(&self) -> (String, HostTensor) {
        ("codebook".to_owned(), HostTensor::new([self.len(), self.width], self.vectors.clone()))
    }

    /// Takes the table from a part.
    ///
    /// # Errors
    /// If it is missing or of another shape.
    pub fn load_table(&mut self, part: &Part) -> Result<()> {
        self.vectors = weights::array(part, "codebook", &[self.len(), self.width])?.values.clone();
        Ok(())
    }

    /// All of it, as the part `name`.
    pub fn to_part(&self, name: &str) -> Part {
        let counts = HostTensor::new([self.len()], self.counts.clone());
        let sums = HostTensor::new([self.len(), self.width], self.sums.clone());
        Part {
            name: name.to_owned(),
            tensors: vec![self.table(), ("counts".to_owned(), counts), ("sums".to_owned(), sums)],
        }
    }

    /// Takes back what [`to_part`](Self::to_part) gave.
    ///
    /// # Errors
    /// If an array is missing or of another shape.
    pub fn load(&mut self, part: &Part) -> Result<()> {
        self.load_table(part)?;
        self.counts = weights::array(part, "counts", &[self.len()])?.values.clone();
        self.sums = weights::array(part, "sums", &[self.len(), self.width])?.values.clone();
        Ok(())
    }
}

/// How many codes there would be if all were used alike: the exponential of the entropy of their shares.
pub fn perplexity(codes: &[u32], count: usize) -> f64 {
    let mut shares = vec![0.0; count];
    codes.iter().for_each(|code| shares[*code as usize] += 1.0 / codes.len() as f64);
    let entropy: f64 = shares.iter().filter(|share| **share > 0.0).map(|share| -share * f64::ln(*share)).sum();
    entropy.exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::prelude::Device;
    use galatea_kernels::random;

    fn codebook(count: usize, width: usize) -> Codebook {
        Codebook::new([count, width], &mut WeightDraw::new(1, &Device::flex()))
    }

    #[test]
    fn the_nearest_is_the_nearest() {
        let codebook = codebook(37, 5);
        let mut rows = vec![0.0; 5 * 200];
        random::fill_normal(2, 3, &mut rows);
        let apart = |row: &[f32], code: u32| -> f32 {
            codebook.vectors_of(&[code]).iter().zip(row).map(|(a, b)| (a - b) * (a - b)).sum()
        };
        for (row, code) in rows.chunks_exact(5).zip(codebook.nearest(&rows)) {
            assert!((0..37).all(|other| apart(row, code) <= apart(row, other) + 1e-5));
        }
        // What stands for itself.
        let all: Vec<u32> = (0..37).collect();
        assert_eq!(codebook.nearest(&codebook.vectors_of(&all)), all);
    }

    #[test]
    fn vectors_move_to_the_middle_of_clusters_and_none_is_left_over() {
        // Eight clusters, and at the beginning all vectors far away from all but one of them.
        let (count, clusters) = (16, 8);
        let rows_of = |step: u64| {
            let mut rows = vec![0.0; 2 * 400];
            random::fill_normal(5, step, &mut rows);
            for (i, row) in rows.chunks_exact_mut(2).enumerate() {
                let angle = (i % clusters) as f32;
                row[0] = 10.0 * angle + 0.1 * row[0];
                row[1] *= 0.1;
            }
            rows
        };
        let mut codebook = codebook(count, 2);
        let error = |codebook: &Codebook| {
            let rows = rows_of(999);
            let given = codebook.vectors_of(&codebook.nearest(&rows));
            rows.iter().zip(&given).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / 400.0
        };
        assert!(error(&codebook) > 100.0);
        for step in 0..300 {
            let rows = rows_of(step);
            codebook.revive(&rows, Stream::new(1, step));
            let codes = codebook.nearest(&rows);
            codebook.follow(&rows, &codes, 0.95);
        }
        // The clusters' own variance is 0.02.
        assert!(error(&codebook) < 0.021, "{}", error(&codebook));
        let rows = rows_of(999);
        let codes = codebook.nearest(&rows);
        assert!(perplexity(&codes, count) > 12.0, "{}", perplexity(&codes, count));
        assert_eq!(codebook.clone().revive(&rows, Stream::new(1, 1)), 0);
        let part = codebook.to_part("book");
        let mut other = self::codebook(count, 2);
        other.load(&part).unwrap();
        assert_eq!(other.to_part("book"), part);
        assert!(self::codebook(count, 3).load(&part).is_err());
    }

    #[test]
    fn averages_are_those_of_the_formula() {
        let mut codebook = codebook(2, 1);
        codebook.vectors = vec![0.0, 10.0];
        codebook.counts = vec![1.0, 1.0];
        codebook.sums = vec![0.0, 10.0];
        codebook.follow(&[1.0, 3.0, 12.0], &[0, 0, 1], 0.9);
        // Counts 0.9 + 0.2 and 1; sums 0.4 and 9 + 1.2.
        let expected = [0.4 / 1.1, 10.2];
        assert!(codebook.vectors.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{:?}", codebook.vectors);
        assert!((perplexity(&[0, 1, 2, 3], 9) - 4.0).abs() < 1e-9);
        assert!((perplexity(&[2, 2], 9) - 1.0).abs() < 1e-9);
    }
}
