//! Transformations at training time, so that a small data set shows more: flips, shifts, turns, changes of size.
//!
//! Simard, Steinkraus and Platt 2003, "Best practices for convolutional neural networks applied to visual document
//! analysis", section 2, without the elastic ones. They are part of the data, not of the model: a GAN trained on mirrored
//! pictures draws mirrored pictures. All are off by default.

use galatea_kernels::random::Stream;

use crate::music::{KEYS, frames_of, keys_of, write_frame};
use crate::{DataSpec, Error, HostBatch, Result, events, notes, settings};

settings! {
    /// How pictures and music are changed while training; every example anew each time it is used.
    pub struct AugmentOptions {
        /// Probability of mirroring left and right.
        flip_horizontal: f64 = 0.0, in 0.0..=1.0;
        /// Probability of mirroring top and bottom.
        flip_vertical: f64 = 0.0, in 0.0..=1.0;
        /// Largest shift in each direction, as a share of the side; by whole pixels.
        shift: f64 = 0.0, in 0.0..=0.5;
        /// Largest turn to either side, in degrees.
        rotate: f64 = 0.0, in 0.0..=180.0;
        /// Largest change of size: 0.2 makes pictures up to 1.2 times as large or as small.
        scale: f64 = 0.0, in 0.0..=1.0;
        /// Of music: most semitones by which a piece is moved up or down; none of its notes leaves the keys.
        transpose: usize = 0, in 0..=12;
    }
}

impl AugmentOptions {
    /// Whether nothing is changed.
    pub fn is_off(&self) -> bool {
        *self == Self::default()
    }

    /// Checks that what is to be changed can be: pictures, or music where it is transposed.
    ///
    /// # Errors
    /// If something is set for other data.
    pub fn check_for(&self, spec: &DataSpec) -> Result<()> {
        let set = crate::settings::to_table(self);
        let off = crate::settings::to_table(&Self::default());
        let changed: Vec<String> = set
            .iter()
            .filter(|(key, value)| off.get(*key) != Some(*value))
            .filter(|(key, _)| match key.as_str() {
                "transpose" => spec.music().is_none(),
                _ => spec.kind() != "images",
            })
            .map(|(key, _)| format!("`data.{key}`"))
            .collect();
        let changes = if changed.iter().any(|key| key == "`data.transpose`") { "music" } else { "pictures" };
        match changed.is_empty() {
            true => Ok(()),
            false => {
                Err(Error::usage(format!("{} changes {changes}, and the data are {}", changed.join(", "), spec.kind()))
                    .with_hint("leave it out"))
            }
        }
    }
}

/// Changes every picture of a batch by a draw of its own.
///
/// Example `i` is changed by the stream (`seed`, `streams[i]`) and by nothing else. What comes into view at the border
/// repeats the border's pixels. Values stay in their range. What is neither picture nor music stays as it is.
///
/// # Panics
/// If the batch is not of pictures of `spec`, or there is not one stream for each.
pub fn augment(batch: &mut HostBatch, spec: &DataSpec, options: &AugmentOptions, seed: u64, streams: &[u64]) {
    if options.is_off() {
        return;
    }
    if let DataSpec::Music(_) = spec {
        let rolls = batch.values.values.chunks_exact_mut(spec.elements());
        rolls.zip(streams).for_each(|(roll, stream)| transpose(roll, options.transpose, Stream::new(seed, *stream)));
        return;
    }
    if spec.music().is_some() {
        let transpose = if let DataSpec::Series(_) = spec { notes::transpose } else { events::transpose };
        let examples = batch.values.values.chunks_exact_mut(spec.elements()).zip(streams);
        examples.for_each(|(example, stream)| transpose(example, options.transpose, Stream::new(seed, *stream)));
        return;
    }
    let DataSpec::Images(image) = spec else { return };
    assert_eq!(batch.values.shape[1..], spec.shape(), "the batch is of pictures of the data");
    assert_eq!(batch.len(), streams.len(), "one stream for each example");
    let pictures = batch.values.values.chunks_exact_mut(spec.elements());
    for (picture, stream) in pictures.zip(streams) {
        let change = Change::draw(options, &mut Stream::new(seed, *stream), image.width, image.height);
        for plane in picture.chunks_exact_mut(image.height * image.width) {
            change.apply(plane, image.width, image.height);
        }
    }
}

/// Moves a piano roll by up to `most` semitones, each as likely as any, as far as its notes stay on the keys.
fn transpose(roll: &mut [f32], most: usize, mut stream: Stream) {
    let frames = frames_of(roll);
    let all = frames.iter().fold(0, |all, frame| all | frame);
    let (Some(lowest), Some(highest)) = (keys_of(all).next(), keys_of(all).next_back()) else { return };
    let (down, up) = (most.min(lowest), most.min(KEYS - 1 - highest));
    let by = stream.below((down + up + 1) as u64) as usize;
    for (frame, values) in frames.iter().zip(roll.chunks_exact_mut(KEYS)) {
        write_frame(frame >> down << by, values);
    }
}

/// What is done to one picture.
#[derive(Debug)]
struct Change {
    mirror: [bool; 2],
    /// In pixels.
    shift: [f64; 2],
    /// In radians.
    angle: f64,
    factor: f64,
}

impl Change {
    fn draw(options: &AugmentOptions, stream: &mut Stream, width: usize, height: usize) -> Self {
        // All are drawn, also those that are off, so that setting one leaves the others as they were.
        let [horizontal, vertical, x, y, angle, factor] = [(); 6].map(|()| stream.next_f64());
        let within = |draw: f64, most: f64| (2.0 * draw - 1.0) * most;
        Self {
            mirror: [horizontal < options.flip_horizontal, vertical < options.flip_vertical],
            // Whole pixels: parts of them would blur every picture.
            shift: [(x, width), (y, height)].map(|(draw, side)| within(draw, options.shift * side as f64).round()),
            angle: within(angle, options.rotate.to_radians()),
            factor: (1.0 + options.scale).powf(within(factor, 1.0)),
        }
    }

    /// Each pixel takes the value at the place that it came from, between the four pixels there.
    fn apply(&self, plane: &mut [f32], width: usize, height: usize) {
        let old = plane.to_vec();
        let centre = [(width - 1) as f64 / 2.0, (height - 1) as f64 / 2.0];
        let (sin, cos) = (self.angle.sin() / self.factor, self.angle.cos() / self.factor);
        let last = [(width - 1) as f64, (height - 1) as f64];
        for (at, value) in plane.iter_mut().enumerate() {
            let dx = (at % width) as f64 - centre[0] - self.shift[0];
            let dy = (at / width) as f64 - centre[1] - self.shift[1];
            let from = [cos * dx + sin * dy + centre[0], cos * dy - sin * dx + centre[1]];
            let [x, y] = [0, 1].map(|axis| {
                let inside = from[axis].clamp(0.0, last[axis]);
                if self.mirror[axis] { last[axis] - inside } else { inside }
            });
            *value = between_pixels(&old, [width, height], [x, y]);
        }
    }
}

/// What a plane of pixels holds at column `x` and row `y`, in proportion between four pixels, and beyond the border what is at
/// the border (bilinear interpolation).
pub fn between_pixels(plane: &[f32], [width, height]: [usize; 2], [x, y]: [f64; 2]) -> f32 {
    let (x, y) = (x.clamp(0.0, (width - 1) as f64), y.clamp(0.0, (height - 1) as f64));
    let (left, top) = (x as usize, y as usize);
    let (right, bottom) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
    let (u, v) = ((x - left as f64) as f32, (y - top as f64) as f32);
    let row = |y: usize| plane[y * width + left] * (1.0 - u) + plane[y * width + right] * u;
    row(top) * (1.0 - v) + row(bottom) * v
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HostTensor, ImageSpec};

    const WIDTH: usize = 9;
    const HEIGHT: usize = 7;

    fn spec() -> DataSpec {
        DataSpec::Images(ImageSpec { channels: 1, height: HEIGHT, width: WIDTH, classes: vec![] })
    }

    fn batch(n: usize) -> HostBatch {
        let picture = (0..HEIGHT * WIDTH).map(|i| (i * 37 % 64) as f32 / 31.5 - 1.0);
        let values = picture.cycle().take(n * HEIGHT * WIDTH).collect();
        HostBatch { values: HostTensor::new([n, 1, HEIGHT, WIDTH], values), labels: None }
    }

    fn changed(n: usize, options: AugmentOptions, seed: u64) -> HostBatch {
        let mut batch = batch(n);
        augment(&mut batch, &spec(), &options, seed, &(0..n as u64).collect::<Vec<_>>());
        batch
    }

    fn off() -> AugmentOptions {
        AugmentOptions::default()
    }

    fn all() -> AugmentOptions {
        AugmentOptions { flip_horizontal: 0.5, flip_vertical: 0.5, shift: 0.2, rotate: 20.0, scale: 0.2, ..off() }
    }

    #[test]
    fn nothing_is_done_by_default() {
        assert_eq!(changed(3, off(), 1), batch(3));
    }

    #[test]
    fn flips_are_exact() {
        let original = batch(1);
        let at = |batch: &HostBatch, x: usize, y: usize| batch.values.values[y * WIDTH + x];
        let places = || (0..WIDTH).flat_map(|x| (0..HEIGHT).map(move |y| (x, y)));
        let left = changed(1, AugmentOptions { flip_horizontal: 1.0, ..off() }, 1);
        assert!(places().all(|(x, y)| at(&left, x, y) == at(&original, WIDTH - 1 - x, y)));
        let top = changed(1, AugmentOptions { flip_vertical: 1.0, ..off() }, 1);
        assert!(places().all(|(x, y)| at(&top, x, y) == at(&original, x, HEIGHT - 1 - y)));
    }

    #[test]
    fn shifts_are_whole_pixels_and_repeat_the_border() {
        let original = batch(1);
        let many = changed(1000, AugmentOptions { shift: 0.25, ..off() }, 5);
        let mut seen = std::collections::HashSet::new();
        for i in 0..1000 {
            let fits = |dx: i32, dy: i32| {
                many.values.row(i).iter().enumerate().all(|(at, value)| {
                    let x = ((at % WIDTH) as i32 - dx).clamp(0, WIDTH as i32 - 1) as usize;
                    let y = ((at / WIDTH) as i32 - dy).clamp(0, HEIGHT as i32 - 1) as usize;
                    *value == original.values.values[y * WIDTH + x]
                })
            };
            seen.insert(
                (-2..=2).flat_map(|dx| (-2..=2).map(move |dy| (dx, dy))).find(|(dx, dy)| fits(*dx, *dy)).unwrap(),
            );
        }
        assert_eq!(seen.len(), 25);
    }

    #[test]
    fn a_quarter_turn_and_a_change_of_size_go_round_the_centre() {
        let mut square: Vec<f32> = (0..25).map(|i| i as f32).collect();
        let quarter = Change { mirror: [false; 2], shift: [0.0; 2], angle: std::f64::consts::FRAC_PI_2, factor: 1.0 };
        quarter.apply(&mut square, 5, 5);
        for (at, value) in square.iter().enumerate() {
            let (x, y) = (at % 5, at / 5);
            assert!((value - ((4 - x) * 5 + y) as f32).abs() < 1e-4, "{square:?}");
        }
        let mut ramp: Vec<f32> = (0..25).map(|i| (i % 5) as f32).collect();
        let double = Change { mirror: [false; 2], shift: [0.0; 2], angle: 0.0, factor: 2.0 };
        double.apply(&mut ramp, 5, 5);
        assert_eq!(ramp[..5], [1.0, 1.5, 2.0, 2.5, 3.0]);
    }

    #[test]
    fn music_is_moved_as_far_as_its_notes_stay_on_the_keys() {
        let spec = DataSpec::Music(crate::MusicSpec { length: 3, resolution: 1, tempo: 100.0 });
        // From the second key on: at most one down, and five up.
        let piece = [0b110, 0b1010];
        let pieces = vec![&piece[..]; 300];
        let mut batch = HostBatch { values: crate::music::rolls(&pieces, 3), labels: None };
        let options = AugmentOptions { transpose: 5, ..off() };
        augment(&mut batch, &spec, &options, 3, &(0..300).collect::<Vec<_>>());
        let mut seen = std::collections::BTreeMap::new();
        for i in 0..300 {
            let frames = frames_of(batch.values.row(i));
            let by = keys_of(frames[0]).next().unwrap();
            assert_eq!(frames, piece.map(|frame| frame >> 1 << by));
            *seen.entry(by).or_insert(0) += 1;
        }
        assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
        assert!(seen.values().all(|count| (20..70).contains(count)), "{seen:?}");
        assert!(options.check_for(&spec).is_ok() && all().check_for(&spec).is_err());
        assert!(options.check_for(&self::spec()).is_err() && all().check_for(&self::spec()).is_ok());
    }

    #[test]
    fn an_example_depends_on_its_stream_only() {
        let three = changed(3, all(), 9);
        assert_eq!(three, changed(3, all(), 9));
        assert_ne!(three, changed(3, all(), 10));
        let mut one = batch(1);
        augment(&mut one, &spec(), &all(), 9, &[2]);
        assert_eq!(one.values.row(0), three.values.row(2));
        assert_ne!(three.values.row(0), three.values.row(1));
    }

    #[test]
    fn values_stay_in_their_range_and_probabilities_hold() {
        let many = changed(400, all(), 3);
        assert!(many.values.values.iter().all(|value| (-1.0..=1.0).contains(value)));
        let flipped = changed(400, AugmentOptions { flip_horizontal: 0.25, ..off() }, 3);
        let count = (0..400).filter(|i| flipped.values.row(*i) != batch(1).values.row(0)).count();
        assert!((70..130).contains(&count), "{count}");
    }
}
