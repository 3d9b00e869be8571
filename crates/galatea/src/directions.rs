//! Directions in a latent space: those along which pictures change most, found without labels, those of an attribute, found by examples
//! with and without it, and sums of places.
//!
//! Paper: Shen and Zhou 2021, "Closed-Form Factorization of Latent Semantics in GANs" (SeFa), arXiv:2007.06600, equation 4, where the
//! model says by what weights its first layer takes latent vectors: for a linear layer and normal latent vectors these are the
//! principal components of its outputs, which Härkönen et al. 2020, "GANSpace", arXiv:2004.02546, section 2.1, look for.
//! Radford et al. 2016, arXiv:1511.06434, section 6.3.2, for arithmetic, and White 2016, arXiv:1609.04468, section 3.1, for attributes.
//! Differs: of a model that does not say, the mean of the squared Jacobian of what it draws takes the place of the weights.

use galatea_data::{HostBatch, HostTensor};
use galatea_models::{Latent, SampleRequest};
use serde::Serialize;

use crate::generator::check_truncation;
use crate::{Error, Generator, Result};

/// A way to go in a latent space.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Direction {
    /// As long as a latent vector, of length 1.
    pub vector: Vec<f32>,
    /// How much it does: of those that are found without labels the share of all change; of an attribute the length of the way from
    /// examples without it to those with it.
    pub strength: f64,
}

/// Latent vectors, and the classes that they are drawn as.
#[derive(Clone, Debug, PartialEq)]
pub struct Places {
    /// `[n, latent]`.
    pub latents: HostTensor,
    /// One class each, of a model that is told them.
    pub labels: Option<Vec<u32>>,
}

/// Latent vectors at which a Jacobian is taken, and the length of the step.
const PROBES: u64 = 16;
const STEP: f32 = 0.05;
/// Most numbers of a latent vector in which directions are looked for.
const MOST_LATENT: usize = 1_024;
/// Rounds after which directions no longer turn.
const ROUNDS: usize = 300;

impl Generator {
    /// The `count` directions along which samples change most, the strongest first, at right angles to each other.
    ///
    /// # Errors
    /// If the family has no latent space, or none of so many dimensions.
    pub fn directions(&self, count: usize) -> Result<Vec<Direction>> {
        let latent = self.latent_or_error()?;
        let d = latent.latent_len();
        if count == 0 || count > d {
            return Err(Error::usage(
                format!("the latent space has {d} dimensions, so there are no {count} directions"),
                format!("ask for 1 to {d}"),
            ));
        }
        if d > MOST_LATENT {
            return Err(Error::usage(
                format!("latent vectors have {d} numbers, and directions are looked for among {MOST_LATENT} at most"),
                "use `--with SRC --without SRC`, or a family with a smaller latent space",
            ));
        }
        let square = match latent.first_layer() {
            Some(weight) => square_of(&weight),
            None => self.squared_jacobian(latent)?,
        };
        let all: f64 = (0..d).map(|i| square[i * d + i]).sum();
        let found = strongest(&square, d, count).into_iter();
        Ok(found.map(|(vector, value)| Direction { vector, strength: value / all.max(f64::MIN_POSITIVE) }).collect())
    }

    /// The way from examples without an attribute to those with it: the difference of the means of their latent vectors.
    ///
    /// # Errors
    /// If the family does not encode, there are no examples of either, or they do not differ.
    pub fn attribute(&self, with: &HostBatch, without: &HostBatch) -> Result<Direction> {
        let mean = |examples: &HostBatch| -> Result<Vec<f64>> {
            if examples.is_empty() {
                return Err(Error::usage(
                    "there are no examples with the attribute, or none without it",
                    "name some of each",
                ));
            }
            let (latents, _) = self.encode(examples)?;
            let mut mean = vec![0.0; latents.row_len()];
            let share = 1.0 / latents.rows() as f64;
            (0..latents.rows()).for_each(|i| {
                mean.iter_mut().zip(latents.row(i)).for_each(|(m, value)| *m += share * f64::from(*value))
            });
            Ok(mean)
        };
        let (to, from) = (mean(with)?, mean(without)?);
        let way: Vec<f64> = to.iter().zip(&from).map(|(to, from)| to - from).collect();
        let length = way.iter().map(|value| value * value).sum::<f64>().sqrt();
        if length < 1e-9 {
            return Err(Error::usage("examples with and without the attribute are alike to this model", "name others"));
        }
        Ok(Direction { vector: way.iter().map(|value| (value / length) as f32).collect(), strength: length })
    }

    /// The places of the samples of `request`.
    ///
    /// # Errors
    /// If the family has no latent space, or the class does not exist.
    pub fn places(&self, request: &SampleRequest) -> Result<Places> {
        let latents = self.latent_or_error()?.latents(request);
        check_truncation(request)?;
        Ok(Places { latents, labels: request.labels(self.classes())? })
    }

    /// The places of examples, as [`encode`](Self::encode) finds them.
    ///
    /// # Errors
    /// As there.
    pub fn places_of(&self, examples: &HostBatch) -> Result<Places> {
        let (latents, labels) = self.encode(examples)?;
        Ok(Places { latents, labels })
    }

    /// From each place a strip of `steps` samples: from `-reach` to `reach` along each direction in turn; place by place, direction
    /// by direction.
    ///
    /// # Errors
    /// If there is no step, or a direction is of another length than latent vectors.
    pub fn along(&self, places: &Places, directions: &[Direction], reach: f32, steps: usize) -> Result<HostTensor> {
        let latent = self.latent_or_error()?;
        let d = latent.latent_len();
        if steps < 2 || directions.iter().any(|direction| direction.vector.len() != d) {
            return Err(Error::usage(
                "a strip needs two steps or more along directions of this model",
                "use `--steps 7`",
            ));
        }
        let (mut values, mut labels) = (Vec::new(), Vec::new());
        for (i, direction) in (0..places.latents.rows()).flat_map(|i| directions.iter().map(move |way| (i, way))) {
            for step in 0..steps {
                let far = reach * (2.0 * step as f32 / (steps - 1) as f32 - 1.0);
                let from = places.latents.row(i);
                values.extend(from.iter().zip(&direction.vector).map(|(z, v)| z + far * v));
                labels.extend(places.labels.as_ref().map(|labels| labels[i]));
            }
        }
        let all = HostTensor::new([values.len() / d.max(1), d], values);
        Ok(latent.decode(&all, places.labels.as_ref().map(|_| labels.as_slice()))?)
    }

    /// What is at `start`, with all of `plus` added and all of `minus` taken away; at each step on the way, the start first. The class
    /// is that of `start`.
    ///
    /// # Errors
    /// If `start` is no single place, or the places are not of this model.
    pub fn sum(&self, start: &Places, plus: &HostTensor, minus: &HostTensor) -> Result<HostTensor> {
        let latent = self.latent_or_error()?;
        let d = latent.latent_len();
        let fits = |set: &HostTensor| set.rows() == 0 || set.row_len() == d;
        if start.latents.rows() != 1 || !fits(&start.latents) || !fits(plus) || !fits(minus) {
            return Err(Error::usage(
                "a sum begins at one place and goes on by places of the same model",
                "name one to begin with",
            ));
        }
        let mut at = start.latents.row(0).to_vec();
        let mut values = at.clone();
        for (set, sign) in [(minus, -1.0), (plus, 1.0)] {
            for i in 0..set.rows() {
                at.iter_mut().zip(set.row(i)).for_each(|(at, other)| *at += sign * other);
                values.extend_from_slice(&at);
            }
        }
        let n = values.len() / d.max(1);
        let labels = start.labels.as_ref().and_then(|labels| labels.first()).map(|label| vec![*label; n]);
        Ok(latent.decode(&HostTensor::new([n, d], values), labels.as_deref())?)
    }

    /// The mean over some latent vectors of `J J^T`, `[d, d]`, with the Jacobian `J` `[d, values]` of what is drawn.
    fn squared_jacobian(&self, latent: &dyn Latent) -> Result<Vec<f64>> {
        let d = latent.latent_len();
        let mut square = vec![0.0; d * d];
        for probe in 0..PROBES {
            let request = SampleRequest { range: probe..probe + 1, ..SampleRequest::new(0, 0) };
            let place = self.places(&request)?;
            let mut values = Vec::with_capacity(2 * d * d);
            for sign in [-1.0, 1.0] {
                for i in 0..d {
                    let first = values.len();
                    values.extend_from_slice(place.latents.row(0));
                    values[first + i] += sign * STEP;
                }
            }
            let labels = place.labels.map(|labels| vec![labels[0]; 2 * d]);
            let drawn = latent.decode(&HostTensor::new([2 * d, d], values), labels.as_deref())?;
            let width = drawn.row_len();
            let mut slopes = Vec::with_capacity(d * width);
            for i in 0..d {
                slopes.extend(drawn.row(i).iter().zip(drawn.row(d + i)).map(|(a, b)| (b - a) / (2.0 * STEP)));
            }
            let of_one = square_of(&HostTensor::new([d, width], slopes));
            square.iter_mut().zip(of_one).for_each(|(sum, value)| *sum += value / PROBES as f64);
        }
        Ok(square)
    }
}

/// `W W^T` of `W` `[d, width]`.
fn square_of(matrix: &HostTensor) -> Vec<f64> {
    let d = matrix.rows();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    (0..d * d).map(|at| dot(matrix.row(at / d), matrix.row(at % d))).collect()
}

/// The eigenvectors of the largest eigenvalues of a symmetric matrix `[d, d]` without negative ones, by orthogonal iteration; the
/// largest number of each is positive.
fn strongest(matrix: &[f64], d: usize, count: usize) -> Vec<(Vec<f32>, f64)> {
    // More than are wanted, so that the last of them settles, too.
    let width = (count + 4).min(d);
    let mut basis: Vec<Vec<f64>> = (0..width)
        .map(|k| (0..d).map(|i| (1.0 + (i * (k + 1)) as f64 * 0.7).sin() + f64::from(i == k)).collect())
        .collect();
    let mut values = vec![0.0; width];
    for _ in 0..ROUNDS {
        for vector in &mut basis {
            let product = (0..d).map(|i| (0..d).map(|j| matrix[i * d + j] * vector[j]).sum::<f64>());
            *vector = product.collect();
        }
        for (k, value) in values.iter_mut().enumerate() {
            let (before, rest) = basis.split_at_mut(k);
            let vector = &mut rest[0];
            // Twice, so that rounding leaves nothing of the others.
            for other in before.iter().chain(before.iter()) {
                let share: f64 = other.iter().zip(vector.iter()).map(|(a, b)| a * b).sum();
                vector.iter_mut().zip(other).for_each(|(value, other)| *value -= share * other);
            }
            let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
            *value = length;
            if length > 1e-150 {
                vector.iter_mut().for_each(|value| *value /= length);
            } else {
                // Nothing is left: any direction that the others do not have will do.
                *vector = (0..d).map(|i| f64::from(i == k)).collect();
            }
        }
    }
    let signed = |vector: Vec<f64>| -> Vec<f32> {
        let largest = vector.iter().copied().fold(0.0f64, |a, b| if b.abs() > a.abs() { b } else { a });
        vector.into_iter().map(|value| (value * largest.signum()) as f32).collect()
    };
    basis.into_iter().zip(values).take(count).map(|(vector, value)| (signed(vector), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_directions_are_the_eigenvectors() {
        // Rotated axes with squares 9, 4, 1 and 0.25.
        let (s, c) = (0.6, 0.8);
        let axes = [[c, s, 0.0, 0.0], [-s, c, 0.0, 0.0], [0.0, 0.0, c, s], [0.0, 0.0, -s, c]];
        let squares = [4.0, 9.0, 0.25, 1.0];
        let matrix: Vec<f64> = (0..16)
            .map(|at| axes.iter().zip(squares).map(|(axis, square)| square * axis[at / 4] * axis[at % 4]).sum())
            .collect();
        let found = strongest(&matrix, 4, 3);
        for ((vector, value), (axis, square)) in found.iter().zip([(axes[1], 9.0), (axes[0], 4.0), (axes[3], 1.0)]) {
            let cosine: f64 = vector.iter().zip(axis).map(|(a, b)| f64::from(*a) * b).sum();
            assert!((cosine.abs() - 1.0).abs() < 1e-6 && (value - square).abs() < 1e-6, "{vector:?} {value}");
        }
        assert_eq!(strongest(&[0.0; 9], 3, 2).len(), 2);
    }

    #[test]
    fn the_square_is_of_rows() {
        let square = square_of(&HostTensor::new([2, 3], vec![1.0, 2.0, 2.0, 0.0, 1.0, 0.0]));
        assert_eq!(square, [9.0, 2.0, 2.0, 1.0]);
    }
}
