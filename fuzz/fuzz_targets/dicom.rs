//! Reads whatever the fuzzer makes up as DICOM: `cargo +nightly fuzz run dicom`.
#![no_main]

#[path = "../case.rs"]
mod case;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| case::DICOM.fuzz(bytes));
