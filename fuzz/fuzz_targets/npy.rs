//! Reads whatever the fuzzer makes up as numpy's `.npy`: `cargo +nightly fuzz run npy`.
#![no_main]

#[path = "../case.rs"]
mod case;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| case::NPY.fuzz(bytes));
