//! Any bytes as a ptychodus product; the format is detected by content.
#![no_main]
#[path = "../../tests/laws/mod.rs"]
mod laws;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laws::data_file(bytes));
