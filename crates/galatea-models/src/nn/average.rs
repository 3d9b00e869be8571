//! The average of a network's weights over training, which samples better than the last weights do.
//!
//! Paper: Yazici et al. 2019, "The Unusual Effectiveness of Averaging in GAN Training", arXiv:1806.04498, section 3.2;
//! Karras et al. 2018, "Progressive Growing of GANs", arXiv:1710.10196, section 4.1.
//! Differs: the decay grows with the steps, `min(decay, (1 + t) / (10 + t))`, so that the first weights are forgotten.

use std::collections::VecDeque;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::prelude::*;
use galatea_kernels::burn::lerp;

/// Moves `average` towards `live` after step number `step` (from 1), arrays in the same order in both.
///
/// With `decay` 0 the average is the live network.
pub fn follow<M: Module>(average: M, live: &M, decay: f64, step: u64) -> M {
    let t = step as f64;
    let decay = decay.min((1.0 + t) / (10.0 + t));
    let mut values = Values(VecDeque::new());
    live.visit(&mut values);
    average.map(&mut Move { values: values.0, weight: (1.0 - decay) as f32 })
}

/// Live values, flat, in the order of visiting.
struct Values(VecDeque<Tensor<1>>);

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val().inner();
        let flat = [value.dims().iter().product::<usize>()];
        self.0.push_back(value.reshape(flat));
    }
}

struct Move {
    values: VecDeque<Tensor<1>>,
    weight: f32,
}

impl ModuleMapper for Move {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(live) = self.values.pop_front() else { return param };
        let (id, value, mapper) = param.consume();
        let dims = value.dims();
        let flat = live.dims();
        Param::from_mapped_value(id, lerp(value.reshape(flat), live, self.weight).reshape(dims), mapper)
    }
}
