//! Instruction sets: vectors of each, and the choice between them at run time.
//!
//! A kernel is written once, generic over [`Simd`], inside of [`simd_fn!`], which compiles it once for each instruction
//! set and picks one at each call. Nothing depends on the flags that the program was built with.
//!
//! Results are the same for any number of threads, but not from one instruction set to another: they fuse and order
//! additions otherwise. `GALATEA_ISA=portable|avx2|avx512` forces one.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Isa {
    /// Plain Rust. On AArch64 the compiler makes NEON of it, which is part of every such processor.
    Portable = 1,
    /// 256-bit vectors with fused multiply-add (x86-64).
    Avx2,
    /// 512-bit vectors (x86-64).
    Avx512,
}

impl Isa {
    /// All, from the slowest to the fastest.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The name, as in `GALATEA_ISA`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
            }
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }
}

static CHOSEN: AtomicU8 = AtomicU8::new(0);

/// The instruction set that kernels run on: the one that `GALATEA_ISA` names, or else the fastest there is.
#[inline]
pub fn isa() -> Isa {
    match CHOSEN.load(Relaxed) {
        1 => Isa::Portable,
        2 => Isa::Avx2,
        3 => Isa::Avx512,
        _ => choose(),
    }
}

#[cold]
fn choose() -> Isa {
    let asked = std::env::var("GALATEA_ISA").unwrap_or_default();
    let named = Isa::ALL.into_iter().find(|isa| isa.name() == asked && isa.is_available());
    let fastest = Isa::ALL.into_iter().rev().find(|isa| isa.is_available());
    let isa = named.or(fastest).unwrap_or(Isa::Portable);
    CHOSEN.store(isa as u8, Relaxed);
    isa
}

/// Columns of a panel, two vectors.
pub(crate) fn panel_width() -> usize {
    match isa() {
        Isa::Avx512 => 32,
        _ => 16,
    }
}

/// Makes all kernels run on `isa`, for tests and measurements.
///
/// # Errors
/// If this processor does not have it; nothing changes then.
pub fn force_isa(isa: Isa) -> Result<(), String> {
    if !isa.is_available() {
        return Err(format!("this processor has no {}", isa.name()));
    }
    CHOSEN.store(isa as u8, Relaxed);
    Ok(())
}

/// Asks for the cache line at `at`, which may be any address: what is read in steps of a page is not foreseen by the
/// processor. Nothing where there is no such instruction.
#[inline(always)]
pub(crate) fn prefetch(at: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which never faults; SSE is part of every such processor.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Most rows of a tile, over all instruction sets.
pub(crate) const MAX_ROWS: usize = 8;

/// Vectors of f32 and what tiles are made of them. All functions are to be called where the instruction set is enabled:
/// inside of [`simd_fn!`].
pub(crate) trait Simd: Copy + 'static {
    type V: Copy;
    /// Values of a vector.
    const LANES: usize;
    /// Rows of the tile that a matrix product is cut into; it is two vectors wide.
    const ROWS: usize;

    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    /// The first `n` values, zeros behind; `n < LANES`.
    unsafe fn load_first(from: *const f32, n: usize) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    /// Only the first `n` values; `n < LANES`.
    unsafe fn store_first(to: *mut f32, v: Self::V, n: usize);
    /// The first `n` values, zeros behind; `n <= LANES`.
    #[inline(always)]
    unsafe fn read(from: *const f32, n: usize) -> Self::V {
        // SAFETY: the caller's.
        unsafe { if n == Self::LANES { Self::load(from) } else { Self::load_first(from, n) } }
    }
    /// Only the first `n` values; `n <= LANES`.
    #[inline(always)]
    unsafe fn write(to: *mut f32, v: Self::V, n: usize) {
        // SAFETY: the caller's.
        unsafe { if n == Self::LANES { Self::store(to, v) } else { Self::store_first(to, v, n) } }
    }
    /// `a * b + c`.
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// `other` where `v` is below zero; NaN is not.
    unsafe fn where_negative(v: Self::V, other: Self::V) -> Self::V;
    /// What is beyond `limit` or `-limit` becomes it; NaN stays NaN.
    unsafe fn clamp(v: Self::V, limit: f32) -> Self::V;
    unsafe fn sum(v: Self::V) -> f32;
    /// `a * b + c` of single values, in one rounding where the instruction set has it.
    fn fma(a: f32, b: f32, c: f32) -> f32;
    /// `to[j * to_stride + i] = from[i * from_stride + j]` for `i` and `j` below 8.
    unsafe fn transpose_8x8(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize);
    /// The product of a tile of `R = ROWS`, see [`crate::tile`].
    unsafe fn tile<const V: usize>(tile: &crate::tile::Tile<'_>, a: &[*const f32; MAX_ROWS], c: &[*mut f32; MAX_ROWS]);
}

/// [`Isa::Portable`].
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Simd for Portable {
    type V = [f32; 8];
    const LANES: usize = 8;
    const ROWS: usize = 4;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        [x; 8]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        // SAFETY: the caller's.
        unsafe { from.cast::<[f32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> Self::V {
        let mut v = [0.0; 8];
        for (i, x) in v.iter_mut().enumerate().take(n) {
            // SAFETY: the caller's.
            *x = unsafe { *from.add(i) };
        }
        v
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        // SAFETY: the caller's.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn store_first(to: *mut f32, v: Self::V, n: usize) {
        for (i, x) in v.iter().enumerate().take(n) {
            // SAFETY: the caller's.
            unsafe { *to.add(i) = *x };
        }
    }
    #[inline(always)]
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        std::array::from_fn(|i| Self::fma(a[i], b[i], c[i]))
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] / b[i])
    }
    #[inline(always)]
    unsafe fn where_negative(v: Self::V, other: Self::V) -> Self::V {
        std::array::from_fn(|i| if v[i] < 0.0 { other[i] } else { v[i] })
    }
    #[inline(always)]
    unsafe fn clamp(v: Self::V, limit: f32) -> Self::V {
        v.map(|x| x.clamp(-limit, limit))
    }
    #[inline(always)]
    unsafe fn sum(v: Self::V) -> f32 {
        ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
    }
    #[inline(always)]
    fn fma(a: f32, b: f32, c: f32) -> f32 {
        // Without the instruction, `mul_add` is a slow call into the C library.
        if cfg!(target_arch = "aarch64") { a.mul_add(b, c) } else { a * b + c }
    }
    #[inline(always)]
    unsafe fn transpose_8x8(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        for i in 0..8 {
            for j in 0..8 {
                // SAFETY: the caller's.
                unsafe { *to.add(j * to_stride + i) = *from.add(i * from_stride + j) };
            }
        }
    }
    #[inline(always)]
    unsafe fn tile<const V: usize>(tile: &crate::tile::Tile<'_>, a: &[*const f32; MAX_ROWS], c: &[*mut f32; MAX_ROWS]) {
        // SAFETY: the caller's.
        unsafe { tile.product::<Self, 4, V>(a, c) }
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{MAX_ROWS, Simd};
    use crate::tile::Tile;

    /// [`super::Isa::Avx2`].
    #[derive(Clone, Copy)]
    pub(crate) struct Avx2;

    #[inline(always)]
    unsafe fn mask8(n: usize) -> __m256i {
        // SAFETY: AVX2 is enabled where this is inlined.
        unsafe {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), lanes)
        }
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: AVX is enabled where this is inlined; pointers are the caller's.
        unsafe {
            let rows: [__m256; 8] = std::array::from_fn(|i| _mm256_loadu_ps(from.add(i * from_stride)));
            // Pairs of rows, then pairs of pairs, then halves.
            let pairs: [__m256; 8] = std::array::from_fn(|i| {
                let (a, b) = (rows[i & !1], rows[i | 1]);
                if i % 2 == 0 { _mm256_unpacklo_ps(a, b) } else { _mm256_unpackhi_ps(a, b) }
            });
            let low = |a, b| _mm256_shuffle_ps::<0x44>(a, b);
            let high = |a, b| _mm256_shuffle_ps::<0xee>(a, b);
            let quads = [
                low(pairs[0], pairs[2]),
                high(pairs[0], pairs[2]),
                low(pairs[1], pairs[3]),
                high(pairs[1], pairs[3]),
                low(pairs[4], pairs[6]),
                high(pairs[4], pairs[6]),
                low(pairs[5], pairs[7]),
                high(pairs[5], pairs[7]),
            ];
            for i in 0..4 {
                _mm256_storeu_ps(to.add(i * to_stride), _mm256_permute2f128_ps::<0x20>(quads[i], quads[i + 4]));
                _mm256_storeu_ps(to.add((i + 4) * to_stride), _mm256_permute2f128_ps::<0x31>(quads[i], quads[i + 4]));
            }
        }
    }

    // SAFETY of what follows: the trait's functions are called where the instruction set is enabled, with pointers that
    // are good for as many values as are read or written.
    impl Simd for Avx2 {
        type V = __m256;
        const LANES: usize = 8;
        const ROWS: usize = 6;

        #[inline(always)]
        unsafe fn splat(x: f32) -> __m256 {
            // SAFETY: see above.
            unsafe { _mm256_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> __m256 {
            // SAFETY: see above.
            unsafe { _mm256_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn load_first(from: *const f32, n: usize) -> __m256 {
            // SAFETY: see above.
            unsafe { _mm256_maskload_ps(from, mask8(n)) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, v: __m256) {
            // SAFETY: see above.
            unsafe { _mm256_storeu_ps(to, v) }
        }
        #[inline(always)]
        unsafe fn store_first(to: *mut f32, v: __m256, n: usize) {
            // SAFETY: see above.
            unsafe { _mm256_maskstore_ps(to, mask8(n), v) }
        }
        #[inline(always)]
        unsafe fn mul_add(a: __m256, b: __m256, c: __m256) -> __m256 {
            // SAFETY: see above.
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn add(a: __m256, b: __m256) -> __m256 {
            // SAFETY: see above.
            unsafe { _mm256_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m256, b: __m256) -> __m256 {
            // SAFETY: see above.
            unsafe { _mm256_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: __m256, b: __m256) -> __m256 {
            // SAFETY: see above.
            unsafe { _mm256_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn div(a: __m256, b: __m256) -> __m256 {
            // SAFETY: see above.
            unsafe { _mm256_div_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn where_negative(v: __m256, other: __m256) -> __m256 {
            // SAFETY: see above.
            unsafe { _mm256_blendv_ps(v, other, _mm256_cmp_ps::<_CMP_LT_OQ>(v, _mm256_setzero_ps())) }
        }
        #[inline(always)]
        unsafe fn clamp(v: __m256, limit: f32) -> __m256 {
            // SAFETY: see above. Where a side is NaN, these give the second, which is the value.
            unsafe { _mm256_max_ps(Self::splat(-limit), _mm256_min_ps(Self::splat(limit), v)) }
        }
        #[inline(always)]
        unsafe fn sum(v: __m256) -> f32 {
            // SAFETY: see above.
            unsafe {
                let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
                let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
                _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)))
            }
        }
        #[inline(always)]
        fn fma(a: f32, b: f32, c: f32) -> f32 {
            a.mul_add(b, c)
        }
        #[inline(always)]
        unsafe fn transpose_8x8(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
            // SAFETY: see above.
            unsafe { transpose(from, from_stride, to, to_stride) }
        }
        #[inline(always)]
        unsafe fn tile<const V: usize>(tile: &Tile<'_>, a: &[*const f32; MAX_ROWS], c: &[*mut f32; MAX_ROWS]) {
            // SAFETY: see above.
            unsafe { tile.product::<Self, 6, V>(a, c) }
        }
    }

    /// [`super::Isa::Avx512`].
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512;

    impl Simd for Avx512 {
        type V = __m512;
        const LANES: usize = 16;
        const ROWS: usize = 8;

        #[inline(always)]
        unsafe fn splat(x: f32) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn load_first(from: *const f32, n: usize) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_maskz_loadu_ps((1u16 << n) - 1, from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, v: __m512) {
            // SAFETY: see above.
            unsafe { _mm512_storeu_ps(to, v) }
        }
        #[inline(always)]
        unsafe fn store_first(to: *mut f32, v: __m512, n: usize) {
            // SAFETY: see above.
            unsafe { _mm512_mask_storeu_ps(to, (1u16 << n) - 1, v) }
        }
        #[inline(always)]
        unsafe fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn add(a: __m512, b: __m512) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m512, b: __m512) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: __m512, b: __m512) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn div(a: __m512, b: __m512) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_div_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn where_negative(v: __m512, other: __m512) -> __m512 {
            // SAFETY: see above.
            unsafe { _mm512_mask_mov_ps(v, _mm512_cmp_ps_mask::<_CMP_LT_OQ>(v, _mm512_setzero_ps()), other) }
        }
        #[inline(always)]
        unsafe fn clamp(v: __m512, limit: f32) -> __m512 {
            // SAFETY: see above. Where a side is NaN, these give the second, which is the value.
            unsafe { _mm512_max_ps(Self::splat(-limit), _mm512_min_ps(Self::splat(limit), v)) }
        }
        #[inline(always)]
        unsafe fn sum(v: __m512) -> f32 {
            // SAFETY: see above.
            unsafe { _mm512_reduce_add_ps(v) }
        }
        #[inline(always)]
        fn fma(a: f32, b: f32, c: f32) -> f32 {
            a.mul_add(b, c)
        }
        #[inline(always)]
        unsafe fn transpose_8x8(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
            // SAFETY: see above.
            unsafe { transpose(from, from_stride, to, to_stride) }
        }
        #[inline(always)]
        unsafe fn tile<const V: usize>(tile: &Tile<'_>, a: &[*const f32; MAX_ROWS], c: &[*mut f32; MAX_ROWS]) {
            // SAFETY: see above.
            unsafe { tile.product::<Self, 8, V>(a, c) }
        }
    }
}

/// Defines a function whose body, generic over the instruction set `S`, is compiled once for each of them; a call runs
/// the one that [`isa`] names.
macro_rules! simd_fn {
    ($(#[$meta:meta])* $vis:vis fn $name:ident<$S:ident>($($arg:ident: $ty:ty),* $(,)?) $(-> $out:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, reason = "kernels take plain slices and sizes")]
        $vis fn $name($($arg: $ty),*) $(-> $out)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments, reason = "as above")]
            fn generic<$S: $crate::simd::Simd>($($arg: $ty),*) $(-> $out)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            #[allow(clippy::too_many_arguments, reason = "as above")]
            fn avx2($($arg: $ty),*) $(-> $out)? {
                generic::<$crate::simd::Avx2>($($arg),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
            #[allow(clippy::too_many_arguments, reason = "as above")]
            fn avx512($($arg: $ty),*) $(-> $out)? {
                generic::<$crate::simd::Avx512>($($arg),*)
            }

            match $crate::simd::isa() {
                // SAFETY: `isa` gives only what this processor has.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Isa::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Isa::Avx2 => unsafe { avx2($($arg),*) },
                _ => generic::<$crate::simd::Portable>($($arg),*),
            }
        }
    };
}
pub(crate) use simd_fn;

/// Runs a block for each vector of `len` values: with the index of its first value, and with how many there are. All but
/// the last time that is `LANES`, as the compiler sees. Not a function with a closure: that would be compiled for no
/// instruction set where it is not inlined.
macro_rules! each_vector {
    ($S:ident, $len:expr, |$first:ident, $n:ident| $body:block) => {
        let (len, mut $first) = ($len, 0);
        while $first + $S::LANES <= len {
            let $n = $S::LANES;
            $body
            $first += $n;
        }
        let $n = len - $first;
        if $n > 0 {
            $body
        }
    };
}
pub(crate) use each_vector;
