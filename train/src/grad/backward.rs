//! The backward pass, with gradients of variables handed over instead of added up.
//!
//! Candle makes zeros for every tensor that gets a gradient, and a sum with them: for a variable that is used once, three
//! passes over memory for nothing. So the operations of [`grad`](super) give the gradient of a variable to the pass
//! itself. Under Candle's own `backward` they return it as usual.

use super::choice::carried;
use crate::error::Result;
use candle_core::Tensor;
use candle_core::backprop::GradStore;
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

type Variables = HashMap<candle_core::TensorId, (Tensor, Tensor)>;

thread_local! {
    /// Variables and their gradients, while a pass runs on this thread.
    static HANDED: RefCell<Option<Variables>> = const { RefCell::new(None) };
}

/// Puts back what was there before, also where the pass panics.
struct Before(Option<Variables>);

impl Drop for Before {
    fn drop(&mut self) {
        HANDED.set(self.0.take());
    }
}

/// The gradients of `loss`, as [`Tensor::backward`] has them. It runs among rayon's threads, so that the operations need
/// not wake them one by one.
pub fn backward(loss: &Tensor) -> Result<GradStore> {
    in_pool(|| {
        // A thread that waits for others may begin another pass meanwhile: passes nest.
        let before = Before(HANDED.replace(Some(Variables::new())));
        let gradients = loss.backward();
        let handed = HANDED.take().unwrap_or_default();
        drop(before);
        let mut gradients = gradients?;
        for (variable, gradient) in handed.into_values() {
            // A variable that Candle's operators use as well.
            let gradient = match gradients.remove(&variable) {
                Some(other) => (other + gradient)?,
                None => gradient,
            };
            gradients.insert(&variable, gradient);
        }
        Ok(gradients)
    })
}

/// Runs `work` on a thread of rayon's pool: from any other, each parallel loop is a message there and back.
pub fn in_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let work = carried(work);
    rayon::scope(|_| work())
}

/// What an operation returns as the gradient of its argument `of`: nothing where the pass has taken it.
pub(super) fn hand_over(of: &Tensor, gradient: Option<Tensor>) -> candle_core::Result<Option<Tensor>> {
    let Some(gradient) = gradient else { return Ok(None) };
    if !of.is_variable() {
        return Ok(Some(gradient));
    }
    HANDED.with_borrow_mut(|handed| {
        let Some(handed) = handed else { return Ok(Some(gradient)) };
        match handed.entry(of.id()) {
            Entry::Occupied(mut entry) => {
                let (_, sum) = entry.get_mut();
                *sum = sum.add(&gradient)?;
            }
            Entry::Vacant(entry) => {
                entry.insert((of.clone(), gradient));
            }
        }
        Ok(None)
    })
}
