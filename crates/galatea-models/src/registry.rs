//! The families: one line each. Lists, help, tests and front ends are loops over this slice.

use galatea_data::DataSpec;

use crate::families::{
    bayesnet, dcgan, encoder, gan, hmm, iwae, lm, pianoroll, relgan, rgan, seqvae, timegan, vae, vaegan, vqvae,
};
use crate::{Entry, Error, Family, Result};

/// Every family, in the order in which lists show them.
pub static FAMILIES: &[&dyn Family] = &[
    &Entry::<dcgan::Dcgan>::new(),
    &Entry::<gan::Gan>::new(),
    &Entry::<vae::Vae>::new(),
    &Entry::<iwae::Iwae>::new(),
    &Entry::<vqvae::Vqvae>::new(),
    &Entry::<vaegan::Vaegan>::new(),
    &Entry::<encoder::Encoder>::new(),
    &Entry::<lm::Lm>::new(),
    &Entry::<relgan::RelGan>::new(),
    &Entry::<rgan::Rgan>::new(),
    &Entry::<timegan::TimeGan>::new(),
    &Entry::<seqvae::SeqVae>::new(),
    &Entry::<pianoroll::PianoRoll>::new(),
    &Entry::<hmm::Hmm>::new(),
    &Entry::<bayesnet::BayesNet>::new(),
];

/// The family called `name`.
///
/// # Errors
/// If there is none, with the nearest name.
pub fn family(name: &str) -> Result<&'static dyn Family> {
    FAMILIES.iter().copied().find(|family| family.info().name == name).ok_or_else(|| {
        let names: Vec<&str> = FAMILIES.iter().map(|family| family.info().name).collect();
        let hint = match galatea_data::settings::nearest(name, &names) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("families are {}", names.join(", ")),
        };
        Error::usage(format!("there is no family `{name}`"), hint)
    })
}

/// How data of `spec` can be read otherwise, so that a family that takes these modalities takes them.
pub(crate) fn other_reading(spec: &DataSpec, modalities: &[&str]) -> Option<&'static str> {
    let takes = |modality: &str| modalities.contains(&modality);
    match spec {
        DataSpec::Table(_) if takes("series") => Some("`--set data.window=24` reads the file as a series"),
        spec if spec.music().is_none() => None,
        _ if takes("music") => Some("leave `data.tokens` out, and it is read as piano rolls"),
        _ if takes("text") => Some("`--set data.tokens=events` reads music as a text of events"),
        _ if takes("series") => Some("`--set data.tokens=notes` reads music as a series of notes"),
        _ => None,
    }
}
