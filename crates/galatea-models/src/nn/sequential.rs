//! A network for sequences of tokens: layers of self-attention with normalisation first, or of LSTM or GRU.
//!
//! Weights begin as GPT-2's: normal with deviation 0.02, those that write into the residual stream smaller by the root of
//! twice the number of layers. Recurrent weights are uniform within one over the root of the width, as PyTorch's.

use burn::module::{Module, Param};
use burn::prelude::*;
use galatea_data::choice;
use galatea_kernels::Activation;
use galatea_kernels::attention::AttentionShape;
use galatea_kernels::burn as fused;

use super::layers::{Linear, trained};
use super::noise::{Position, WeightDraw, kept};
use super::stepper::{self, Body, EPSILON, Stepper};

choice! {
    /// What layers are made of.
    pub enum CellKind {
        /// Self-attention.
        Transformer = "transformer",
        /// Long short-term memory.
        Lstm = "lstm",
        /// Gated recurrent units.
        Gru = "gru",
    }
}

choice! {
    /// How a transformer knows where a token is.
    pub enum Positions {
        /// A vector for each position, which is learnt.
        Learnt = "learnt",
        /// Queries and keys are turned by angles that grow with the position.
        Rotary = "rotary",
    }
}

/// Sizes of a [`Network`].
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// What layers are made of.
    pub cell: CellKind,
    /// Layers.
    pub layers: usize,
    /// Values of a position.
    pub width: usize,
    /// Heads of a layer of attention.
    pub heads: usize,
    /// How a transformer knows where a token is.
    pub positions: Positions,
    /// Whether tokens are read and told by the same weights.
    pub tied: bool,
    /// Tokens that there are.
    pub vocabulary: usize,
    /// Positions that a transformer sees.
    pub context: usize,
}

impl Shape {
    /// Where step `t` of example `i` is among the rows: recurrent layers take all examples' first steps first.
    pub fn row(&self, [n, time]: [usize; 2], i: usize, t: usize) -> usize {
        match self.cell {
            CellKind::Transformer => i * time + t,
            CellKind::Lstm | CellKind::Gru => t * n + i,
        }
    }
}

/// What a training step does without.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// Share of the values behind each layer.
    pub share: f64,
    /// The seed of the run.
    pub seed: u64,
    /// Where training is.
    pub at: Position,
}

/// Scale and shift of a normalisation.
#[derive(Module, Debug)]
struct Norm {
    gamma: Param<Tensor<1>>,
    beta: Param<Tensor<1>>,
}

impl Norm {
    fn new(width: usize, device: &Device) -> Self {
        Self { gamma: trained(Tensor::ones([width], device)), beta: trained(Tensor::zeros([width], device)) }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        fused::layer_norm(x, self.gamma.val(), self.beta.val(), EPSILON, Activation::Identity)
    }

    fn on_host(&self) -> [Vec<f32>; 2] {
        [&self.gamma, &self.beta].map(|param| fused::to_vec(param.val()))
    }
}

/// A layer of a transformer.
#[derive(Module, Debug)]
struct Block {
    norm_1: Norm,
    qkv: Linear,
    out: Linear,
    norm_2: Norm,
    up: Linear,
    down: Linear,
}

/// A recurrent layer.
#[derive(Module, Debug)]
struct Cell {
    input: Param<Tensor<2>>,
    recurrent: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

/// From tokens to logits of what follows each.
#[derive(Module, Debug)]
pub struct Network {
    /// `[vocabulary, width]`.
    tokens: Param<Tensor<2>>,
    /// `[context, width]`.
    positions: Option<Param<Tensor<2>>>,
    blocks: Vec<Block>,
    cells: Vec<Cell>,
    norm: Norm,
    /// To logits, where they have weights of their own.
    head: Option<Linear>,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    is_rotary: bool,
    #[module(skip)]
    are_lstms: bool,
}

/// Deviation of weights at first, as GPT-2's.
const DEVIATION: f64 = 0.02;
/// Base of rotary positions (Su et al. 2021, section 3.2.2).
const ROTARY: f32 = 10_000.0;

impl Network {
    /// Fresh weights.
    pub fn new(shape: &Shape, draw: &mut WeightDraw) -> Self {
        let Shape { cell, layers, width, heads, positions, tied, vocabulary, context } = *shape;
        let is_transformer = cell == CellKind::Transformer;
        let is_rotary = is_transformer && positions == Positions::Rotary;
        // What is added to the residual stream by each layer, twice.
        let small = DEVIATION / (2.0 * layers as f64).sqrt();
        let tokens = trained(draw.normal([vocabulary, width], DEVIATION));
        let learnt = (is_transformer && !is_rotary).then(|| trained(draw.normal([context, width], DEVIATION)));
        let linear = |inputs: usize, outputs: usize, deviation: f64, draw: &mut WeightDraw| {
            Linear::new(inputs, outputs, deviation * (inputs as f64).sqrt(), draw).without_bias()
        };
        let block = |draw: &mut WeightDraw| Block {
            norm_1: Norm::new(width, draw.device()),
            qkv: linear(width, 3 * width, DEVIATION, draw),
            out: linear(width, width, small, draw),
            norm_2: Norm::new(width, draw.device()),
            up: linear(width, 4 * width, DEVIATION, draw),
            down: linear(4 * width, width, small, draw),
        };
        let gates = if cell == CellKind::Lstm { 4 } else { 3 };
        let reach = 1.0 / (width as f64).sqrt();
        let recurrent = |draw: &mut WeightDraw| Cell {
            input: trained(draw.uniform([width, gates * width], reach)),
            recurrent: trained(draw.uniform([width, gates * width], reach)),
            bias: trained(Tensor::zeros([4 * width], draw.device())),
        };
        let (blocks, cells) = if is_transformer { (layers, 0) } else { (0, layers) };
        Self {
            tokens,
            positions: learnt,
            blocks: (0..blocks).map(|_| block(draw)).collect(),
            cells: (0..cells).map(|_| recurrent(draw)).collect(),
            norm: Norm::new(width, draw.device()),
            head: (!tied).then(|| linear(width, vocabulary, DEVIATION, draw)),
            heads,
            is_rotary,
            are_lstms: cell == CellKind::Lstm,
        }
    }

    /// Logits of what follows each of `inputs`, of `batch` sequences, in the order of [`Shape::row`].
    pub fn forward(&self, inputs: &[u32], batch: usize, dropout: Option<&Dropout>, device: &Device) -> Tensor<2> {
        let (rows, [_, width]) = (inputs.len(), self.tokens.dims());
        let time = rows / batch.max(1);
        let mut layer = 0;
        let mut dropped = |x: Tensor<2>| match dropout {
            Some(Dropout { share, seed, at }) if *share > 0.0 => {
                layer += 1;
                x * kept(*seed, *at, layer, [rows, width], *share, device)
            }
            _ => x,
        };
        let mut x = fused::pick(self.tokens.val(), inputs);
        if let Some(positions) = &self.positions {
            let at: Vec<u32> = (0..rows).map(|row| (row % time) as u32).collect();
            x = x + fused::pick(positions.val(), &at);
        }
        x = dropped(x);
        let rotary = self.is_rotary.then_some(ROTARY);
        let shape = AttentionShape { batch, time, heads: self.heads, size: width / self.heads, rotary };
        for block in &self.blocks {
            let qkv = block.qkv.forward(block.norm_1.forward(x.clone()), Activation::Identity);
            let y = block.out.forward(fused::attention(qkv, shape), Activation::Identity);
            x = x + dropped(y);
            let wide = fused::gelu(block.up.forward(block.norm_2.forward(x.clone()), Activation::Identity));
            x = x + dropped(block.down.forward(wide, Activation::Identity));
        }
        for cell in &self.cells {
            let empty = || Tensor::zeros([batch, width], device);
            let Cell { input, recurrent, bias } = cell;
            let weights = fused::Recurrent { input: input.val(), recurrent: recurrent.val(), bias: bias.val() };
            let steps = x.reshape([time, batch, width]);
            let y = match self.are_lstms {
                true => fused::lstm(steps, weights, empty(), empty()).0,
                false => fused::gru(steps, weights, empty()),
            };
            x = dropped(y.reshape([rows, width]));
        }
        let x = self.norm.forward(x);
        match &self.head {
            Some(head) => head.forward(x, Activation::Identity),
            None => fused::linear_transposed(x, self.tokens.val()),
        }
    }

    /// Draws texts that go on from the tokens `first`, step by step through layers of GRU: shares of all tokens
    /// `[time, n, vocabulary]`, which `choose` makes of logits and of the noise of a step, `[n, vocabulary]` each. What is drawn is
    /// read at the next step as the mean of tokens by their shares, so that gradients flow through all steps.
    ///
    /// # Panics
    /// If the layers are others than GRU.
    pub fn draw_softly(
        &self,
        first: &[u32],
        noise: Tensor<3>,
        choose: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<2>,
    ) -> Tensor<3> {
        assert!(!self.are_lstms && self.blocks.is_empty(), "texts are drawn softly through GRU alone");
        let ([time, n, vocabulary], width) = (noise.dims(), self.tokens.dims()[1]);
        let mut states: Vec<Tensor<2>> =
            self.cells.iter().map(|_| Tensor::zeros([n, width], &noise.device())).collect();
        let mut x = fused::pick(self.tokens.val(), first);
        let mut all = Vec::with_capacity(time);
        for t in 0..time {
            for (cell, state) in self.cells.iter().zip(&mut states) {
                let Cell { input, recurrent, bias } = cell;
                let weights = fused::Recurrent { input: input.val(), recurrent: recurrent.val(), bias: bias.val() };
                *state = fused::gru(x.reshape([1, n, width]), weights, state.clone()).reshape([n, width]);
                x = state.clone();
            }
            let told = self.norm.forward(x);
            let logits = match &self.head {
                Some(head) => head.forward(told, Activation::Identity),
                None => fused::linear_transposed(told, self.tokens.val()),
            };
            let shares = choose(logits, noise.clone().narrow(0, t, 1).reshape([n, vocabulary]));
            x = fused::linear(shares.clone(), self.tokens.val(), None, Activation::Identity);
            all.push(shares.reshape([1, n, vocabulary]));
        }
        Tensor::cat(all, 0)
    }

    /// The same weights on the host, to go on step by step; `context` positions are seen.
    pub fn stepper(&self, context: usize) -> Stepper {
        let [vocabulary, width] = self.tokens.dims();
        let host = |param: &Param<Tensor<2>>| fused::to_vec(param.val());
        let table = host(&self.tokens);
        let head = match &self.head {
            Some(head) => host(&head.weight),
            None => (0..width)
                .flat_map(|j| (0..vocabulary).map(move |i| (i, j)))
                .map(|(i, j)| table[i * width + j])
                .collect(),
        };
        let block = |block: &Block| stepper::Block {
            norm_1: block.norm_1.on_host(),
            qkv: host(&block.qkv.weight),
            out: host(&block.out.weight),
            norm_2: block.norm_2.on_host(),
            up: host(&block.up.weight),
            down: host(&block.down.weight),
        };
        let cell = |cell: &Cell| stepper::Cell {
            input: host(&cell.input),
            recurrent: host(&cell.recurrent),
            bias: fused::to_vec(cell.bias.val()),
        };
        let body = match self.cells.is_empty() {
            true => Body::Blocks {
                blocks: self.blocks.iter().map(block).collect(),
                context,
                heads: self.heads,
                positions: self.positions.as_ref().map(host),
                rotary: self.is_rotary.then_some(ROTARY),
            },
            false => Body::Cells { cells: self.cells.iter().map(cell).collect(), are_lstms: self.are_lstms },
        };
        Stepper { width, table, body, norm: self.norm.on_host(), head }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: usize = 10;

    fn shapes() -> Vec<Shape> {
        let base = Shape {
            cell: CellKind::Transformer,
            layers: 2,
            width: 12,
            heads: 3,
            positions: Positions::Learnt,
            tied: true,
            vocabulary: 7,
            context: CONTEXT,
        };
        let rotary = Shape { positions: Positions::Rotary, tied: false, ..base };
        vec![base, rotary, Shape { cell: CellKind::Lstm, ..base }, Shape { cell: CellKind::Gru, tied: false, ..base }]
    }

    /// A network whose weights are large enough to tell positions and tokens apart.
    fn network(shape: &Shape, device: &Device) -> Network {
        struct Larger;
        impl burn::module::ModuleMapper for Larger {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                if D == 2 { param.map(|value| value.mul_scalar(12.0)) } else { param }
            }
        }
        Network::new(shape, &mut WeightDraw::new(3, device)).map(&mut Larger)
    }

    #[test]
    fn step_by_step_gives_what_all_at_once_does() {
        let device = Device::flex().autodiff();
        for shape in shapes() {
            let network = network(&shape, &device);
            let (n, stepper) = (3, network.stepper(CONTEXT));
            let token = |i: usize, t: usize| ((i * 5 + t * t * 3 + t) % 7) as u32;
            let mut inputs = vec![0; n * CONTEXT];
            for (i, t) in (0..n).flat_map(|i| (0..CONTEXT).map(move |t| (i, t))) {
                inputs[shape.row([n, CONTEXT], i, t)] = token(i, t);
            }
            let whole = fused::to_vec(network.forward(&inputs, n, None, &device).inner());
            let mut state = stepper.begin(n);
            let mut spread = 0.0f32;
            for t in 0..CONTEXT {
                let tokens: Vec<u32> = (0..n).map(|i| token(i, t)).collect();
                let logits = stepper.step(&mut state, &tokens);
                for (i, found) in logits.chunks_exact(7).enumerate() {
                    let row = shape.row([n, CONTEXT], i, t) * 7;
                    for (a, b) in found.iter().zip(&whole[row..row + 7]) {
                        assert!((a - b).abs() < 1e-4, "{shape:?}, step {t} of {i}: {a}, not {b}");
                        spread = spread.max(b.abs());
                    }
                }
            }
            assert!(spread > 0.3, "logits of {shape:?} tell nothing: {spread}");
        }
    }

    #[test]
    fn a_full_context_goes_on_from_its_newer_half() {
        let device = Device::flex().autodiff();
        for shape in &shapes()[..2] {
            let stepper = network(shape, &device).stepper(CONTEXT);
            let feed = |tokens: &[u32]| {
                let mut state = stepper.begin(1);
                tokens.iter().map(|token| stepper.step(&mut state, &[*token])).last().unwrap()
            };
            let tokens: Vec<u32> = (0..23).map(|i| i * i % 7).collect();
            // After ten positions, five are left; so too after fifteen and twenty.
            assert_eq!(feed(&tokens[..11]), feed(&tokens[5..11]));
            assert_eq!(feed(&tokens), feed(&tokens[15..]));
            assert_ne!(feed(&tokens[..10]), feed(&tokens[5..10]));
            // One position alone is seen, if that is all there is room for.
            let narrow = network(&Shape { context: 1, ..*shape }, &device).stepper(1);
            let mut state = narrow.begin(1);
            let [first, _, again] = [1, 2, 1].map(|token| narrow.step(&mut state, &[token]));
            assert_eq!(first, again);
        }
    }

    #[test]
    fn dropout_leaves_out_its_share_and_keeps_the_mean() {
        let device = Device::flex().autodiff();
        let at = Position { step: 3, round: 0 };
        let draw = |which| fused::to_vec(kept(1, at, which, [100, 200], 0.3, &device));
        let values = draw(1);
        let share = values.iter().filter(|value| **value == 0.0).count() as f64 / 20_000.0;
        assert!((share - 0.3).abs() < 0.01, "{share}");
        assert!(values.iter().all(|value| *value == 0.0 || (*value - 1.0 / 0.7).abs() < 1e-6));
        assert!(values == draw(1) && values != draw(2));
        let shape = shapes()[0];
        let network = network(&shape, &device);
        let dropout = Dropout { share: 0.5, seed: 1, at };
        let [with, without] = [Some(&dropout), None]
            .map(|dropout| fused::to_vec(network.forward(&[1, 2, 3], 1, dropout, &device).inner()));
        assert_ne!(with, without);
    }
}
