//! A score that can be trusted: every value beside what real data and noise would have, and how far it depends on chance.

use serde::Serialize;

use crate::histogram::Histogram;
use crate::metric::Better;

/// One value with its context. What is not finite is `null` in JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Number, samples, what was compared: `frechet-1000-digits-lenet`.
    pub metric: String,
    /// The number alone: `frechet`.
    pub number: &'static str,
    /// The value for the samples.
    pub value: f64,
    /// What the value would vary by with other samples and other real examples; see [`Report::halves`].
    pub standard_error: Option<f64>,
    /// What the value would be within in 95 of 100 cases.
    pub interval: Option<[f64; 2]>,
    /// What real data have, see [`Report::floor`].
    pub floor: Option<f64>,
    /// What noise has, see [`Report::ceiling`].
    pub ceiling: Option<f64>,
    /// Which values are good.
    pub better: Better,
    /// Number of samples.
    pub samples: usize,
    /// Number of real examples.
    pub real: usize,
    /// What was compared: `pixels`, or features by their name.
    pub compared: String,
    /// SHA-256 of what the features are computed with.
    pub features_hash: Option<String>,
}

/// Sets that stand beside the samples.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Context {
    /// What takes the place of the samples, and what of the real examples.
    pub what: String,
    /// Number of the former.
    pub samples: usize,
    /// Number of the latter.
    pub real: usize,
}

/// The features that were compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeaturesId {
    /// Their name.
    pub name: String,
    /// SHA-256 of what they are computed with; of the real examples' own values where features came as arrays.
    pub hash: String,
}

/// All values.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Number of samples that were judged.
    pub samples: usize,
    /// Number of real examples that they were judged by.
    pub real: usize,
    /// The features, where there are any for such data.
    pub features: Option<FeaturesId>,
    /// Real data against real data.
    pub floor: Option<Context>,
    /// Noise against real data.
    pub ceiling: Option<Context>,
    /// Random parts of both sets that standard errors were estimated from; 0 if there were too few samples.
    pub halves: usize,
    /// The values.
    pub rows: Vec<Row>,
    /// What was left out, and why.
    pub notes: Vec<String>,
    /// Shares of classes, from features that classify.
    pub classes: Option<Histogram>,
    /// Names of the classes.
    pub class_names: Vec<String>,
}

impl Report {
    /// Adds the numbers of a metric.
    pub(crate) fn take(&mut self, rows: Vec<Row>) {
        if rows.iter().any(|row| row.standard_error.is_some()) {
            self.halves = crate::evaluate::HALVES;
        }
        self.rows.extend(rows);
    }
}

/// Width of a line.
const COLUMNS: usize = 100;
/// More classes than this are not listed one by one.
const MOST_CLASSES: usize = 20;

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let wide = self.rows.iter().map(|row| row.metric.len()).max().unwrap_or(0).max(6);
        let or_dash = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), short);
        writeln!(f, "{:wide$}  {:>8} {:>9}  {:>8}  {:>8}", "", "samples", "", "real", "noise")?;
        for row in &self.rows {
            let margin =
                row.interval.map_or_else(String::new, |[low, high]| format!("± {}", short(0.5 * (high - low))));
            let [floor, ceiling] = [row.floor, row.ceiling].map(or_dash);
            let (metric, value, better) = (&row.metric, short(row.value), row.better);
            writeln!(f, "{metric:wide$}  {value:>8} {margin:<9}  {floor:>8}  {ceiling:>8}  {better}")?;
        }
        if let Some(classes) = &self.classes
            && self.class_names.len() <= MOST_CLASSES
        {
            let share = |(share, name): (&f64, &String)| format!("{name}: {:.1} %", 100.0 * share);
            let shares: Vec<String> = classes.shares.iter().zip(&self.class_names).map(share).collect();
            write_wrapped(f, &format!("classes  {}", shares.join("  ")), "  ")?;
        }
        let mut text = format!("{} samples judged by {} real examples", self.samples, self.real);
        if let Some(FeaturesId { name, hash }) = &self.features {
            text.push_str(&format!(", features {name} ({})", hash.get(..12).unwrap_or(hash)));
        }
        write_wrapped(f, &text, " ")?;
        let of = |context: &Context| format!("{} ({} by {})", context.what, context.samples, context.real);
        let mut told = Vec::new();
        if self.halves > 0 {
            told.push(format!("±: 95 % interval, from {} random parts of both sets", self.halves));
        }
        told.extend(self.floor.as_ref().map(|floor| format!("real: {}", of(floor))));
        told.extend(self.ceiling.as_ref().map(|ceiling| format!("noise: {}", of(ceiling))));
        told.extend(self.notes.iter().cloned());
        told.iter().try_for_each(|line| write_wrapped(f, line, " "))
    }
}

/// A value in at most eight characters, to three digits or so.
pub fn short(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => format!("{value}"),
        0.0 => "0".to_owned(),
        size if size >= 999_999.5 => format!("{value:.1e}"),
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.0995 => format!("{value:.3}"),
        size if size >= 0.000_995 => format!("{value:.4}"),
        _ => format!("{value:.1e}"),
    }
}

/// Writes words, of which `between` is what separates them, in lines that fit.
fn write_wrapped(f: &mut std::fmt::Formatter<'_>, text: &str, between: &str) -> std::fmt::Result {
    let mut line = String::new();
    for word in text.split(between) {
        if !line.is_empty() && line.chars().count() + between.len() + word.chars().count() > COLUMNS {
            writeln!(f, "{line}")?;
            line = " ".to_owned();
        }
        if !line.is_empty() {
            line.push_str(between);
        }
        line.push_str(word);
    }
    writeln!(f, "{line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_short() {
        let of = |value| short(value);
        assert_eq!([0.0, 1.0, 12.34, 123.4, 1234.5].map(of), ["0", "1.000", "12.3", "123", "1234"]);
        assert_eq!(
            [0.1234, 0.01234, 0.00123, -0.00012, 1e-9].map(of),
            ["0.123", "0.0123", "0.0012", "-1.2e-4", "1.0e-9"]
        );
        assert_eq!([f64::INFINITY, 1.234e9, 9.999].map(of), ["inf", "1.2e9", "10.0"]);
    }
}
