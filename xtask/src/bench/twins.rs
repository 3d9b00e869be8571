//! `cargo xtask bench --check`: whether PyTorch's networks are ours.

use anyhow::{Context, ensure};
use serde_json::Value;

use super::Bench;
use super::cases::{CASES, Case};
use super::worker::Worker;

/// Largest difference between outputs in [-1, 1], and between mean probabilities: single precision in another order.
const TOLERANCE: f64 = 1e-5;

impl Bench<'_> {
    /// Gives our weights to PyTorch's networks, for each case of training, and compares what both make of the same latent
    /// vectors and examples, how many values they train, and how many operations a step has.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        for case in CASES.iter().filter(|case| case.name.starts_with("mlp-") || case.name.starts_with("dcgan-")) {
            let folder = self.scratch().join("twins").join(case.name);
            let mut command = self.ours();
            command.arg(case.name).arg("--dump").arg(&folder);
            Worker::once("bench_steps --dump", command, self.log("dump"))?;
            let mut command = self.python(case.peer)?;
            command.args([case.name, "eager", "--compare"]).arg(&folder);
            let compared = Worker::once("pytorch.py --compare", command, self.log("compare"))?;
            let ours = self.start_ours(case.name, None)?.hello.parameters.clone();
            println!("{}: {compared}", case.name);
            judge(case, &ours, &compared).with_context(|| format!("case `{}`", case.name))?;
        }
        Ok(())
    }
}

fn judge(case: &Case, ours: &Value, compared: &Value) -> anyhow::Result<()> {
    let number = |name: &str| compared[name].as_f64().with_context(|| format!("`{name}` is missing"));
    ensure!(*ours == compared["parameters"], "we train {ours}, PyTorch {}", compared["parameters"]);
    for name in ["generator_difference", "discriminator_difference"] {
        let difference = number(name)?;
        ensure!(difference <= TOLERANCE, "the {} is {difference:e}", name.replace('_', " "));
    }
    // All zeros would agree as well.
    ensure!(number("spread")? > 0.01, "the generator's output is flat");
    let counted = case.flops.map_or(0, |count| count()) as f64;
    ensure!(number("flops")? == counted, "we count {counted} operations, PyTorch {}", number("flops")?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_difference_is_an_error() {
        let case = &CASES[0];
        let flops = case.flops.map(|count| count()).unwrap();
        let ours = json!({ "g": 3 });
        let good = json!({
            "parameters": { "g": 3 }, "generator_difference": 1e-7, "discriminator_difference": 0.0, "spread": 0.3,
            "flops": flops,
        });
        judge(case, &ours, &good).unwrap();
        for (name, wrong) in [
            ("parameters", json!({ "g": 4 })),
            ("generator_difference", json!(1e-4)),
            ("discriminator_difference", json!(null)),
            ("spread", json!(0.0)),
            ("flops", json!(flops + 1)),
        ] {
            let mut bad = good.clone();
            bad[name] = wrong;
            assert!(judge(case, &ours, &bad).is_err(), "{name}");
        }
    }
}
