//! DICOM files and folders: real ones of many makers, and made ones with every trap.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "all of this is test code"
)]

mod made;
mod references;
mod shared;
mod traps;
