//! Reads whatever the fuzzer makes up as JPEG: `cargo +nightly fuzz run jpeg`.
#![no_main]

#[path = "../case.rs"]
mod case;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| case::JPEG.fuzz(bytes));
