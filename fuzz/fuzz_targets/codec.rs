//! Decodes frames of DICOM pixel data that the fuzzer makes up: `cargo +nightly fuzz run codec`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| voxprep_io::fuzz_frame(bytes));
