//! The examples of each step: a pure function of seed and step, read ahead by a thread.

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, sync_channel},
    },
    thread::JoinHandle,
};

use galatea_data::{Dataset, HostBatch};
use galatea_models::Demand;

use crate::{Error, Result};

/// Changes a batch of training: arguments are the seed of the run, the position of the batch's first example in the
/// whole of training, and the batch. It must be a pure function of them.
pub type Transform = dyn Fn(u64, u64, &mut HostBatch) + Send + Sync;

/// Steps that are read ahead.
const AHEAD: usize = 2;

/// Examples to train on, in an order that is shuffled anew for each epoch. Nothing is left out: a batch may reach over
/// the end of an epoch into the next, and over several if the data are few.
#[derive(Clone)]
pub struct Feed {
    data: Arc<dyn Dataset>,
    indices: Arc<[usize]>,
    held_back: Arc<[usize]>,
    transform: Option<Arc<Transform>>,
    order: Arc<Mutex<Order>>,
}

/// The order of the epoch that was asked for last.
#[derive(Default)]
struct Order {
    seed: u64,
    epoch: u64,
    indices: Vec<usize>,
}

impl Feed {
    /// The examples of `data` at `indices`, such as those of [`Split::train`](galatea_data::Split::train).
    ///
    /// # Errors
    /// If there are none.
    pub fn new(data: Arc<dyn Dataset>, indices: Vec<usize>) -> Result<Self> {
        if indices.is_empty() {
            let problem = format!("there is nothing to train on in `{}`", data.name());
            return Err(Error::usage(problem, "give more examples, or lower `data.holdout`"));
        }
        let held_back = Arc::default();
        Ok(Self { data, indices: indices.into(), held_back, transform: None, order: Arc::default() })
    }

    /// The same examples, changed by `transform` each time.
    #[must_use]
    pub fn with_transform(self, transform: Arc<Transform>) -> Self {
        Self { transform: Some(transform), ..self }
    }

    /// The same examples, beside others of the same data that are never trained on, such as those of
    /// [`Split::held_back`](galatea_data::Split::held_back).
    #[must_use]
    pub fn with_held_back(self, indices: Vec<usize>) -> Self {
        Self { held_back: indices.into(), ..self }
    }

    /// Examples as they are in the data, from everywhere in it, in an order without a pattern: those in `places` of that order,
    /// as far as there are so many.
    ///
    /// # Errors
    /// If an example cannot be read.
    pub fn some_trained_on(&self, places: Range<usize>) -> Result<HostBatch> {
        Ok(self.data.batch(&some(&self.indices, places))?)
    }

    /// The same of those that are never trained on; `None` if there are none.
    ///
    /// # Errors
    /// If an example cannot be read.
    pub fn some_held_back(&self, places: Range<usize>) -> Result<Option<HostBatch>> {
        match self.held_back.is_empty() {
            true => Ok(None),
            false => Ok(Some(self.data.batch(&some(&self.held_back, places))?)),
        }
    }

    /// Number of examples that are never trained on.
    pub fn held_back(&self) -> usize {
        self.held_back.len()
    }

    /// What the examples come from.
    pub fn data(&self) -> &dyn Dataset {
        &*self.data
    }

    /// Number of examples in an epoch.
    pub fn examples(&self) -> usize {
        self.indices.len()
    }

    /// The batches of step `step` (the first is 1) of a run with this seed.
    ///
    /// # Errors
    /// If an example cannot be read.
    pub fn batches(&self, seed: u64, step: u64, demand: Demand) -> Result<Vec<HostBatch>> {
        (0..demand.batches as u64)
            .map(|i| {
                let count = self.batch_len(demand);
                let first = ((step - 1) * demand.batches as u64 + i) * count as u64;
                let mut batch = match demand.batch {
                    Demand::ALL => self.data.batch(&self.apart())?,
                    count => self.data.batch(&self.positions(seed, first, count))?,
                };
                if let Some(transform) = &self.transform {
                    transform(seed, first, &mut batch);
                }
                Ok(batch)
            })
            .collect()
    }

    /// Examples in a batch of this demand.
    pub fn batch_len(&self, demand: Demand) -> usize {
        if demand.batch == Demand::ALL { self.apart().len() } else { demand.batch }
    }

    /// All examples, or as many as do not overlap.
    fn apart(&self) -> Vec<usize> {
        self.indices.iter().copied().step_by(self.data.overlap().max(1)).collect()
    }

    /// Indices into the data of `count` examples from position `first` of training on.
    fn positions(&self, seed: u64, first: u64, count: usize) -> Vec<usize> {
        let examples = self.indices.len() as u64;
        // A thread that panicked in here has left an order that is whole, if not the one that is wanted.
        let mut order = self.order.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        (first..first + count as u64)
            .map(|position| {
                let epoch = position / examples;
                if order.indices.is_empty() || (order.seed, order.epoch) != (seed, epoch) {
                    *order = Order { seed, epoch, indices: shuffled(&self.indices, seed, epoch) };
                }
                order.indices[(position % examples) as usize]
            })
            .collect()
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Feed({}, {} examples)", self.data.name(), self.indices.len())
    }
}

/// Those of `indices` in these places of an order without a pattern.
fn some(indices: &[usize], places: Range<usize>) -> Vec<usize> {
    let order = shuffled(indices, 0, 0);
    order[places.start.min(order.len())..places.end.min(order.len())].to_vec()
}

/// Fisher and Yates' shuffle.
fn shuffled(indices: &[usize], seed: u64, epoch: u64) -> Vec<usize> {
    let mut out = indices.to_vec();
    let mut state = mix(mix(seed) ^ epoch);
    for last in (1..out.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        // The bias of this is below n / 2^64.
        let chosen = (u128::from(mix(state)) * (last as u128 + 1)) >> 64;
        out.swap(last, chosen as usize);
    }
    out
}

/// The output function of SplitMix64 (Steele, Lea and Flood 2014).
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The batches of a range of steps, made by a thread while earlier ones are trained on.
pub(crate) struct Prefetch {
    receiver: Option<Receiver<Result<Vec<HostBatch>>>>,
    thread: Option<JoinHandle<()>>,
}

impl Prefetch {
    pub(crate) fn start(feed: &Feed, seed: u64, steps: std::ops::RangeInclusive<u64>, demand: Demand) -> Self {
        let (sender, receiver) = sync_channel(AHEAD);
        let feed = feed.clone();
        let thread = std::thread::spawn(move || {
            for step in steps {
                let batches = feed.batches(seed, step, demand);
                let failed = batches.is_err();
                // Nobody receives once training has ended.
                if sender.send(batches).is_err() || failed {
                    return;
                }
            }
        });
        Self { receiver: Some(receiver), thread: Some(thread) }
    }

    /// The batches of the next step.
    ///
    /// # Panics
    /// If the data set panicked, or there is no further step.
    pub(crate) fn next(&mut self) -> Result<Vec<HostBatch>> {
        if let Some(Ok(batches)) = self.receiver.as_ref().map(Receiver::recv) {
            return batches;
        }
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            _ => panic!("batches of more steps were asked for than were announced"),
        }
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        // Without its receiver the thread ends at the next batch.
        self.receiver = None;
        if let Some(thread) = self.thread.take() {
            // A panic has nobody left to hear of it: training has ended.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use galatea_data::{DataSpec, HostTensor, ImageSpec};

    use super::*;

    /// Each example is its index.
    struct Numbers {
        spec: DataSpec,
        len: usize,
        broken: Option<usize>,
        panics: bool,
        read: AtomicUsize,
    }

    impl Numbers {
        fn new(len: usize) -> Self {
            let image = ImageSpec { channels: 1, height: 1, width: 1, classes: Vec::new() };
            Self { spec: DataSpec::Images(image), len, broken: None, panics: false, read: AtomicUsize::new(0) }
        }

        fn feed(self) -> Feed {
            let len = self.len;
            Feed::new(Arc::new(self), (0..len).collect()).unwrap()
        }
    }

    impl Dataset for Numbers {
        fn name(&self) -> &str {
            "numbers"
        }
        fn spec(&self) -> &DataSpec {
            &self.spec
        }
        fn len(&self) -> usize {
            self.len
        }
        fn batch(&self, indices: &[usize]) -> galatea_data::Result<HostBatch> {
            self.read.fetch_add(1, Ordering::Relaxed);
            let is_broken = indices.iter().any(|index| Some(*index) == self.broken);
            assert!(!(is_broken && self.panics), "a bug in a data set");
            if is_broken {
                return Err(galatea_data::Error::invalid("7.png", "it is broken"));
            }
            let values = indices.iter().map(|index| *index as f32).collect();
            Ok(HostBatch { values: HostTensor::new([indices.len(), 1, 1, 1], values), labels: None })
        }
        fn label(&self, _: usize) -> Option<u32> {
            None
        }
        fn fingerprint(&self) -> &str {
            ""
        }
    }

    fn numbers(feed: &Feed, seed: u64, step: u64, demand: Demand) -> Vec<f32> {
        feed.batches(seed, step, demand).unwrap().into_iter().flat_map(|batch| batch.values.values).collect()
    }

    #[test]
    fn each_epoch_has_each_example_once_in_another_order() {
        let demand = Demand { batch: 4, batches: 3 };
        let feed = Numbers::new(30).feed();
        let all: Vec<f32> = (1..=10).flat_map(|step| numbers(&feed, 7, step, demand)).collect();
        assert_eq!(all.len(), 120);
        let sorted = |epoch: &[f32]| {
            let mut sorted = epoch.to_vec();
            sorted.sort_by(f32::total_cmp);
            sorted
        };
        for epoch in all.chunks(30) {
            assert_eq!(sorted(epoch), (0..30).map(|i| i as f32).collect::<Vec<f32>>());
        }
        assert_ne!(all[..30], all[30..60]);
        assert_ne!(all[..12], numbers(&feed, 8, 1, demand)[..]);
        // In any order of asking, and in other batches.
        for step in [10, 3, 4, 1, 9] {
            let first = (step as usize - 1) * 12;
            assert_eq!(numbers(&Numbers::new(30).feed(), 7, step, demand), all[first..first + 12]);
            assert_eq!(numbers(&feed, 7, step, demand), all[first..first + 12]);
        }
        assert_eq!(numbers(&feed, 7, 2, Demand { batch: 60, batches: 1 }), all[60..]);
    }

    #[test]
    fn all_examples_come_in_their_order() {
        let demand = Demand { batch: Demand::ALL, batches: 1 };
        let feed = Numbers::new(30).feed();
        let all: Vec<f32> = (0..30).map(|i| i as f32).collect();
        assert_eq!((numbers(&feed, 7, 1, demand), numbers(&feed, 8, 5, demand)), (all.clone(), all));
        assert_eq!(feed.batch_len(demand), 30);
    }

    #[test]
    fn a_batch_may_be_larger_than_the_data() {
        let batch = numbers(&Numbers::new(3).feed(), 1, 5, Demand { batch: 8, batches: 1 });
        assert_eq!(batch.len(), 8);
        assert!((0..3).all(|i| batch.iter().filter(|value| **value == i as f32).count() >= 2));
    }

    #[test]
    fn transformations_are_told_the_position() {
        let transform =
            |seed: u64, first: u64, batch: &mut HostBatch| batch.values.values.fill((seed * 1000 + first) as f32);
        let feed = Numbers::new(30).feed().with_transform(Arc::new(transform));
        assert_eq!(numbers(&feed, 2, 3, Demand { batch: 2, batches: 2 }), [2008.0, 2008.0, 2010.0, 2010.0]);
    }

    #[test]
    fn reading_ahead_gives_the_same_is_bounded_and_ends() {
        let demand = Demand { batch: 4, batches: 1 };
        let data = Arc::new(Numbers::new(30));
        let feed = Feed::new(data.clone(), (0..30).collect()).unwrap();
        let mut ahead = Prefetch::start(&feed, 7, 5..=1_000_000, demand);
        for step in 5..40 {
            assert_eq!(ahead.next().unwrap(), Numbers::new(30).feed().batches(7, step, demand).unwrap());
        }
        assert!(data.read.load(Ordering::Relaxed) <= 35 + AHEAD + 1);
        drop(ahead);
        assert_eq!(Arc::strong_count(&data), 2, "the thread has ended");
    }

    #[test]
    fn errors_travel() {
        let feed = Numbers { broken: Some(7), ..Numbers::new(10) }.feed();
        let mut ahead = Prefetch::start(&feed, 7, 1..=10, Demand { batch: 1, batches: 1 });
        let error = (0..10).find_map(|_| ahead.next().err()).unwrap();
        assert_eq!(error.to_string(), "`7.png`: it is broken");
    }

    #[test]
    #[should_panic(expected = "a bug in a data set")]
    fn panics_travel() {
        let feed = Numbers { broken: Some(7), panics: true, ..Numbers::new(10) }.feed();
        let mut ahead = Prefetch::start(&feed, 7, 1..=10, Demand { batch: 10, batches: 1 });
        let _ = ahead.next();
    }
}
