//! Reads whatever the fuzzer makes up as MetaImage: `cargo +nightly fuzz run metaimage`.
#![no_main]

#[path = "../case.rs"]
mod case;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| case::METAIMAGE.fuzz(bytes));
