//! The last drawn pictures, up to a number of bytes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::Route;

#[derive(Debug)]
pub(super) struct Cache {
    max_bytes: usize,
    bytes: usize,
    pictures: HashMap<Route, Arc<Vec<u8>>>,
    /// Least recently used first.
    order: VecDeque<Route>,
}

impl Cache {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, bytes: 0, pictures: HashMap::new(), order: VecDeque::new() }
    }

    pub(super) fn get(&mut self, route: Route) -> Option<Arc<Vec<u8>>> {
        let found = Arc::clone(self.pictures.get(&route)?);
        self.order.retain(|other| *other != route);
        self.order.push_back(route);
        Some(found)
    }

    pub(super) fn insert(&mut self, route: Route, picture: Arc<Vec<u8>>) {
        self.bytes += picture.len();
        self.order.retain(|other| *other != route);
        self.order.push_back(route);
        if let Some(old) = self.pictures.insert(route, picture) {
            self.bytes -= old.len();
        }
        while self.bytes > self.max_bytes
            && let Some(oldest) = self.order.pop_front()
            && let Some(picture) = self.pictures.remove(&oldest)
        {
            self.bytes -= picture.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_that_was_not_used_for_longest_goes_first() {
        let mut cache = Cache::new(10);
        let route = |letter| Route::Letter(letter);
        cache.insert(route('a'), Arc::new(vec![0; 4]));
        cache.insert(route('b'), Arc::new(vec![0; 4]));
        cache.get(route('a')).unwrap();
        cache.insert(route('c'), Arc::new(vec![0; 4]));
        assert!(cache.get(route('b')).is_none() && cache.get(route('a')).is_some());
        cache.insert(route('d'), Arc::new(vec![0; 11]));
        assert_eq!((cache.bytes, cache.pictures.len()), (0, 0));
    }
}
