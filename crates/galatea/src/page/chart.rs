//! Curves and bars as SVG that takes its colours from the page.

use super::html::escape;
use galatea_metrics::short;

const WIDTH: f64 = 470.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 26.0;
/// More points than this are not told apart on a screen.
const MOST_POINTS: usize = 800;

/// A curve.
pub(super) struct Series {
    /// What it is called.
    pub(super) name: String,
    /// Step and value.
    pub(super) points: Vec<(f64, f64)>,
    /// Step, and what the value would be within; may be empty.
    pub(super) band: Vec<(f64, [f64; 2])>,
    /// A point to be marked.
    pub(super) mark: Option<(f64, f64)>,
}

impl Series {
    /// A plain curve.
    pub(super) fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, band: Vec::new(), mark: None }
    }
}

/// Curves over steps, at most four, in one picture with its legend.
pub(super) fn curves(series: &[Series]) -> String {
    let finite = |value: &f64| value.is_finite();
    let steps: Vec<f64> = series.iter().flat_map(|series| series.points.iter().map(|point| point.0)).collect();
    let mut values: Vec<f64> = series
        .iter()
        .flat_map(|series| series.points.iter().map(|point| point.1).chain(series.band.iter().flat_map(|band| band.1)))
        .filter(finite)
        .collect();
    if values.is_empty() {
        return String::new();
    }
    values.sort_unstable_by(f64::total_cmp);
    let (low, high, is_cut) = extent(&values);
    let x = Scale::of(steps.iter().copied().fold(f64::INFINITY, f64::min), steps.iter().copied().fold(0.0, f64::max));
    let y = Scale::of(low, high);
    let at = |step: f64, value: f64| {
        let (across, up) = (x.share(step), y.share(value).clamp(0.0, 1.0));
        (LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM))
    };
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
        escape(&series.iter().map(|series| series.name.as_str()).collect::<Vec<_>>().join(", "))
    );
    for tick in y.ticks() {
        let (left, height) = at(x.low, tick);
        out.push_str(&format!(
            "<path class=\"axis\" d=\"M{left:.1} {height:.1}H{:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
            WIDTH - RIGHT,
            left - 6.0,
            height + 4.0,
            label(tick, y.spacing())
        ));
    }
    for tick in x.ticks() {
        let (across, _) = at(tick, y.low);
        out.push_str(&format!(
            "<text x=\"{across:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
            HEIGHT - 8.0,
            label(tick, x.spacing())
        ));
    }
    for (i, series) in series.iter().enumerate() {
        let colour = i % 4;
        if series.band.len() > 1 {
            let upper = series.band.iter().map(|(step, band)| at(*step, band[1]));
            let lower = series.band.iter().rev().map(|(step, band)| at(*step, band[0]));
            out.push_str(&format!("<path class=\"band f{colour}\" d=\"{}Z\"/>\n", path(upper.chain(lower))));
        }
        let shown: Vec<(f64, f64)> = thinned(&series.points).into_iter().filter(|point| finite(&point.1)).collect();
        let line = path(shown.iter().map(|(step, value)| at(*step, *value)));
        out.push_str(&format!("<path class=\"curve s{colour}\" d=\"{line}\"/>\n"));
        // A single point is no line.
        let dots = series.mark.iter().chain(shown.first().filter(|_| shown.len() == 1));
        for (across, height) in dots.map(|(step, value)| at(*step, *value)) {
            out.push_str(&format!("<circle class=\"f{colour}\" cx=\"{across:.1}\" cy=\"{height:.1}\" r=\"4\"/>\n"));
        }
    }
    out.push_str("</svg>\n<p class=\"legend\">");
    for (i, series) in series.iter().enumerate() {
        let colour = i % 4;
        out.push_str(&format!(
            "<svg width=\"22\" height=\"8\" aria-hidden=\"true\"><path class=\"curve s{colour}\" \
             d=\"M0 4H18\"/></svg>{} ",
            escape(&series.name)
        ));
    }
    if is_cut {
        out.push_str("(single values beyond the frame are drawn at its edge)");
    }
    out.push_str("</p>\n");
    out
}

/// Two bars for each class: the share among real examples, and among samples.
pub(super) fn bars(names: &[String], real: &[f64], drawn: &[f64]) -> String {
    let n = names.len().max(1) as f64;
    let most = real.iter().chain(drawn).copied().fold(0.0, f64::max).max(1e-9);
    let y = Scale::of(0.0, most);
    let width = (WIDTH - LEFT - RIGHT) / n;
    let height = |share: f64| y.share(share) * (HEIGHT - TOP - BOTTOM);
    let floor = HEIGHT - BOTTOM;
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" aria-label=\"shares of \
         classes\">\n"
    );
    for tick in y.ticks() {
        let up = floor - height(tick);
        out.push_str(&format!(
            "<path class=\"axis\" d=\"M{LEFT} {up:.1}H{:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{} %</text>\n",
            WIDTH - RIGHT,
            LEFT - 6.0,
            up + 4.0,
            label(100.0 * tick, 100.0 * y.spacing())
        ));
    }
    for (i, name) in names.iter().enumerate() {
        let left = LEFT + i as f64 * width;
        for (which, share) in [real, drawn].into_iter().map(|shares| shares.get(i).copied().unwrap_or(0.0)).enumerate()
        {
            let (bar, tall) = (0.38 * width, height(share));
            let at = left + width * (0.1 + 0.4 * which as f64);
            out.push_str(&format!(
                "<rect class=\"f{}\" x=\"{at:.1}\" y=\"{:.1}\" width=\"{bar:.1}\" height=\"{tall:.1}\"><title>{}: {:.2} % of \
                 {}</title></rect>\n",
                1 - which,
                floor - tall,
                escape(name),
                100.0 * share,
                ["real examples", "samples"][which]
            ));
        }
        if names.len() <= 20 {
            let short: String = name.chars().take((width / 7.0) as usize + 1).collect();
            out.push_str(&format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
                left + 0.5 * width,
                HEIGHT - 8.0,
                escape(&short)
            ));
        }
    }
    out.push_str("</svg>\n<p class=\"legend\">");
    for (colour, name) in [(1, "real examples"), (0, "samples")] {
        out.push_str(&format!(
            "<svg width=\"16\" height=\"10\" aria-hidden=\"true\"><rect class=\"f{colour}\" \
             width=\"12\" height=\"10\"/></svg>{name} "
        ));
    }
    out.push_str("</p>\n");
    out
}

/// Where a value lies between what real data have, at the left, and what noise has.
pub(super) fn between(value: f64, floor: f64, ceiling: f64) -> String {
    let share = (value - floor) / (ceiling - floor);
    if !share.is_finite() {
        return String::new();
    }
    format!(
        "<svg width=\"92\" height=\"12\" role=\"img\" aria-label=\"{:.0} % of the way from real to noise\"><path class=\"axis\" \
         d=\"M4 6H88M4 2V10M88 2V10\"/><circle class=\"f0\" cx=\"{:.1}\" cy=\"6\" r=\"4\"/></svg>",
        100.0 * share,
        4.0 + 84.0 * share.clamp(0.0, 1.0)
    )
}

/// What is shown of sorted values: all, or without the outermost hundredths where those would squeeze the rest.
fn extent(sorted: &[f64]) -> (f64, f64, bool) {
    let (least, most) = (sorted[0], sorted[sorted.len() - 1]);
    let hundredth = sorted.len() / 100;
    let (low, high) = (sorted[hundredth], sorted[sorted.len() - 1 - hundredth]);
    let middle = high - low;
    match middle > 0.0 && most - least > 4.0 * middle {
        true => (low - 0.5 * middle, high + 0.5 * middle, true),
        false => (least, most, false),
    }
}

struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    fn of(low: f64, high: f64) -> Self {
        let pad = if high > low { 0.0 } else { 0.5 * low.abs().max(1e-3) };
        Self { low: low - pad, high: high.max(low) + pad }
    }

    fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// 1, 2 or 5 times a power of ten, so that about five ticks fit.
    fn spacing(&self) -> f64 {
        let rough = (self.high - self.low) / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        power * [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| step * power >= rough).unwrap_or(10.0)
    }

    fn ticks(&self) -> Vec<f64> {
        let spacing = self.spacing();
        let first = (self.low / spacing).ceil() as i64;
        let last = (self.high / spacing).floor() as i64;
        (first..=last.min(first + 20)).map(|i| i as f64 * spacing).collect()
    }
}

/// A tick's number with as many digits as the spacing needs.
fn label(value: f64, spacing: f64) -> String {
    if value.abs() >= 1e6 || (value != 0.0 && spacing < 1e-4) {
        return short(value);
    }
    let digits = (-spacing.log10()).ceil().max(0.0) as usize;
    format!("{value:.digits$}")
}

fn path(points: impl Iterator<Item = (f64, f64)>) -> String {
    let mut out = String::new();
    for (i, (x, y)) in points.enumerate() {
        out.push_str(&format!("{}{x:.1} {y:.1}", if i == 0 { "M" } else { "L" }));
    }
    out
}

/// At most so many points: of each stretch the least and the greatest value, so that no spike is lost.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= MOST_POINTS {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(MOST_POINTS / 2);
    let mut out = Vec::with_capacity(MOST_POINTS);
    for part in points.chunks(stretch) {
        let by = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let (Some(least), Some(most)) = (part.iter().min_by(by), part.iter().max_by(by)) else { continue };
        let (first, second) = if least.0 <= most.0 { (least, most) } else { (most, least) };
        out.push(*first);
        if first != second {
            out.push(*second);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spikes_survive_thinning_and_outliers_do_not_squeeze_the_rest() {
        let mut points: Vec<(f64, f64)> = (0..10_000).map(|i| (f64::from(i), f64::from(i % 7))).collect();
        points[5_003].1 = 1e6;
        let thin = thinned(&points);
        assert!(thin.len() <= MOST_POINTS && thin.contains(&(5_003.0, 1e6)));
        assert!(thin.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let mut values: Vec<f64> = points.iter().map(|point| point.1).collect();
        values.sort_unstable_by(f64::total_cmp);
        assert_eq!(extent(&values), (-3.0, 9.0, true));
        assert_eq!(extent(&[1.0, 2.0]), (1.0, 2.0, false));
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let scale = Scale::of(-0.013, 0.049);
        assert_eq!(scale.spacing(), 0.02);
        let labels: Vec<String> = scale.ticks().iter().map(|tick| label(*tick, scale.spacing())).collect();
        assert_eq!(labels, ["0.00", "0.02", "0.04"]);
        let flat = Scale::of(3.0, 3.0);
        assert!(flat.share(3.0) == 0.5 && !flat.ticks().is_empty());
        assert!(curves(&[Series::new("nothing", vec![(1.0, f64::NAN)])]).is_empty());
        assert!(curves(&[Series::new("one", vec![(1.0, 2.0)])]).contains("<circle"));
    }
}
