//! NIfTI and Analyze files made by hand, byte by byte, and what is read from and written to them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "all of this is test code"
)]

mod analyze;
mod damage;
mod kept;
mod pairs;
mod place;
mod values;
mod writing;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::affine::Affine;
use voxprep_core::volume::Volume;
use voxprep_core::voxels::Voxel;
use voxprep_io::{ReadOptions, WriteOptions};

/// A file made by hand: fields by their offset in the header.
#[derive(Clone)]
struct Made {
    bytes: Vec<u8>,
    big: bool,
}

impl Made {
    /// Identity sform, slope 0, of the given dimensions and datatype.
    fn new(big: bool, dim: &[i16], datatype: i16) -> Self {
        let mut made = Self {
            bytes: vec![0; 352],
            big,
        };
        made.i32(0, 348);
        made.i16(40, dim.len() as i16);
        for (i, &d) in dim.iter().enumerate() {
            made.i16(42 + 2 * i, d);
        }
        made.i16(70, datatype);
        (0..8).for_each(|i| made.f32(76 + 4 * i, 1.0));
        made.f32(108, 352.0);
        made.i16(254, 1);
        [280, 300, 320].into_iter().for_each(|at| made.f32(at, 1.0));
        made.bytes[344..348].copy_from_slice(b"n+1\0");
        made
    }

    fn i16(&mut self, at: usize, v: i16) {
        let bytes = if self.big {
            v.to_be_bytes()
        } else {
            v.to_le_bytes()
        };
        self.bytes[at..at + 2].copy_from_slice(&bytes);
    }

    fn i32(&mut self, at: usize, v: i32) {
        let bytes = if self.big {
            v.to_be_bytes()
        } else {
            v.to_le_bytes()
        };
        self.bytes[at..at + 4].copy_from_slice(&bytes);
    }

    fn f32(&mut self, at: usize, v: f32) {
        self.i32(at, v.to_bits() as i32);
    }

    /// Adds voxels, given as native bytes of `each`-byte numbers.
    fn voxels(mut self, native: &[u8], each: usize) -> Self {
        for number in native.chunks(each) {
            let mut number = number.to_vec();
            if self.big != cfg!(target_endian = "big") {
                number.reverse();
            }
            self.bytes.extend(number);
        }
        self
    }

    fn scaled(mut self, slope: f32, inter: f32) -> Self {
        self.f32(112, slope);
        self.f32(116, inter);
        self
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
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

fn read_bytes(bytes: &[u8]) -> voxprep_io::Result<Volume> {
    read(&Folder::new().with("a.nii", bytes))
}

fn write(path: &Path, volume: &Volume) -> voxprep_io::Result<()> {
    voxprep_io::write(path, volume, &WriteOptions::default())
}

fn all<T: Voxel>(volume: &Volume) -> Vec<T> {
    volume
        .voxels()
        .values::<T>()
        .expect("another type")
        .to_vec()
}

fn awkward(size: [usize; 3]) -> Geometry {
    // Oblique, anisotropic, sheared and left-handed at once.
    let linear = [[0.9, -0.2, 0.3], [0.25, 1.6, -0.4], [0.1, 0.5, -2.4]];
    Geometry::new(size, Affine::from_parts(linear, [10.5, -20.25, 30.125])).unwrap()
}
