//! What is measured.

use anyhow::{Context, bail};

use super::flops::{adversarial, dcgan, lstm, mlp, sampling, transformer};

/// A case.
pub(crate) struct Case {
    /// Name on the command line, and to the programs that run it.
    pub(crate) name: &'static str,
    /// In the table.
    pub(crate) title: &'static str,
    /// How it is measured.
    pub(crate) how: How,
    /// Who does the same work.
    pub(crate) peer: Peer,
    /// Floating-point operations of a step, where its matrix products are what takes the time.
    pub(crate) flops: Option<fn() -> u64>,
}

/// How a case is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum How {
    /// Milliseconds of steps in processes that live through all rounds.
    Steps,
    /// Milliseconds of a whole process that makes one training step.
    Start,
    /// Mebibytes that a process that trains holds at most.
    Memory,
    /// Seconds of training until samples are as good as the peer's best.
    Quality,
}

/// Who does the same work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Peer {
    PyTorch,
    Keras,
}

const LISTING: [&[u64]; 2] = [&[100, 128, 256, 512, 1024, 784], &[784, 1024, 512, 256, 128, 1]];

fn mlp_step(n: u64) -> u64 {
    adversarial(&mlp(LISTING[0]), &mlp(LISTING[1]), n)
}

fn dcgan_step(side: u64, channels: u64, widest: u64, n: u64) -> u64 {
    let [generator, discriminator] = dcgan(side, channels, 100, widest);
    adversarial(&generator, &discriminator, n)
}

/// Every case, in the order in which they are measured and shown.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "mlp-32",
        title: "MLP GAN step, batch 32",
        how: How::Steps,
        peer: Peer::PyTorch,
        flops: Some(|| mlp_step(32)),
    },
    Case {
        name: "mlp-256",
        title: "MLP GAN step, batch 256",
        how: How::Steps,
        peer: Peer::PyTorch,
        flops: Some(|| mlp_step(256)),
    },
    Case {
        name: "dcgan-28",
        title: "DCGAN step, 28x28 grey, batch 64",
        how: How::Steps,
        peer: Peer::PyTorch,
        flops: Some(|| dcgan_step(28, 1, 256, 64)),
    },
    Case {
        name: "dcgan-64",
        title: "DCGAN step, 64x64 RGB, batch 32",
        how: How::Steps,
        peer: Peer::PyTorch,
        flops: Some(|| dcgan_step(64, 3, 512, 32)),
    },
    Case {
        name: "sample",
        title: "sampling 10,000 digits",
        how: How::Steps,
        peer: Peer::PyTorch,
        flops: Some(sampling),
    },
    Case {
        name: "lstm",
        title: "LSTM step, 2 layers of 256, length 64, batch 32",
        how: How::Steps,
        peer: Peer::PyTorch,
        flops: Some(|| lstm(2, 256, 64, 32)),
    },
    Case {
        name: "lm-train",
        title: "step of nanoGPT's CPU setting, batch 12",
        how: How::Steps,
        peer: Peer::PyTorch,
        flops: Some(|| 3 * transformer(4, 128, 65, 64, 12)),
    },
    Case {
        name: "lm-write",
        title: "64 tokens of one text by that model",
        how: How::Steps,
        peer: Peer::PyTorch,
        flops: None,
    },
    Case { name: "adam", title: "Adam on 10 million parameters", how: How::Steps, peer: Peer::PyTorch, flops: None },
    Case {
        name: "listing",
        title: "step of the Keras listing, batch 32",
        how: How::Steps,
        peer: Peer::Keras,
        flops: None,
    },
    Case { name: "start", title: "start to first step", how: How::Start, peer: Peer::PyTorch, flops: None },
    Case { name: "memory", title: "peak memory of training", how: How::Memory, peer: Peer::PyTorch, flops: None },
    Case { name: "quality", title: "time to digits", how: How::Quality, peer: Peer::PyTorch, flops: None },
];

impl Case {
    /// The unit of its figures.
    pub(crate) fn unit(&self) -> &'static str {
        match self.how {
            How::Steps | How::Start => "ms",
            How::Memory => "MiB",
            How::Quality => "s",
        }
    }
}

/// The cases of a list such as `mlp-32,adam`; without one all but `quality`, which takes a quarter of an hour.
pub(crate) fn chosen(list: Option<&str>) -> anyhow::Result<Vec<&'static Case>> {
    let Some(list) = list else {
        return Ok(CASES.iter().filter(|case| case.how != How::Quality).collect());
    };
    if list == "all" {
        return Ok(CASES.iter().collect());
    }
    let wanted: Vec<&str> = list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    for name in &wanted {
        CASES
            .iter()
            .find(|case| case.name == *name)
            .with_context(|| format!("there is no case `{name}`\nhint: cases are {}, or `all`", names().join(", ")))?;
    }
    if wanted.is_empty() {
        bail!("`--cases` names none\nhint: cases are {}, or `all`", names().join(", "));
    }
    Ok(CASES.iter().filter(|case| wanted.contains(&case.name)).collect())
}

fn names() -> Vec<&'static str> {
    CASES.iter().map(|case| case.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen_names(list: Option<&str>) -> Vec<&'static str> {
        chosen(list).unwrap().iter().map(|case| case.name).collect()
    }

    #[test]
    fn cases_are_chosen_by_name_in_their_own_order() {
        assert_eq!(chosen_names(Some("adam, mlp-32,,adam")), ["mlp-32", "adam"]);
        assert_eq!(chosen_names(Some("all")).len(), CASES.len());
        assert!(!chosen_names(None).contains(&"quality"));
    }

    #[test]
    fn unknown_cases_are_refused_with_the_known_ones() {
        for list in ["mlp-32,mpl", ",", ""] {
            let error = chosen(Some(list)).err().unwrap().to_string();
            assert!(error.contains("hint: cases are mlp-32,"), "{error}");
        }
    }

    #[test]
    fn names_are_distinct() {
        let distinct: std::collections::HashSet<&str> = names().into_iter().collect();
        assert_eq!(distinct.len(), CASES.len());
    }
}
