//! Any text as JSON, a history, a list of steps or a snapshot.
#![no_main]
#[path = "../../tests/laws/mod.rs"]
mod laws;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laws::json(bytes));
