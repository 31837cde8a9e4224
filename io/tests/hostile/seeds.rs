//! Sound files, from which hostile ones are made: those of other programs in `tests/others`, and
//! some of our own.

use std::fs;
use std::path::Path;

use voxprep_core::buf::Buf;
use voxprep_core::geometry::Geometry;
use voxprep_core::volume::Volume;
use voxprep_core::voxels::Voxels;
use voxprep_io::WriteOptions;

use crate::case::{
    ANALYZE, Case, DICOM, JPEG, METAIMAGE, NIFTI, NPY, NPZ, NRRD, Named, PNG, Reader, SAFETENSORS,
    TIFF,
};

/// Where the files of other programs are that are arrays or pictures, and how their names end.
const FOLDERS: [(&Reader, &str, &str); 7] = [
    (&DICOM, "dicom", ".dcm"),
    (&NPY, "arrays", ".npy"),
    (&NPZ, "arrays", ".npz"),
    (&SAFETENSORS, "arrays", ".safetensors"),
    (&PNG, "pictures", ".png"),
    (&TIFF, "pictures", ".tif"),
    (&JPEG, "pictures", ".jpg"),
];
/// Files of those that are refused: they are no seeds.
const REFUSED: [&str; 6] = [
    "channels.tif",
    "objects.npz",
    "palette.tif",
    "two.npz",
    "two.safetensors",
    "unequal.tif",
];

/// The seeds of a reader, always in the same order.
pub(crate) fn of(reader: &'static Reader) -> Vec<Case> {
    if let Some((_, tests, end)) = FOLDERS.iter().find(|(of, ..)| of.name == reader.name) {
        return single_files(reader, tests, end);
    }
    let mut seeds = if reader.name == NIFTI.name {
        pairs(
            reader,
            &["itk_", "one_", "pair_", "two_"],
            &[".nii", ".nii.gz", ".hdr", ".hdr.gz"],
        )
    } else if reader.name == ANALYZE.name {
        pairs(reader, &["analyze_", "spm"], &[".hdr"])
    } else if reader.name == METAIMAGE.name {
        texts(reader, &[".mha"], ".mhd")
    } else {
        assert_eq!(reader.name, NRRD.name);
        texts(reader, &[".nrrd"], ".nhdr")
    };
    if reader.name == NIFTI.name {
        // One with blocks of our own gzip, and one whose axis makes it NIfTI-2.
        let sizes = [[40, 30, 20], [33_000, 1, 1]];
        seeds.extend(sizes.map(|size| ours(reader, "a.nii.gz", size)));
    }
    seeds
}

/// The names in a folder that end in one of these.
fn names(folder: &Path, ends: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| ends.iter().any(|end| name.ends_with(end)))
        .collect();
    names.sort();
    names
}

/// The files of `tests/others`, pairs among them.
fn pairs(reader: &'static Reader, starts: &[&str], ends: &[&str]) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/others");
    let names = names(&folder, ends).into_iter();
    names
        .filter(|name| starts.iter().any(|start| name.starts_with(start)))
        .enumerate()
        .map(|(i, name)| {
            let first = fs::read(folder.join(&name)).unwrap();
            let pair = name.contains(".hdr");
            Case {
                reader,
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
        .collect()
}

/// The files of `tests/volumes/made`: those that are one file, and the headers beside a file each,
/// which they call by the name that the case gives it.
fn texts(reader: &'static Reader, single: &[&str], detached: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/volumes/made");
    let get = |name: &str| fs::read(folder.join(name)).unwrap();
    let alone = names(&folder, single)
        .into_iter()
        .map(|name| (get(&name), None));
    let headers = names(&folder, &[detached]).into_iter().filter_map(|name| {
        let text = String::from_utf8(get(&name)).unwrap();
        let ends = [".zraw", ".raw.gz", ".raw"];
        let file = text
            .split_whitespace()
            .find(|w| ends.iter().any(|end| w.ends_with(end)))?;
        if file.contains('%') {
            return None;
        }
        let header = text
            .replace(file, "a.raw")
            .replace("hand_slice_02.raw", "a.raw");
        Some((header.into_bytes(), Some(get(file))))
    });
    let cases = alone.chain(headers).enumerate();
    cases
        .map(|(i, (first, second))| Case {
            reader,
            named: if second.is_some() {
                Named::Header
            } else {
                Named::Single
            },
            no_limits: i % 5 == 0,
            first,
            second: second.unwrap_or_default(),
        })
        .collect()
}

/// The sound files of a folder of tests, and one of our own where the format is written.
fn single_files(reader: &'static Reader, tests: &str, end: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/{tests}/others"));
    let names = names(&folder, &[end]).into_iter();
    let mut seeds: Vec<Case> = names
        .filter(|name| !REFUSED.contains(&name.as_str()))
        .enumerate()
        .map(|(i, name)| Case {
            reader,
            named: Named::Single,
            no_limits: i % 5 == 0,
            first: fs::read(folder.join(name)).unwrap(),
            second: Vec::new(),
        })
        .collect();
    if !matches!(end, ".png" | ".jpg" | ".dcm") {
        seeds.push(ours(reader, &format!("a{end}"), [9, 8, 7]));
    }
    seeds
}

/// A file of our own.
fn ours(reader: &'static Reader, name: &str, size: [usize; 3]) -> Case {
    let count = size.iter().product::<usize>();
    let values: Vec<i16> = (0..count).map(|i| (i * i % 251) as i16).collect();
    let voxels = Voxels::new(1, size, Buf::from(values)).unwrap();
    let geometry = Geometry::aligned(size, [1.0, 2.0, 3.0], [5.0, 6.0, 7.0]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let volume = Volume::new(geometry, voxels).unwrap();
    voxprep_io::write(&path, &volume, &WriteOptions::default()).unwrap();
    Case {
        reader,
        named: Named::Single,
        no_limits: false,
        first: fs::read(path).unwrap(),
        second: Vec::new(),
    }
}
