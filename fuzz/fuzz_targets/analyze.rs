//! Reads whatever the fuzzer makes up as Analyze 7.5: `cargo +nightly fuzz run analyze`.
#![no_main]

#[path = "../case.rs"]
mod case;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| case::ANALYZE.fuzz(bytes));
