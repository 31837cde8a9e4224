//! MetaImage, NRRD and Analyze 7.5 as they are written: files that SimpleITK, pynrrd and a script
//! made (`make.py`), files made here line by line, real files, and what other programs read of ours.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "all of this is test code"
)]

mod analyze;
mod damage;
mod frames;
mod made;
mod peers;
mod real;
mod rules;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tempfile::TempDir;
use voxprep_core::volume::{AxisKind, Volume};
use voxprep_io::{ReadOptions, WriteOptions};

/// A volume as another program reads it.
#[derive(Deserialize)]
struct Row {
    path: String,
    channels: usize,
    size: [usize; 3],
    r#type: String,
    affine: [[f64; 4]; 3],
    values: Vec<f64>,
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn with(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

fn read(path: &Path) -> voxprep_io::Result<Volume> {
    voxprep_io::read(path, &ReadOptions::default())
}

fn write(path: &Path, volume: &Volume) -> voxprep_io::Result<()> {
    voxprep_io::write(path, volume, &WriteOptions::default())
}

fn level(level: u32) -> WriteOptions {
    WriteOptions {
        level,
        ..WriteOptions::default()
    }
}

/// The message of what must be an error: one line that ends with the path.
fn refused(path: &Path) -> String {
    let message = read(path).map(|_| ()).unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    let header = voxprep_io::read_header(path, &ReadOptions::default());
    assert!(header.is_err() || message.contains("stream") || message.contains("voxel"));
    message
}

/// All values, x fastest, channel after channel.
fn values(volume: &Volume) -> Vec<f64> {
    let voxels = volume.voxels();
    let [x, y, z] = voxels.size();
    let mut all = Vec::new();
    for c in 0..voxels.channels() {
        for i in 0..x * y * z {
            let index = [i % x, i / x % y, i / (x * y)];
            all.push(voxels.get(c, index).unwrap());
        }
    }
    all
}

/// Kinds, lengths and steps of the channel axes.
fn axes(volume: &Volume) -> Vec<(AxisKind, usize, Option<f64>)> {
    let axes = volume.header().channels.axes.iter();
    axes.map(|a| (a.kind, a.length, a.step)).collect()
}

fn fact<'a>(volume: &'a Volume, key: &str) -> Option<&'a serde_json::Value> {
    volume.header().facts.get(key)
}

/// Whether both have the same voxels, place and channels.
fn assert_same(again: &Volume, original: &Volume, what: &str) {
    assert_eq!(
        again.header().element_type,
        original.header().element_type,
        "{what}"
    );
    assert!(
        again.voxels().bytes() == original.voxels().bytes(),
        "{what}: the voxels differ"
    );
    assert!(
        again.geometry().is_close(original.geometry(), 1e-6),
        "{what}: {:?} {:?}",
        again.geometry(),
        original.geometry()
    );
    assert_eq!(axes(again), axes(original), "{what}");
    let [written, kept] = [again, original].map(|v| &v.header().channels.names);
    assert_eq!(written, kept, "{what}");
}
