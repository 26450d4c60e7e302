//! Any bytes as a history: JSON of four kinds, or CSV.
#![no_main]
#[path = "../../tests/laws/mod.rs"]
mod laws;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laws::history(bytes));
