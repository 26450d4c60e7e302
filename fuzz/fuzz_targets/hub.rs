//! Any text as each JSON file of a hub.
#![no_main]
#[path = "../../tests/laws/mod.rs"]
mod laws;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laws::hub(bytes));
