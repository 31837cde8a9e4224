//! Reads whatever the fuzzer makes up: `cargo +nightly fuzz run read`.
#![no_main]

#[path = "../case.rs"]
mod case;

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// One folder for all inputs, in memory where the system has such a place.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.expect("a temporary folder")
});

fuzz_target!(|bytes: &[u8]| {
    if let Some(case) = case::Case::parse(bytes) {
        case.run(FOLDER.path());
    }
});
