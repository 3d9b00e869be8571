//! Packing: the discriminator judges `m` examples as one, `D(x_1, .., x_m)`. Where the generator has lost variety, packs of
//! generated examples differ from packs of real ones more than single examples do.
//!
//! Paper: Lin et al. 2018, "PacGAN: The power of two samples in generative adversarial networks", arXiv:1712.04086,
//! section 2.
//! Differs: in nothing; the discriminator's first layer is as many times as wide at its input, its other layers are the same.
//! Classes, where there are any, are packed as well.

use burn::prelude::*;

/// Examples `[n, channels, ..]` in packs of `count`: `[n / count, count * channels, ..]`.
///
/// # Panics
/// If `n` is no multiple of `count`.
pub fn pack<const D: usize>(x: Tensor<D>, count: usize) -> Tensor<D> {
    if count == 1 {
        return x;
    }
    let mut dims = x.dims();
    assert!(dims[0].is_multiple_of(count), "examples come in whole packs");
    dims[0] /= count;
    dims[1] *= count;
    x.reshape(dims)
}

#[cfg(test)]
mod tests {
    use galatea_kernels::burn::{flatten, from_vec, to_vec, unflatten};

    use super::*;

    #[test]
    fn neighbours_become_channels() {
        let values: Vec<f32> = (0..48).map(|i| i as f32).collect();
        let x: Tensor<4> = from_vec(values.clone(), [4, 3, 2, 2], &Device::flex());
        let packed = pack(x.clone(), 2);
        assert_eq!(packed.dims(), [2, 6, 2, 2]);
        assert_eq!(to_vec(packed.clone().narrow(0, 1, 1)), values[24..]);
        // Pictures that are channels last in memory are packed alike.
        assert_eq!(to_vec(pack(unflatten(flatten(x.clone()), [3, 2, 2]), 2)), to_vec(packed));
        assert_eq!(to_vec(pack(x.clone(), 1)), values);
        let rows: Tensor<2> = from_vec(values, [4, 12], &Device::flex());
        assert_eq!(pack(rows, 4).dims(), [1, 48]);
    }
}
