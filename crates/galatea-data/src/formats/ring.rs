//! `ring`: eight Gaussians on a circle.
//!
//! Lin et al. 2018, "PacGAN: The power of two samples in generative adversarial networks", arXiv:1712.04086, section 4.1
//! (from Srivastava et al. 2017, "VEEGAN", arXiv:1705.07761): radius 1, standard deviation 0.01.

use super::toy::Toy;
use crate::Mixture;

/// The ring.
pub(super) static RING: Toy =
    Toy { name: "ring", summary: "a toy: points from 8 Gaussians on a circle", examples: &["ring"], mixture };

fn mixture() -> Mixture {
    let centre = |mode: u8| {
        let angle = f64::from(mode) * std::f64::consts::FRAC_PI_4;
        vec![angle.cos() as f32, angle.sin() as f32]
    };
    Mixture { centres: (0..8).map(centre).collect(), deviation: 0.01 }
}
