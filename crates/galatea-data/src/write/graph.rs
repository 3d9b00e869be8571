//! Which of some things depend on which, as a picture in SVG or PNG, or in the language of Graphviz.
//!
//! Things stand below all that they depend on, and in a row as near as may be under those: the first two steps of Sugiyama, Tagawa
//! and Toda 1981, "Methods for Visual Understanding of Hierarchical System Structures".

use crate::Result;

/// Pixels of a letter, of a box's height, and between boxes and rows.
pub(super) const LETTER: usize = 8;
pub(super) const HIGH: usize = 28;
const GAP: usize = 24;
const BETWEEN: usize = 64;
/// Times that rows are put in order, down and up in turn.
const PASSES: usize = 8;

/// Things by their names, and of each those that it depends on, by number.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// The names.
    pub names: Vec<String>,
    /// Pairs: what is depended on, and what depends on it. There is no way round in a circle.
    pub edges: Vec<(usize, usize)>,
}

/// Where things stand in a picture, in pixels.
pub(super) struct Layout {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Of each thing its upper left corner, and how wide it is.
    pub(super) corner: Vec<(usize, usize)>,
    pub(super) wide: Vec<usize>,
}

impl Layout {
    /// Where an edge begins.
    pub(super) fn below(&self, at: usize) -> (usize, usize) {
        (self.corner[at].0 + self.wide[at] / 2, self.corner[at].1 + HIGH)
    }

    /// Where an edge ends.
    pub(super) fn above(&self, at: usize) -> (usize, usize) {
        (self.corner[at].0 + self.wide[at] / 2, self.corner[at].1)
    }
}

impl Graph {
    /// As a picture in PNG.
    ///
    /// # Errors
    /// If it is too large for one.
    pub fn png(&self) -> Result<Vec<u8>> {
        super::graph_png::draw(self, &self.layout())
    }

    /// In the language of Graphviz.
    pub fn dot(&self) -> String {
        let name = |at: usize| format!("\"{}\"", self.names[at].replace('\\', "\\\\").replace('"', "\\\""));
        let mut dot = "digraph dependencies {\n  node [shape=box];\n".to_owned();
        for to in 0..self.names.len() {
            dot.push_str(&format!("  {};\n", name(to)));
            for (from, _) in self.edges.iter().filter(|(_, at)| *at == to) {
                dot.push_str(&format!("  {} -> {};\n", name(*from), name(to)));
            }
        }
        dot.push_str("}\n");
        dot
    }

    pub(super) fn layout(&self) -> Layout {
        let rows = self.rows();
        let wide: Vec<usize> = self.names.iter().map(|name| name.chars().count() * LETTER + GAP / 2).collect();
        let of_row = |row: &[usize]| row.iter().map(|at| wide[*at] + GAP).sum::<usize>() + GAP;
        let width = rows.iter().map(|row| of_row(row)).max().unwrap_or(GAP);
        let height = rows.len() * (HIGH + BETWEEN) - BETWEEN.min(rows.len() * BETWEEN) + 2 * GAP;
        let mut corner = vec![(0, 0); self.names.len()];
        for (number, row) in rows.iter().enumerate() {
            let mut x = GAP + (width - of_row(row)) / 2;
            for at in row {
                corner[*at] = (x, GAP + number * (HIGH + BETWEEN));
                x += wide[*at] + GAP;
            }
        }
        Layout { width, height, corner, wide }
    }

    /// As a picture in SVG.
    pub fn svg(&self) -> String {
        let layout = self.layout();
        let Layout { width, height, corner, wide } = &layout;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"sans-serif\" font-size=\"13\">\n<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" \
             markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#666\"/></marker></defs>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
        );
        for (from, to) in &self.edges {
            let ((x, y), (x_2, y_2)) = (layout.below(*from), layout.above(*to));
            svg.push_str(&format!(
                "<line x1=\"{x}\" y1=\"{y}\" x2=\"{x_2}\" y2=\"{y_2}\" stroke=\"#666\" marker-end=\"url(#tip)\"/>\n"
            ));
        }
        for (at, name) in self.names.iter().enumerate() {
            let ((x, y), w) = (corner[at], wide[at]);
            let name = name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            svg.push_str(&format!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{HIGH}\" rx=\"4\" fill=\"#eef3fa\" stroke=\"#345\"/>\n\
                 <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{name}</text>\n",
                layout.above(at).0,
                y + HIGH / 2 + 5
            ));
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// Rows from above, so that edges go down, each in an order in which things are near what they are joined to.
    fn rows(&self) -> Vec<Vec<usize>> {
        let n = self.names.len();
        let mut depth = vec![0usize; n];
        // A way down is no longer than there are things.
        for _ in 0..n {
            let before = depth.clone();
            self.edges.iter().for_each(|(from, to)| depth[*to] = depth[*to].max(depth[*from] + 1).min(n));
            if depth == before {
                break;
            }
        }
        let mut rows = vec![Vec::new(); depth.iter().max().map_or(0, |most| most + 1)];
        (0..n).for_each(|at| rows[depth[at]].push(at));
        let mut place = vec![0.0; n];
        let settle = |rows: &[Vec<usize>], place: &mut [f64]| {
            for row in rows {
                row.iter().enumerate().for_each(|(i, at)| place[*at] = (i as f64 + 0.5) / row.len() as f64);
            }
        };
        settle(&rows, &mut place);
        for pass in 0..PASSES {
            for row in &mut rows {
                let wish = |at: &usize| {
                    let joined = self.edges.iter().filter_map(|(from, to)| match pass % 2 {
                        0 => (to == at).then_some(*from),
                        _ => (from == at).then_some(*to),
                    });
                    let places: Vec<f64> = joined.map(|other| place[other]).collect();
                    if places.is_empty() { place[*at] } else { places.iter().sum::<f64>() / places.len() as f64 }
                };
                let mut wishes: Vec<(f64, usize)> = row.iter().map(|at| (wish(at), *at)).collect();
                wishes.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                *row = wishes.into_iter().map(|(_, at)| at).collect();
            }
            settle(&rows, &mut place);
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_go_down_and_do_not_cross_where_they_need_not() {
        let names = ["a", "b<c", "d", "e", "f \"g\""].map(String::from).to_vec();
        // Two families, whose children come in the other order.
        let graph = Graph { names, edges: vec![(0, 3), (1, 2), (3, 4)] };
        assert_eq!(graph.rows(), [vec![0, 1], vec![3, 2], vec![4]]);
        let svg = graph.svg();
        assert!(
            svg.contains(">b&lt;c</text>") && svg.matches("<line ").count() == 3 && svg.matches("rx=").count() == 5
        );
        assert!(graph.dot().contains("  \"a\" -> \"e\";\n") && graph.dot().contains("  \"f \\\"g\\\"\";\n"));
        assert!(Graph { names: vec![], edges: vec![] }.svg().ends_with("</svg>\n"));
    }
}
