//! What goes wrong on purpose, and what does not.

/// A way to train.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) sort: Sort,
    /// `KEY=VALUE`, separated by white space; of provoked ones, what differs from the healthy scenario.
    pub(crate) settings: &'static str,
}

/// What a scenario is there for.
pub(crate) enum Sort {
    /// Nothing goes wrong.
    Healthy { family: &'static str, data: &'static str },
    /// Training goes wrong, in the place of the healthy scenario of this name.
    Provoked(&'static str),
    /// The same, but only after a whole healthy run, from whose end it goes on, so that there is much to lose.
    Later(&'static str),
}

impl Scenario {
    /// The scenario of that name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// The healthy scenario that it is compared with; `None` for healthy ones.
    pub(crate) fn control(&self) -> Option<&'static Self> {
        match self.sort {
            Sort::Healthy { .. } => None,
            Sort::Provoked(control) | Sort::Later(control) => Self::named(control),
        }
    }

    /// The family, the data and all settings; where two say the same key, the last one counts.
    pub(crate) fn how(&self) -> (&'static str, &'static str, Vec<String>) {
        let own = || self.settings.split_whitespace().map(str::to_owned);
        match (&self.sort, self.control()) {
            (Sort::Healthy { family, data }, _) => (family, data, own().collect()),
            (_, control) => {
                let (family, data, mut settings) = control.expect("it has a healthy scenario").how();
                settings.extend(own());
                (family, data, settings)
            }
        }
    }
}

/// Healthy ones before those that are compared with them.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "digits-mlp",
        what: "healthy: small fully connected networks on digits, with this project's defaults",
        sort: Sort::Healthy { family: "gan", data: "digits" },
        settings: "hidden_g=[128,256] hidden_d=[256,128] train.steps=2500 train.checkpoint_every=125 data.limit=6000",
    },
    Scenario {
        name: "listing",
        what: "the Keras listing of digits with small networks and larger steps: collapsed from the beginning",
        sort: Sort::Provoked("digits-mlp"),
        settings: "preset=listing learning_rate_g=5e-4 learning_rate_d=5e-4",
    },
    Scenario {
        name: "too-fast",
        what: "digits, no penalty, much momentum, ten times the rate",
        sort: Sort::Provoked("digits-mlp"),
        settings: "r1=0 beta_1=0.9 learning_rate_g=1e-2 learning_rate_d=1e-2",
    },
    Scenario {
        name: "strong-d",
        what: "digits, no penalty, five discriminator steps to one of the generator, at ten times its rate",
        sort: Sort::Provoked("digits-mlp"),
        settings: "r1=0 discriminator_steps=5 learning_rate_g=2e-4 learning_rate_d=2e-3",
    },
    Scenario {
        name: "tiny-data",
        what: "sixty digits to learn from, without penalty",
        sort: Sort::Provoked("digits-mlp"),
        settings: "data.limit=120 data.holdout=0.5 r1=0 learning_rate_d=1e-3",
    },
    Scenario {
        name: "diverging",
        what: "digits at a rate that no network survives",
        sort: Sort::Provoked("digits-mlp"),
        settings: "r1=0 beta_1=0.9 learning_rate_g=0.1 learning_rate_d=0.1",
    },
    Scenario {
        name: "fading",
        what: "digits, with a penalty that fades away, much momentum, and rates that stay",
        sort: Sort::Provoked("digits-mlp"),
        settings: "penalty_end=1e-6 beta_1=0.7 schedule=constant",
    },
    Scenario {
        name: "later",
        what: "after 2,500 healthy steps on digits: no penalty, much momentum",
        sort: Sort::Later("digits-mlp"),
        settings: "r1=0 beta_1=0.9",
    },
    Scenario {
        name: "later-minimax",
        what: "after 2,500 healthy steps on digits: plain minimax, without penalty, with much momentum and rates that stay",
        sort: Sort::Later("digits-mlp"),
        settings: "loss=minimax r1=0 beta_1=0.9 schedule=constant",
    },
    Scenario {
        name: "ring",
        what: "healthy: eight Gaussians on a ring",
        sort: Sort::Healthy { family: "gan", data: "ring" },
        settings: "train.steps=4000",
    },
    Scenario {
        name: "ring-minimax",
        what: "minimax on the ring, without penalties and average, with much momentum",
        sort: Sort::Provoked("ring"),
        settings: "loss=minimax r1=0 r2=0 ema=0 beta_1=0.9",
    },
    Scenario {
        name: "wandering",
        what: "the networks of PacGAN's plain GAN on the ring, without remedies",
        sort: Sort::Provoked("ring"),
        settings: "preset=plain-toy train.checkpoint_every=200",
    },
    Scenario {
        name: "ring-later",
        what: "after 4,000 healthy steps on the ring: no penalty, no mode seeking, much momentum, rates that stay",
        sort: Sort::Later("ring"),
        settings: "r1=0 r2=0 mode_seeking=0 beta_1=0.9 schedule=constant",
    },
    Scenario {
        name: "grid",
        what: "healthy: 25 Gaussians on a grid",
        sort: Sort::Healthy { family: "gan", data: "grid" },
        settings: "train.steps=4000",
    },
    Scenario {
        name: "grid-minimax",
        what: "minimax on the grid, without penalties and average, with much momentum, at a high rate",
        sort: Sort::Provoked("grid"),
        settings: "loss=minimax r1=0 r2=0 ema=0 beta_1=0.9 learning_rate_g=1e-2 learning_rate_d=1e-2",
    },
    Scenario {
        name: "grid-later",
        what: "after 4,000 healthy steps on the grid: no penalty, no mode seeking, much momentum, rates that stay",
        sort: Sort::Later("grid"),
        settings: "r1=0 r2=0 mode_seeking=0 beta_1=0.9 schedule=constant",
    },
    Scenario {
        name: "dcgan",
        what: "healthy: a small convolutional GAN of digits, not told their classes",
        sort: Sort::Healthy { family: "dcgan", data: "digits" },
        settings: "width=16 max_width=64 conditional=no train.steps=1500 train.checkpoint_every=75 data.limit=6000",
    },
    Scenario {
        name: "dcgan-fading",
        what: "the same, with a penalty that fades away, much momentum, and rates that stay",
        sort: Sort::Provoked("dcgan"),
        settings: "penalty_end=1e-6 beta_1=0.9 schedule=constant",
    },
    Scenario {
        name: "dcgan-minimax",
        what: "the same by plain minimax, without penalty and average, with much momentum and rates that stay",
        sort: Sort::Provoked("dcgan"),
        settings: "loss=minimax r1=0 beta_1=0.9 ema=0 schedule=constant",
    },
    Scenario {
        name: "dcgan-later",
        what: "after 1,500 healthy steps of the small convolutional GAN: no penalty, much momentum, rates that stay",
        sort: Sort::Later("dcgan"),
        settings: "r1=0 beta_1=0.9 schedule=constant",
    },
];
