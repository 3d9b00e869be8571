//! That families of series and `relgan` learn, by distances that the same networks miss when they have not learnt.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use galatea::{Report, Request, Surroundings, train_in};
use galatea_kernels::random::Stream;

fn trained(family: &str, data: &str, folder: &Path, settings: &str) -> Report {
    let common = "eval.samples=200 monitor=off train.sample_every=0 train.checkpoint_every=0";
    let settings = common.split(' ').chain(settings.split(' ')).map(str::to_owned).collect();
    let (family, data) = (Some(family.to_owned()), Some(data.to_owned()));
    let request = Request { family, data, settings, ..Request::default() };
    let surroundings = Surroundings { root: folder.into(), ..Surroundings::default() };
    train_in(request.resolve().unwrap(), surroundings).unwrap().report.unwrap()
}

fn value(report: &Report, number: &str) -> f64 {
    report.rows.iter().find(|row| row.number == number).unwrap().value
}

/// How far what is learnt of an autoregression is from it: Fréchet distance of windows, and distance of autocorrelations.
fn apart(family: &str, settings: &str) -> [f64; 2] {
    let folder = tempfile::tempdir().unwrap();
    let report = trained(family, "ar", folder.path(), &format!("data.limit=2000 {settings}"));
    ["frechet", "autocorrelation"].map(|number| value(&report, number))
}

#[test]
fn rgan_learns_an_autoregression() {
    let [frechet, autocorrelation] = apart("rgan", "train.steps=300");
    assert!(frechet < 40.0 && autocorrelation < 0.25, "{frechet} {autocorrelation}");
    let [frechet, autocorrelation] = apart("rgan", "train.steps=300 learning_rate_g=1e-9");
    assert!(frechet > 80.0 && autocorrelation > 0.4, "a generator that stands still: {frechet} {autocorrelation}");
}

#[test]
fn timegan_learns_an_autoregression() {
    let [frechet, autocorrelation] = apart("timegan", "train.steps=1500");
    // One that stands still is 122 and 0.63 off.
    assert!(frechet < 35.0 && autocorrelation < 0.35, "{frechet} {autocorrelation}");
}

#[test]
fn seqvae_learns_an_autoregression() {
    let [frechet, autocorrelation] = apart("seqvae", "train.steps=600");
    assert!(frechet < 70.0 && autocorrelation < 0.45, "{frechet} {autocorrelation}");
}

#[test]
fn relgan_writes_sentences_that_it_has_read() {
    let folder = tempfile::tempdir().unwrap();
    let sentences =
        ["the cat sat on a mat", "one red bird sang to her", "a bird saw the red cat", "and that cat saw a mat"];
    let mut stream = Stream::new(1, 0);
    let lines: Vec<&str> = (0..3_000).map(|_| sentences[stream.below(4) as usize]).collect();
    let path = folder.path().join("text.txt");
    std::fs::write(&path, lines.join("\n")).unwrap();
    let report = trained("relgan", &path.display().to_string(), folder.path(), "train.steps=800 data.context=32");
    let (nats, bleu) = (value(&report, "nats-per-token"), value(&report, "bleu-4"));
    // Untrained: 2.2 nats, and 0.03; real text: 0.95.
    assert!(nats < 0.4 && bleu > 0.65, "{nats} nats, BLEU {bleu}");
}
