//! What the loop does with the monitor: has it look, tells what it finds, and goes back.

use std::collections::BTreeMap;

use galatea_models::{Purpose, StepReport};
use toml::Value;

use super::{Course, Outcome};
use crate::{
    Checkpoint, Error, Event, Finding, HealMode, Intervention, Kind, Monitor, Result, Severity, checkpoint, heal,
    heal::Known, monitor::Switch,
};

impl Course<'_> {
    /// The monitor, as it was at the checkpoint that training goes on from.
    pub(super) fn start_monitor(&mut self) -> Result<()> {
        if self.config.monitor.mode == Switch::Off {
            return Ok(());
        }
        let mut monitor = Monitor::new(&self.config.monitor, self.feed, self.progress.steps)?;
        monitor.restore(&self.watch.monitor)?;
        self.monitor = Some(monitor);
        // It may have been killed before it could.
        if self.saved.is_some() && self.config.heal.mode == HealMode::Auto { self.prune() } else { Ok(()) }
    }

    /// Has the monitor look, if that is due. Gives what is to be healed.
    pub(super) fn look(&mut self, report: &StepReport) -> Result<Option<Finding>> {
        let Some(monitor) = &mut self.monitor else { return Ok(None) };
        monitor.note(report);
        if !monitor.is_due(self.progress.step) {
            return Ok(None);
        }
        let (look, found) = monitor.look(&*self.session, self.progress.step)?;
        self.announce(&Event::Looked { look: &look })?;
        let mut ill = None;
        for finding in found {
            let finding = self.tell_finding(finding)?;
            if finding.severity == Severity::Severe && ill.is_none() && self.can_heal(&finding)? {
                ill = Some(finding);
            }
        }
        Ok(ill)
    }

    /// Of an error that is a divergence, what is to be healed; any other error is one.
    pub(super) fn divergence(&mut self, error: Error) -> Result<Outcome> {
        let Error::Diverged { quantity, value, step, .. } = &error else { return Err(error) };
        let Some(monitor) = &self.monitor else { return Err(error) };
        let [since, ..] = monitor.worth_keeping();
        let (kind, severity) = (Kind::Divergence, Severity::Severe);
        let evidence = format!("`{quantity}` became {value} at step {step}");
        let finding = Finding { kind, severity, step: *step, since, evidence, hint: String::new() };
        let finding = self.tell_finding(finding)?;
        if self.can_heal(&finding)? { Ok(Outcome::Ill(finding, Some(error))) } else { Err(error) }
    }

    fn tell_finding(&mut self, mut finding: Finding) -> Result<Finding> {
        if self.config.heal.mode == HealMode::Off {
            let (all, usual) = (self.session.config(), heal::usual(self.session));
            finding.hint = heal::hint(finding.kind, Known { all: &all, usual: &usual });
        }
        self.announce(&Event::Found { finding: &finding })?;
        self.watch.findings.push(finding.clone());
        Ok(finding)
    }

    fn can_heal(&mut self, finding: &Finding) -> Result<bool> {
        let kind = finding.kind;
        if self.config.heal.mode == HealMode::Off {
            return Ok(false);
        }
        let (all, usual) = (self.session.config(), heal::usual(self.session));
        let text = if self.watch.interventions.len() >= self.config.heal.max {
            format!("training went back {} times (`heal.max`) and goes on as it is", self.config.heal.max)
        } else if !heal::was_spoiled(&self.watch.interventions, kind, finding.step)
            && heal::options(kind, Known { all: &all, usual: &usual }).is_empty()
        {
            format!("no setting is left that would help against {}; training goes on as it is", kind.name())
        } else {
            return Ok(true);
        };
        self.announce(&Event::Warning { text: &text })?;
        Ok(false)
    }

    /// Goes back to before `finding` and changes settings. Gives whether there was a way.
    pub(super) fn heal(&mut self, finding: &Finding) -> Result<bool> {
        let before = self.session.config();
        if heal::was_spoiled(&self.watch.interventions, finding.kind, finding.step) {
            self.session.restart(&before)?;
            self.go_back(finding, None, 0, BTreeMap::new())?;
            return Ok(true);
        }
        let usual = heal::usual(self.session);
        let options = heal::untried(finding.kind, Known { all: &before, usual: &usual }, &self.watch.interventions);
        let healthy = self.healthy_checkpoint(finding.since)?;
        // A remedy that changes the networks' shapes can only begin anew, which is the last thing to do.
        let mut ways = vec![healthy];
        if ways[0].is_some() {
            ways.push(None);
        }
        for target in ways {
            for (remedy, changes) in &options {
                let mut settings = before.clone();
                settings.extend(changes.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
                if self.session.restart(&settings).is_err() {
                    // They do not go together with the others; the model is as it was.
                    continue;
                }
                let parts = target.as_ref().map(|checkpoint| &checkpoint.parts);
                if parts.is_none_or(|parts| self.session.load(parts, Purpose::Training).is_ok()) {
                    let old = |key: &str| before.get(key).map(Value::to_string).unwrap_or_default();
                    let changes: BTreeMap<String, [String; 2]> =
                        changes.iter().map(|(key, new)| ((*key).to_owned(), [old(key), new.to_string()])).collect();
                    self.go_back(finding, target, *remedy, changes)?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The newest whole checkpoint that is no newer than `since`, those apart that an interruption has left. That of step 0
    /// is the beginning.
    fn healthy_checkpoint(&self, since: u64) -> Result<Option<Checkpoint>> {
        let all = checkpoint::list(self.run)?;
        let is_one = |step: u64| (1..=since).contains(&step) && checkpoint::is_regular(step, &self.config.train);
        let healthy = all.iter().rev().filter(|(step, _)| is_one(*step));
        Ok(healthy.filter_map(|(_, path)| checkpoint::load(path, None).ok()).next())
    }

    fn go_back(
        &mut self,
        finding: &Finding,
        target: Option<Checkpoint>,
        remedy: usize,
        changes: BTreeMap<String, [String; 2]>,
    ) -> Result<()> {
        let back_to = target.as_ref().map_or(0, |checkpoint| checkpoint.state.step);
        let (step, kind, evidence) = (finding.step, finding.kind, finding.evidence.clone());
        let intervention = Intervention { step, kind, evidence, back_to, remedy, changes };
        self.announce(&Event::Healed { intervention: &intervention })?;
        self.watch.interventions.push(intervention);
        // What was said of what is gone back from does not hold of what comes.
        self.stop_reason = None;
        self.progress.step = back_to;
        self.progress.images_seen = target.as_ref().map_or(0, |checkpoint| checkpoint.state.images_seen);
        if let Some(monitor) = &mut self.monitor {
            monitor.restore(target.as_ref().map_or("", |checkpoint| &checkpoint.state.watch.monitor))?;
        }
        let path = self.sample_path(back_to);
        self.drawn = path.is_file().then_some((back_to, path));
        // So that a run that is killed now knows of it. Later checkpoints go.
        self.save()
    }
}
