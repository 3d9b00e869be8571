//! A network for sequences one step at a time, on the host, with what it keeps from step to step: keys and values of a
//! transformer, states of recurrent cells. A row of a batch gives the same bits in whatever batch it is.

use galatea_kernels::Activation;
use galatea_kernels::attention::{attend, turn};
use galatea_kernels::gelu::gelu;
use galatea_kernels::gru::{gru, gru_kept};
use galatea_kernels::layer_norm::layer_norm;
use galatea_kernels::linear::linear;
use galatea_kernels::lstm::{lstm, lstm_kept};
use galatea_kernels::recurrent::{Recurrence, RecurrentWeights};

/// Added to variances.
pub const EPSILON: f32 = 1e-5;

/// Weights on the host.
#[derive(Debug)]
pub struct Stepper {
    /// Values of a position.
    pub width: usize,
    /// What tokens are read as, `[vocabulary, width]`.
    pub table: Vec<f32>,
    /// The layers.
    pub body: Body,
    /// Scale and shift of the last normalisation.
    pub norm: [Vec<f32>; 2],
    /// From the last layer to logits, `[width, vocabulary]`.
    pub head: Vec<f32>,
}

/// Layers of one kind.
#[derive(Debug)]
pub enum Body {
    /// Of a transformer.
    Blocks {
        /// The layers.
        blocks: Vec<Block>,
        /// Positions that are seen at a time.
        context: usize,
        /// Heads of each layer.
        heads: usize,
        /// Positions that are learnt, `[context, width]`.
        positions: Option<Vec<f32>>,
        /// Base of rotary positions.
        rotary: Option<f32>,
    },
    /// Recurrent ones.
    Cells {
        /// The layers.
        cells: Vec<Cell>,
        /// Whether they are LSTMs, and not GRUs.
        are_lstms: bool,
    },
}

/// A layer of a transformer, `[inputs, outputs]` each.
#[derive(Debug)]
pub struct Block {
    /// Scale and shift before attention.
    pub norm_1: [Vec<f32>; 2],
    /// To queries, keys and values.
    pub qkv: Vec<f32>,
    /// From the heads back.
    pub out: Vec<f32>,
    /// Scale and shift before the rest.
    pub norm_2: [Vec<f32>; 2],
    /// To the wide layer.
    pub up: Vec<f32>,
    /// And back.
    pub down: Vec<f32>,
}

/// A recurrent layer; layouts as in `galatea_kernels::recurrent`.
#[derive(Debug)]
pub struct Cell {
    /// By the input.
    pub input: Vec<f32>,
    /// By the state.
    pub recurrent: Vec<f32>,
    /// Biases.
    pub bias: Vec<f32>,
}

/// What is kept of the steps so far, of some sequences that go side by side.
#[derive(Clone, Debug)]
pub struct State {
    rows: usize,
    /// Of each layer: keys and values `[rows, context, width]`, or states `h` and `c` `[rows, width]`.
    layers: Vec<[Vec<f32>; 2]>,
    /// Positions that are filled.
    filled: usize,
    /// Tokens at these positions, by step.
    tokens: Vec<Vec<u32>>,
}

impl Stepper {
    /// The beginning of `rows` sequences.
    pub fn begin(&self, rows: usize) -> State {
        let (layers, len) = match &self.body {
            Body::Blocks { blocks, context, .. } => (blocks.len(), rows * context * self.width),
            Body::Cells { cells, .. } => (cells.len(), rows * self.width),
        };
        State { rows, layers: vec![[vec![0.0; len], vec![0.0; len]]; layers], filled: 0, tokens: Vec::new() }
    }

    /// Logits of what follows, `[rows, vocabulary]`, once each sequence has gone on by a token.
    ///
    /// A transformer whose positions are all filled goes on from the newer half of them.
    ///
    /// # Panics
    /// If there is not a token per sequence, or one is not in the vocabulary.
    pub fn step(&self, state: &mut State, tokens: &[u32]) -> Vec<f32> {
        assert_eq!(tokens.len(), state.rows, "a token per sequence");
        if let Body::Blocks { context, .. } = &self.body
            && state.filled == *context
        {
            let kept = state.tokens.split_off(context - context / 2);
            (state.filled, state.tokens) = (0, Vec::new());
            kept.iter().for_each(|tokens| drop(self.hidden(state, tokens)));
        }
        let x = self.hidden(state, tokens);
        let x = self.normed(&x, &self.norm);
        product(&x, &self.head, self.width)
    }

    /// The last layer's values after one more token.
    fn hidden(&self, state: &mut State, tokens: &[u32]) -> Vec<f32> {
        let width = self.width;
        let row = |token: &u32| &self.table[*token as usize * width..(*token as usize + 1) * width];
        let mut x: Vec<f32> = tokens.iter().flat_map(row).copied().collect();
        match &self.body {
            Body::Blocks { blocks, context, heads, positions, rotary } => {
                let at = state.filled;
                if let Some(positions) = positions {
                    let position = &positions[at * width..(at + 1) * width];
                    x.chunks_exact_mut(width).for_each(|x| add(x, position));
                }
                for (block, kept) in blocks.iter().zip(&mut state.layers) {
                    let y = self.attended(block, kept, at, (*context, *heads, *rotary), &x);
                    add(&mut x, &y);
                    let wide = product(&self.normed(&x, &block.norm_2), &block.up, width);
                    let mut active = vec![0.0; wide.len()];
                    gelu(&wide, &mut active);
                    add(&mut x, &product(&active, &block.down, wide.len() / tokens.len()));
                }
                state.filled += 1;
                state.tokens.push(tokens.to_vec());
            }
            Body::Cells { cells, are_lstms } => {
                for (cell, [h, c]) in cells.iter().zip(&mut state.layers) {
                    x = cell.step(*are_lstms, [tokens.len(), width], &x, h, c);
                }
            }
        }
        x
    }

    fn attended(
        &self,
        block: &Block,
        [keys, values]: &mut [Vec<f32>; 2],
        at: usize,
        (context, heads, rotary): (usize, usize, Option<f32>),
        x: &[f32],
    ) -> Vec<f32> {
        let width = self.width;
        let mut qkv = product(&self.normed(x, &block.norm_1), &block.qkv, width);
        let mut q = Vec::with_capacity(x.len());
        for (row, qkv) in qkv.chunks_exact_mut(3 * width).enumerate() {
            if let Some(base) = rotary {
                turn(base, at, width / heads, &mut qkv[..2 * width]);
            }
            let place = (row * context + at) * width;
            keys[place..place + width].copy_from_slice(&qkv[width..2 * width]);
            values[place..place + width].copy_from_slice(&qkv[2 * width..]);
            q.extend_from_slice(&qkv[..width]);
        }
        let mut y = vec![0.0; q.len()];
        attend(heads, width / heads, &q, keys, values, context, at + 1, &mut y);
        product(&y, &block.out, width)
    }

    fn normed(&self, x: &[f32], [gamma, beta]: &[Vec<f32>; 2]) -> Vec<f32> {
        let rows = x.len() / self.width;
        let (mut y, mut mean, mut variance) = (vec![0.0; x.len()], vec![0.0; rows], vec![0.0; rows]);
        let identity = Activation::Identity;
        layer_norm([rows, self.width], x, gamma, beta, EPSILON, identity, &mut y, [&mut mean, &mut variance]);
        y
    }
}

impl Cell {
    /// The output of one step; states are those after it then.
    pub fn step(&self, is_lstm: bool, [rows, width]: [usize; 2], x: &[f32], h: &mut [f32], c: &mut [f32]) -> Vec<f32> {
        let Self { input, recurrent, bias } = self;
        let shape = [1, rows, width, width];
        let mut y = vec![0.0; rows * width];
        let of = Recurrence { x, weights: RecurrentWeights { input, recurrent, bias }, h };
        if is_lstm {
            let mut kept = vec![0.0; lstm_kept(shape)];
            lstm(shape, of, c, &mut y, &mut kept);
            c.copy_from_slice(&kept[kept.len() - rows * width..]);
        } else {
            let mut kept = vec![0.0; gru_kept(shape)];
            gru(shape, of, &mut y, &mut kept);
        }
        h.copy_from_slice(&y);
        y
    }
}

fn add(x: &mut [f32], y: &[f32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += *y);
}

/// `x w` for `x` `[rows, inputs]`.
fn product(x: &[f32], w: &[f32], inputs: usize) -> Vec<f32> {
    let (rows, outputs) = (x.len() / inputs, w.len() / inputs);
    let mut y = vec![0.0; rows * outputs];
    linear([rows, inputs, outputs], x, w, None, Activation::Identity, &mut y);
    y
}
