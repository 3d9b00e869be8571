//! Training that goes wrong, is told, and goes back; bit for bit the same after kills and when it is repeated.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use burn::prelude::Device;
use galatea_data::{DataSpec, Dataset as _, HostBatch, HostTensor, ImageSpec, settings};
use galatea_models::{
    Demand, Entry, Family, Info, Model, Part, Purpose, Result, SampleRequest, Session, StepReport, Turn,
};
use galatea_train::{
    Action, Context, End, Event, Feed, Finding, Kind, Look, Monitor, MonitorOptions, Observer, Run, RunConfig, Saved,
    Severity, Summary, Which, Writer, checkpoint, observers,
};

use crate::toy::{ToyData, Witness, config, create, weights};

settings! {
    /// Settings of the frail model, which are called as those of adversarial families are.
    pub(crate) struct FrailConfig {
        /// Without it, samples become alike from step 150 on.
        r1: f64 = 0.0;
        /// Above 0.01 values become infinite at step 90.
        learning_rate_g: f64 = 0.001;
        /// Nothing helps against becoming alike.
        stubborn: bool = false;
        /// The discriminator is nearly always right from step 150 on.
        wins: bool = false;
    }
}

/// Remembers examples, and draws those of them that it has not forgotten.
struct Frail {
    config: FrailConfig,
    spec: DataSpec,
    memory: Vec<f32>,
    /// Examples that it can draw; a fraction counts half.
    modes: f32,
    /// Depends on every example of every step.
    trace: f32,
}

static FRAIL: Entry<Frail> = Entry::new();
const MOST: usize = 64;

impl Model for Frail {
    const INFO: Info = Info {
        name: "frail",
        summary: "forgets",
        paper: "none",
        differs: "nothing",
        modalities: &["images"],
        abilities: &[],
    };
    const STEPS: u64 = 400;
    type Config = FrailConfig;

    fn check(_: &FrailConfig, _: &DataSpec) -> Result<()> {
        Ok(())
    }

    fn new(config: &FrailConfig, spec: &DataSpec, seed: u64, _: &Device) -> Result<Self> {
        let memory = vec![0.0; MOST * spec.elements()];
        Ok(Self { config: config.clone(), spec: spec.clone(), memory, modes: 0.0, trace: seed as f32 })
    }

    fn demand(&self) -> Demand {
        Demand { batch: 4, batches: 1 }
    }

    fn step(&mut self, turn: Turn, batches: &[HostBatch]) -> Result<StepReport> {
        let values = &batches[0].values;
        let width = values.row_len();
        self.trace = values.values.iter().fold(self.trace, |trace, value| 0.999 * trace + value * turn.step as f32);
        if (self.modes as usize) < MOST && turn.step <= 150 {
            for i in 0..values.rows().min(MOST - self.modes as usize) {
                let at = (self.modes as usize + i) * width;
                self.memory[at..at + width].copy_from_slice(values.row(i));
            }
            self.modes = (self.modes + 4.0).min(MOST as f32);
        }
        if turn.step > 150 && (self.config.r1 == 0.0 || self.config.stubborn) {
            self.modes = (0.98 * self.modes).max(1.0);
        }
        let diverges = self.config.learning_rate_g > 0.01 && turn.step >= 90;
        let loss_g = if diverges { f64::INFINITY } else { 1.0 };
        let [d_real, d_fake, loss_d] =
            if self.config.wins && turn.step > 150 { [0.98, 0.02, 0.05] } else { [0.6, 0.4, 1.2] };
        Ok(StepReport { scalars: vec![("d_real", d_real), ("d_fake", d_fake), ("loss_d", loss_d), ("loss_g", loss_g)] })
    }

    fn sample(&self, request: &SampleRequest) -> Result<HostBatch> {
        let width = self.spec.elements();
        let modes = (self.modes as u64).max(1);
        let values = request.range.clone().flat_map(|i| {
            let at = (i % modes) as usize * width;
            self.memory[at..at + width].iter().map(move |value| value + 1e-3 * (i as f32).sin())
        });
        let mut shape = vec![(request.range.end - request.range.start) as usize];
        shape.extend(self.spec.shape());
        Ok(HostBatch { values: HostTensor::new(shape, values.collect()), labels: None })
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn parts(&self) -> Vec<Part> {
        let tensor = |name: &str, values: &[f32]| (name.to_owned(), HostTensor::new([values.len()], values.to_vec()));
        let tensors =
            vec![tensor("memory", &self.memory), tensor("modes", &[self.modes]), tensor("trace", &[self.trace])];
        vec![Part { name: "all".into(), tensors }]
    }

    fn sampling_part(&self) -> &'static str {
        "all"
    }

    fn load(&mut self, parts: &[Part], _: Purpose) -> Result<()> {
        let tensors = &parts[0].tensors;
        self.memory.clone_from(&tensors[0].1.values);
        (self.modes, self.trace) = (tensors[1].1.values[0], tensors[2].1.values[0]);
        Ok(())
    }

    fn parameters(&self) -> Vec<(&'static str, usize)> {
        vec![("all", self.memory.len())]
    }
}

fn frail(model: &str, watch: &str) -> RunConfig {
    let plan = "checkpoint_every = 20\nsample_every = 100\nlog_every = 10\nkeep_last = 2\npreview = 4";
    let toy = config(400, plan, "");
    let watch: toml::Table = watch.parse().unwrap();
    let of = |name: &str| watch.get(name).and_then(toml::Value::as_table).cloned().unwrap_or_default();
    RunConfig {
        model: FRAIL.resolve(&model.parse().unwrap(), ToyData::new(1).spec()).unwrap(),
        monitor: settings::overlay(
            "monitor",
            &[("every", 5.into()), ("samples", 32.into())]
                .map(|(key, value): (&str, toml::Value)| (key.to_owned(), value))
                .into_iter()
                .chain(of("monitor"))
                .collect(),
        )
        .unwrap(),
        heal: settings::overlay("heal", &of("heal")).unwrap(),
        ..toy
    }
}

const AUTO: &str = "[heal]\nmode = 'auto'";

/// Ends training where something severe is found.
struct Quitter;

impl Observer for Quitter {
    fn observe(&mut self, event: &Event<'_>, _: &Context<'_>) -> galatea_train::Result<Action> {
        Ok(match event {
            Event::Found { finding } if finding.severity == Severity::Severe => {
                Action::Stop { reason: "enough".into() }
            }
            _ => Action::Continue,
        })
    }
}

fn train(run: &Writer, config: &RunConfig, witness: &Witness) -> galatea_train::Result<Summary> {
    train_with(run, config, vec![Box::new(witness.clone())])
}

fn feed() -> Feed {
    let data = Arc::new(ToyData::new(600));
    let (held_back, trained_on) = (0..600).partition(|i| i % 9 == 0);
    Feed::new(data, trained_on).unwrap().with_held_back(held_back)
}

fn train_with(run: &Writer, config: &RunConfig, others: Vec<Box<dyn Observer>>) -> galatea_train::Result<Summary> {
    train_until(run, config, others, &AtomicBool::new(false))
}

fn train_until(
    run: &Writer,
    config: &RunConfig,
    others: Vec<Box<dyn Observer>>,
    stop: &AtomicBool,
) -> galatea_train::Result<Summary> {
    let feed = feed();
    let mut session: Box<dyn Session> =
        FRAIL.session(&config.model, ToyData::new(1).spec(), config.seed, &Device::default()).unwrap();
    let mut all: Vec<Box<dyn Observer>> = vec![
        Box::new(observers::JsonLines::new()),
        Box::new(observers::TensorBoard::new()),
        Box::new(observers::Samples),
    ];
    all.extend(others);
    galatea_train::train(&mut *session, &feed, config, run, &mut all, stop)
}

/// What the monitor has measured.
fn looks(run: &Run) -> Vec<Look> {
    let log = std::fs::read_to_string(run.log_path()).unwrap();
    let looks = log.lines().filter(|line| line.contains("\"event\":\"look\""));
    looks.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Looks that were kept give the same findings again, and go on in another monitor.
fn looks_tell_the_same_again(config: &RunConfig, run: &Run, summary: &Summary) {
    let looks = looks(run);
    let said = |findings: &[Finding]| {
        let said = |f: &Finding| (f.kind, f.severity, f.step, f.since, f.evidence.clone());
        findings.iter().map(said).collect::<Vec<_>>()
    };
    for cut in [0, looks.len() / 2] {
        let [mut first, mut second] =
            [(); 2].map(|()| Monitor::new(&config.monitor, &feed(), config.train.steps).unwrap());
        let mut again: Vec<Finding> = looks[..cut].iter().flat_map(|look| first.tell(look.clone())).collect();
        second.restore(&first.state().unwrap()).unwrap();
        again.extend(looks[cut..].iter().flat_map(|look| second.tell(look.clone())));
        assert_eq!(said(&again), said(&summary.findings), "cut at {cut}");
    }
}

/// Step, attempt and event of each line of the log.
fn lines(run: &Run) -> Vec<(u64, u64, String)> {
    let text = std::fs::read_to_string(run.log_path()).unwrap();
    let line = |line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let number = |name: &str| line[name].as_u64().unwrap_or(0);
        (number("step"), number("attempt"), line["event"].as_str().unwrap_or("step").to_owned())
    };
    text.lines().map(line).collect()
}

#[test]
fn collapse_is_named_before_coverage_has_halved() {
    let folder = tempfile::tempdir().unwrap();
    let config = frail("", "");
    let run = create(folder.path(), &config);
    let witness = Witness::default();
    let summary = train(&run, &config, &witness).unwrap();
    // From step 150 on 2 % of what it can draw is lost at each step, so that from step 185 on there is less than there
    // are samples in a look. First there are copies, and then too little is covered.
    let kinds: Vec<Kind> = summary.findings.iter().map(|finding| finding.kind).collect();
    assert!(kinds.starts_with(&[Kind::NearDuplicates, Kind::DroppedModes]), "{kinds:?}");
    let finding = &summary.findings[1];
    let coverage: Vec<(u64, f64)> =
        looks(&run).iter().map(|look| (look.step, look.samples.unwrap().coverage)).collect();
    let best = coverage.iter().map(|(_, coverage)| *coverage).fold(0.0, f64::max);
    let at = |step: u64| coverage.iter().find(|(at, _)| *at == step).unwrap().1 / best;
    assert!(best > 0.8 && at(finding.step) > 0.5, "{} of {best} at {finding:?}", at(finding.step));
    assert!(finding.since >= 150 && at(finding.since) >= 0.9, "{finding:?}");
    assert!(finding.hint.contains("`--set r1=1.0`") && finding.hint.contains("heal=auto"), "{}", finding.hint);
    assert!(summary.findings.iter().any(|finding| finding.severity == Severity::Severe));
    assert!(summary.interventions.is_empty() && summary.step == 400);
    assert!(witness.has("found mode collapse (dropped modes) at"));
    looks_tell_the_same_again(&config, &run, &summary);
    assert_eq!(coverage.len(), 80, "every fifth step");
}

#[test]
fn looks_are_closer_together_while_the_discriminator_wins_and_there_is_something_to_lose() {
    let folder = tempfile::tempdir().unwrap();
    let [plain, lost, kept] = ["", "wins = true", "wins = true\nr1 = 1.0"].map(|settings| {
        let config = frail(settings, "[monitor]\nevery = 40");
        let run = create(folder.path(), &config);
        let summary = train(&run, &config, &Witness::default()).unwrap();
        looks_tell_the_same_again(&config, &run, &summary);
        let (out_of_turn, in_turn): (Vec<Look>, Vec<Look>) = looks(&run).into_iter().partition(|look| look.out_of_turn);
        let steps = |looks: &[Look]| looks.iter().map(|look| look.step).collect::<Vec<u64>>();
        assert_eq!(steps(&in_turn), (40..=400).step_by(40).collect::<Vec<u64>>());
        let mut other = Monitor::new(&config.monitor, &feed(), config.train.steps).unwrap();
        let later: Vec<Finding> = in_turn.iter().flat_map(|look| other.tell(look.clone())).collect();
        let seen: Vec<_> = in_turn.iter().map(|look| look.samples).collect();
        (steps(&out_of_turn), summary.findings, later, seen)
    });
    let told = |findings: &[Finding]| {
        [Severity::Notice, Severity::Severe].map(|severity| {
            let is_it = |finding: &&Finding| finding.kind == Kind::DroppedModes && finding.severity == severity;
            findings.iter().find(is_it).map(|finding| finding.step)
        })
    };
    // As soon as it has won most of the newest eight steps; then every eight steps, and in turn, until it is told as severe.
    assert_eq!(lost.0, [156, 168, 176, 184, 192, 208, 216, 224, 232, 248]);
    assert_eq!((told(&lost.1), told(&lost.2)), ([Some(224), Some(248)], [Some(240), Some(280)]));
    assert!(plain.0.is_empty() && plain.3 == lost.3, "what is seen in turn does not depend on what is seen between");
    // Where nothing is lost, there are no more than so many.
    assert_eq!((kept.0.len(), kept.1.len()), (13, 0), "{:?}", kept.1);
}

#[test]
fn a_model_that_does_not_collapse_gives_no_finding() {
    let folder = tempfile::tempdir().unwrap();
    let config = frail("r1 = 1.0", AUTO);
    let run = create(folder.path(), &config);
    let summary = train(&run, &config, &Witness::default()).unwrap();
    assert_eq!((summary.findings, summary.interventions), (vec![], vec![]));
}

#[test]
fn being_watched_changes_no_bit() {
    let folder = tempfile::tempdir().unwrap();
    // In turn; out of turn, too; not at all.
    let runs = ["", "[monitor]\nevery = 40", "[monitor]\nmode = 'off'"].map(|watch| {
        let config = frail("wins = true", watch);
        let run = create(folder.path(), &config);
        train(&run, &config, &Witness::default()).unwrap();
        run
    });
    assert!(looks(&runs[1]).iter().any(|look| look.out_of_turn));
    assert!(runs.iter().all(|run| weights(run) == weights(&runs[2])));
    assert!(lines(&runs[2]).iter().all(|line| line.2 == "step"));
}

#[test]
fn healing_goes_back_to_before_and_on_with_other_settings() {
    let folder = tempfile::tempdir().unwrap();
    let config = frail("", AUTO);
    let run = create(folder.path(), &config);
    let witness = Witness::default();
    let summary = train(&run, &config, &witness).unwrap();
    let [done] = &summary.interventions[..] else { panic!("{:?}", summary.interventions) };
    assert!((140..=180).contains(&done.back_to), "{done:?}");
    assert_eq!(done.changes_text(), "r1 0.0 -> 1.0");
    assert!(witness.has(&format!("back to {}", done.back_to)));
    assert_eq!((summary.step, summary.images_seen), (400, 1600));

    let saved = Saved::of_run(&run, Which::Newest).unwrap();
    assert_eq!(saved.model["r1"].as_float(), Some(1.0), "it is sampled with the settings that it ended with");
    let parts = weights(&run);
    assert!(parts[0].tensors[1].1.values[0] >= 32.0, "no more than what was lost without being seen");
    // The log has both attempts, and in each of them every step once.
    let lines = lines(&run);
    let steps = |attempt: u64| -> Vec<u64> {
        lines.iter().filter(|line| line.1 == attempt && line.2 == "step").map(|line| line.0).collect()
    };
    assert_eq!(steps(0), std::iter::once(1).chain((10..=done.step).step_by(10)).collect::<Vec<u64>>());
    assert_eq!(steps(1), (done.back_to + 10..=400).step_by(10).collect::<Vec<u64>>());
    assert!(lines.contains(&(done.step, 0, "intervention".into())), "{lines:?}");
}

#[test]
fn what_would_have_ended_training_does_not_end_what_is_healed() {
    let folder = tempfile::tempdir().unwrap();
    let ends = [AUTO, ""].map(|heal| {
        let config = frail("", &format!("{heal}\n"));
        let summary = train_with(&create(folder.path(), &config), &config, vec![Box::new(Quitter)]).unwrap();
        (summary.end, summary.interventions.len(), summary.step < 400)
    });
    let enough = End::Stopped { reason: "enough".into() };
    assert_eq!(ends[1], (enough, 0, true));
    assert_eq!(ends[0], (End::Finished, 1, false));
}

#[test]
fn a_run_that_heals_goes_on_bit_for_bit_after_kills_and_is_repeated_by_its_config() {
    goes_on_bit_for_bit_after_kills(&frail("", AUTO));
    // The same with looks out of turn.
    goes_on_bit_for_bit_after_kills(&frail("wins = true", &format!("{AUTO}\n[monitor]\nevery = 40")));
}

fn goes_on_bit_for_bit_after_kills(config: &RunConfig) {
    let folder = tempfile::tempdir().unwrap();
    let whole = create(folder.path(), config);
    let summary = train(&whole, config, &Witness::default()).unwrap();
    let done = &summary.interventions[0];

    let broken = create(folder.path(), config);
    // Before it is found, between looks, at the finding, while it goes back, and after.
    for die_after in [33, 131, done.step - 1, done.step, done.back_to + 1, done.back_to + 30, 333] {
        let witness = Witness { die_after: Some(die_after), ..Witness::default() };
        assert_eq!(train(&broken, config, &witness).unwrap_err().to_string(), "killed", "{die_after}");
    }
    let again = train(&broken, config, &Witness::default()).unwrap();
    assert_eq!(weights(&whole), weights(&broken));
    assert_eq!((&again.findings, &again.interventions), (&summary.findings, &summary.interventions));
    assert_eq!(lines(&whole), lines(&broken));
    assert_eq!(looks(&whole), looks(&broken));

    let repeated = create(folder.path(), &whole.config().unwrap());
    train(&repeated, &whole.config().unwrap(), &Witness::default()).unwrap();
    assert_eq!(weights(&whole), weights(&repeated));
    assert_eq!(lines(&whole), lines(&repeated));
}

#[test]
fn a_kill_while_it_goes_back_changes_no_bit() {
    let folder = tempfile::tempdir().unwrap();
    let config = frail("", AUTO);
    let whole = create(folder.path(), &config);
    train(&whole, &config, &Witness::default()).unwrap();
    let broken = create(folder.path(), &config);
    // Told of it, and gone before the checkpoint is written; then before later ones are removed.
    for event in ["back to", "checkpointed"] {
        let witness = Witness { die_at: Some(event), ..Witness::default() };
        assert_eq!(train(&broken, &config, &witness).unwrap_err().to_string(), "killed", "{event}");
    }
    train(&broken, &config, &Witness::default()).unwrap();
    assert_eq!(weights(&whole), weights(&broken));
    assert_eq!(lines(&whole), lines(&broken));
}

/// Sets a flag after these steps, as Ctrl-C does.
struct Interrupter(std::ops::Range<u64>, Arc<AtomicBool>);

impl Observer for Interrupter {
    fn observe(&mut self, event: &Event<'_>, context: &Context<'_>) -> galatea_train::Result<Action> {
        if matches!(event, Event::Step { .. }) {
            self.1.store(self.0.contains(&context.step), Ordering::Relaxed);
        }
        Ok(Action::Continue)
    }
}

#[test]
fn interruptions_change_nothing_of_where_healing_goes_back_to() {
    let folder = tempfile::tempdir().unwrap();
    for every in [20, 0] {
        let mut config = frail("", AUTO);
        config.train.checkpoint_every = every;
        let whole = create(folder.path(), &config);
        let summary = train(&whole, &config, &Witness::default()).unwrap();
        let done = &summary.interventions[0];

        let severe = summary.findings.iter().find(|finding| finding.severity == Severity::Severe).unwrap();
        assert!(severe.since > done.back_to && severe.since > 0, "{severe:?}");

        // Each leaves a checkpoint of its own: one where all was still well, then one after each step up to the finding.
        for afters in [vec![107, severe.since], (151..done.step).collect()] {
            let broken = create(folder.path(), &config);
            let interrupt = |after: std::ops::Range<u64>| {
                let stop = Arc::new(AtomicBool::new(false));
                let observer = Interrupter(after, Arc::clone(&stop));
                train_until(&broken, &config, vec![Box::new(observer)], &stop).unwrap()
            };
            for after in afters {
                let ended = interrupt(after..after + 1);
                assert_eq!((ended.end, ended.step), (End::Interrupted, after));
            }
            let again = interrupt(0..0);
            assert_eq!((&again.findings, &again.interventions), (&summary.findings, &summary.interventions), "{every}");
            assert_eq!(weights(&whole), weights(&broken));
            let steps = |run| checkpoint::list(run).unwrap().into_iter().map(|(step, _)| step).collect::<Vec<_>>();
            assert_eq!(steps(&whole), steps(&broken), "what interruptions left is gone");
        }
    }
}

#[test]
fn large_pictures_are_looked_at_too() {
    let image = ImageSpec { channels: 3, height: 400, width: 400, classes: Vec::new() };
    let spec = DataSpec::Images(image);
    let data = Arc::new(ToyData { spec: spec.clone(), len: 50, broken: None });
    let feed = Feed::new(data, (0..25).collect()).unwrap().with_held_back((25..50).collect());
    let config = frail("", "");
    let session = FRAIL.session(&config.model, &spec, 0, &Device::default()).unwrap();
    let mut monitor = Monitor::new(&config.monitor, &feed, 100).unwrap();
    let (look, _) = monitor.look(&*session, 5).unwrap();
    assert!(look.samples.is_some(), "{look:?}");
}

#[test]
fn a_divergence_is_healed_too() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "learning_rate_g = 0.02\nr1 = 1.0";
    let told = frail(settings, "");
    let run = create(folder.path(), &told);
    let witness = Witness::default();
    let error = train(&run, &told, &witness).unwrap_err();
    assert_eq!(error.to_string(), "training diverged: `loss_g` became inf at step 90");
    assert!(witness.has("found divergence at 90"));

    let config = frail(settings, AUTO);
    let run = create(folder.path(), &config);
    let summary = train(&run, &config, &Witness::default()).unwrap();
    let [done] = &summary.interventions[..] else { panic!("{:?}", summary.interventions) };
    assert_eq!((done.kind, done.back_to), (Kind::Divergence, 80));
    assert_eq!(done.changes_text(), "learning_rate_g 0.02 -> 0.01");
    assert_eq!(summary.step, 400);
}

#[test]
fn what_nothing_helps_against_is_left_after_so_many_times() {
    let folder = tempfile::tempdir().unwrap();
    let config = frail("stubborn = true", "[heal]\nmode = 'auto'\nmax = 2");
    let run = create(folder.path(), &config);
    let witness = Witness::default();
    let summary = train(&run, &config, &witness).unwrap();
    assert_eq!((summary.step, summary.interventions.len()), (400, 2));
    assert!(witness.has("warning training went back 2 times (`heal.max`)"), "{:?}", witness.seen());
    let rates: Vec<String> = summary.interventions.iter().map(|done| done.changes_text()).collect();
    // From where it went wrong again, nothing can be saved: training begins anew with what was changed.
    assert_eq!(rates, ["r1 0.0 -> 1.0", "the same settings"]);
    assert!(summary.interventions[0].back_to > 0 && summary.interventions[1].back_to == 0);

    let config = frail("stubborn = true", AUTO);
    let run = create(folder.path(), &config);
    let summary = train(&run, &config, &Witness::default()).unwrap();
    let rates: Vec<String> = summary.interventions.iter().map(|done| done.changes_text()).collect();
    assert_eq!(rates, ["r1 0.0 -> 1.0", "the same settings", "learning_rate_g 0.001 -> 0.0005"]);

    // Where no checkpoint is from before, training begins anew.
    let mut config = frail("", AUTO);
    config.train.checkpoint_every = 0;
    let run = create(folder.path(), &config);
    let summary = train(&run, &config, &Witness::default()).unwrap();
    assert_eq!((summary.interventions[0].back_to, summary.step), (0, 400));
    let steps: Vec<u64> = checkpoint::list(&run).unwrap().into_iter().map(|(step, _)| step).collect();
    assert_eq!(steps, [0, 400]);
}

#[test]
fn the_interval_of_looks_depends_on_the_plan_only() {
    let data = Arc::new(ToyData::new(90));
    let feed = Feed::new(data, (0..90).collect()).unwrap();
    let every = |steps| galatea_train::Monitor::new(&MonitorOptions::default(), &feed, steps).unwrap().every();
    assert_eq!([100, 8_000, 12_000, 1_000_000].map(every), [25, 40, 60, 100]);
    // However seldom it looks, it remembers no more than few steps.
    let seldom = MonitorOptions { every: 1_000_000_000, ..MonitorOptions::default() };
    let mut monitor = Monitor::new(&seldom, &feed, 1_000_000).unwrap();
    let report = StepReport { scalars: vec![("d_real", 0.9), ("d_fake", 0.1), ("loss_d", 0.2)] };
    (0..5_000).for_each(|_| monitor.note(&report));
    assert!(monitor.state().unwrap().len() < 2_000, "{}", monitor.state().unwrap().len());
}
