//! What `bench/peers/compare.py` compares PyTorch's networks with.

use std::path::Path;

use galatea::{HostTensor, SampleRequest, write};
use galatea_models::Turn;

use crate::{Result, cases, say};

/// Samples that are compared.
const SAMPLES: u64 = 16;

/// Writes the fresh weights of a case into `folder`, one array a file, with latent vectors and what the generator makes of
/// them, and a batch and what the discriminator says of it.
pub(crate) fn dump(case: &str, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let save = |name: &str, array: &HostTensor| -> Result<()> {
        Ok(std::fs::write(folder.join(format!("{name}.npy")), write::npy::floats(array))?)
    };
    let mut session = cases::session(case)?;
    for part in session.parts() {
        let prefix = match part.name.as_str() {
            name if name == session.sampling_part() => "sampling",
            "discriminator" => "discriminator",
            _ => continue,
        };
        for (name, array) in &part.tensors {
            save(&format!("{prefix}.{name}"), array)?;
        }
    }
    let latent = session.as_latent().ok_or("the family has no latent space")?;
    let latents = latent.latents(&SampleRequest::new(0, SAMPLES));
    let images = latent.decode(&latents, None)?;
    save("latents", &latents)?;
    save("images", &images)?;
    let real = cases::batch(&*session, 0);
    // The first step judges real examples before it changes a weight.
    let report = session.step(Turn { seed: 1, step: 1, steps: 2 }, std::slice::from_ref(&real))?;
    let judged = report.get("d_real").ok_or("the family does not say what it thinks of real examples")?;
    save("real", &real.values)?;
    save("judged", &HostTensor::new([1], vec![judged as f32]))?;
    say(&serde_json::json!({ "parameters": session.parameters(), "shape": images.shape }))
}
