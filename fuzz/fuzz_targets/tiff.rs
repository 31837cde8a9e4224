//! Reads whatever the fuzzer makes up as TIFF: `cargo +nightly fuzz run tiff`.
#![no_main]

#[path = "../case.rs"]
mod case;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| case::TIFF.fuzz(bytes));
