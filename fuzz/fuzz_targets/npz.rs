//! Any bytes as a data file, a probe or an object.
#![no_main]
#[path = "../../tests/laws/mod.rs"]
mod laws;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laws::npz(bytes));
