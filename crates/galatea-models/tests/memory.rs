//! A training step asks the system for nothing large once training is under way.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use burn::prelude::Device;
use galatea_data::{DataSpec, HostBatch, HostTensor, ImageSpec};
use galatea_kernels::{buffer, random};
use galatea_models::Turn;
use galatea_models::registry::family;

/// Allocations of at least [`LARGE`] bytes.
static LARGE_ONES: AtomicU64 = AtomicU64::new(0);
const LARGE: usize = 64 << 10;

struct Counting;

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGE_ONES.fetch_add(u64::from(layout.size() >= LARGE), Relaxed);
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { System.dealloc(ptr, layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGE_ONES.fetch_add(u64::from(layout.size() >= LARGE), Relaxed);
        // SAFETY: the caller's.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        LARGE_ONES.fetch_add(u64::from(new_size >= LARGE), Relaxed);
        // SAFETY: the caller's.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn steps_allocate_nothing_large() {
    // With more threads, how many work at a time, each in a buffer of its own, is left to the machine: a thread that joins
    // late in the run would need its first buffers then.
    galatea_kernels::set_threads(1);
    let classes = (0..10).map(|class| class.to_string()).collect();
    let spec = DataSpec::Images(ImageSpec { channels: 1, height: 28, width: 28, classes });
    // Every activation and gradient of these is far larger than `LARGE`.
    for (name, settings) in [("gan", "batch = 64"), ("dcgan", "batch = 64\nwidth = 16")] {
        let settings = settings.parse().unwrap();
        let mut session = family(name).unwrap().session(&settings, &spec, 0, &Device::flex()).unwrap();
        let mut values = vec![0.0; 64 * 784];
        random::fill_uniform(1, 0, &mut values);
        let labels = Some((0..64).map(|i| i % 10).collect());
        let batch = [HostBatch { values: HostTensor::new([64, 1, 28, 28], values), labels }];
        let mut run = |steps: std::ops::RangeInclusive<u64>| {
            for step in steps {
                session.step(Turn { seed: 0, step, steps: 1000 }, &batch).unwrap();
            }
        };
        run(1..=20);
        let before = (LARGE_ONES.load(Relaxed), buffer::fresh_allocations());
        run(21..=120);
        let after = (LARGE_ONES.load(Relaxed), buffer::fresh_allocations());
        assert_eq!((after.0 - before.0, after.1 - before.1), (0, 0), "{name}: large allocations, and those of buffers");
    }
}
