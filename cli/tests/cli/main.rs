//! The command line as its users meet it: exit codes, messages, files.

#![allow(clippy::unwrap_used)] // a test may panic, and so may what it builds upon

mod case;
mod files;
mod inspect;
mod refused;
mod run;
