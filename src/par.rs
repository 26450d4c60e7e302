//! Threads are explicit: a [`Pool`] is passed to the functions that use it, and never changes a result.
//!
//! *Law.* Work is cut into chunks whose number depends on the problem alone, each chunk has one
//! writer, and partial results are folded in chunk order. So the result is bit-identical for 1 and n threads.

use crate::error::{Error, Result};

/// A fixed set of worker threads.
#[derive(Debug)]
pub struct Pool {
    inner: rayon::ThreadPool,
    threads: usize,
}

impl Pool {
    /// A pool of `threads` workers.
    ///
    /// # Errors
    /// Unless `1 <= threads <= 1024`, or if the system refuses to start them.
    pub fn new(threads: usize) -> Result<Self> {
        if !(1..=1024).contains(&threads) {
            return Err(Error::usage("starting the threads")
                .at("`threads`")
                .got(threads)
                .need("1 to 1024"));
        }
        let inner = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|e| Error::usage("starting the threads").because(e))?;
        Ok(Self { inner, threads })
    }

    /// The number of workers.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `f` with every `rayon` iterator inside it on this pool.
    pub fn run<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        self.inner.install(f)
    }
}
