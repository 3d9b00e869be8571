//! Differentiable augmentation: pictures are changed at random before the discriminator sees them, real and generated ones
//! by draws of the same distribution, and the generator learns through the change. The discriminator cannot learn a small
//! data set by heart, and what it is shown does not leak into what is drawn.
//!
//! Paper: Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training", arXiv:2006.10738, section 3.3
//! (colour, translation, cutout); Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data",
//! arXiv:2006.06676, appendix B (a probability for each change; scaling).
//! Differs: pictures turn by at most 15 degrees, because a generator must not learn to draw them upside down where the
//! probability is 1; penalties are on the slope at the changed picture.

use burn::prelude::*;
use galatea_data::settings::{SettingError, nearest};
use galatea_kernels::burn::alter;
use galatea_kernels::pictures::Alteration;
use galatea_kernels::random::Stream;

use crate::nn::noise::{self, Position, Purpose};

/// Largest shift in each direction, as a share of the side. Zhao et al.'s program.
const SHIFT: f64 = 0.125;
/// Side of what is cut out, as a share of the picture's. Zhao et al.'s program.
const CUTOUT: f64 = 0.5;
/// Largest turn to either side, in degrees.
const TURN: f64 = 15.0;
/// Standard deviation of the binary logarithm of the size. Karras et al. 2020, appendix B.
const SCALING: f64 = 0.2;

/// A kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Brightness, saturation and contrast.
    Colour,
    /// A shift by whole pixels; grey comes into view.
    Translation,
    /// A square that becomes grey.
    Cutout,
    /// A turn round the centre.
    Rotation,
    /// Another size.
    Scaling,
}

const KINDS: [(&str, Kind); 5] = [
    ("colour", Kind::Colour),
    ("translation", Kind::Translation),
    ("cutout", Kind::Cutout),
    ("rotation", Kind::Rotation),
    ("scaling", Kind::Scaling),
];

/// The kinds that a setting names: `none`, `all`, or some of them with commas between.
///
/// # Errors
/// If one is unknown.
pub(super) fn kinds(text: &str) -> Result<Vec<Kind>, SettingError> {
    match text.trim() {
        "none" | "" => return Ok(Vec::new()),
        "all" => return Ok(KINDS.map(|(_, kind)| kind).to_vec()),
        _ => {}
    }
    let names = text.split(',').map(str::trim);
    let known = KINDS.map(|(name, _)| name);
    let kind_of = |name: &str| KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    let unknown = |name: &str| {
        let hint = match nearest(name, &known) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("it takes none, all, or some of {}", known.join(",")),
        };
        SettingError::new(format!("`augment` knows no `{name}`"), hint)
    };
    names.map(|name| kind_of(name).ok_or_else(|| unknown(name))).collect()
}

/// How pictures of a data set are changed.
#[derive(Clone, Debug)]
pub struct Augmentation {
    kinds: Vec<Kind>,
    /// `[channels, height, width]`.
    picture: [usize; 3],
}

impl Augmentation {
    /// The changes that a setting names, for pictures `[channels, height, width]`; `None` for none.
    ///
    /// # Errors
    /// If a kind is unknown.
    pub fn new(kinds: &str, picture: [usize; 3]) -> Result<Option<Self>, SettingError> {
        let kinds = self::kinds(kinds)?;
        Ok((!kinds.is_empty()).then_some(Self { kinds, picture }))
    }

    /// Pictures `[n, ..]`, flat or not, each changed by draws of its own; `probability` is that of each kind of change.
    ///
    /// # Panics
    /// If examples do not have as many values as a picture.
    pub fn apply<const D: usize>(&self, x: Tensor<D>, seed: u64, at: Position, probability: f64) -> Tensor<D> {
        if probability == 0.0 {
            return x;
        }
        let dims = x.dims();
        let [channels, height, width] = self.picture;
        let alterations: Vec<Alteration> = (0..dims[0])
            .map(|row| self.draw(&mut noise::stream(seed, Purpose::Augment, at, row), probability))
            .collect();
        alter(x.reshape([dims[0], channels, height, width]), &alterations).reshape(dims)
    }

    fn draw(&self, stream: &mut Stream, probability: f64) -> Alteration {
        let [_, height, width] = self.picture;
        // All are drawn, also those that are off, so that switching one on leaves the others as they were.
        let due = KINDS.map(|(_, kind)| (kind, stream.next_f64() < probability));
        let is_due = |wanted: Kind| self.kinds.contains(&wanted) && due.contains(&(wanted, true));
        let [brightness, saturation, contrast, angle] = [(); 4].map(|()| stream.next_f64());
        let [down, right, top, left] = [(); 4].map(|()| stream.next_f64());
        let size = normal(stream);
        let mut alteration = Alteration::NONE;
        if is_due(Kind::Colour) {
            alteration.brightness = (brightness - 0.5) as f32;
            alteration.saturation = (2.0 * saturation) as f32;
            alteration.contrast = (contrast + 0.5) as f32;
        }
        let shift = [(down, height), (right, width)].map(|(draw, side)| {
            let most = (SHIFT * side as f64 + 0.5).floor();
            if is_due(Kind::Translation) { (draw * (2.0 * most + 1.0)).floor() - most } else { 0.0 }
        });
        let angle = if is_due(Kind::Rotation) { (2.0 * angle - 1.0) * TURN.to_radians() } else { 0.0 };
        let factor = if is_due(Kind::Scaling) { (SCALING * size).exp2() } else { 1.0 };
        alteration.from = source([height, width], shift, angle, factor);
        if is_due(Kind::Cutout) {
            let [top, bottom] = hole(top, height);
            let [left, right] = hole(left, width);
            alteration.hole = [top, bottom, left, right];
        }
        alteration
    }
}

/// Where the pixel of a changed picture comes from: `[row, column] = from * [row, column, 1]`.
fn source(size: [usize; 2], shift: [f64; 2], angle: f64, factor: f64) -> [f32; 6] {
    let (sin, cos) = (angle.sin() / factor, angle.cos() / factor);
    let centre = size.map(|side| (side as f64 - 1.0) / 2.0);
    let moved = [centre[0] + shift[0], centre[1] + shift[1]];
    [cos, -sin, centre[0] - cos * moved[0] + sin * moved[1], sin, cos, centre[1] - sin * moved[0] - cos * moved[1]]
        .map(|value| value as f32)
}

/// First and last pixel, exclusive, of a hole round a centre that may be any pixel.
fn hole(draw: f64, side: usize) -> [f32; 2] {
    let size = (CUTOUT * side as f64 + 0.5).floor();
    // For a hole of even size its centre lies between pixels, and may lie beyond the last one.
    let centre = (draw * (side as f64 + 1.0 - size % 2.0)).floor();
    let first = centre - (size / 2.0).floor();
    [first.max(0.0), (first + size).min(side as f64)].map(|value| value as f32)
}

/// A standard normal number.
fn normal(stream: &mut Stream) -> f64 {
    let (radius, turn) = (stream.next_f64(), stream.next_f64());
    (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * turn).cos()
}

#[cfg(test)]
mod tests {
    use galatea_kernels::burn::{from_vec, to_vec};

    use super::*;

    const SIDE: usize = 16;

    fn at(step: u64, round: u8) -> Position {
        Position { step, round }
    }

    /// A picture in which no two pixels are alike, and none is 0.
    fn pictures(n: usize) -> Tensor<4> {
        let picture = (0..SIDE * SIDE).map(|i| 0.001 + i as f32 / (SIDE * SIDE) as f32);
        from_vec(picture.cycle().take(n * SIDE * SIDE).collect(), [n, 1, SIDE, SIDE], &Device::flex())
    }

    fn only(kinds: &str) -> Augmentation {
        Augmentation::new(kinds, [1, SIDE, SIDE]).unwrap().unwrap()
    }

    fn rows(x: Tensor<4>) -> Vec<Vec<f32>> {
        to_vec(x).chunks_exact(SIDE * SIDE).map(<[f32]>::to_vec).collect()
    }

    #[test]
    fn names_are_understood() {
        assert_eq!(kinds("none").unwrap(), []);
        assert_eq!(kinds("all").unwrap().len(), 5);
        assert_eq!(kinds("cutout, colour").unwrap(), [Kind::Cutout, Kind::Colour]);
        let error = kinds("colour,rotate").unwrap_err();
        assert_eq!(error.problem, "`augment` knows no `rotate`");
        assert_eq!(kinds("color").unwrap_err().hint.unwrap(), "did you mean `colour`?");
    }

    #[test]
    fn nothing_happens_with_probability_0_or_without_a_kind() {
        let x = pictures(3);
        assert_eq!(to_vec(only("all").apply(x.clone(), 1, at(1, 0), 0.0)), to_vec(x.clone()));
        // Also through the kernel, for the few that escape at a low probability.
        let few = rows(only("all").apply(pictures(64), 1, at(1, 0), 0.05));
        assert!(few.iter().filter(|row| **row == to_vec(pictures(1))).count() > 32);
        assert!(Augmentation::new("none", [1, SIDE, SIDE]).unwrap().is_none());
    }

    #[test]
    fn translation_moves_by_whole_pixels_and_every_shift_is_as_likely() {
        let (n, most) = (4_000, 2);
        let original = to_vec(pictures(1));
        let mut seen = std::collections::HashMap::new();
        for row in rows(only("translation").apply(pictures(n), 5, at(3, 1), 1.0)) {
            let fits = |dy: i32, dx: i32| {
                row.iter().enumerate().all(|(i, value)| {
                    let (y, x) = (i as i32 / SIDE as i32 - dy, i as i32 % SIDE as i32 - dx);
                    let inside = (0..SIDE as i32).contains(&y) && (0..SIDE as i32).contains(&x);
                    *value == if inside { original[y as usize * SIDE + x as usize] } else { 0.0 }
                })
            };
            let shift = (-most..=most).flat_map(|dy| (-most..=most).map(move |dx| (dy, dx))).find(|s| fits(s.0, s.1));
            *seen.entry(shift.unwrap()).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 25);
        assert!(seen.values().all(|count| (100..220).contains(count)), "{seen:?}");
    }

    #[test]
    fn cutout_is_a_square_of_half_the_side_somewhere() {
        let mut whole = 0;
        let mut covered = [0; SIDE * SIDE];
        for row in rows(only("cutout").apply(pictures(2_000), 5, at(3, 1), 1.0)) {
            let holes: Vec<usize> = (0..row.len()).filter(|&i| row[i] == 0.0).collect();
            let kept = (0..row.len()).filter(|i| !holes.contains(i));
            assert!(kept.into_iter().all(|i| row[i] == to_vec(pictures(1))[i]));
            assert!(holes.len() <= SIDE * SIDE / 4);
            whole += usize::from(holes.len() == SIDE * SIDE / 4);
            holes.iter().for_each(|&i| covered[i] += 1);
        }
        // Of 17 centres in each direction, 9 leave the square inside.
        assert!((450..680).contains(&whole), "{whole}");
        assert!(covered.iter().all(|count| (150..800).contains(count)), "{covered:?}");
    }

    #[test]
    fn colour_changes_brightness_and_contrast_of_grey_pictures() {
        let mean = |row: &[f32]| row.iter().map(|v| f64::from(*v)).sum::<f64>() / row.len() as f64;
        let original = to_vec(pictures(1));
        let (centre, mut brighter, mut steeper) = (mean(&original), Vec::new(), Vec::new());
        for row in rows(only("colour").apply(pictures(2_000), 5, at(3, 1), 1.0)) {
            let (brightness, factor) = (mean(&row) - centre, (row[9] - row[0]) / (original[9] - original[0]));
            assert!((-0.501..0.501).contains(&brightness) && (0.49..1.51).contains(&factor), "{brightness} {factor}");
            for (value, old) in row.iter().zip(&original) {
                let expected = centre + brightness + f64::from(factor) * (f64::from(*old) - centre);
                assert!((f64::from(*value) - expected).abs() < 1e-3);
            }
            brighter.push(brightness);
            steeper.push(f64::from(factor));
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        assert!(mean(&brighter).abs() < 0.03 && (mean(&steeper) - 1.0).abs() < 0.03);
    }

    #[test]
    fn turns_and_sizes_are_those_of_the_paper() {
        let draws = |kinds: &str| -> Vec<Alteration> {
            let all = only(kinds);
            (0..4_000).map(|row| all.draw(&mut noise::stream(1, Purpose::Augment, at(1, 0), row), 1.0)).collect()
        };
        let angle = |from: [f32; 6]| f64::from(from[3]).atan2(f64::from(from[0])).to_degrees();
        let size = |from: [f32; 6]| -f64::from(from[0]).hypot(f64::from(from[3])).log2();
        let turns: Vec<f64> = draws("rotation").iter().map(|a| angle(a.from)).collect();
        assert!(turns.iter().all(|turn| turn.abs() <= 15.001));
        let deviation = |values: &[f64]| (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt();
        assert!((deviation(&turns) - 15.0 / 3f64.sqrt()).abs() < 0.3);
        let sizes: Vec<f64> = draws("scaling").iter().map(|a| size(a.from)).collect();
        assert!((deviation(&sizes) - SCALING).abs() < 0.01);
        // The centre stays where it is.
        for from in draws("rotation,scaling").iter().map(|a| a.from) {
            let centre = (SIDE as f32 - 1.0) / 2.0;
            for half in [0, 3] {
                assert!((from[half] * centre + from[half + 1] * centre + from[half + 2] - centre).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn a_picture_is_changed_by_its_place_in_training_and_by_nothing_else() {
        let all = only("all");
        let eight = rows(all.apply(pictures(8), 1, at(4, 2), 0.8));
        let five = rows(all.apply(pictures(5), 1, at(4, 2), 0.8));
        assert_eq!(eight[..5], five);
        for other in [(2, at(4, 2)), (1, at(5, 2)), (1, at(4, 3))] {
            assert_ne!(rows(all.apply(pictures(8), other.0, other.1, 0.8)), eight);
        }
        // Flat pictures are changed as others are.
        let flat = all.apply(pictures(8).reshape([8, SIDE * SIDE]), 1, at(4, 2), 0.8);
        assert_eq!(to_vec(flat), eight.concat());
    }
}
