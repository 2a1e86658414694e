//! The backward pass, in which gradients of variables are collected here instead of being added up by Candle.
//!
//! Candle allocates zeros for every tensor that gets a gradient and adds the gradient to them: three passes
//! over memory, which a variable that is used once does not need. So the operations of [`grad`](super) pass a
//! variable's gradient to [`backward`] directly, by `hand_over`. Under Candle's own `backward` they return it
//! as usual.

use super::choice::carried;
use crate::error::Result;
use candle_core::Tensor;
use candle_core::backprop::GradStore;
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

type Variables = HashMap<candle_core::TensorId, (Tensor, Tensor)>;

thread_local! {
    /// The variables' gradients so far, while [`backward`] runs on this thread.
    static HANDED: RefCell<Option<Variables>> = const { RefCell::new(None) };
}

/// Puts back what was there before, also where the pass panics.
struct Before(Option<Variables>);

impl Drop for Before {
    fn drop(&mut self) {
        HANDED.set(self.0.take());
    }
}

/// The gradients of `loss`, as [`Tensor::backward`] gives them. It runs on a thread of rayon's pool, where
/// starting a parallel loop is cheap.
pub fn backward(loss: &Tensor) -> Result<GradStore> {
    in_pool(|| {
        // While this thread waits for rayon's tasks it may run another task that begins a pass: passes nest.
        let before = Before(HANDED.replace(Some(Variables::new())));
        let gradients = loss.backward();
        let handed = HANDED.take().unwrap_or_default();
        drop(before);
        let mut gradients = gradients?;
        for (variable, gradient) in handed.into_values() {
            // Candle has one too, if its own operators use the variable as well.
            let gradient = match gradients.remove(&variable) {
                Some(other) => (other + gradient)?,
                None => gradient,
            };
            gradients.insert(&variable, gradient);
        }
        Ok(gradients)
    })
}

/// Runs `work` on a thread of rayon's pool: from any other thread, each parallel loop sends a job to the pool
/// and waits for it.
pub fn in_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let work = carried(work);
    rayon::scope(|_| work())
}

/// What an operation returns as the gradient of its argument `of`: `None` where [`backward`] has taken it.
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
