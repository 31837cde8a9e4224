//! npy, npz and safetensors: files of numpy, torch and safetensors (`make.py`) as these read them,
//! ours as they and other crates read them, and what is refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "all of this is test code"
)]

mod damage;
mod others;
mod peers;
mod round_trip;

use std::path::{Path, PathBuf};

use voxprep_core::volume::Volume;
use voxprep_io::ReadOptions;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/arrays/others")
}

fn read(path: &Path) -> Volume {
    voxprep_io::read(path, &ReadOptions::default()).unwrap()
}

fn refused(path: &Path) -> String {
    let message = voxprep_io::read(path, &ReadOptions::default())
        .unwrap_err()
        .to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

fn values(volume: &Volume) -> Vec<f64> {
    let voxels = volume.voxels();
    let [x, y, z] = voxels.size();
    (0..voxels.channels())
        .flat_map(|c| (0..x * y * z).map(move |i| (c, [i % x, i / x % y, i / (x * y)])))
        .map(|(c, index)| voxels.get(c, index).unwrap())
        .collect()
}
