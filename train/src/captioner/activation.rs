//! The activations that published configurations name.

use crate::diffusion::json::Settings;
use crate::error::Result;
use crate::grad;
use candle_core::Tensor;

#[derive(Clone, Copy, Debug)]
pub(super) enum Activation {
    /// With the error function.
    Gelu,
    /// With the hyperbolic tangent.
    GeluTanh,
    Relu,
}

impl Activation {
    /// The word under `key`, `default` where there is none.
    pub(super) fn of(settings: &Settings, key: &str, default: Self) -> Result<Self> {
        match settings.value(key) {
            Some(_) => settings
                .choice(key, &[("gelu", Self::Gelu), ("gelu_new", Self::GeluTanh), ("relu", Self::Relu)]),
            None => Ok(default),
        }
    }

    pub(super) fn apply(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Gelu => grad::gelu(x),
            Self::GeluTanh => Ok(x.gelu()?),
            Self::Relu => Ok(x.relu()?),
        }
    }
}
