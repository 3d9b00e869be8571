//! What a model may be able to do beside training and sampling, one small trait each, see [`Ability`](crate::Ability).

use galatea_data::music::Frame;
use galatea_data::write::graph::Graph;
use galatea_data::{HostBatch, HostTensor};

use crate::nn::decoding::Decoding;
use crate::{Result, SampleRequest};

/// A model that turns latent vectors into samples.
pub trait Latent {
    /// Length of a latent vector.
    fn latent_len(&self) -> usize;

    /// The latent vectors of the samples that `request` names: `[n, latent_len]`.
    fn latents(&self, request: &SampleRequest) -> HostTensor;

    /// Samples from latent vectors `[n, latent_len]`, one class per vector where the model is conditional.
    ///
    /// # Errors
    /// If the shape is another one, or classes are missing or unknown.
    fn decode(&self, latents: &HostTensor, labels: Option<&[u32]>) -> Result<HostTensor>;

    /// The weights by which the first layer takes latent vectors, `[latent_len, outputs]`, where it is a linear one.
    fn first_layer(&self) -> Option<HostTensor> {
        None
    }
}

/// A model that finds latent vectors of examples.
///
/// Where a conditional model is given no labels, it takes the class under which an example is most likely. What it says of an
/// example depends on that example alone, never on its batch.
pub trait Encode {
    /// The latent vectors that it believes examples to come from: means `[n, latent_len]`; of a model that draws nothing, what
    /// it reads from them, `[n, features]`.
    ///
    /// # Errors
    /// If the examples do not fit the model.
    fn encode(&self, examples: &HostBatch) -> Result<HostTensor>;

    /// The classes that it takes examples for: those given, or else the most likely ones; `None` for an unconditional model.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    fn labels(&self, examples: &HostBatch) -> Result<Option<Vec<u32>>>;
}

/// A model that gives examples back as it understands them.
///
/// As for [`Encode`], a result depends on its example alone, and a class that is not given is guessed.
pub trait Reconstruct {
    /// Examples like those given, shaped and scaled as the data are.
    ///
    /// # Errors
    /// If the examples do not fit the model.
    fn reconstruct(&self, examples: &HostBatch) -> Result<HostTensor>;
}

/// A model that says how likely it takes examples to be.
///
/// As for [`Encode`], a result depends on its example alone, and a class that is not given is guessed. What is drawn for it
/// is a function of the example.
pub trait Score {
    /// The evidence lower bound of each example in its two parts, from so many draws of its latent vector.
    ///
    /// # Errors
    /// If the examples do not fit the model, or `draws` is 0.
    fn bounds(&self, examples: &HostBatch, draws: usize) -> Result<Vec<Bound>>;

    /// The log likelihood of each example in nats, estimated by importance sampling with so many draws (Burda et al. 2016,
    /// arXiv:1509.00519): not above the true one on average, and nearer to it the more draws there are.
    ///
    /// # Errors
    /// As [`bounds`](Self::bounds).
    fn log_likelihood(&self, examples: &HostBatch, draws: usize) -> Result<Vec<f64>>;

    /// `nats` of log likelihood of an example as bits for each of its values. Densities of pictures are taken as those of
    /// bytes, `2 / 255` apart.
    fn bits_per_value(&self, nats: f64) -> f64;
}

/// A lower bound of the log likelihood of an example, in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// The expected log likelihood of the example under what is decoded from its latent vectors.
    pub reconstruction: f64,
    /// The divergence of the latent vectors' distribution from the prior; not negative.
    pub kl: f64,
}

impl Bound {
    /// The bound.
    pub fn elbo(self) -> f64 {
        self.reconstruction - self.kl
    }
}

/// A model that knows how likely examples are.
pub trait Likelihood {
    /// What the model would need to tell each of these examples, in nats: the negative logarithm of its probability, or of its
    /// density. Of tokens, all but the first, which they are told after.
    ///
    /// # Errors
    /// If the examples do not fit the model.
    fn nats(&self, examples: &HostBatch) -> Result<Vec<f64>>;
}

/// A model of rows, whose columns depend on each other.
pub trait Condition {
    /// Rows in which the known values are as they are, and the others drawn given these; with the logarithm of the probability
    /// of what is known.
    ///
    /// # Errors
    /// If there is not a value, or none, for each column, a value is none of its column, or it would take too long.
    fn sample_given(&self, known: &[Option<u32>], request: &SampleRequest) -> Result<(HostBatch, f64)>;

    /// Which column depends on which.
    fn graph(&self) -> Graph;
}

/// A model that writes on.
pub trait Complete {
    /// Draws what follows `prompt`, token by token, and hands each to `tell` as soon as it is drawn, until that says `false`.
    ///
    /// `draw` is the seed and the number of the text: with the same of them, the same is drawn.
    ///
    /// # Errors
    /// If a token is not below the size of the vocabulary.
    fn complete(
        &self,
        prompt: &[u32],
        decoding: &Decoding,
        draw: (u64, u64),
        tell: &mut dyn FnMut(u32) -> bool,
    ) -> Result<()>;
}

/// A model that goes on with music.
pub trait Compose {
    /// `frames` frames that follow `beginning`, which may be empty, for each piece of the request, as piano rolls
    /// `[n, frames, 88]`. Logits are divided by `temperature`; the request's truncation plays no part.
    ///
    /// # Errors
    /// If the temperature makes no sense, or a class is asked for.
    fn compose(
        &self,
        beginning: &[Frame],
        frames: usize,
        temperature: f64,
        request: &SampleRequest,
    ) -> Result<HostTensor>;
}

/// A model that takes hidden states to lie behind data.
pub trait States {
    /// For each example, for each moment, the state of the likeliest path through the example, and the probability of that state
    /// given all of it.
    ///
    /// # Errors
    /// If the examples do not fit the model.
    fn states(&self, examples: &HostBatch) -> Result<Vec<Vec<(usize, f64)>>>;
}

/// Makes a gradient by something of its value.
pub type Slope<'a> = &'a mut dyn FnMut(&HostTensor) -> HostTensor;

/// A generator through which gradients are known, so that latent vectors of examples can be looked for: see
/// [`Inverter`](crate::inverter::Inverter).
pub trait Invert {
    /// What is drawn from latent vectors `[n, latent_len]`, and the gradient by these of what has the gradient `slope` by what is drawn.
    ///
    /// # Errors
    /// If the shape is another one, or classes are missing or unknown.
    fn pull(&self, latents: &HostTensor, labels: Option<&[u32]>, slope: Slope<'_>) -> Result<[HostTensor; 2]>;

    /// The same of the discriminator's last hidden layer, `[n, width]`, and examples; `None` where it judges several at once. It means
    /// something of a model that was read back whole.
    ///
    /// # Errors
    /// If examples are of another shape, or classes are missing or unknown.
    fn pull_features(
        &self,
        examples: &HostTensor,
        labels: Option<&[u32]>,
        slope: Slope<'_>,
    ) -> Result<Option<[HostTensor; 2]>>;
}
