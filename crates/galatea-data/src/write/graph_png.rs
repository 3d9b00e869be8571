//! A graph as a picture of pixels, with letters of eight by eight of them, twice as large.

use font8x8::UnicodeFonts;

use super::{
    graph::{Graph, HIGH, LETTER, Layout},
    png,
};
use crate::{Error, Result};

/// Pixels for each of the layout's.
const SCALE: usize = 2;
/// Most pixels of a picture.
const MOST: usize = 1 << 26;
/// Colours, as in SVG.
const EDGE: [u8; 3] = [0x66; 3];
const BOX: [u8; 3] = [0xee, 0xf3, 0xfa];
const FRAME: [u8; 3] = [0x33, 0x44, 0x55];
/// Length of an arrow's tip, and half its width.
const TIP: [f64; 2] = [14.0, 6.0];

/// The graph as PNG.
///
/// # Errors
/// If it is too large for a picture.
pub(super) fn draw(graph: &Graph, layout: &Layout) -> Result<Vec<u8>> {
    let (width, height) = (layout.width * SCALE, layout.height * SCALE);
    if width.saturating_mul(height) > MOST {
        return Err(Error::usage(format!("the graph would be a picture of {width} by {height} pixels"))
            .with_hint("write it as `.svg` or `.dot`"));
    }
    let mut page = Page { pixels: vec![255; width * height * 3], width, height };
    for (from, to) in &graph.edges {
        let ends = [layout.below(*from), layout.above(*to)];
        page.arrow(ends.map(|(x, y)| [(x * SCALE) as f64, (y * SCALE) as f64]));
    }
    for (at, name) in graph.names.iter().enumerate() {
        let ((x, y), wide) = (layout.corner[at], layout.wide[at]);
        let [x, y, wide, high] = [x, y, wide, HIGH].map(|value| value * SCALE);
        page.fill([x, y], [wide, high], FRAME);
        page.fill([x + SCALE, y + SCALE], [wide - 2 * SCALE, high - 2 * SCALE], BOX);
        let left = x + (wide - name.chars().count() * LETTER * SCALE) / 2;
        for (i, letter) in name.chars().enumerate() {
            page.letter(letter, [left + i * LETTER * SCALE, y + (high - LETTER * SCALE) / 2]);
        }
    }
    png::encode(&page.pixels, 3, height, width)
}

/// RGB bytes, the top line first.
struct Page {
    pixels: Vec<u8>,
    width: usize,
    height: usize,
}

impl Page {
    fn set(&mut self, [x, y]: [usize; 2], colour: [u8; 3]) {
        if x < self.width && y < self.height {
            self.pixels[(y * self.width + x) * 3..][..3].copy_from_slice(&colour);
        }
    }

    fn fill(&mut self, [left, top]: [usize; 2], [width, height]: [usize; 2], colour: [u8; 3]) {
        for y in top..top + height {
            (left..left + width).for_each(|x| self.set([x, y], colour));
        }
    }

    /// A line with a tip at its end.
    fn arrow(&mut self, [from, to]: [[f64; 2]; 2]) {
        let way = [to[0] - from[0], to[1] - from[1]];
        let length = way[0].hypot(way[1]).max(1.0);
        let steps = (2.0 * length) as usize;
        for step in 0..=steps {
            let share = step as f64 / steps as f64;
            let at = [from[0] + share * way[0], from[1] + share * way[1]];
            // To either side of the line: a little, and in the tip as far as it is wide there.
            let left = (1.0 - share) * length;
            let half = if left < TIP[0] { TIP[1] * left / TIP[0] } else { 0.5 };
            for side in -(2.0 * half) as i32..=(2.0 * half) as i32 {
                let aside = f64::from(side) * 0.5;
                let place = [at[0] - aside * way[1] / length, at[1] + aside * way[0] / length];
                self.set(place.map(|value| value.max(0.0).round() as usize), EDGE);
            }
        }
    }

    /// A letter, or a box for one that is not known.
    fn letter(&mut self, letter: char, [left, top]: [usize; 2]) {
        let known =
            [font8x8::BASIC_FONTS.get(letter), font8x8::LATIN_FONTS.get(letter), font8x8::GREEK_FONTS.get(letter)];
        let lines = known.into_iter().flatten().next().unwrap_or([0x7e, 0x42, 0x42, 0x42, 0x42, 0x42, 0x7e, 0]);
        for (y, line) in lines.into_iter().enumerate() {
            for x in (0..8).filter(|x| line >> x & 1 == 1) {
                self.fill([left + x * SCALE, top + y * SCALE], [SCALE; 2], [0; 3]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_arrows_and_letters_are_where_they_belong() {
        let graph = Graph { names: vec!["a".into(), "é§日".into()], edges: vec![(0, 1)] };
        let layout = graph.layout();
        let image = image::load_from_memory(&draw(&graph, &layout).unwrap()).unwrap().to_rgb8();
        assert_eq!(image.dimensions(), ((layout.width * SCALE) as u32, (layout.height * SCALE) as u32));
        let (x, y) = layout.corner[1];
        let count = |of: [u8; 3]| image.pixels().filter(|pixel| pixel.0 == of).count();
        assert_eq!(image.get_pixel((x * SCALE) as u32, (y * SCALE) as u32).0, FRAME);
        let (x, y) = layout.above(1);
        assert_eq!(image.get_pixel((x * SCALE) as u32, (y * SCALE - 4) as u32).0, EDGE);
        // The tip is wider than the line.
        let wide = |above: u32| {
            (0..image.width()).filter(|x| image.get_pixel(*x, (y * SCALE) as u32 - above).0 == EDGE).count()
        };
        assert!(wide(10) > 2 * wide(40) && wide(40) >= 1, "{} {}", wide(10), wide(40));
        assert!(count([0; 3]) > 4 * 20 && count(BOX) > 1_000);
        let huge = Graph { names: vec!["n".repeat(500); 90], edges: vec![] };
        assert!(draw(&huge, &huge.layout()).is_ok_and(|bytes| bytes.len() < 1 << 22) || huge.layout().width > 1 << 15);
        let wider = Graph { names: vec!["n".repeat(9_000); 900], edges: vec![] };
        assert!(wider.png().unwrap_err().hint().is_some());
    }
}
