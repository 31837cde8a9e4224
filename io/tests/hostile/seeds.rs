//! Sound files, from which hostile ones are made: those of other programs in `tests/others`, and
//! some of our own.

use std::fs;
use std::path::Path;

use voxprep_core::buf::Buf;
use voxprep_core::geometry::Geometry;
use voxprep_core::volume::Volume;
use voxprep_core::voxels::Voxels;
use voxprep_io::WriteOptions;

use crate::case::{Case, Named};

/// All seeds, always in the same order.
pub(crate) fn all() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/others");
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".py") && !name.contains(".img"))
        .collect();
    names.sort();
    let mut seeds: Vec<Case> = names
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let first = fs::read(folder.join(name)).unwrap();
            let pair = name.contains(".hdr");
            Case {
                named: match (pair, i % 2) {
                    (false, _) => Named::Single,
                    (true, 0) => Named::Header,
                    (true, _) => Named::Voxels,
                },
                no_limits: i % 5 == 0,
                first,
                second: if pair {
                    fs::read(folder.join(name.replace(".hdr", ".img"))).unwrap()
                } else {
                    Vec::new()
                },
            }
        })
        .collect();
    // One with blocks of our own gzip, and one whose axis makes it NIfTI-2.
    seeds.extend([[40, 30, 20], [33_000, 1, 1]].map(ours));
    seeds
}

fn ours(size: [usize; 3]) -> Case {
    let count = size.iter().product::<usize>();
    let values: Vec<i16> = (0..count).map(|i| (i * i % 251) as i16).collect();
    let voxels = Voxels::new(1, size, Buf::from(values)).unwrap();
    let geometry = Geometry::aligned(size, [1.0, 2.0, 3.0], [5.0, 6.0, 7.0]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii.gz");
    let volume = Volume::new(geometry, voxels).unwrap();
    voxprep_io::write(&path, &volume, &WriteOptions::default()).unwrap();
    Case {
        named: Named::Single,
        no_limits: false,
        first: fs::read(path).unwrap(),
        second: Vec::new(),
    }
}
