//! Any bytes as an array: a plane of a hub, an object.
#![no_main]
#[path = "../../tests/laws/mod.rs"]
mod laws;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laws::npy(bytes));
