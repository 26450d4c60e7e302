//! Wall time per stage.

use std::collections::BTreeMap;

/// Adds up the seconds of each stage.
pub(super) struct Stopwatch<'a> {
    clock: &'a dyn Fn() -> f64,
    /// By stage.
    pub(super) seconds: BTreeMap<String, f64>,
}

impl<'a> Stopwatch<'a> {
    pub(super) fn new(clock: &'a dyn Fn() -> f64) -> Self {
        Self {
            clock,
            seconds: BTreeMap::new(),
        }
    }

    pub(super) fn time<R>(&mut self, stage: &str, f: impl FnOnce() -> R) -> R {
        let begin = (self.clock)();
        let result = f();
        *self.seconds.entry(stage.into()).or_default() += (self.clock)() - begin;
        result
    }
}
