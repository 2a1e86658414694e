//! Frozen weights in the form that convolutions multiply by, kept from step to step: transformed for Winograd's
//! algorithm on the CPU, rotated by 180° for gradients on other devices.
//!
//! For few tiles, such as those of four maps of 8×8, transforming the weights takes longer than multiplying by
//! them.

use super::real::Real;
use super::tile::{Direction, Side};
use crate::grad::nary::lock;
use candle_core::{CpuStorage, DType, Tensor};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Most bytes of all caches together: enough for every layer of a small network. The transformed weights of SD 1.5
/// would take 10 GB; there, the layers that ask first are cached.
const MAX_BYTES: usize = 256 << 20;
/// For more tiles, transforming the weights is less than a tenth of the work, and not worth the memory.
const MAX_TILES: usize = 216;

/// Bytes in all caches at the moment.
static BYTES: AtomicUsize = AtomicUsize::new(0);

/// The transformed weights of one layer. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct WeightCache {
    tiles: Arc<Mutex<Vec<Entry>>>,
    /// On other devices: the weight rotated by 180°, as the backward pass convolves with it. As large as the
    /// weight.
    turned: Arc<Mutex<Option<Tensor>>>,
}

type Entry = (Key, Arc<Values>);

/// The tile, the direction, and the first channel of the result.
pub(super) type Key = (Side, Direction, usize);

/// Values whose bytes no longer count once they are dropped.
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

impl WeightCache {
    /// The `len` values of `key`, which `make` computes the first time. `None` for too many `tiles`, or where the
    /// caches are full.
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
        // The lock is not held while the weights are transformed: a thread that waits for rayon's tasks may begin
        // another pass through the same layer. Of two that transform at once, the first one's values stay.
        let mut cache = lock(&self.tiles);
        if let Some(first) = find_in::<T>(&cache, key) {
            return Some(first);
        }
        cache.push((key, values.clone()));
        drop(cache);
        Some(values)
    }

    /// The rotated weight in the type `dtype`, which `make` computes the first time.
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

fn find_in<T: Real>(cache: &[Entry], key: Key) -> Option<Arc<Values>> {
    let is_of_type = |values: &Values| T::cpu_storage_as_slice(&values.storage).is_ok();
    cache.iter().find(|(of, values)| *of == key && is_of_type(values)).map(|(_, values)| values.clone())
}
