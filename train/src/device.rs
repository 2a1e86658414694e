//! Where networks compute.

use std::fmt;
use std::str::FromStr;

use candle_core::{DType, Device};

use crate::error::{Error, Result};
use crate::group::Ranks;

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first GPU, if this program was built for GPUs and there is one; else the CPU. In a group of processes
    /// a single one on the CPU would hold up all: there it is the process's own GPU as for `cuda`, and having
    /// none is an error.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this number. Without a number, in a group of processes: that of the process's number on its
    /// machine, modulo the number of GPUs.
    Cuda(Option<usize>),
}

/// Name and value of an environment variable that lets Candle's threads sleep as soon as a loop is done.
/// Otherwise they spin for about a millisecond after each, and take the processor from the threads that do
/// most of a step. Candle reads it once, before its first loop.
pub const CANDLE_SPINS: [&str; 2] = ["CANDLE_BARRIER_POOL_SPIN_LIMIT", "100"];

/// Whether this program was built for GPUs.
const IS_BUILT_FOR_CUDA: bool = cfg!(feature = "cuda");

impl DeviceChoice {
    /// The device.
    ///
    /// # Errors
    /// Where a GPU was asked for, or a group is to use GPUs, and this program is built without them or
    /// there is none of that number.
    pub fn open(self) -> Result<Device> {
        let is_in_group = matches!(Ranks::from_env(), Ok(Some(_)));
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Auto if !IS_BUILT_FOR_CUDA => Ok(Device::Cpu),
            Self::Auto if is_in_group => self.open_card(None, is_in_group),
            Self::Auto => self.open_card(None, is_in_group).or_else(|error| {
                tracing::warn!("networks compute on the CPU: {error}");
                Ok(Device::Cpu)
            }),
            Self::Cuda(_) if !IS_BUILT_FOR_CUDA => Err(self.refused(
                "this program is built without CUDA; `make build-cuda` builds target/cuda/release/bolid-cuda, \
                 which has it",
            )),
            Self::Cuda(asked) => self.open_card(asked, is_in_group),
        }
    }

    fn open_card(self, asked: Option<usize>, is_in_group: bool) -> Result<Device> {
        let own = || if is_in_group { card_of(local_rank().unwrap_or(0), cards()) } else { 0 };
        Device::new_cuda(asked.unwrap_or_else(own)).map_err(|cause| {
            self.refused(format!("{cause}; `nvidia-smi -L` lists the cards and their numbers"))
        })
    }

    fn refused(self, reason: impl Into<String>) -> Error {
        Error::Device { asked: self.to_string(), reason: reason.into() }
    }
}

/// The process's number on its machine, where torchrun set it, or Slurm.
fn local_rank() -> Option<usize> {
    ["LOCAL_RANK", "SLURM_LOCALID"].iter().find_map(|name| std::env::var(name).ok()?.parse().ok())
}

/// The GPU of a process: its own number, modulo the number of GPUs. Where a launcher shows each process only one
/// GPU, that is number 0.
fn card_of(local_rank: usize, cards: usize) -> usize {
    local_rank % cards.max(1)
}

/// How many GPUs this process sees; 0 where that cannot be had, and opening one then says why.
#[cfg(feature = "cuda")]
fn cards() -> usize {
    let count = candle_core::cuda::cudarc::driver::CudaContext::device_count();
    count.ok().and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
}

#[cfg(not(feature = "cuda"))]
fn cards() -> usize {
    0
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let card = |number: &str| number.parse().map(|number| Self::Cuda(Some(number))).ok();
        match text {
            "auto" => Some(Self::Auto),
            "cpu" => Some(Self::Cpu),
            "cuda" => Some(Self::Cuda(None)),
            _ => text.strip_prefix("cuda:").and_then(card),
        }
        .ok_or_else(|| format!("`{text}` is no device: auto, cpu, cuda, or cuda:N with the card's number"))
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(None) => f.write_str("cuda"),
            Self::Cuda(Some(number)) => write!(f, "cuda:{number}"),
        }
    }
}

/// What to call a device.
pub fn name(device: &Device) -> String {
    match device.location() {
        candle_core::DeviceLocation::Cpu => "cpu".to_owned(),
        candle_core::DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
        candle_core::DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
    }
}

/// The default type that large frozen networks compute in: bf16 on a GPU, which has units for it, f32 on the
/// CPU, where bf16 is slower.
pub fn compute_type(device: &Device) -> DType {
    if device.is_cpu() { DType::F32 } else { DType::BF16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_read_as_it_is_shown_and_anything_else_is_refused() {
        for text in ["auto", "cpu", "cuda", "cuda:0", "cuda:7"] {
            assert_eq!(text.parse::<DeviceChoice>().map(|choice| choice.to_string()), Ok(text.to_owned()));
        }
        for text in ["gpu", "cuda:", "cuda:x", "cuda:-1", "CPU", ""] {
            let said = text.parse::<DeviceChoice>().expect_err("no device");
            assert!(said.contains("cuda:N"), "{said}");
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_program_without_cuda_says_what_to_build_and_computes_on_the_cpu_by_itself() {
        let said = DeviceChoice::Cuda(Some(1)).open().expect_err("no card").to_string();
        assert!(said.contains("cuda:1") && said.contains("make build-cuda"), "{said}");
        assert!(DeviceChoice::Auto.open().expect("a device").is_cpu());
    }

    #[cfg(feature = "cuda")]
    #[test]
    fn a_card_that_is_not_there_is_refused_by_its_number() {
        let said = DeviceChoice::Cuda(Some(4096)).open().expect_err("no card").to_string();
        assert!(said.contains("cuda:4096") && said.contains("nvidia-smi"), "{said}");
    }

    #[test]
    fn processes_of_a_machine_have_a_card_each_as_far_as_there_are_some() {
        assert_eq!([0, 1, 2, 3].map(|local_rank| card_of(local_rank, 2)), [0, 1, 0, 1]);
        assert_eq!([0, 5].map(|local_rank| card_of(local_rank, 1)), [0, 0]);
        assert_eq!(card_of(3, 0), 0);
    }

    #[test]
    fn only_cards_compute_in_half_precision_by_themselves() {
        assert_eq!(compute_type(&Device::Cpu), DType::F32);
        assert_eq!(crate::fit::Precision::Auto.on(&Device::Cpu), DType::F32);
        assert_eq!(crate::fit::Precision::Bf16.on(&Device::Cpu), DType::BF16);
    }
}
