//! Where tensors live.

use burn::prelude::Device;

use crate::{Error, Result};

/// The devices that this build knows, the default first.
pub const DEVICES: &[&str] = &["cpu"];

/// The device called `name`.
///
/// # Errors
/// If this build does not have it.
pub fn device(name: &str) -> Result<Device> {
    match name {
        "cpu" => Ok(Device::flex()),
        "cuda" | "wgpu" | "gpu" | "metal" | "vulkan" | "rocm" => Err(Error::usage(
            format!("this build has no device `{name}`"),
            "it was built for the CPU; use `--device cpu` or leave the option out",
        )),
        other => Err(Error::usage(
            format!("there is no device `{other}`"),
            format!("devices of this build are {}", DEVICES.join(", ")),
        )),
    }
}
