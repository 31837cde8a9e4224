//! Reads whatever the fuzzer makes up as NIfTI: `cargo +nightly fuzz run nifti`.
#![no_main]

#[path = "../case.rs"]
mod case;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| case::NIFTI.fuzz(bytes));
