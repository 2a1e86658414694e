//! Frozen weights as Winograd's algorithm multiplies them, and as other devices convolve gradients with them, kept from
//! step to step.
//!
//! Where there are few tiles, as at 8×8 cells of four pictures, transforming the weights takes longer than multiplying by them.

use super::real::Real;
use super::tile::{Direction, Side};
use crate::grad::hand::lock;
use candle_core::{CpuStorage, DType, Tensor};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What is kept in all, at the most: enough for every layer of a small network. Of SD 1.5, whose transformed weights take
/// 10 GB, the layers that ask first have their place.
const MAX_BYTES: usize = 256 << 20;
/// Tiles of an input beyond which transforming weights is a tenth of the work, and not worth the memory.
const MAX_TILES: usize = 216;

/// Bytes that are kept at the moment.
static BYTES: AtomicUsize = AtomicUsize::new(0);

/// Transformed weights of one layer, of which copies share what is kept.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    tiles: Arc<Mutex<Vec<Entry>>>,
    /// On other devices: the weight turned as the backward pass convolves with it. As large as the weight.
    turned: Arc<Mutex<Option<Tensor>>>,
}

type Entry = (Key, Arc<Values>);

/// The tile, the direction, and the first channel of the result.
pub(super) type Key = (Side, Direction, usize);

/// Values that give their place back when they are dropped.
#[derive(Debug)]
pub(super) struct Values {
    storage: CpuStorage,
    bytes: usize,
}

impl Values {
    pub(super) fn as_slice<T: Real>(&self) -> &[T] {
        T::cpu_storage_as_slice(&self.storage).unwrap_or_default()
    }
}

impl Drop for Values {
    fn drop(&mut self) {
        BYTES.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Kept {
    /// What is kept for `key`, of `len` elements made by `make` where it is asked for first; `None` where it is not worth its
    /// place for an input of so many tiles, or there is none left.
    pub(super) fn get<T: Real>(
        &self,
        key: Key,
        (tiles, len): (usize, usize),
        make: impl FnOnce(&mut [T]),
    ) -> Option<Arc<Values>> {
        if tiles > MAX_TILES {
            return None;
        }
        if let Some(values) = self.find::<T>(key) {
            return Some(values);
        }
        let bytes = len * size_of::<T>();
        let fits = |taken: usize| Some(taken + bytes).filter(|taken| *taken <= MAX_BYTES);
        BYTES.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        let mut data = vec![T::zero(); len];
        make(&mut data);
        let values = Arc::new(Values { storage: T::to_cpu_storage_owned(data), bytes });
        // Not held while the weights are transformed: a thread that waits for others may begin another pass through the
        // same layer. Of two that come at once the first one's stay, and the second one's give their place back.
        let mut kept = lock(&self.tiles);
        if let Some(first) = find_in::<T>(&kept, key) {
            return Some(first);
        }
        kept.push((key, values.clone()));
        drop(kept);
        Some(values)
    }

    /// The turned weight of a type, made by `make` where it is asked for first.
    pub(in crate::grad) fn turned(
        &self,
        dtype: DType,
        make: impl FnOnce() -> candle_core::Result<Tensor>,
    ) -> candle_core::Result<Tensor> {
        let mut turned = lock(&self.turned);
        if let Some(tensor) = turned.as_ref().filter(|tensor| tensor.dtype() == dtype) {
            return Ok(tensor.clone());
        }
        let tensor = make()?;
        *turned = Some(tensor.clone());
        Ok(tensor)
    }

    fn find<T: Real>(&self, key: Key) -> Option<Arc<Values>> {
        find_in::<T>(&lock(&self.tiles), key)
    }
}

fn find_in<T: Real>(kept: &[Entry], key: Key) -> Option<Arc<Values>> {
    let is_of_type = |values: &Values| T::cpu_storage_as_slice(&values.storage).is_ok();
    kept.iter().find(|(of, values)| *of == key && is_of_type(values)).map(|(_, values)| values.clone())
}
