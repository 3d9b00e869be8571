//! `galatea train`.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use galatea::{
    DataSpec, End, Error, Finding, Intervention, Request, Severity, Summary, Surroundings, Switch, Trained, device,
};
use serde_json::json;

use crate::args::{Common, TrainArgs};
use crate::commands::{print, print_line};
use crate::{exit, progress};

/// Trains; `began` is when the program did.
pub(crate) fn run(args: TrainArgs, common: &Common, began: Instant) -> Result<ExitCode> {
    let stop = stop_on_signal(common.quiet, "stopping after this step, with a checkpoint; once more to stop at once")?;
    let first_step = Arc::new(OnceLock::new());
    let surroundings = Surroundings {
        root: common.runs.clone(),
        name: args.name.clone(),
        device: device(&common.device)?,
        observers: vec![Box::new(progress::Training::new(common, began, first_step.clone()))],
        stop,
    };
    if let Some(run) = &args.resume {
        return told(galatea::resume(run, surroundings)?, common, first_step.get());
    }
    let (mut family, mut settings) = (args.family, Vec::new());
    if args.purpose.is_some() {
        let (name, first) = galatea::detect::training(family.as_deref())?;
        (family, settings) = (Some(name), first);
    }
    // What the user says comes last, and holds.
    settings.extend(args.set);
    settings.extend(args.steps.map(|steps| format!("train.steps={steps}")));
    settings.extend(args.minutes.map(|minutes| format!("train.minutes={minutes:?}")));
    let request = Request { family, data: args.data, config: args.config, settings, seed: args.seed };
    let resolved = request.resolve()?;
    if args.dry_run {
        print(&resolved.config.to_text().map_err(Error::from)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let data = &resolved.data;
    progress::note(common, &format!("{}: {} examples, {}", data.name(), data.len(), data.spec()));
    data.notes().iter().for_each(|note| progress::note(common, note));
    resolved.warnings().iter().for_each(|warning| progress::warn(warning));
    told(galatea::train_in(resolved, surroundings)?, common, first_step.get())
}

/// A flag that Ctrl-C or a request to terminate sets, of which it is `said` what it does; the second one ends the program at once.
pub(crate) fn stop_on_signal(quiet: bool, said: &'static str) -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(exit::INTERRUPTED.into());
        }
        if !quiet {
            // On a terminal the cursor is behind the bar.
            let line = if std::io::stderr().is_terminal() { "\n" } else { "" };
            progress::say(&format!("{line}{said}"));
        }
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(stop)
}

/// Tells how training went; `first_step` is the time from the start of the program to the end of its first step.
fn told(trained: Trained, common: &Common, first_step: Option<&Duration>) -> Result<ExitCode> {
    let Trained { run, summary, report, best, page, generator } = &trained;
    let reference = run.path().display();
    if let End::Interrupted = summary.end {
        progress::note(
            common,
            &format!(
                "stopped at step {} of {}; go on with `galatea train --resume {reference}`",
                summary.step, summary.steps
            ),
        );
        return Ok(ExitCode::from(exit::INTERRUPTED));
    }
    if let Some(Err(error)) = page {
        progress::warn(&format!("the page about the run was not written: {error}"));
    }
    let page = page.as_ref().and_then(|page| page.as_ref().ok());
    if common.json {
        let stopped = if let End::Stopped { reason } = &summary.end { Some(reason) } else { None };
        let line = json!({
            "event": "finished", "run": run.path(), "stopped": stopped, "step": summary.step, "images_seen": summary.images_seen,
            "seconds": summary.seconds, "samples": summary.samples, "report": report, "page": page,
            "best": best.as_ref().map(|best| json!({
                "step": best.step, "metric": best.reading.metric, "value": best.reading.value,
            })),
            "findings": summary.findings, "interventions": summary.interventions,
            "peak_memory_bytes": peak_memory(), "first_step_seconds": first_step.map(Duration::as_secs_f64),
        });
        print_line(&line.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    if let End::Stopped { reason } = &summary.end {
        progress::warn(&format!("training was stopped: {reason}"));
    }
    if let Some(report) = report {
        print(&report.to_string())?;
    }
    if run.config().is_ok_and(|config| config.monitor.mode == Switch::On) {
        progress::note(common, &watched(summary));
    }
    let mut text = format!("{} steps in {:.0} s", summary.step, summary.seconds);
    if let Some(time) = first_step {
        text.push_str(&format!(", the first after {:.2} s", time.as_secs_f64()));
    }
    if let Some(bytes) = peak_memory() {
        text.push_str(&format!("; {} MiB of memory at most", bytes >> 20));
    }
    if let Some(samples) = &summary.samples {
        text.push_str(&format!("\nsamples: {}", samples.display()));
    }
    if let Some(best) = best {
        let (step, reading) = (best.step, &best.reading);
        text.push_str(&format!(
            "\nbest checkpoint: step {step}, {} {:.3}; `--checkpoint best` draws from it",
            reading.metric, reading.value
        ));
    }
    if let Some(page) = page {
        text.push_str(&format!("\neverything on one page: {}", page.display()));
    }
    let how = match generator.spec() {
        spec if spec.music().is_some() => "-o music.mid",
        DataSpec::Text(text) if text.end.is_some() || !generator.writes() => "-n 10",
        DataSpec::Text(_) => "--prompt \"Once\" --temperature 0.8",
        DataSpec::Table(_) => "-n 100 -o rows.csv",
        _ => "-n 100 -o grid.png",
    };
    text.push_str(&match generator.draws() {
        true => format!("\nmore of them: galatea sample {reference} {how}"),
        false => format!(
            "\nto judge other runs by what it has learnt: galatea eval OTHER --features trained --feature-weights {}",
            run.path().display()
        ),
    });
    progress::note(common, &text);
    Ok(ExitCode::SUCCESS)
}

/// What the monitor has found, and what was done about it.
fn watched(summary: &Summary) -> String {
    if summary.findings.is_empty() && !summary.was_watched {
        return "monitor: it has seen nothing to tell by: training was shorter than `monitor.every`, there are too few \
                examples to compare samples with, or such a model has nothing that it looks at"
            .to_owned();
    }
    if summary.findings.is_empty() {
        let rest = match summary.was_compared {
            true => "",
            false => {
                ", as far as steps report it: samples are not compared with real examples, of which there are too few, or which have \
                 no distances"
            }
        };
        return format!("monitor: nothing to complain of{rest}");
    }
    let lines = in_order(&summary.findings, &summary.interventions);
    lines.iter().map(|line| format!("monitor: {line}")).collect::<Vec<_>>().join("\n")
}

/// What was found and what was done, a line each, in the order in which it happened.
fn in_order(findings: &[Finding], interventions: &[Intervention]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut interventions = interventions.iter().peekable();
    let mut findings = findings.iter().peekable();
    while let Some(first) = findings.next() {
        // What was found at one look stands together, and training went back after it. Each kind is found once at a look.
        let mut together = vec![first];
        while let Some(next) =
            findings.next_if(|next| next.step == first.step && together.iter().all(|finding| finding.kind != next.kind))
        {
            together.push(next);
        }
        let severe = together.iter().filter(|finding| finding.severity == Severity::Severe);
        let mut causes: Vec<_> = severe.map(|finding| finding.kind).collect();
        lines.extend(together.iter().map(|finding| progress::finding_text(finding)));
        while let Some(done) = interventions.next_if(|done| done.step == first.step && causes.contains(&done.kind)) {
            causes.retain(|kind| *kind != done.kind);
            lines.push(back(done));
        }
    }
    lines.extend(interventions.map(back));
    lines
}

fn back(done: &Intervention) -> String {
    format!("  -> back to {}, with {}", done.back_to_text(), done.changes_text())
}

/// The most memory that this process has held, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use galatea::Kind;

    use super::*;

    #[test]
    fn what_happened_is_told_in_its_order() {
        let finding = |kind, step| Finding {
            kind,
            severity: Severity::Severe,
            step,
            since: 0,
            evidence: "seen".into(),
            hint: String::new(),
        };
        let done = |kind, step| Intervention {
            step,
            kind,
            evidence: "seen".into(),
            back_to: 0,
            remedy: 0,
            changes: [].into(),
        };
        // Twice the same at the same step, since training went back between them.
        let (modes, wins) = (Kind::DroppedModes, Kind::Overpowering);
        let findings = [finding(modes, 275), finding(wins, 275), finding(modes, 275), finding(modes, 900)];
        let lines = in_order(&findings, &[done(modes, 275), done(modes, 275)]);
        let kinds: Vec<&str> = lines
            .iter()
            .map(|line| match line {
                line if line.starts_with("  -> back to the beginning") => "back",
                line if line.contains(modes.name()) => "modes",
                _ => "wins",
            })
            .collect();
        assert_eq!(kinds, ["modes", "wins", "back", "modes", "back", "modes"]);
        // Nothing that was done is left out, whatever stands together.
        let findings = [finding(wins, 250), finding(modes, 250), finding(wins, 900)];
        let lines = in_order(&findings, &[done(wins, 250), done(modes, 250), done(modes, 950)]);
        let is_back = |line: &String| line.starts_with("  -> ");
        assert_eq!(lines.iter().map(is_back).collect::<Vec<_>>(), [false, false, true, true, false, true]);
    }
}
