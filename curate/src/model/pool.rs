//! Things that are costly to make and that one thread uses at a time.

use std::sync::{Mutex, PoisonError};

/// The idle ones. There are never more than threads that use one at once.
#[derive(Debug)]
pub(super) struct Pool<T>(Mutex<Vec<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Pool<T> {
    /// With one to begin with.
    pub fn of(first: T) -> Self {
        Self(Mutex::new(vec![first]))
    }

    /// How many are idle.
    pub fn len(&self) -> usize {
        self.idle().len()
    }

    /// Adds one.
    pub fn put(&self, one: T) {
        self.idle().push(one);
    }

    /// Uses an idle one, or a new one where there is none. One that failed is not used again.
    pub fn with<R, E>(
        &self,
        make: impl FnOnce() -> Result<T, E>,
        work: impl FnOnce(&mut T) -> Result<R, E>,
    ) -> Result<R, E> {
        let idle = self.idle().pop();
        let mut one = idle.map_or_else(make, Ok)?;
        let made = work(&mut one)?;
        self.put(one);
        Ok(made)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<T>> {
        // A panic elsewhere leaves whole things in the list.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
