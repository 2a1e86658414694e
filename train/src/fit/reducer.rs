//! How the gradients of a group's processes are added up.

use candle_core::{Device, Tensor};

use super::error::FitError;
#[cfg(feature = "nccl")]
use crate::group::Cards;
use crate::group::Group;

/// Adds up tensors: over the group's connections, or between its cards where each process has one of its own and all were
/// built with NCCL.
pub(super) struct Reducer<'a> {
    pub group: &'a Group,
    #[cfg(feature = "nccl")]
    cards: Option<Cards>,
}

impl<'a> Reducer<'a> {
    /// Of processes that compute on `device`, each on its own. All make theirs at the same time.
    pub fn new(group: &'a Group, device: &Device) -> Result<Self, FitError> {
        let all = group.all_gather(&card_id(device)?)?;
        #[cfg(feature = "nccl")]
        let cards = match device {
            Device::Cuda(device) if are_distinct(&all) => Some(Cards::join(group, device)?),
            _ => None,
        };
        if group.rank() == 0 && !device.is_cpu() && !(cfg!(feature = "nccl") && are_distinct(&all)) {
            tracing::info!(
                "gradients are added up over TCP: not every process has NCCL and a card of its own"
            );
        }
        Ok(Self {
            group,
            #[cfg(feature = "nccl")]
            cards,
        })
    }

    /// The sum over all processes of a vector of f32, the same to the bit in all.
    pub fn sum(&self, flat: &Tensor) -> Result<Tensor, FitError> {
        #[cfg(feature = "nccl")]
        if let Some(cards) = &self.cards {
            let sums = cards.all_reduce_sum(flat)?;
            // A process that ended before it came here would leave the others' cards waiting; its connection tells.
            self.group.all_gather(&[])?;
            return Ok(sums);
        }
        let mut values: Vec<f32> = flat.to_device(&Device::Cpu)?.to_vec1()?;
        self.group.all_reduce_sum(&mut values)?;
        Ok(Tensor::from_vec(values, flat.shape(), flat.device())?)
    }
}

/// What no other process's card has; nothing where this process adds up over TCP.
fn card_id(device: &Device) -> Result<Vec<u8>, FitError> {
    match device {
        #[cfg(feature = "nccl")]
        Device::Cuda(device) => Ok(crate::group::cards::id(device)?),
        _ => Ok(Vec::new()),
    }
}

/// Whether all have a card, and each another one.
fn are_distinct(ids: &[Vec<u8>]) -> bool {
    ids.iter().enumerate().all(|(at, id)| !id.is_empty() && !ids[..at].contains(id))
}

#[cfg(test)]
mod tests {
    use super::are_distinct;

    #[test]
    fn cards_are_joined_where_each_process_has_one_of_its_own() {
        let card = |number: u8| vec![number; 16];
        assert!(are_distinct(&[card(1), card(2), card(3)]));
        assert!(!are_distinct(&[card(1), card(2), card(1)]), "two on one card");
        assert!(!are_distinct(&[card(1), Vec::new()]), "one without NCCL, or on the CPU");
    }
}
