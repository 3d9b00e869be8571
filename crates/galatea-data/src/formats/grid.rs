//! `grid`: 25 Gaussians on a square grid.
//!
//! Lin et al. 2018, "PacGAN: The power of two samples in generative adversarial networks", arXiv:1712.04086, section 4.1
//! (from Srivastava et al. 2017, "VEEGAN", arXiv:1705.07761): coordinates -4, -2, 0, 2 and 4, standard deviation 0.05.

use super::toy::Toy;
use crate::Mixture;

/// The grid.
pub(super) static GRID: Toy =
    Toy { name: "grid", summary: "a toy: points from 25 Gaussians on a grid", examples: &["grid"], mixture };

fn mixture() -> Mixture {
    let side = [-4.0, -2.0, 0.0, 2.0, 4.0];
    let centres = side.iter().flat_map(|y| side.iter().map(|x| vec![*x, *y])).collect();
    Mixture { centres, deviation: 0.05 }
}
