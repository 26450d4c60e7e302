//! Any text as a tolerance file.
#![no_main]
#[path = "../../tests/laws/mod.rs"]
mod laws;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laws::tolerances(bytes));
