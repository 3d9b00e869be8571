//! How strong edges of each direction are in each part of a picture: for pictures of shapes and strokes, nothing to learn.
//!
//! Paper: Dalal and Triggs 2005, "Histograms of Oriented Gradients for Human Detection", CVPR, section 6.
//! Differs: seven by seven cells whatever the size of the picture; one norm for the whole picture, so that contrast does not
//! count; roots of what is counted, so that the strongest edges do not drown the others (Arandjelović and Zisserman 2012, "Three
//! Things Everyone Should Know to Improve Object Retrieval", CVPR, section 3). Of large pictures, halves of halves are read.

use std::sync::Arc;

use galatea_data::HostTensor;
use sha2::{Digest, Sha256};

use super::{Features, Kind, Opening, Reading, Takes, hex, in_batches};
use crate::{Error, Result};

/// Directions of edges.
pub(super) static KIND: Kind = Kind {
    name: "edges",
    summary: "strengths of edges by direction and place; pictures of shapes and strokes, nothing to train or to load",
    takes: Takes::Nothing,
    readable: "pictures of at least 8x8 pixels",
    reads: |shape| matches!(shape, [_, height, width] if height.min(width) >= &8),
    suits: |_| false,
    open,
};

/// Cells along each side.
const CELLS: usize = 7;
/// Directions, from 0 to 180 degrees: an edge from dark to light is one from light to dark.
const DIRECTIONS: usize = 9;
/// Numbers per picture.
const WIDTH: usize = CELLS * CELLS * DIRECTIONS;
/// Pictures whose short side is at least this are halved first.
const HALVED: usize = 56;
/// Pictures that are read at once.
const BATCH: usize = 256;
/// What is so little is rounding, and has no direction.
const LEAST: f32 = 1e-4;
/// Changes with what is computed.
const VERSION: &str = "edges 1";

fn open(opening: &Opening<'_>) -> Result<Arc<dyn Features>> {
    let shape = <[usize; 3]>::try_from(opening.spec.shape())
        .map_err(|_| Error::samples("these data are no pictures", "name other features"))?;
    Ok(Arc::new(Edges { shape }))
}

#[derive(Debug)]
struct Edges {
    /// `[channels, height, width]`.
    shape: [usize; 3],
}

impl Features for Edges {
    fn name(&self) -> &str {
        KIND.name
    }

    fn hash(&self) -> String {
        hex(&Sha256::digest(VERSION.as_bytes()))
    }

    fn read(&self, examples: &HostTensor) -> Result<Reading> {
        let read = |values: Vec<f32>| {
            let each = values.chunks_exact(self.shape.iter().product());
            each.flat_map(|picture| histograms(picture, self.shape)).collect()
        };
        Ok(Reading { features: in_batches(KIND.name, examples, &self.shape, BATCH, read)?, probabilities: None })
    }
}

/// The unit vector of a picture; zeros for one without edges.
fn histograms(picture: &[f32], [_, mut height, mut width]: [usize; 3]) -> Vec<f32> {
    let mut planes: Vec<Vec<f32>> = picture.chunks_exact(height * width).map(<[f32]>::to_vec).collect();
    while height.min(width) >= HALVED {
        planes.iter_mut().for_each(|plane| *plane = halved(plane, width));
        (height, width) = (height / 2, width / 2);
    }
    planes.iter_mut().for_each(|plane| blur(plane, width));
    let [rows, columns] = [shares(height), shares(width)];
    let mut bins = vec![0.0; WIDTH];
    for row in 0..height {
        let (above, below) = (row.saturating_sub(1) * width, (row + 1).min(height - 1) * width);
        for column in 0..width {
            let (left, right) = (column.saturating_sub(1), (column + 1).min(width - 1));
            // Of several channels, the one in which the edge is strongest.
            let mut strongest = [0.0f32; 3];
            for plane in &planes {
                let down = 0.5 * (plane[below + column] - plane[above + column]);
                let aside = 0.5 * (plane[row * width + right] - plane[row * width + left]);
                let strength = (down * down + aside * aside).sqrt();
                if strength > strongest[0] {
                    strongest = [strength, down, aside];
                }
            }
            let [strength, down, aside] = strongest;
            if strength < LEAST {
                continue;
            }
            let turn = down.atan2(aside).rem_euclid(std::f32::consts::PI) / std::f32::consts::PI;
            let at = turn * DIRECTIONS as f32;
            let first = (at as usize).min(DIRECTIONS - 1);
            let second_share = at - first as f32;
            for &(cell_row, row_share) in &rows[row] {
                for &(cell_column, column_share) in &columns[column] {
                    let cell = &mut bins[(cell_row * CELLS + cell_column) * DIRECTIONS..][..DIRECTIONS];
                    let share = strength * row_share * column_share;
                    cell[first] += share * (1.0 - second_share);
                    cell[(first + 1) % DIRECTIONS] += share * second_share;
                }
            }
        }
    }
    // The length of the vector of roots is the root of the sum.
    let sum: f32 = bins.iter().sum();
    if sum > 0.0 {
        bins.iter_mut().for_each(|bin| *bin = (*bin / sum).sqrt());
    }
    bins
}

/// For each of `side` places the cells that it counts for, and how much: the two whose middles it lies between.
fn shares(side: usize) -> Vec<[(usize, f32); 2]> {
    let cell = side as f32 / CELLS as f32;
    let share = |place: usize| {
        let at = ((place as f32 + 0.5) / cell - 0.5).clamp(0.0, (CELLS - 1) as f32);
        let first = (at as usize).min(CELLS - 2);
        [(first, 1.0 - (at - first as f32)), (first + 1, at - first as f32)]
    };
    (0..side).map(share).collect()
}

/// Means of squares of two by two pixels; a last odd row or column is left out.
fn halved(plane: &[f32], width: usize) -> Vec<f32> {
    let (height, half) = (plane.len() / width, width / 2);
    let mean = |row: usize, column: usize| {
        let at = 2 * row * width + 2 * column;
        0.25 * (plane[at] + plane[at + 1] + plane[at + width] + plane[at + width + 1])
    };
    (0..height / 2).flat_map(|row| (0..half).map(move |column| (row, column))).map(|(r, c)| mean(r, c)).collect()
}

/// A binomial filter of three by three pixels.
fn blur(plane: &mut [f32], width: usize) {
    let height = plane.len() / width;
    let mut line = vec![0.0; height.max(width)];
    let mut filter = |first: usize, step: usize, count: usize| {
        (0..count).for_each(|i| line[i] = plane[first + i * step]);
        for i in 0..count {
            let (before, after) = (line[i.saturating_sub(1)], line[(i + 1).min(count - 1)]);
            plane[first + i * step] = 0.25 * before + 0.5 * line[i] + 0.25 * after;
        }
    };
    (0..height).for_each(|row| filter(row * width, 1, width));
    (0..width).for_each(|column| filter(column, width, height));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step from dark to light across the middle, at this angle.
    fn step(side: usize, angle: f32, contrast: f32) -> Vec<f32> {
        let middle = (side as f32 - 1.0) / 2.0;
        let light = |x: usize, y: usize| (x as f32 - middle) * angle.cos() + (y as f32 - middle) * angle.sin();
        (0..side * side).map(|at| contrast * light(at % side, at / side).clamp(-1.0, 1.0)).collect()
    }

    fn of_directions(vector: &[f32]) -> Vec<f32> {
        (0..DIRECTIONS).map(|d| vector.iter().skip(d).step_by(DIRECTIONS).map(|value| value * value).sum()).collect()
    }

    #[test]
    fn an_edge_counts_for_its_direction_and_place_whatever_its_contrast_and_sign() {
        for side in [28, 112] {
            let upright = histograms(&step(side, 0.0, 0.9), [1, side, side]);
            assert!((upright.iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-5);
            assert!(of_directions(&upright)[0] > 0.95, "{:?}", of_directions(&upright));
            // Nothing in the corners, all in the column in the middle.
            let cell = |row: usize, column: usize| upright[(row * CELLS + column) * DIRECTIONS];
            assert!(cell(3, 3) > 0.2 && cell(0, 0) == 0.0 && cell(6, 6) == 0.0);
            for other in [step(side, 0.0, 0.3), step(side, 0.0, -0.9)] {
                let other = histograms(&other, [1, side, side]);
                assert!(upright.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-3));
            }
            // 40 degrees are the third of nine directions, 20 degrees apart.
            let leaning = of_directions(&histograms(&step(side, 40f32.to_radians(), 0.9), [1, side, side]));
            assert!(leaning[2] > 0.8, "{leaning:?}");
        }
    }

    #[test]
    fn any_picture_is_read_alone() {
        for shape in [[1, 8, 8], [3, 9, 17], [4, 64, 57]] {
            let elements = shape.iter().product::<usize>();
            let mut values = vec![0.0; 3 * elements];
            galatea_kernels::random::fill_uniform(3, 1, &mut values);
            values[..elements].fill(0.5);
            let all = HostTensor::new([3, shape[0], shape[1], shape[2]], values);
            let edges = Edges { shape };
            let read = edges.read(&all).unwrap().features;
            assert_eq!(read.shape, [3, WIDTH]);
            assert!(read.row(0).iter().all(|value| *value == 0.0) && read.values.iter().all(|value| value.is_finite()));
            assert_eq!(edges.read(&all.slice_rows(2..3)).unwrap().features.values, read.row(2));
        }
    }
}
