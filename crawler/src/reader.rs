//! Pages are read on threads of their own, so that a page that takes seconds holds up nothing: the network's one thread
//! goes on with the others and with photos at their pace. They are no threads of rayon's, of which there is one per
//! core: two hostile pages would take both of a small machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use photo::FailureClass;
use tokio::sync::{Notify, Semaphore};
use tokio::task::spawn_blocking;

use crate::address::Addresses;
use crate::extract::Extractor;
use crate::profile::Profile;
use crate::sniff::Refusal;

/// Pages that are read at once. A page at its limits takes some 150 MB, so eight take 1.2 GB at worst; a usual one takes
/// one, and 20 ms.
const AT_ONCE: usize = 8;

/// Reads the pages of one site.
pub(crate) struct Reader {
    site: Arc<(Profile, Addresses)>,
    room: Semaphore,
    busy: AtomicUsize,
    began: Notify,
}

impl Reader {
    pub(crate) fn new(profile: Profile, addresses: Addresses) -> Self {
        Self {
            site: Arc::new((profile, addresses)),
            room: Semaphore::new(AT_ONCE),
            busy: AtomicUsize::new(0),
            began: Notify::new(),
        }
    }

    /// Whether photos have pages of their own.
    pub(crate) fn has_photo_pages(&self) -> bool {
        self.site.0.photo.is_some()
    }

    /// How many pages are being read.
    pub(crate) fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    /// Waits until the next page begins to be read.
    pub(crate) async fn began(&self) {
        self.began.notified().await;
    }

    /// Does work on a page that takes the processor, not the network.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(Extractor<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let _permit = self.room.acquire().await;
        let _busy = Busy::begin(self);
        let site = Arc::clone(&self.site);
        let read = spawn_blocking(move || work(Extractor { profile: &site.0, addresses: &site.1 })).await;
        // A parser that fails on a stranger's page is that page's failure.
        let failed = |_| Err((FailureClass::TooLarge, "the page made its parser fail".to_owned()));
        read.unwrap_or_else(failed)
    }
}

/// Counts a page, also where nobody waits for it any more.
struct Busy<'a>(&'a Reader);

impl<'a> Busy<'a> {
    fn begin(reader: &'a Reader) -> Self {
        reader.busy.fetch_add(1, Ordering::Relaxed);
        reader.began.notify_one();
        Self(reader)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::time::{Duration, Instant};
    use url::Url;

    fn reader() -> Reader {
        let text =
            "site = 'a'\nstart = ['/']\n[index]\ncard = 'a'\nlink = {}\n[gallery]\ncard = 'a'\nlink = {}";
        let profile = Profile::parse(text, Path::new("a.toml")).unwrap();
        let addresses = Addresses::new(Url::parse("http://a.example/").unwrap(), None, &[]);
        Reader::new(profile, addresses)
    }

    #[tokio::test]
    async fn the_network_s_thread_goes_on_while_a_page_is_read_and_a_panic_is_the_page_s_failure() {
        let reader = reader();
        let started = Instant::now();
        let slow = reader.read(|_| {
            std::thread::sleep(Duration::from_millis(300));
            Ok(1)
        });
        let tick = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            started.elapsed()
        };
        let (read, ticked) = tokio::join!(slow, tick);
        assert_eq!(read, Ok(1));
        assert!(ticked < Duration::from_millis(250), "{ticked:?}");
        let broken: Result<(), _> = reader.read(|_| panic!("as the test wants it")).await;
        assert_eq!(broken.unwrap_err().0, FailureClass::TooLarge);
    }
}
