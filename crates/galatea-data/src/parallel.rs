//! Work on all cores, for decoding.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use crate::{Error, Result};

/// Runs `work(i, chunk i)` over the chunks of `out`, each `size` long, on all cores.
///
/// Gives the failures, by index. Unless `all`, no new chunk is begun after one; as chunks are begun in order, the first
/// failure is the same whatever the number of cores.
pub(crate) fn chunks<T: Send>(
    out: &mut [T],
    size: usize,
    all: bool,
    work: impl Fn(usize, &mut [T]) -> Result<()> + Sync,
) -> Vec<(usize, Error)> {
    let count = out.len().checked_div(size).unwrap_or(0);
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get()).min(count);
    let queue = Mutex::new(out.chunks_mut(size.max(1)).enumerate());
    let failures = Mutex::new(Vec::new());
    let stop = AtomicBool::new(false);
    let run = || {
        while !stop.load(Ordering::Relaxed) {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((i, chunk)) = next else { break };
            if let Err(error) = work(i, chunk) {
                failures.lock().unwrap_or_else(PoisonError::into_inner).push((i, error));
                stop.store(!all, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(run);
        }
        run();
    });
    let mut failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    failures.sort_by_key(|(i, _)| *i);
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_is_worked_on_once() {
        let mut out = vec![0usize; 3000];
        let failures = chunks(&mut out, 3, false, |i, chunk| {
            chunk.iter_mut().for_each(|value| *value += i);
            Ok(())
        });
        assert!(failures.is_empty());
        assert!(out.iter().enumerate().all(|(at, value)| *value == at / 3));
        assert!(chunks(&mut Vec::<u8>::new(), 3, false, |_, _| Ok(())).is_empty());
    }

    #[test]
    fn the_first_failure_is_the_lowest() {
        let fail = |i: usize, _: &mut [u8]| match i % 7 {
            5 => Err(Error::usage(format!("{i}"))),
            _ => Ok(()),
        };
        for _ in 0..20 {
            assert_eq!(chunks(&mut [0; 100], 1, false, fail)[0].0, 5);
            assert_eq!(chunks(&mut [0; 100], 1, true, fail).len(), 14);
        }
    }
}
