//! Memory for the values of tensors, kept when a tensor dies and given to the next of its size: after the first steps a
//! training step asks the system for nothing large.
//!
//! What a buffer holds at first is arbitrary but initialised: fresh memory is zeroed once, and later users find what the
//! last one left.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{LazyLock, Mutex, PoisonError};

use burn_std::{AccessError, AccessPolicy, AllocationController, AllocationProperty, Bytes};

/// A cache line; no vector is longer.
const ALIGN: usize = 64;
/// More than this is not kept, in bytes.
const MOST_KEPT: usize = 2 << 30;

/// Memory that nobody uses, by its size in bytes.
#[derive(Default)]
struct Store {
    kept: usize,
    free: HashMap<usize, Vec<Block>>,
}

static STORE: LazyLock<Mutex<Store>> = LazyLock::new(Mutex::default);
static FRESH: AtomicU64 = AtomicU64::new(0);

/// How often memory had to be asked of the system so far: constant while training, once it is under way.
pub fn fresh_allocations() -> u64 {
    FRESH.load(Relaxed)
}

/// Aligned memory, all of it initialised, owned.
struct Block {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a block owns its memory, as a `Vec<u8>` does.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    /// A block of at least `bytes`.
    fn take(bytes: usize) -> Self {
        let bytes = size_class(bytes);
        let mut store = STORE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(block) = store.free.get_mut(&bytes).and_then(Vec::pop) {
            store.kept -= bytes;
            return block;
        }
        drop(store);
        FRESH.fetch_add(1, Relaxed);
        let layout = Self::layout(bytes);
        // SAFETY: the size is not 0.
        match NonNull::new(unsafe { alloc_zeroed(layout) }) {
            Some(start) => Self { start, bytes },
            None => handle_alloc_error(layout),
        }
    }

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, ALIGN).expect("a tensor fits the address space")
    }

    /// Gives it back.
    fn give(self) {
        let mut store = STORE.lock().unwrap_or_else(PoisonError::into_inner);
        if store.kept + self.bytes <= MOST_KEPT {
            store.kept += self.bytes;
            store.free.entry(self.bytes).or_default().push(self);
            return;
        }
        drop(store);
        // SAFETY: it was allocated with this layout, and nobody else has it.
        unsafe { dealloc(self.start.as_ptr(), Self::layout(self.bytes)) };
    }
}

/// Sizes are rounded up to one of four between two powers of two, so that buffers find new users.
fn size_class(bytes: usize) -> usize {
    let bytes = bytes.max(256);
    let step = (bytes.next_power_of_two() / 8).max(ALIGN);
    bytes.next_multiple_of(step)
}

/// A slice of f32 in memory that is reused.
pub struct Buffer {
    /// `None` only while it is dropped or taken apart.
    block: Option<Block>,
    len: usize,
}

impl Buffer {
    /// `len` arbitrary values, all to be written.
    pub fn new(len: usize) -> Self {
        Self { block: Some(Block::take(len * size_of::<f32>())), len }
    }

    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let mut buffer = Self::new(len);
        buffer.fill(0.0);
        buffer
    }

    /// The bytes of the values, for a tensor.
    pub fn into_bytes(mut self) -> Bytes {
        let len = self.len * size_of::<f32>();
        let block = self.block.take();
        // SAFETY: all of the block is initialised, and it is at least `len` bytes long.
        unsafe { Bytes::from_controller(Box::new(Controller(block)), len) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.block.take().into_iter().for_each(Block::give);
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        let start = self.block.as_ref().map_or(NonNull::dangling(), |block| block.start.cast());
        // SAFETY: the block holds `len` initialised values and is borrowed with `self`.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        let start = self.block.as_ref().map_or(NonNull::dangling(), |block| block.start.cast());
        // SAFETY: as above, borrowed for writing.
        unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), self.len) }
    }
}

/// A block inside of Burn's [`Bytes`]. The block is there until the controller is dropped.
struct Controller(Option<Block>);

impl Controller {
    fn parts(&self) -> (*mut MaybeUninit<u8>, usize) {
        self.0.as_ref().map_or((NonNull::dangling().as_ptr(), 0), |block| (block.start.as_ptr().cast(), block.bytes))
    }
}

impl AllocationController for Controller {
    /// What copies are to have; Burn takes no more than this.
    fn alloc_align(&self) -> usize {
        align_of::<u128>()
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(&mut self, _policy: AccessPolicy) -> Result<&mut [MaybeUninit<u8>], AccessError> {
        let (start, bytes) = self.parts();
        // SAFETY: the block is owned and borrowed with `self`.
        Ok(unsafe { std::slice::from_raw_parts_mut(start, bytes) })
    }

    fn memory(&self, _policy: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        let (start, bytes) = self.parts();
        // SAFETY: the block is owned and borrowed with `self`.
        Ok(unsafe { std::slice::from_raw_parts(start, bytes) })
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(Block::give);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_and_sizes_waste_little() {
        for bytes in [0, 1, 255, 256, 257, 1 << 20, (1 << 20) + 1, 5_000_000] {
            let class = size_class(bytes);
            assert!(
                class >= bytes && class.is_multiple_of(ALIGN) && class <= (bytes + bytes / 4 + 64).max(256),
                "{bytes}"
            );
        }
        // A size that no other test uses.
        let mut first = Buffer::new(777_777);
        first[777_776] = 3.0;
        let address = first.as_ptr();
        drop(first);
        let bytes = Buffer::new(777_777).into_bytes();
        assert_eq!((bytes.as_ptr().cast(), bytes.len()), (address, 4 * 777_777));
        drop(bytes);
        let again = Buffer::zeros(777_700);
        assert_eq!((again.as_ptr(), again[777_699]), (address, 0.0));
        assert!(Buffer::new(0).is_empty());
    }

    #[test]
    fn copies_of_bytes_are_independent() {
        let mut buffer = Buffer::zeros(10);
        buffer[3] = 1.0;
        let bytes = buffer.into_bytes();
        let mut copy = bytes.clone();
        copy[12..16].copy_from_slice(&2.0f32.to_ne_bytes());
        assert_eq!(bytes[12..16], 1.0f32.to_ne_bytes());
    }
}
