//! Where models run: on the processor's cores, or on an NVIDIA GPU.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What runs the models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// The processor, one photo per core.
    #[default]
    Cpu,
    /// The first NVIDIA GPU.
    Cuda,
}

impl Device {
    /// The name in recipes and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no device.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no device; the devices are cpu, cuda")]
pub struct ParseDeviceError(String);

impl FromStr for Device {
    type Err = ParseDeviceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Cpu, Self::Cuda]
            .into_iter()
            .find(|device| device.name() == text)
            .ok_or_else(|| ParseDeviceError(text.to_owned()))
    }
}
