//! A small pool of threads for loops whose iterations are independent.
//!
//! A thread that has nothing to do spins for some fifty microseconds, because the next operation of a training step
//! mostly comes sooner, and then sleeps. The caller works as well and never waits for a thread that has not begun.
//! What a loop computes does not depend on the number of threads as long as its iterations are independent.
//!
//! The number of threads is that of the cores that the process may use, or the variable `GALATEA_THREADS`, or what
//! [`set_threads`] says.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst},
};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// How long a thread without work stays awake.
const SPIN: Duration = Duration::from_micros(50);
/// In [`Pool::state`]: no thread may join the job any more. The lower bits count the threads inside.
const CLOSED: usize = 1 << 32;
/// More threads than this are never started.
const MOST: usize = 512;

/// A loop on offer to the threads.
struct Job {
    body: *const (dyn Fn(usize) + Sync),
    iterations: usize,
    /// Threads with an index of at least this stay out.
    helpers: usize,
}

struct Pool {
    /// Held by the one caller whose loop is being run.
    busy: AtomicBool,
    /// Counts jobs; a change tells threads to look.
    epoch: AtomicUsize,
    state: AtomicUsize,
    /// The next iteration to run.
    next: AtomicUsize,
    job: UnsafeCell<Option<Job>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    workers: Mutex<Vec<(Thread, Arc<AtomicBool>)>>,
    /// Set when the system refuses another thread.
    full: AtomicBool,
}

// SAFETY: `job` is written only by the holder of `busy` while the state is CLOSED with nobody inside, and is read only
// by threads that have entered while the state is open; what it points to outlives the open state, because the caller
// closes the state and waits for all who are inside before it returns. All other fields are Sync by themselves.
unsafe impl Sync for Pool {}

static POOL: Pool = Pool {
    busy: AtomicBool::new(false),
    epoch: AtomicUsize::new(0),
    state: AtomicUsize::new(CLOSED),
    next: AtomicUsize::new(0),
    job: UnsafeCell::new(None),
    panic: Mutex::new(None),
    workers: Mutex::new(Vec::new()),
    full: AtomicBool::new(false),
};

/// The number of threads that loops use; 0 until it is first asked for.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// The number of threads that a loop may use, the caller included.
pub fn threads() -> usize {
    match THREADS.load(Relaxed) {
        0 => {
            let asked = std::env::var("GALATEA_THREADS").ok().and_then(|text| text.trim().parse().ok());
            let n = resolve(asked.unwrap_or(0));
            // Another thread may have set a number in between: that one holds.
            THREADS.compare_exchange(0, n, Relaxed, Relaxed).map_or_else(|set| set, |_| n)
        }
        n => n,
    }
}

/// Sets the number of threads, the caller included; 0 for as many as there are cores. May be called at any time.
pub fn set_threads(n: usize) {
    THREADS.store(resolve(n), Relaxed);
}

fn resolve(n: usize) -> usize {
    match n {
        0 => std::thread::available_parallelism().map_or(1, usize::from).min(MOST),
        n => n.min(MOST),
    }
}

/// Calls `body` with 0, 1, .., `n` - 1, each once, in any order and on any of the pool's threads.
///
/// Inside of such a loop, or while another thread runs one, the calls are made one after the other by the caller.
///
/// # Panics
/// If a call panics: with what it panicked with, after all calls that had begun are over. Calls that had not begun are
/// left out.
pub fn parallel_for(n: usize, body: impl Fn(usize) + Sync) {
    let threads = threads().min(n);
    if threads <= 1 || POOL.busy.swap(true, Acquire) {
        return (0..n).for_each(body);
    }
    let outcome = POOL.run(n, threads - 1, &body);
    POOL.busy.store(false, Release);
    if let Some(panic) = outcome {
        resume_unwind(panic);
    }
}

/// Calls `body` with every part of `values` of length `chunk` (the last may be shorter) and the index of its first value.
///
/// # Panics
/// As [`parallel_for`], and if `chunk` is 0.
pub fn parallel_chunks(values: &mut [f32], chunk: usize, body: impl Fn(usize, &mut [f32]) + Sync) {
    let len = values.len();
    let shared = Shared::new(values);
    parallel_for(len.div_ceil(chunk), |i| {
        let first = i * chunk;
        // SAFETY: parts do not overlap.
        body(first, unsafe { shared.slice(first, chunk.min(len - first)) });
    });
}

/// Values that several threads write, each its own.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    start: *mut f32,
    len: usize,
    _values: std::marker::PhantomData<&'a mut [f32]>,
}

// SAFETY: access is by `unsafe` functions only, whose callers keep threads apart.
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    pub(crate) fn new(values: &'a mut [f32]) -> Self {
        Self { start: values.as_mut_ptr(), len: values.len(), _values: std::marker::PhantomData }
    }

    /// A pointer to the value at `index`.
    #[inline(always)]
    pub(crate) fn at(self, index: usize) -> *mut f32 {
        debug_assert!(index <= self.len);
        self.start.wrapping_add(index)
    }

    /// # Safety
    /// Nobody writes these values as long as the slice lives.
    pub(crate) unsafe fn read(&self, first: usize, len: usize) -> &[f32] {
        assert!(first <= self.len && len <= self.len - first);
        // SAFETY: inside of the values, and the caller keeps writers away.
        unsafe { std::slice::from_raw_parts(self.start.add(first), len) }
    }

    /// # Safety
    /// Nobody else uses these values as long as the slice lives.
    #[expect(clippy::mut_from_ref, reason = "that is what it is for")]
    pub(crate) unsafe fn slice(&self, first: usize, len: usize) -> &mut [f32] {
        assert!(first <= self.len && len <= self.len - first);
        // SAFETY: inside of the values, and the caller keeps others away.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(first), len) }
    }
}

impl Pool {
    /// Runs a loop with the help of some threads. To be called by the holder of `busy` only.
    fn run(
        &'static self,
        iterations: usize,
        helpers: usize,
        body: &(dyn Fn(usize) + Sync),
    ) -> Option<Box<dyn Any + Send>> {
        let body: *const (dyn Fn(usize) + Sync + '_) = body;
        // SAFETY: only the lifetime changes. Nobody uses the pointer after this function, see `Sync` above.
        let body: *const (dyn Fn(usize) + Sync + 'static) = unsafe { std::mem::transmute(body) };
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        self.hire(&mut workers, helpers);
        while self.state.load(Acquire) != CLOSED {
            std::hint::spin_loop(); // A thread that came too late for the last job is about to leave.
        }
        // SAFETY: closed and empty, and this is the holder of `busy`.
        unsafe { *self.job.get() = Some(Job { body, iterations, helpers }) };
        self.next.store(0, Relaxed);
        self.state.fetch_and(!CLOSED, AcqRel);
        self.epoch.fetch_add(1, SeqCst);
        for (thread, asleep) in workers.iter().take(helpers) {
            if asleep.load(SeqCst) {
                thread.unpark();
            }
        }
        drop(workers);
        self.work(body, iterations);
        self.state.fetch_or(CLOSED, AcqRel);
        let mut turns = 0u32;
        while self.state.load(Acquire) != CLOSED {
            std::hint::spin_loop();
            turns = turns.wrapping_add(1);
            if turns.is_multiple_of(4096) {
                std::thread::yield_now();
            }
        }
        self.panic.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Starts threads until there are as many as wanted, or until the system refuses.
    fn hire(&'static self, workers: &mut Vec<(Thread, Arc<AtomicBool>)>, wanted: usize) {
        while workers.len() < wanted && !self.full.load(Relaxed) {
            let asleep = Arc::new(AtomicBool::new(false));
            let (index, flag) = (workers.len(), asleep.clone());
            let name = format!("galatea-{index}");
            match std::thread::Builder::new().name(name).spawn(move || self.serve(index, &flag)) {
                Ok(handle) => workers.push((handle.thread().clone(), asleep)),
                Err(_) => self.full.store(true, Relaxed),
            }
        }
    }

    /// The life of a thread.
    fn serve(&self, index: usize, asleep: &AtomicBool) {
        let mut seen = 0;
        let mut idle_since = Instant::now();
        let mut turns = 0u32;
        loop {
            let epoch = self.epoch.load(Acquire);
            if epoch != seen {
                seen = epoch;
                if self.join(index) {
                    idle_since = Instant::now();
                }
            }
            std::hint::spin_loop();
            turns = turns.wrapping_add(1);
            if turns.is_multiple_of(64) && idle_since.elapsed() > SPIN {
                asleep.store(true, SeqCst);
                if self.epoch.load(SeqCst) == seen {
                    std::thread::park();
                }
                asleep.store(false, SeqCst);
                idle_since = Instant::now();
            }
        }
    }

    /// Takes part in the job on offer, if there is one.
    fn join(&self, index: usize) -> bool {
        let mut helped = false;
        if self.state.fetch_add(1, AcqRel) & CLOSED == 0 {
            // SAFETY: inside, and the state was open on entering.
            if let Some(job) = unsafe { &*self.job.get() }
                && index < job.helpers
            {
                self.work(job.body, job.iterations);
                helped = true;
            }
        }
        self.state.fetch_sub(1, AcqRel);
        helped
    }

    /// Runs iterations until none is left, and keeps the first panic.
    fn work(&self, body: *const (dyn Fn(usize) + Sync), iterations: usize) {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the caller waits for everybody who is inside.
            let body = unsafe { &*body };
            loop {
                let i = self.next.fetch_add(1, Relaxed);
                if i >= iterations {
                    break;
                }
                body(i);
            }
        }));
        if let Err(panic) = outcome {
            self.next.store(iterations, Relaxed);
            self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of threads is one for the process: the tests that change it take turns.
    static TURN: Mutex<()> = Mutex::new(());

    fn counted(n: usize) -> Vec<usize> {
        let counts: Vec<AtomicUsize> = (0..n).map(|_| AtomicUsize::new(0)).collect();
        parallel_for(n, |i| {
            counts[i].fetch_add(1, Relaxed);
        });
        counts.into_iter().map(AtomicUsize::into_inner).collect()
    }

    #[test]
    fn every_iteration_runs_once() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        for threads in [1, 2, 3, 8, 0, 2] {
            set_threads(threads);
            for n in [0, 1, 2, 3, 17, 1000] {
                for _ in 0..50 {
                    assert_eq!(counted(n), vec![1; n]);
                }
            }
        }
        set_threads(0);
    }

    #[test]
    fn sleeping_threads_wake_up() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        set_threads(3);
        for _ in 0..50 {
            assert_eq!(counted(5), vec![1; 5]);
            std::thread::sleep(Duration::from_micros(200));
        }
        set_threads(0);
    }

    #[test]
    fn loops_nest_and_come_from_several_threads() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        set_threads(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let sum = AtomicUsize::new(0);
                        parallel_for(7, |i| {
                            parallel_for(5, |j| {
                                sum.fetch_add(5 * i + j, Relaxed);
                            });
                        });
                        assert_eq!(sum.into_inner(), 34 * 35 / 2);
                    }
                });
            }
        });
        set_threads(0);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        set_threads(4);
        for bad in [0, 5, 99] {
            let outcome = catch_unwind(|| parallel_for(100, |i| assert!(i != bad, "number {i}")));
            let text = outcome.map_err(|panic| panic.downcast_ref::<String>().cloned());
            assert_eq!(text, Err(Some(format!("number {bad}"))));
            assert_eq!(counted(100), vec![1; 100]);
        }
        set_threads(0);
    }
}
