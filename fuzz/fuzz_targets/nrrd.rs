//! Reads whatever the fuzzer makes up as NRRD: `cargo +nightly fuzz run nrrd`.
#![no_main]

#[path = "../case.rs"]
mod case;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| case::NRRD.fuzz(bytes));
