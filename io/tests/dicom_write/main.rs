//! DICOM as it is written, edited and deidentified.
#![cfg(feature = "dicom")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "all of this is test code"
)]

mod deidentified;
mod edited;
mod images;
mod killed;
mod made;
mod peers;
mod segmentations;

use std::path::Path;

use tempfile::TempDir;
use voxprep_core::buf::Buf;
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::affine::Affine;
use voxprep_core::volume::{Modality, Volume};
use voxprep_core::voxels::{Voxel, Voxels};
use voxprep_io::ReadOptions;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn read(path: &Path) -> Volume {
    voxprep_io::read(path, &ReadOptions::default()).unwrap()
}

/// A volume on a grid whose values are all different, as far as the type goes.
fn volume<T: Voxel>(grid: &Geometry, value: impl Fn(usize) -> T) -> Volume
where
    Buf<T>: From<Vec<T>>,
{
    let values: Vec<T> = (0..grid.voxels()).map(value).collect();
    let voxels = Voxels::new(1, grid.size(), values.into()).unwrap();
    Volume::new(grid.clone(), voxels).unwrap()
}

/// A CT of 16-bit numbers from -1000 on.
fn ct(grid: &Geometry) -> Volume {
    volume(grid, |i| (i % 4000) as i16 * 7 - 1000).with_modality(Modality::Ct)
}

/// Three sizes, three spacings, an origin off every axis.
fn aligned() -> Geometry {
    Geometry::aligned([5, 4, 3], [0.7, 1.1, 2.5], [-12.25, 33.5, 101.125]).unwrap()
}

fn columns(x: [f64; 3], y: [f64; 3], z: [f64; 3]) -> Geometry {
    Geometry::new(
        [5, 4, 3],
        Affine::from_columns([x, y, z], [10.0, -20.0, 30.5]),
    )
    .unwrap()
}

/// Turned about an axis that is none of the grid's.
fn oblique() -> Geometry {
    let turn = Affine::rotation([2.0 / 7.0, 3.0 / 7.0, 6.0 / 7.0], 33.0);
    let grid = aligned().world_from_index();
    Geometry::new([5, 4, 3], turn * grid).unwrap()
}

/// Slices that lie against the normal of rows and columns.
fn left_handed() -> Geometry {
    columns([0.8, 0.0, 0.0], [0.0, 0.9, 0.0], [0.0, 0.0, -2.0])
}

/// As with a tilted gantry.
fn sheared() -> Geometry {
    columns([0.8, 0.0, 0.0], [0.0, 0.9, 0.0], [0.0, 0.6, 2.0])
}

/// Asserts that every voxel of `a` is in `b` at its place in the world, and has its value.
fn assert_same_world(a: &Volume, b: &Volume) {
    let [nx, ny, nz] = a.geometry().size();
    assert_eq!(a.geometry().voxels(), b.geometry().voxels());
    assert_eq!(a.voxels().channels(), b.voxels().channels());
    let b_from_a = b.geometry().index_from_world() * a.geometry().world_from_index();
    for z in 0..nz {
        for y in 0..ny {
            for x in 0..nx {
                let at = b_from_a.apply([x as f64, y as f64, z as f64]);
                let near = at.map(f64::round);
                let off = (0..3).map(|i| (at[i] - near[i]).abs()).fold(0.0, f64::max);
                assert!(off < 1e-6, "[{x}, {y}, {z}] is at {at:?}");
                for channel in 0..a.voxels().channels() {
                    let here = a.voxels().get(channel, [x, y, z]);
                    let there = b.voxels().get(channel, near.map(|v| v as usize));
                    assert_eq!(here, there, "[{x}, {y}, {z}] of channel {channel}");
                }
            }
        }
    }
}
