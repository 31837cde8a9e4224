//! Reads whatever the fuzzer makes up as numpy's `.npz`: `cargo +nightly fuzz run npz`.
#![no_main]

#[path = "../case.rs"]
mod case;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| case::NPZ.fuzz(bytes));
