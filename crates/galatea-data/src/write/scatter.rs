//! Scatter plots of points, over the density that they should have where that is known.

use super::{check_numbers, png};
use crate::{Error, HostTensor, PointSpec, Result};

/// Side of a plot in pixels.
const SIDE: usize = 480;
/// A Gaussian narrower than this would fall between pixels.
const LEAST_DEVIATION: f64 = 1.5;
const DENSITY: [f64; 3] = [66.0, 133.0, 244.0];
const POINT: [f64; 3] = [200.0, 50.0, 0.0];
/// Of points outside of the plot, which stand at its border.
const OUTSIDE: [f64; 3] = [220.0, 0.0, 160.0];

/// Points `[n, d]` as dots in a square PNG, by their first two numbers; of single numbers, a second one is their order. Where
/// the distribution is known its density is shaded in blue; what lies outside of the plot is drawn at its border in pink.
///
/// The frame is a function of `spec` only, so that plots of one data set can be compared.
///
/// # Errors
/// If the points are of another width than the data's, or a value is NaN.
pub fn plot(points: &HostTensor, spec: &PointSpec) -> Result<Vec<u8>> {
    let [n, d] = points.shape[..] else {
        return Err(Error::usage(format!("an array of shape {:?} is no set of points", points.shape)));
    };
    if d != spec.dimensions || spec.mean.len() != d || spec.deviation.len() != d || d == 0 {
        return Err(Error::usage(format!("points of {d} numbers are no points of {}", spec.dimensions))
            .with_hint("plot samples with the data that their model was trained on"));
    }
    check_numbers(points)?;
    let axes = [Axis::of(spec, 0), if d > 1 { Axis::of(spec, 1) } else { Axis { low: 0.0, high: n.max(1) as f64 } }];
    let mut plot = Plot { pixels: vec![255.0; SIDE * SIDE * 3] };
    plot.shade(spec, &axes);
    for i in 0..n {
        let row = points.row(i);
        let second = row.get(1).map_or(i as f64 + 0.5, |value| f64::from(*value));
        plot.dot([axes[0].pixel(f64::from(row[0])), axes[1].pixel(second)]);
    }
    plot.encode()
}

/// The range of one number.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn of(spec: &PointSpec, at: usize) -> Self {
        let Some(mixture) = &spec.mixture else {
            let (mean, deviation) = (f64::from(spec.mean[at]), f64::from(spec.deviation[at]));
            return Self { low: mean - 3.5 * deviation, high: mean + 3.5 * deviation };
        };
        let values = mixture.centres.iter().map(|centre| f64::from(centre[at]));
        let ends = (f64::INFINITY, f64::NEG_INFINITY);
        let (low, high) = values.fold(ends, |(low, high), value| (low.min(value), high.max(value)));
        let margin = 0.15 * (high - low) + 4.0 * f64::from(mixture.deviation);
        Self { low: low - margin, high: high + margin }
    }

    /// Where a value is, in pixels.
    fn pixel(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low) * SIDE as f64
    }

    /// How many pixels a length is.
    fn length(&self, length: f64) -> f64 {
        length / (self.high - self.low) * SIDE as f64
    }
}

/// RGB values of 0 to 255, the top line first.
struct Plot {
    pixels: Vec<f64>,
}

impl Plot {
    /// Shades the density of the first two numbers.
    fn shade(&mut self, spec: &PointSpec, axes: &[Axis; 2]) {
        let Some(mixture) = spec.mixture.as_ref().filter(|_| spec.dimensions > 1) else { return };
        let mut density = vec![0.0f64; SIDE * SIDE];
        let wide = axes.each_ref().map(|axis| axis.length(f64::from(mixture.deviation)).max(LEAST_DEVIATION));
        for centre in &mixture.centres {
            let middle = [0, 1].map(|at| axes[at].pixel(f64::from(centre[at])));
            let ends = [0, 1].map(|at| {
                let end = |side: f64| (middle[at] + side * 4.0 * wide[at]).clamp(0.0, SIDE as f64) as usize;
                end(-1.0)..end(1.0)
            });
            let height =
                |at: usize, pixel: usize| (-0.5 * ((pixel as f64 + 0.5 - middle[at]) / wide[at]).powi(2)).exp();
            for y in ends[1].clone() {
                for x in ends[0].clone() {
                    density[y * SIDE + x] += height(0, x) * height(1, y);
                }
            }
        }
        let most = density.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        for (at, value) in density.iter().enumerate() {
            // The root shows the flanks too.
            self.cover(at % SIDE, at / SIDE, DENSITY, 0.7 * (value / most).sqrt());
        }
    }

    /// A dot of three by three pixels, its corners paler.
    fn dot(&mut self, place: [f64; 2]) {
        let inside = place.iter().all(|at| (0.0..SIDE as f64).contains(at));
        let [x, y] = place.map(|at| at.clamp(1.0, SIDE as f64 - 2.0) as usize);
        let colour = if inside { POINT } else { OUTSIDE };
        for (dx, dy) in (0..9).map(|i| (i % 3, i / 3)) {
            let opacity = if dx != 1 && dy != 1 { 0.15 } else { 0.55 };
            self.cover(x + dx - 1, y + dy - 1, colour, opacity);
        }
    }

    /// Lays a colour over a pixel; `y` counts from below.
    fn cover(&mut self, x: usize, y: usize, colour: [f64; 3], opacity: f64) {
        let at = ((SIDE - 1 - y) * SIDE + x) * 3;
        self.pixels[at..at + 3].iter_mut().zip(colour).for_each(|(old, new)| *old += opacity * (new - *old));
    }

    fn encode(&self) -> Result<Vec<u8>> {
        let bytes: Vec<u8> = self.pixels.iter().map(|value| value.round() as u8).collect();
        png::encode(&bytes, 3, SIDE, SIDE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mixture;

    fn read(bytes: &[u8]) -> image::RgbImage {
        image::load_from_memory(bytes).unwrap().into_rgb8()
    }

    fn count(image: &image::RgbImage, is: impl Fn([u8; 3]) -> bool) -> usize {
        image.pixels().filter(|pixel| is(pixel.0)).count()
    }

    const WHITE: [u8; 3] = [255; 3];

    #[test]
    fn density_is_shaded_and_points_stand_where_they_are() {
        let mixture = Mixture { centres: vec![vec![-1.0, -1.0], vec![1.0, 1.0]], deviation: 0.05 };
        let spec = mixture.into_spec();
        let empty = read(&plot(&HostTensor::new([0, 2], vec![]), &spec).unwrap());
        assert_eq!(empty.dimensions(), (480, 480));
        let side = SIDE as u32;
        // Below on the left and above on the right, and nowhere else.
        let of_mode = |x: f32| ((x + 1.5) / 3.0 * SIDE as f32) as u32;
        let (low, high) = (of_mode(-1.0), of_mode(1.0));
        assert!(empty.get_pixel(low, side - low).0[0] < 150 && empty.get_pixel(high, side - high).0[0] < 150);
        assert_eq!((empty.get_pixel(low, side - high).0, empty.get_pixel(240, 240).0), (WHITE, WHITE));
        let one = read(&plot(&HostTensor::new([1, 2], vec![0.0, 0.5]), &spec).unwrap());
        assert_eq!(count(&one, |pixel| pixel != WHITE) - count(&empty, |pixel| pixel != WHITE), 9);
        let dot = one.get_pixel(240, side - 1 - of_mode(0.5)).0;
        assert!(dot[2] < 150 && dot[0] > 200, "{dot:?}");
        // Far outside: at the border, in its own colour.
        let out = read(&plot(&HostTensor::new([1, 2], vec![1e30, 0.0]), &spec).unwrap());
        assert!((235..245).any(|y| out.get_pixel(side - 2, y).0[1] < 150));
    }

    #[test]
    fn points_of_any_width_are_drawn_and_others_refused() {
        let spec = |dimensions: usize| PointSpec {
            dimensions,
            classes: vec![],
            mean: vec![100.0; dimensions],
            deviation: vec![10.0; dimensions],
            mixture: None,
        };
        for d in [1, 2, 5] {
            let values = (0..20 * d).map(|i| 80.0 + 2.0 * (i / d) as f32).collect();
            let drawn = read(&plot(&HostTensor::new([20, d], values), &spec(d)).unwrap());
            assert_eq!(count(&drawn, |pixel| pixel != WHITE), 9 * 20, "{d}");
        }
        assert!(plot(&HostTensor::new([1, 2], vec![0.0; 2]), &spec(3)).is_err());
        assert!(plot(&HostTensor::new([1, 1, 1], vec![0.0]), &spec(1)).is_err());
        assert!(plot(&HostTensor::new([1, 1], vec![f32::NAN]), &spec(1)).is_err());
    }
}
