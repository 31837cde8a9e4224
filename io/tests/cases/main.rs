//! The cases of datasets: layouts of folders, and tables.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "all of this is test code"
)]

mod layouts;
mod tables;

use std::fs;
use std::path::Path;

use voxprep_core::buf::Buf;
use voxprep_core::geometry::Geometry;
use voxprep_core::kernels::affine::Affine;
use voxprep_core::volume::Volume;
use voxprep_core::voxels::Voxels;
use voxprep_io::WriteOptions;
use voxprep_io::cases::{Found, Layout, Search};

/// Writes a volume of 4 x 3 x 2 voxels of 2 mm at an origin.
fn volume(path: &Path, origin: [f64; 3]) {
    placed(
        path,
        Affine::translation(origin) * Affine::scaling([2.0; 3]),
    );
}

fn placed(path: &Path, world_from_index: Affine) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let size = [4, 3, 2];
    let voxels = Voxels::new(1, size, Buf::from(vec![1_u8; 24])).unwrap();
    let geometry = Geometry::new(size, world_from_index).unwrap();
    let volume = Volume::new(geometry, voxels).unwrap();
    voxprep_io::write(path, &volume, &WriteOptions::default()).unwrap();
}

fn find(folder: &Path, layout: Layout) -> Found {
    let search = Search {
        layout,
        ..Search::default()
    };
    voxprep_io::cases::find(folder, &search).unwrap()
}

fn problems(found: &Found) -> Vec<String> {
    let messages = found.problems.iter().map(ToString::to_string);
    messages
        .inspect(|m| assert!(!m.contains('\n'), "{m}"))
        .collect()
}

fn ids(found: &Found) -> Vec<&str> {
    found.cases.iter().map(|case| case.id.as_str()).collect()
}
