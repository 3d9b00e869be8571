//! What the user sees while something takes long: a bar on a terminal, lines elsewhere. All of it goes to stderr.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use galatea::{Action, Context, Event, Finding, Observer, Reading, VALIDATION, number_of};
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use crate::args::Common;
use crate::commands::print_line;

/// Time between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

fn coloured() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn paint(code: &str, text: &str) -> String {
    if coloured() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

pub(crate) fn red(text: &str) -> String {
    paint("1;31", text)
}

pub(crate) fn cyan(text: &str) -> String {
    paint("36", text)
}

fn yellow(text: &str) -> String {
    paint("1;33", text)
}

/// Writes a line to stderr. Where nobody reads it, as after `2>&1 | head`, the work goes on without.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Says something that is no result.
pub(crate) fn note(common: &Common, text: &str) {
    if !common.quiet {
        say(text);
    }
}

/// Says something that the user should know, also when quiet.
pub(crate) fn warn(text: &str) {
    say(&format!("{} {text}", yellow("warning:")));
}

/// Shows training.
pub(crate) struct Training {
    /// On a terminal, once there are steps to show.
    bar: Option<ProgressBar>,
    is_terminal: bool,
    quiet: bool,
    json: bool,
    last_line: Option<Instant>,
    /// The last judgement, and the best.
    judged: String,
    best: Option<f64>,
    began: Instant,
    first_step: Arc<OnceLock<Duration>>,
}

impl Training {
    /// Shows training of a program that `began` then; `first_step` is told when the first step is done.
    pub(crate) fn new(common: &Common, began: Instant, first_step: Arc<OnceLock<Duration>>) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let (quiet, json) = (common.quiet, common.json);
        Self {
            bar: None,
            is_terminal,
            quiet,
            json,
            last_line: None,
            judged: String::new(),
            best: None,
            began,
            first_step,
        }
    }

    fn start(&mut self, done: u64, steps: u64) {
        if self.quiet || !self.is_terminal {
            return;
        }
        let style = ProgressStyle::with_template("{bar:30.cyan/blue} {pos}/{len} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar = Some(ProgressBar::new(steps).with_style(style).with_position(done));
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(text)),
            None if !self.quiet => say(text),
            None => {}
        }
    }

    /// With `--json`, a line about something else than a step.
    fn tell(&self, name: &str, what: serde_json::Result<Value>) {
        if !self.json {
            return;
        }
        let mut line = Map::from_iter([("event".to_owned(), json!(name))]);
        if let Ok(Value::Object(values)) = what {
            line.extend(values);
        }
        // As for steps.
        let _ = print_line(&Value::Object(line).to_string());
    }

    /// Judgements on the way; the final one is told when all is over.
    fn judge(&mut self, reading: &Reading, step: u64) {
        if !reading.metric.starts_with(VALIDATION) {
            return;
        }
        if reading.best {
            self.best = Some(reading.value);
        }
        let best = match self.best {
            Some(_) if reading.best => " (best)".to_owned(),
            Some(best) => format!(" (best {best:.3})"),
            // Of a run that goes on, it is not known here.
            None => String::new(),
        };
        self.judged = format!("  {} {:.3}{best}", number_of(&reading.metric), reading.value);
        let line = serde_json::to_value(reading).map(|mut line| {
            line["step"] = json!(step);
            line
        });
        self.tell("evaluated", line);
    }

    fn step(&mut self, event: &Event<'_>, context: &Context<'_>) {
        let Event::Step { report, images_per_second, seconds_left } = event else { return };
        let step = context.step;
        self.first_step.get_or_init(|| self.began.elapsed());
        let is_last = step == context.plan.steps;
        let logged = step == 1 || is_last || step.is_multiple_of(context.plan.log_every);
        if self.json && logged {
            let mut line = Map::from_iter([
                ("event".to_owned(), json!("step")),
                ("step".to_owned(), json!(step)),
                ("steps".to_owned(), json!(context.plan.steps)),
                ("images_per_second".to_owned(), json!(images_per_second)),
                ("seconds_left".to_owned(), json!(seconds_left)),
            ]);
            line.extend(report.scalars.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
            // Nobody may be reading any more, as after `| head`; the run has it in its log.
            let _ = print_line(&Value::Object(line).to_string());
        }
        let text = || {
            let scalars: Vec<String> =
                report.scalars.iter().map(|(name, value)| format!("{} {value:.3}", label(name))).collect();
            let left = HumanDuration(Duration::from_secs_f64(seconds_left.clamp(0.0, 1e9)));
            let seen = if context.session.spec().kind() == "images" { "images" } else { "examples" };
            format!("{}{}  {images_per_second:.0} {seen}/s, {left} left", scalars.join("  "), self.judged)
        };
        if let Some(bar) = &self.bar {
            bar.set_position(step);
            if logged {
                bar.set_message(text());
            }
        } else if !self.quiet && (is_last || self.last_line.is_none_or(|last| last.elapsed() >= LINE_EVERY)) {
            self.last_line = Some(Instant::now());
            say(&format!("step {step}/{}  {}", context.plan.steps, text()));
        }
    }
}

/// `step 1,250: mode collapse (dropped modes): ..`.
pub(crate) fn finding_text(finding: &Finding) -> String {
    let Finding { kind, severity, step, evidence, .. } = finding;
    format!("step {}: {} ({}): {evidence}", thousands(*step as usize), kind.name(), severity.name())
}

/// Names as papers write them.
fn label(name: &str) -> &str {
    match name {
        "d_real" => "D(x)",
        "d_fake" => "D(G(z))",
        "loss_d" => "L_D",
        "loss_g" => "L_G",
        other => other,
    }
}

impl Observer for Training {
    fn observe(&mut self, event: &Event<'_>, context: &Context<'_>) -> galatea::TrainResult<Action> {
        match event {
            Event::Started { done: 0, .. } => {
                let networks: Vec<String> = context
                    .session
                    .parameters()
                    .iter()
                    .map(|(name, count)| format!("{name} {}", thousands(*count)))
                    .collect();
                self.say(&format!("{}: {} weights", context.session.info().name, networks.join(", ")));
                self.start(0, context.plan.steps);
            }
            Event::Started { done, steps } => {
                self.say(&format!("going on from step {done} of {steps}"));
                self.start(*done, *steps);
            }
            Event::Calibrated { minutes, steps, milliseconds } => {
                self.say(&format!("{milliseconds:.0} ms a step: {steps} steps fit into {minutes} minutes"));
            }
            Event::Step { .. } => self.step(event, context),
            Event::Warning { text } => match &self.bar {
                Some(bar) => bar.suspend(|| warn(text)),
                None => warn(text),
            },
            Event::Found { finding } => {
                self.tell("finding", serde_json::to_value(finding));
                let mut text = finding_text(finding);
                if !finding.hint.is_empty() {
                    text.push_str(&format!("\n  {} {}", cyan("hint:"), finding.hint));
                }
                match &self.bar {
                    Some(bar) => bar.suspend(|| warn(&text)),
                    None => warn(&text),
                }
            }
            Event::Healed { intervention } => {
                self.tell("intervention", serde_json::to_value(intervention));
                let (to, changes) = (intervention.back_to_text(), intervention.changes_text());
                self.say(&format!("{} back to {to}, with {changes}", cyan("healing:")));
                if let Some(bar) = &self.bar {
                    bar.set_position(intervention.back_to);
                }
            }
            Event::Diverged { .. } | Event::Interrupted { .. } | Event::Failed { .. } | Event::Finished { .. } => {
                if let Some(bar) = &self.bar {
                    bar.finish_and_clear();
                }
            }
            Event::Evaluated { reading } => self.judge(reading, context.step),
            Event::Sampled { .. } | Event::Checkpointed { .. } | Event::Looked { .. } => {}
        }
        Ok(Action::Continue)
    }
}

/// 1234567 as `1,234,567`.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or("")).collect();
    groups.join(",")
}

/// Shows how many of some things are done, and how long the others will take.
pub(crate) struct Counting {
    bar: Option<ProgressBar>,
    quiet: bool,
    began: Instant,
    last_line: Instant,
    done: usize,
}

impl Counting {
    pub(crate) fn new(common: &Common) -> Self {
        let bar = (!common.quiet && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{bar:30.cyan/blue} {pos}/{len} {msg}, {eta} left")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(1).with_style(style)
        });
        let now = Instant::now();
        Self { bar, quiet: common.quiet, began: now, last_line: now, done: 0 }
    }

    /// One more of `count` is done.
    pub(crate) fn one_more(&mut self, count: usize, what: &str) {
        self.done += 1;
        if let Some(bar) = &self.bar {
            bar.set_length(count as u64);
            bar.set_position(self.done as u64);
            bar.set_message(what.to_owned());
        } else if !self.quiet && (self.last_line.elapsed() >= LINE_EVERY || self.done == count) {
            self.last_line = Instant::now();
            let left = self.began.elapsed().mul_f64((count - self.done) as f64 / self.done as f64);
            say(&format!("{}/{count}  {what}, {} left", self.done, HumanDuration(left)));
        }
    }

    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Shows a download.
pub(crate) struct Download {
    bar: ProgressBar,
}

impl Download {
    pub(crate) fn new(common: &Common) -> Self {
        if common.quiet {
            return Self { bar: ProgressBar::hidden() };
        }
        let style = ProgressStyle::with_template("{msg} {bar:30.cyan/blue} {bytes}/{total_bytes} {bytes_per_sec}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        Self { bar: ProgressBar::new(0).with_style(style) }
    }

    pub(crate) fn at(&self, progress: &galatea::fetch::Progress<'_>) {
        self.bar.set_length(progress.total);
        self.bar.set_position(progress.bytes);
        self.bar.set_message(progress.file.to_owned());
    }

    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
