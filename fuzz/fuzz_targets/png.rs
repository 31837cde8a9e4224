//! Reads whatever the fuzzer makes up as PNG: `cargo +nightly fuzz run png`.
#![no_main]

#[path = "../case.rs"]
mod case;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| case::PNG.fuzz(bytes));
