//! Reads whatever the fuzzer makes up as safetensors: `cargo +nightly fuzz run safetensors`.
#![no_main]

#[path = "../case.rs"]
mod case;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| case::SAFETENSORS.fuzz(bytes));
