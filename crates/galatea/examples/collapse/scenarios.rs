//! What goes wrong on purpose, and what does not.

/// A way to train.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// The healthy scenario that it is compared with; `None` for healthy ones.
    pub(crate) control: Option<&'static str>,
    pub(crate) family: &'static str,
    pub(crate) data: &'static str,
    /// `KEY=VALUE`, separated by white space.
    pub(crate) settings: &'static str,
    /// Settings of healthy training before, from whose end it goes on; empty where it begins anew.
    pub(crate) after: &'static str,
}

impl Scenario {
    pub(crate) fn is_provoked(&self) -> bool {
        self.control.is_some()
    }
}

/// Healthy ones first.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "digits-mlp",
        what: "healthy: small fully connected networks on digits, with this project's defaults",
        control: None,
        family: "gan",
        data: "digits",
        settings: "hidden_g=[128,256] hidden_d=[256,128] train.steps=2500 train.checkpoint_every=125 data.limit=6000",
        after: "",
    },
    Scenario {
        name: "listing",
        what: "the Keras listing of digits with small networks and larger steps: collapsed from the beginning",
        control: Some("digits-mlp"),
        family: "gan",
        data: "digits",
        settings: "preset=listing learning_rate_g=5e-4 learning_rate_d=5e-4 hidden_g=[128,256] hidden_d=[256,128] \
                   train.steps=2500 train.checkpoint_every=125 \
                   data.limit=6000",
        after: "",
    },
    Scenario {
        name: "too-fast",
        what: "digits, no penalty, much momentum, ten times the rate",
        control: Some("digits-mlp"),
        family: "gan",
        data: "digits",
        settings: "hidden_g=[128,256] hidden_d=[256,128] train.steps=2500 train.checkpoint_every=125 data.limit=6000 \
                   r1=0 beta_1=0.9 learning_rate_g=1e-2 learning_rate_d=1e-2",
        after: "",
    },
    Scenario {
        name: "strong-d",
        what: "digits, no penalty, five discriminator steps to one of the generator, at ten times its rate",
        control: Some("digits-mlp"),
        family: "gan",
        data: "digits",
        settings: "hidden_g=[128,256] hidden_d=[256,128] train.steps=2500 train.checkpoint_every=125 data.limit=6000 \
                   r1=0 discriminator_steps=5 learning_rate_g=2e-4 learning_rate_d=2e-3",
        after: "",
    },
    Scenario {
        name: "ring",
        what: "healthy: eight Gaussians on a ring",
        control: None,
        family: "gan",
        data: "ring",
        settings: "train.steps=4000",
        after: "",
    },
    Scenario {
        name: "ring-minimax",
        what: "plain minimax on the ring, without penalties and average, with much momentum",
        control: Some("ring"),
        family: "gan",
        data: "ring",
        settings: "train.steps=4000 loss=minimax r1=0 r2=0 ema=0 beta_1=0.9",
        after: "",
    },
    Scenario {
        name: "grid",
        what: "healthy: 25 Gaussians on a grid",
        control: None,
        family: "gan",
        data: "grid",
        settings: "train.steps=4000",
        after: "",
    },
    Scenario {
        name: "grid-minimax",
        what: "plain minimax on the grid, without penalties and average, with much momentum, at a high rate",
        control: Some("grid"),
        family: "gan",
        data: "grid",
        settings: "train.steps=4000 loss=minimax r1=0 r2=0 ema=0 beta_1=0.9 learning_rate_g=1e-2 learning_rate_d=1e-2",
        after: "",
    },
    Scenario {
        name: "tiny-data",
        what: "sixty digits to learn from, without penalty",
        control: Some("digits-mlp"),
        family: "gan",
        data: "digits",
        settings: "hidden_g=[128,256] hidden_d=[256,128] train.steps=2500 train.checkpoint_every=125 data.limit=120 \
                   data.holdout=0.5 r1=0 learning_rate_d=1e-3",
        after: "",
    },
    Scenario {
        name: "diverging",
        what: "digits at a rate that no network survives",
        control: Some("digits-mlp"),
        family: "gan",
        data: "digits",
        settings: "hidden_g=[128,256] hidden_d=[256,128] train.steps=2500 train.checkpoint_every=125 data.limit=6000 \
                   r1=0 beta_1=0.9 learning_rate_g=0.1 learning_rate_d=0.1",
        after: "",
    },
    Scenario {
        name: "fading",
        what: "digits, with a penalty that fades away, much momentum, and rates that stay",
        control: Some("digits-mlp"),
        family: "gan",
        data: "digits",
        settings: "hidden_g=[128,256] hidden_d=[256,128] train.steps=2500 train.checkpoint_every=125 data.limit=6000 \
                   penalty_end=1e-6 beta_1=0.7 schedule=constant",
        after: "",
    },
    Scenario {
        name: "dcgan",
        what: "healthy: a small convolutional GAN of digits, not told their classes",
        control: None,
        family: "dcgan",
        data: "digits",
        settings: "width=16 max_width=64 conditional=no train.steps=1500 train.checkpoint_every=75 data.limit=6000",
        after: "",
    },
    Scenario {
        name: "dcgan-fading",
        what: "the same, with a penalty that fades away, much momentum, and rates that stay",
        control: Some("dcgan"),
        family: "dcgan",
        data: "digits",
        settings: "width=16 max_width=64 conditional=no train.steps=1500 train.checkpoint_every=75 data.limit=6000 \
                   penalty_end=1e-6 beta_1=0.9 schedule=constant",
        after: "",
    },
    Scenario {
        name: "dcgan-minimax",
        what: "the same by plain minimax, without penalty and average, with much momentum and rates that stay",
        control: Some("dcgan"),
        family: "dcgan",
        data: "digits",
        settings: "width=16 max_width=64 conditional=no train.steps=1500 train.checkpoint_every=75 data.limit=6000 \
                   loss=minimax r1=0 beta_1=0.9 ema=0 schedule=constant",
        after: "",
    },
    Scenario {
        name: "later",
        what: "after 2,500 healthy steps on digits: no penalty, much momentum, five times the rate",
        control: Some("digits-mlp"),
        family: "gan",
        data: "digits",
        settings: "hidden_g=[128,256] hidden_d=[256,128] train.steps=2500 train.checkpoint_every=125 data.limit=6000 \
                   r1=0 beta_1=0.9 learning_rate_g=1e-3 learning_rate_d=1e-3",
        after: "hidden_g=[128,256] hidden_d=[256,128] train.steps=2500 train.checkpoint_every=125 data.limit=6000",
    },
    Scenario {
        name: "later-minimax",
        what: "after 2,500 healthy steps on digits: plain minimax, without penalty, with much momentum and rates that stay",
        control: Some("digits-mlp"),
        family: "gan",
        data: "digits",
        settings: "hidden_g=[128,256] hidden_d=[256,128] train.steps=2500 train.checkpoint_every=125 data.limit=6000 \
                   loss=minimax r1=0 beta_1=0.9 schedule=constant",
        after: "hidden_g=[128,256] hidden_d=[256,128] train.steps=2500 train.checkpoint_every=125 data.limit=6000",
    },
];
