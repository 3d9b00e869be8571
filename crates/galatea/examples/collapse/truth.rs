//! What is true of a model, measured apart from the monitor.

use std::sync::{Arc, Mutex, OnceLock};

use galatea::{
    Action, Context, DataOptions, DataSpec, Dataset, Event, Finding, HostTensor, Intervention, Kind, Look, Observer,
    PointSpec, SampleRequest, TrainResult,
};
use galatea_metrics::{Points, features, prdc};
use serde::{Deserialize, Serialize};

/// Samples, and real examples, that are compared.
const COUNT: usize = 300;
/// Looks of the monitor between two measurements; there is one at each finding, too.
const EVERY: u64 = 4;
/// Share of the data that they are taken from.
const HOLDOUT: f64 = 0.1;
/// Their seed, which the monitor does not use.
const SEED: u64 = 99;

/// A point within so many deviations of a mode belongs to it.
const GOOD: f64 = 3.0;

/// What is true after a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Truth {
    pub(crate) step: u64,
    /// Training went back so many times before.
    pub(crate) attempt: usize,
    /// Share of what there is that samples cover: of modes where they are known, of real examples elsewhere.
    pub(crate) coverage: f64,
    /// Modes, or classes, with at least a fifth of their share of samples.
    pub(crate) modes: usize,
}

/// All that a [`Witness`] was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) truths: Vec<Truth>,
    pub(crate) looks: Vec<Look>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) interventions: Vec<Intervention>,
}

/// Measures what is true whenever the monitor looks.
pub(crate) struct Witness {
    real: HostTensor,
    spec: DataSpec,
    /// The features of `real`.
    known: OnceLock<Points>,
    looks: u64,
    told: Arc<Mutex<Told>>,
}

impl Witness {
    /// Of digits, samples are compared with the same real ones in all scenarios, however few are learnt.
    pub(crate) fn new(data: &dyn Dataset, name: &str) -> Self {
        let whole = galatea_data::open(name, &DataOptions::default()).expect("the data can be read");
        let data = if data.spec() == whole.spec() { &*whole } else { data };
        let held_back = galatea_data::split(data, HOLDOUT).held_back;
        let chosen: Vec<usize> = (0..COUNT.min(held_back.len()))
            .map(|i| held_back[i * held_back.len() / COUNT.min(held_back.len())])
            .collect();
        let real = data.batch(&chosen).expect("the data can be read").values;
        Self { real, spec: data.spec().clone(), known: OnceLock::new(), looks: 0, told: Arc::default() }
    }

    pub(crate) fn told(&self) -> Arc<Mutex<Told>> {
        self.told.clone()
    }

    fn measure(&self, context: &Context<'_>) -> TrainResult<()> {
        let samples = context.session.sample(&SampleRequest::new(SEED, COUNT as u64))?.values;
        let truth = self.truth(&samples, context.step, context.attempt);
        self.told.lock().unwrap().truths.push(truth);
        Ok(())
    }

    fn truth(&self, samples: &HostTensor, step: u64, attempt: usize) -> Truth {
        if let DataSpec::Points(PointSpec { mixture: Some(mixture), .. }) = &self.spec {
            let modes = mixture.centres.len();
            let good = (0..samples.rows()).map(|i| mixture.nearest(samples.row(i)));
            let found = covered(good.filter(|(_, distance)| *distance < GOOD).map(|(mode, _)| mode), modes);
            return Truth { step, attempt, coverage: found as f64 / modes as f64, modes: found };
        }
        let features = features::suiting(&self.spec).ok().flatten().expect("there are features for these data");
        let read = |examples: &HostTensor| features.read(examples).expect("they are of the shape of the data");
        let drawn = read(samples);
        let modes = drawn.probabilities.map_or(0, |probabilities| {
            let classes = probabilities.row_len();
            let class = |i: usize| {
                let row = probabilities.row(i).iter().enumerate();
                row.max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(class, _)| class)
            };
            covered((0..probabilities.rows()).map(class), classes)
        });
        let points = |features: HostTensor| Points::single(features).expect("samples are finite");
        let real = self.known.get_or_init(|| points(read(&self.real).features));
        let scores = prdc::prdc(real, &points(drawn.features), prdc::NEIGHBOURS);
        Truth { step, attempt, coverage: scores.map_or(0.0, |scores| scores.coverage), modes }
    }
}

/// How many of `count` modes have at least a fifth of their share of [`COUNT`] samples.
fn covered(modes: impl Iterator<Item = usize>, count: usize) -> usize {
    let mut counts = vec![0usize; count];
    modes.for_each(|mode| counts[mode] += 1);
    counts.iter().filter(|samples| 5 * **samples * count >= COUNT).count()
}

impl Observer for Witness {
    fn observe(&mut self, event: &Event<'_>, context: &Context<'_>) -> TrainResult<Action> {
        match event {
            // What there is to lose.
            Event::Started { .. } => self.measure(context)?,
            Event::Looked { look } => {
                self.told.lock().unwrap().looks.push((*look).clone());
                self.looks += u64::from(!look.out_of_turn);
                if !look.out_of_turn && self.looks.is_multiple_of(EVERY) {
                    self.measure(context)?;
                }
            }
            Event::Found { finding } => {
                if finding.kind != Kind::Divergence {
                    self.measure(context)?;
                }
                self.told.lock().unwrap().findings.push((*finding).clone());
            }
            Event::Healed { intervention } => {
                self.told.lock().unwrap().interventions.push((*intervention).clone());
            }
            _ => {}
        }
        Ok(Action::Continue)
    }
}
