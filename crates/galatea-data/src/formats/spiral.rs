//! `spiral`: a line that winds round the origin twice.
//!
//! A spiral of Archimedes from the origin to radius 1, blurred by 0.02: 200 Gaussians along it, as far from each other on
//! the line as 1.6 standard deviations. At that distance their sum varies along the line by 0.1 %, so that it is one line,
//! and how much of it is drawn can still be counted as modes.

use super::toy::Toy;
use crate::Mixture;

/// The spiral.
pub(super) static SPIRAL: Toy =
    Toy { name: "spiral", summary: "a toy: points along a spiral", examples: &["spiral"], mixture };

const MODES: u32 = 200;
/// In radians.
const LAST_ANGLE: f64 = 4.0 * std::f64::consts::PI;

fn mixture() -> Mixture {
    let whole = length(LAST_ANGLE);
    let centre = |mode: u32| {
        let angle = angle_at(whole * (f64::from(mode) + 0.5) / f64::from(MODES));
        let radius = angle / LAST_ANGLE;
        vec![(radius * angle.cos()) as f32, (radius * angle.sin()) as f32]
    };
    Mixture { centres: (0..MODES).map(centre).collect(), deviation: 0.02 }
}

/// Length of the line from the origin to an angle.
fn length(angle: f64) -> f64 {
    0.5 * (angle * angle.hypot(1.0) + angle.asinh()) / LAST_ANGLE
}

/// The angle at which the line is so long: by halving, which 60 times make exact.
fn angle_at(wanted: f64) -> f64 {
    let (mut low, mut high) = (0.0, LAST_ANGLE);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        *(if length(middle) < wanted { &mut low } else { &mut high }) = middle;
    }
    low
}
