//! The only clock in the program.

use std::sync::OnceLock;
use std::time::Instant;

use jiff::{Timestamp, Unit};

/// The time now, in UTC, to the microsecond: `2026-01-20T06:03:45.914431+00:00`.
pub(super) fn now() -> String {
    let now = Timestamp::now();
    let rounded = now.round(Unit::Microsecond).unwrap_or(now);
    format!("{}", rounded.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00"))
}

/// Seconds since the program began, which is when this is first called.
pub(super) fn seconds_since_start() -> f64 {
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    BEGIN.get_or_init(Instant::now).elapsed().as_secs_f64()
}
