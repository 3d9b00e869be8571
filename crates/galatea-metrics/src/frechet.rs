//! Frechet distance between two sets of features, each taken for a normal distribution:
//! `|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))`.
//!
//! Paper: Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule", arXiv:1706.08500, equation 6 (FID); Dowson
//! and Landau 1982, "The Fréchet distance between multivariate normal distributions".
//! Differs: the trace of the root is the sum of the roots of the eigenvalues of the symmetric `C_a^(1/2) C_b C_a^(1/2)`,
//! so no imaginary part has to be cut off; which features are used is part of the number's name.

use faer::{Mat, Side};
use galatea_data::HostTensor;

use crate::{Error, Result};

/// Mean and covariance of features.
#[derive(Clone, Debug)]
pub struct Moments {
    mean: Vec<f64>,
    covariance: Mat<f64>,
}

impl Moments {
    /// Mean and unbiased covariance of features `[n, d]`.
    ///
    /// # Errors
    /// With fewer than two rows, or values that are not finite.
    pub fn of(features: &HostTensor) -> Result<Self> {
        let (n, d) = crate::checked(features, 2)?;
        let mut mean = vec![0.0; d];
        for row in features.values.chunks_exact(d) {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        mean.iter_mut().for_each(|sum| *sum /= n as f64);
        let centred = Mat::from_fn(n, d, |i, j| f64::from(features.values[i * d + j]) - mean[j]);
        let mut covariance = Mat::zeros(d, d);
        faer::linalg::matmul::matmul(
            covariance.as_mut(),
            faer::Accum::Replace,
            centred.transpose(),
            centred.as_ref(),
            1.0 / (n as f64 - 1.0),
            faer::Par::Seq,
        );
        Ok(Self { mean, covariance })
    }
}

/// The squared Frechet distance; 0 for equal moments, without an upper bound.
///
/// # Errors
/// If the numbers of features differ.
pub fn distance(a: &Moments, b: &Moments) -> Result<f64> {
    let d = a.mean.len();
    if d != b.mean.len() {
        return Err(Error::samples(
            format!("{d} features cannot be compared with {}", b.mean.len()),
            "use the same features for both",
        ));
    }
    let apart: f64 = a.mean.iter().zip(&b.mean).map(|(a, b)| (a - b).powi(2)).sum();
    let root = root(&a.covariance)?;
    let product = &root * &b.covariance * &root;
    let shared: f64 = eigenvalues(&product)?.iter().map(|value| value.max(0.0).sqrt()).sum();
    let trace = |m: &Mat<f64>| (0..d).map(|i| m[(i, i)]).sum::<f64>();
    Ok((apart + trace(&a.covariance) + trace(&b.covariance) - 2.0 * shared).max(0.0))
}

fn root(matrix: &Mat<f64>) -> Result<Mat<f64>> {
    let eigen = matrix.self_adjoint_eigen(Side::Lower).map_err(|_| undecomposed())?;
    let (vectors, values) = (eigen.U(), eigen.S().column_vector());
    let d = matrix.nrows();
    let scaled = Mat::from_fn(d, d, |i, j| vectors[(i, j)] * values[j].max(0.0).sqrt());
    Ok(scaled * vectors.transpose())
}

fn eigenvalues(matrix: &Mat<f64>) -> Result<Vec<f64>> {
    // Rounding leaves the product a little asymmetric.
    let even = Mat::from_fn(matrix.nrows(), matrix.ncols(), |i, j| 0.5 * (matrix[(i, j)] + matrix[(j, i)]));
    even.self_adjoint_eigenvalues(Side::Lower).map_err(|_| undecomposed())
}

fn undecomposed() -> Error {
    Error::samples("the covariance of the features cannot be decomposed", "look for samples of enormous values")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::normal;

    fn of(a: &HostTensor, b: &HostTensor) -> f64 {
        distance(&Moments::of(a).unwrap(), &Moments::of(b).unwrap()).unwrap()
    }

    #[test]
    fn a_set_is_at_no_distance_from_itself_and_distances_are_symmetric() {
        let (a, b) = (normal(300, 8, 1, 0.0, 1.0), normal(200, 8, 2, 0.5, 2.0));
        assert!(of(&a, &a) < 1e-9);
        assert!((of(&a, &b) - of(&b, &a)).abs() < 1e-9 * of(&a, &b));
    }

    #[test]
    fn normal_sets_have_the_distance_of_their_distributions() {
        // |m|^2 + d (s - 1)^2 with mean 0.5 and deviation 2 in 4 dimensions.
        let (a, b) = (normal(200_000, 4, 1, 0.0, 1.0), normal(200_000, 4, 2, 0.5, 2.0));
        assert!((of(&a, &b) - 5.0).abs() < 0.05, "{}", of(&a, &b));
    }

    #[test]
    fn fewer_samples_than_features_are_no_trouble() {
        let (a, b) = (normal(20, 64, 1, 0.0, 1.0), normal(20, 64, 2, 0.0, 1.0));
        assert!(of(&a, &b).is_finite() && of(&a, &a) < 1e-6);
    }
}
