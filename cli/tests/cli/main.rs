//! The command line as its users meet it: exit codes, messages, files.

#![allow(clippy::unwrap_used)] // a test may panic, and so may what it builds upon

mod case;
mod changed;
mod convert;
mod demo;
mod dicom;
mod files;
mod groups;
mod inspect;
mod phantom;
mod preview;
mod refused;
mod replay;
mod restore;
mod run;
mod schema;
mod series;
mod show;
mod surface;
