//! Warnings are for what a person should act on, and each ends with what to do. The rest is a note.

use ptyproof::number::count;
use ptyproof_harness::log::Log;

/// Tells a count of a run that is above zero.
pub(super) fn tell_counter(log: &Log, name: &str, number: u64) {
    let n = count(number);
    match name {
        // a scenario may be made so: what lies outside is dark, as its definition says
        "simulated_patch_pixels_outside_object" => log.note(format!(
            "simulation: {n} pixels of patches lie outside the object and count as dark; a larger --buffer avoids it"
        )),
        "objects_non_finite_pixels" => log.warn(format!(
            "inference: {n} pixels of objects are not finite; `ptyproof replay HUB` repeats the first operation that failed"
        )),
        "stitch_dropped_pixels" => log.warn(format!(
            "stitching: {n} pixels lie beyond the canvas and are lost; `ptyproof doctor` tests whether positions are in pixels"
        )),
        "dark_pixels" => log.info(format!(
            "{name}: up to {n} in an iteration; they have no phase to keep and wait for the next one"
        )),
        "patterns_outside" => log.warn(format!(
            "{name}: up to {n} in an iteration; smaller steps of --refine-positions keep them on the canvas"
        )),
        "non_finite" => log.warn(format!(
            "{name}: up to {n} in an iteration; smaller steps (--object-step, --probe-step) may avoid it"
        )),
        _ => log.warn(format!("{name}: {n}; please report it: this count has no name")),
    }
}
