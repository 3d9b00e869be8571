//! Judging what a model of text writes beside real text: n-grams, variety, copies.

use galatea_data::{DataSpec, Dataset, HostTensor, Split, TextSpec};
use galatea_metrics::Row;
use galatea_metrics::texts::{Texts, rows};
use galatea_models::{SampleRequest, Session};

use crate::Result;
use crate::evaluation::EvalOptions;

/// Most texts that are written and judged.
const MOST: usize = 300;
/// Fewer say nothing.
const LEAST: usize = 5;
/// Most bytes of the training text that copies are looked for in.
const MOST_SEARCHED: usize = 4 << 20;

/// Numbers of what `session` writes, as many stretches as unseen ones that do not overlap, at most 300; none where there are
/// fewer than five.
///
/// # Errors
/// If the data cannot be read.
pub(crate) fn read(session: &dyn Session, data: &dyn Dataset, split: &Split, eval: &EvalOptions) -> Result<Vec<Row>> {
    let DataSpec::Text(text) = data.spec() else { return Ok(Vec::new()) };
    let apart = data.overlap() + 1;
    let real: Vec<usize> = split.held_back.iter().copied().step_by(apart).collect();
    let count = real.len().min(eval.samples).min(MOST);
    if count < LEAST {
        return Ok(Vec::new());
    }
    let evenly = |of: &[usize], count: usize| -> Vec<usize> { (0..count).map(|i| of[i * of.len() / count]).collect() };
    let whole: Vec<usize> = split.train.iter().copied().step_by(apart).collect();
    let train: String = {
        let most = (MOST_SEARCHED / text.length.max(1)).clamp(1, whole.len().max(1));
        let mut all = String::new();
        for some in whole[..most.min(whole.len())].chunks(256) {
            // Stretches that follow each other make one text; lines are each in one.
            for part in decoded(&data.batch(some)?.values, text, false) {
                all.push_str(&part);
                all.extend(text.end.map(|_| '\n'));
            }
        }
        all
    };
    let seen = match whole.len() < count {
        true => Vec::new(),
        false => decoded(&data.batch(&evenly(&whole, count))?.values, text, true),
    };
    let real = decoded(&data.batch(&evenly(&real, count))?.values, text, true);
    let request = SampleRequest { truncation: eval.temperature as f32, ..SampleRequest::new(eval.seed, count as u64) };
    let written = decoded(&session.sample(&request)?.values, text, true);
    Ok(rows(Texts { written: &written, real: &real, train: &train, seen: &seen }))
}

/// Stretches as strings; the first token is what samples follow, and is left out where texts are compared.
fn decoded(examples: &HostTensor, text: &TextSpec, without_first: bool) -> Vec<String> {
    let one = |row: usize| {
        let tokens: Vec<u32> = examples.row(row).iter().map(|value| *value as u32).collect();
        match text.end {
            Some(_) => text.read(&tokens),
            None => text.vocabulary.decode(&tokens[usize::from(without_first)..]),
        }
    };
    (0..examples.rows()).map(one).collect()
}
