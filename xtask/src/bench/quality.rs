//! Time to a given quality: both sides learn the same digits, and one judge, ours, looks at samples on the way.

use anyhow::Context;
use serde_json::json;

use super::Bench;
use super::cases::Case;
use super::results::{Row, Side};
use super::worker::Worker;

/// Looks at each side.
const LOOKS: u32 = 20;
/// Samples at each look: as many as there are digits that are held back.
const SAMPLES: u32 = 1000;
/// The Frechet distance whose time is taken. The best that either side comes to, 15 to 17, is within the error of so few
/// samples, and says nothing of time.
const TARGET: f64 = 20.0;

/// Seconds of training and Frechet distance, look by look.
type Curve = Vec<(f64, f64)>;

impl Bench<'_> {
    /// Seconds of training until samples are of the quality [`TARGET`].
    pub(crate) fn quality(&mut self, case: &Case) -> anyhow::Result<Row> {
        let folder = self.scratch().join("quality");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        let digits = folder.join("digits.npy");
        let mut judge = self.start_ours(case.name, Some("judge"))?;
        judge.ask(&json!({ "export": digits }))?;
        let mut sides: Vec<(String, Worker, Curve)> = Vec::new();
        sides.push(("galatea".to_owned(), self.start_ours(case.name, None)?, Vec::new()));
        for variant in self.variants(case.peer, case.name) {
            let mut command = self.python(case.peer)?;
            command.args([case.name, &variant, "--train"]).arg(&digits);
            let worker = self.start_script(case.peer, &format!("{} {variant}", case.name), command)?;
            sides.push((variant, worker, Vec::new()));
        }
        let seconds = self.options.quality_seconds;
        for look in 1..=LOOKS {
            for (name, worker, curve) in &mut sides {
                let samples = folder.join(format!("{name}.npy"));
                let slice = seconds / f64::from(LOOKS);
                let request =
                    json!({ "train_seconds": slice, "of_seconds": seconds, "samples": samples, "count": SAMPLES });
                let trained = worker.ask(&request)?["seconds"].as_f64().context("a trainer does not tell its time")?;
                let judged = judge.ask(&json!({ "judge": samples }))?;
                curve.push((trained, judged["value"].as_f64().context("the judge gives no value")?));
            }
            let shown: Vec<String> =
                sides.iter().map(|(name, _, curve)| format!("{name} {:.1}", last(curve).1)).collect();
            eprintln!("  look {look} of {LOOKS}: {}", shown.join(", "));
        }
        let mut sides = sides.into_iter().map(|(name, worker, curve)| (name, worker.hello.version.clone(), curve));
        let (ours, theirs) = (sides.next().context("our side is missing")?, sides.collect());
        Ok(fill(self.row(case), ours, theirs))
    }
}

/// The figures of `row` from curves with their variants and versions.
fn fill(mut row: Row, ours: (String, String, Curve), theirs: Vec<(String, String, Curve)>) -> Row {
    let side = |(variant, version, curve): &(String, String, Curve)| {
        let seconds = reached(curve)?;
        Some(Side { curve: curve.clone(), ..Side::new(variant, version, &[vec![seconds]], None) })
    };
    row.title = format!("{} of Frechet distance {TARGET:.0}", row.title);
    row.theirs = theirs.iter().filter_map(side).collect();
    row.theirs.sort_by(|a, b| a.median.total_cmp(&b.median));
    row.ours = side(&ours);
    if row.ours.is_none() {
        row.absent = Some(format!("not in {:.0} s: {:.1}", last(&ours.2).0, last(&ours.2).1));
    }
    row
}

/// Seconds until the distance is at most [`TARGET`], on the line between two looks.
fn reached(curve: &Curve) -> Option<f64> {
    let at = curve.iter().position(|(_, distance)| *distance <= TARGET)?;
    let (end, distance) = curve[at];
    let Some((begin, before)) = at.checked_sub(1).map(|at| curve[at]) else { return Some(end) };
    Some(begin + (end - begin) * (before - TARGET) / (before - distance))
}

fn last(curve: &Curve) -> (f64, f64) {
    curve.last().copied().unwrap_or((0.0, f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::row;
    use super::*;

    fn curve(name: &str, points: &[(f64, f64)]) -> (String, String, Curve) {
        (name.to_owned(), "1".to_owned(), points.to_vec())
    }

    #[test]
    fn the_time_is_that_at_which_the_target_is_crossed() {
        let theirs =
            vec![curve("plain", &[(10.0, 90.0), (20.0, 70.0)]), curve("recipe", &[(10.0, 50.0), (20.0, 10.0)])];
        let filled = fill(row("q", None, vec![]), curve("", &[(10.0, 25.0), (20.0, 15.0)]), theirs.clone());
        assert_eq!(filled.theirs.iter().map(|side| &*side.variant).collect::<Vec<_>>(), ["recipe"]);
        assert_eq!((filled.theirs[0].median, filled.ours.as_ref().unwrap().median), (17.5, 15.0));
        assert!(filled.title.ends_with("of Frechet distance 20"), "{}", filled.title);

        let early = fill(row("q", None, vec![]), curve("", &[(10.0, 20.0)]), theirs.clone());
        assert_eq!(early.ours.unwrap().median, 10.0);
        let worse = fill(row("q", None, vec![]), curve("", &[(10.0, 80.0), (20.0, 51.0)]), theirs);
        assert_eq!((worse.ours, worse.absent.as_deref()), (None, Some("not in 20 s: 51.0")));
    }
}
