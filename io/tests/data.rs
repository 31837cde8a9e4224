//! Real files, which are not part of the project: `$VOXPREP_SHARED`, or `../shared` beside the
//! workspace. Where they are absent the tests pass without having looked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "all of this is test code"
)]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use voxprep_core::volume::Volume;
use voxprep_core::voxels::Voxels;
use voxprep_io::{Error, ReadOptions, WriteOptions};

fn data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("VOXPREP_SHARED").map_or(beside, PathBuf::from);
    let data = shared.join("data");
    if !data.is_dir() {
        println!("skipped: no ../shared");
        return None;
    }
    Some(data)
}

/// What nibabel reads; made by `nibabel_table.py`.
#[derive(Deserialize)]
struct Row {
    path: String,
    channels: usize,
    size: [usize; 3],
    affine: [[f64; 4]; 3],
    sum: f64,
    min: f64,
    max: f64,
    nan: usize,
    r#type: Option<String>,
    crc: Option<u32>,
    probes: Vec<(usize, usize, usize, usize, Option<f64>)>,
}

fn rows() -> Vec<Row> {
    serde_json::from_str(include_str!("nibabel.json")).unwrap()
}

fn values(voxels: &Voxels) -> Vec<f64> {
    let [x, y, z] = voxels.size();
    let mut all = Vec::with_capacity(x * y * z * voxels.channels());
    for c in 0..voxels.channels() {
        for index in 0..x * y * z {
            let [i, j, k] = [index % x, index / x % y, index / (x * y)];
            all.push(voxels.get(c, [i, j, k]).unwrap());
        }
    }
    all
}

fn check(row: &Row, volume: &Volume) {
    let name = &row.path;
    let voxels = volume.voxels();
    assert_eq!(
        (voxels.channels(), voxels.size()),
        (row.channels, row.size),
        "{name}"
    );
    let ras = volume.geometry().ras_from_index();
    for (ours, theirs) in ras.rows().iter().flatten().zip(row.affine.iter().flatten()) {
        assert!(
            (ours - theirs).abs() <= 1e-6,
            "{name}: affine {ours} {theirs}"
        );
    }
    let found = volume.header().element_type;
    match &row.r#type {
        Some(expected) => assert_eq!(found.to_string(), *expected, "{name}"),
        None => assert!(!found.is_integer(), "{name}: scaled values are {found}"),
    }
    let all = values(voxels);
    if let Some(expected) = row.crc {
        let mut crc = flate2::Crc::new();
        for &value in &all {
            match row.r#type {
                Some(_) => crc.update(&value.to_le_bytes()),
                None => crc.update(&(value as f32).to_le_bytes()),
            }
        }
        assert_eq!(crc.sum(), expected, "{name}: the values differ");
    }
    let known: Vec<f64> = all.iter().copied().filter(|v| !v.is_nan()).collect();
    assert_eq!(all.len() - known.len(), row.nan, "{name}");
    let slack = 1e-7 * (row.max - row.min);
    let near = |ours: f64, theirs: f64, what: &str| {
        assert!(
            (ours - theirs).abs() <= slack,
            "{name}: {what} {ours} {theirs}"
        );
    };
    near(
        known.iter().copied().fold(f64::INFINITY, f64::min),
        row.min,
        "min",
    );
    near(
        known.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        row.max,
        "max",
    );
    near(
        known.iter().sum::<f64>() / known.len() as f64,
        row.sum / known.len() as f64,
        "mean",
    );
    for &(c, x, y, z, theirs) in &row.probes {
        let ours = voxels.get(c, [x, y, z]).unwrap();
        match theirs {
            Some(theirs) => near(ours, theirs, "voxel"),
            None => assert!(ours.is_nan(), "{name}"),
        }
    }
}

/// IO-01: every NIfTI file as nibabel reads it, the affine within 1e-6 mm, values REL 1e-7.
#[test]
fn every_real_file_is_read_as_nibabel_reads_it() {
    let Some(data) = data() else { return };
    for row in rows() {
        let path = data.join(&row.path);
        let volume = voxprep_io::read(&path, &ReadOptions::default()).unwrap();
        check(&row, &volume);
        let header = voxprep_io::read_header(&path, &ReadOptions::default()).unwrap();
        assert_eq!(&header, volume.header(), "{}", row.path);
    }
}

/// IO-01: what was read is written and read again: bits, type, channels and place.
#[test]
fn every_real_file_survives_being_written() {
    let Some(data) = data() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (row, name) in rows().iter().zip(["a.nii.gz", "a.nii"].into_iter().cycle()) {
        let read = |path: &Path| voxprep_io::read(path, &ReadOptions::default()).unwrap();
        let original = read(&data.join(&row.path));
        let path = folder.path().join(name);
        voxprep_io::write(&path, &original, &WriteOptions::default()).unwrap();
        let again = read(&path);
        assert_eq!(
            again.voxels().bytes(),
            original.voxels().bytes(),
            "{}",
            row.path
        );
        assert_eq!(again.header().element_type, original.header().element_type);
        let [written, kept] = [&again, &original].map(|v| &v.header().channels);
        assert_eq!(written.names, kept.names, "{}", row.path);
        for (written, kept) in written.axes.iter().zip(&kept.axes) {
            assert_eq!(
                (written.kind, written.length),
                (kept.kind, kept.length),
                "{}",
                row.path
            );
            let [a, b] = [written.step, kept.step].map(Option::unwrap_or_default);
            assert!((a - b).abs() <= 1e-6 * b, "{}: step {a} {b}", row.path);
        }
        assert!(
            again.geometry().is_close(original.geometry(), 1e-4),
            "{}",
            row.path
        );
    }
}

/// One head in eight of the 48 axis orders: brought to one order, it is one head.
#[test]
fn eight_orientations_of_one_head_agree_in_the_world() {
    let Some(data) = data() else { return };
    let codes = ["RAS", "LAS", "LPS", "ASL", "PIR", "SRP", "IPL", "ILA"];
    let volumes = codes.map(|code| {
        let path = data.join(format!("formats/orientations_a/{code}.nii.gz"));
        let volume = voxprep_io::read(&path, &ReadOptions::default()).unwrap();
        assert_eq!(volume.geometry().orientation().to_string(), code);
        volume
    });
    let [first, others @ ..] = &volumes;
    for index in [[10, 20, 30], [31, 40, 33], [60, 70, 11]] {
        let place = first
            .geometry()
            .world_from_index()
            .apply(index.map(|i| i as f64));
        for other in others {
            let there = other.geometry().index_from_world().apply(place);
            let nearest = there.map(|v| v.round() as usize);
            assert!(there.iter().all(|v| (v - v.round()).abs() < 1e-3));
            assert_eq!(other.voxels().get(0, nearest), first.voxels().get(0, index));
        }
    }
}

/// IO-01: the header and the voxels of a pair may be named; one and the same pair is here as
/// NIfTI-1 and as NIfTI-2.
#[test]
fn either_half_of_a_pair_gives_the_volume() {
    let Some(data) = data() else { return };
    let read = |name: &str| {
        let path = data.join("formats").join(name);
        voxprep_io::read(&path, &ReadOptions::default()).unwrap()
    };
    let names = ["air.hdr.gz", "air.img.gz", "air2.hdr.gz", "air2.img.gz"];
    let [first, others @ ..] = names.map(|name| read(&format!("nifti_reader_js/{name}")));
    for other in &others {
        assert_eq!(other.voxels().bytes(), first.voxels().bytes());
        assert_eq!(other.geometry(), first.geometry());
    }
    assert_eq!(first.header(), others[0].header());
    let [first, second] = ["ras.hdr", "ras.img"].map(read);
    assert_eq!(first.header(), second.header());
    assert_eq!(first.voxels().bytes(), second.voxels().bytes());
}

/// What other programs put into the header is carried along and written back, byte for byte.
#[test]
fn the_extensions_of_real_files_survive_being_written() {
    let Some(data) = data() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (name, extensions) in [
        ("formats/nibabel/example4d.nii.gz", &[(6, 32), (6, 32)][..]),
        ("formats/nibabel/example_nifti2.nii.gz", &[(6, 32), (6, 32)]),
        ("formats/nifti_reader_js/with_extension.nii.gz", &[(0, 384)]),
        (
            "ct/totalseg_abdomen_labels/example_seg.nii.gz",
            &[(0, 12816)],
        ),
    ] {
        let original = data.join(name);
        let volume = voxprep_io::read(&original, &ReadOptions::default()).unwrap();
        let path = folder.path().join("a.nii.gz");
        voxprep_io::write(&path, &volume, &WriteOptions::default()).unwrap();
        let [from, to] = [&original, &path].map(|path| {
            let mut bytes = Vec::new();
            let file = fs::File::open(path).unwrap();
            flate2::read::MultiGzDecoder::new(file)
                .read_to_end(&mut bytes)
                .unwrap();
            bytes
        });
        let total: usize = extensions.iter().map(|(_, size)| size).sum();
        // Where the file is little-endian, as what is written is, the bytes are the same ones.
        let start = match from[..4] {
            [0x5c, 0x01, 0, 0] => Some(348),
            [0x1c, 0x02, 0, 0] => Some(540),
            _ => None,
        };
        assert_eq!(start.is_none(), name.contains("with_extension"));
        if let Some(start) = start {
            assert_eq!(
                to[348..352 + total],
                from[start..start + 4 + total],
                "{name}"
            );
        }
        let facts = &volume.header().facts["nifti.extensions"];
        let found: Vec<_> = facts
            .as_array()
            .unwrap()
            .iter()
            .map(|e| {
                (
                    e["code"].as_i64().unwrap(),
                    e["size"].as_u64().unwrap() as usize,
                )
            })
            .collect();
        assert_eq!(found, extensions, "{name}");
        let again = voxprep_io::read(&path, &ReadOptions::default()).unwrap();
        assert_eq!(&again.header().facts["nifti.extensions"], facts, "{name}");
    }
}

/// Every file of `malformed` that is, or says it is, NIfTI or Analyze. Nothing in the folder is
/// left out without a reason: other formats are named by their extension.
#[test]
fn malformed_files_give_one_line_that_ends_with_the_path() {
    let Some(data) = data() else { return };
    let expected = [
        (
            "header_only_analyze.hdr",
            "the voxels of this header are missing; put the .img file of the same name beside the .hdr file",
        ),
        (
            "header_only_nifti1.hdr",
            "the voxels of this header are missing; put the .img file of the same name beside the .hdr file",
        ),
        (
            "header_only_nifti2.hdr",
            "the voxels of this header are missing; put the .img file of the same name beside the .hdr file",
        ),
        (
            "not-nifti.nii",
            "the contents are no image that is known here, although the name ends in .nii",
        ),
        ("truncated_gzip.nii.gz", "the gzip stream ends early"),
        (
            "truncated_voxels.nii",
            "the header declares 68002 bytes, the file holds at most 34001",
        ),
    ];
    let folder = data.join("malformed");
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| ![".dcm", ".nrrd", ".mha"].iter().any(|e| name.ends_with(e)))
        .collect();
    names.sort();
    assert_eq!(names, expected.map(|(name, _)| name));
    for (name, reason) in expected {
        let path = folder.join(name);
        let error = voxprep_io::read(&path, &ReadOptions::default()).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with(reason), "{message}");
        assert!(
            message.ends_with(name) && !message.contains('\n'),
            "{message}"
        );
        // An error of the input, for which the command line answers 1.
        assert!(
            matches!(error, Error::Input(_) | Error::Unsupported(_)),
            "{message}"
        );
    }
}
