//! Any bytes as a checkpoint.
#![no_main]
#[path = "../../tests/laws/mod.rs"]
mod laws;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laws::checkpoint(bytes));
