//! Prints how many tests of this run were skipped, and why: libtest counts them as passed.
//!
//! It has no harness and the last name, so that cargo runs it after all other tests; the documentation's examples, of which none is
//! ever skipped, come after it.

#![allow(clippy::print_stdout, reason = "this is what it is for")]

use std::collections::BTreeSet;

use ptyproof_testkit::skips::{SkipReason, records};

fn main() {
    // nextest lists the tests and runs each in a separate process
    if std::env::args().any(|a| a == "--list") {
        return;
    }
    let text = std::fs::read_to_string(records()).unwrap_or_default();
    let _ = std::fs::remove_file(records());
    // a test may need several files, but counts once
    let skipped: BTreeSet<&str> = text.lines().collect();
    let of = |lacks: SkipReason| {
        let word = format!("{}\t", lacks.name());
        let names = skipped.iter().filter_map(move |l| l.strip_prefix(&word));
        names.collect::<Vec<_>>()
    };
    println!("\nskipped tests: {}", skipped.len());
    for (lacks, why) in SkipReason::ALL.into_iter().zip([
        "need the reference's vectors, hubs or data (PTYPROOF_VECTORS, PTYPROOF_DATA; PTYPROOF_REQUIRE_VECTORS=1 makes them fail)",
        "need time (PTYPROOF_SLOW=1, or =all)",
        "need what this machine or this user has not",
    ]) {
        println!("  {:>3} {why}", of(lacks).len());
    }
    for name in of(SkipReason::Machine) {
        println!("      {name}");
    }
    println!();
}
