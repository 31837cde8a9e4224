//! Small files that nibabel and SimpleITK made, in the folder `others`, and what nibabel reads from
//! them: `others/make.py`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "all of this is test code"
)]

use std::path::{Path, PathBuf};

use serde::Deserialize;
use voxprep_core::volume::{AxisKind, Volume};
use voxprep_io::{ReadOptions, WriteOptions};

#[derive(Deserialize)]
struct Row {
    path: String,
    channels: usize,
    size: [usize; 3],
    r#type: String,
    affine: [[f64; 4]; 3],
    values: Vec<f64>,
}

fn rows() -> Vec<Row> {
    serde_json::from_str(include_str!("others.json")).unwrap()
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/others")
        .join(name)
}

fn read(path: &Path) -> Volume {
    voxprep_io::read(path, &ReadOptions::default()).unwrap()
}

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

/// IO-01: voxels exact, affine within 1e-6 mm, for every type, both byte orders, NIfTI-1, NIfTI-2,
/// pairs and Analyze 7.5.
#[test]
fn files_of_other_programs_are_read_as_they_read_them() {
    for row in rows() {
        let volume = read(&path(&row.path));
        let name = &row.path;
        let voxels = volume.voxels();
        assert_eq!(
            (voxels.channels(), voxels.size()),
            (row.channels, row.size),
            "{name}"
        );
        assert_eq!(
            volume.header().element_type.to_string(),
            row.r#type,
            "{name}"
        );
        assert_eq!(values(&volume), row.values, "{name}");
        let ras = volume.geometry().ras_from_index();
        for (ours, theirs) in ras.rows().iter().flatten().zip(row.affine.iter().flatten()) {
            assert!((ours - theirs).abs() <= 1e-6, "{name}: {ours} {theirs}");
        }
        let header = voxprep_io::read_header(&path(name), &ReadOptions::default()).unwrap();
        assert_eq!(header.geometry, *volume.geometry(), "{name}");
        assert_eq!(header.channels, volume.header().channels, "{name}");
    }
}

/// IO-01: the round trip is exact, into one file or two, compressed or not.
#[test]
fn files_of_other_programs_survive_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["a.nii", "b.nii.gz", "c.hdr", "d.img.gz"];
    for (row, name) in rows().iter().flat_map(|row| names.map(|name| (row, name))) {
        let original = read(&path(&row.path));
        let target = folder.path().join(name);
        voxprep_io::write(&target, &original, &WriteOptions::default()).unwrap();
        let again = read(&target);
        let what = format!("{} as {name}", row.path);
        assert_eq!(again.voxels().bytes(), original.voxels().bytes(), "{what}");
        let [written, kept] = [&again, &original].map(Volume::header);
        assert_eq!(written.element_type, kept.element_type, "{what}");
        assert_eq!(written.channels.names, kept.channels.names, "{what}");
        for (axis, was) in written.channels.axes.iter().zip(&kept.channels.axes) {
            assert_eq!((axis.kind, axis.length), (was.kind, was.length), "{what}");
            assert_eq!(axis.step, was.step, "{what}");
        }
        assert!(
            written.geometry.is_close(&kept.geometry, 1e-5),
            "{what}: {:?} {:?}",
            written.geometry,
            kept.geometry
        );
        for key in ["intent_code", "sform_code", "extensions"] {
            let key = format!("nifti.{key}");
            // Analyze has neither; what is written for it says that its place is an assumption.
            if kept.facts.contains_key("nifti.affine") {
                assert_eq!(
                    written.facts.get(&key),
                    kept.facts.get(&key),
                    "{what}: {key}"
                );
            }
        }
    }
}

#[test]
fn axes_beyond_the_third_have_their_kind_and_step() {
    let axes = |name: &str| {
        let volume = read(&path(name));
        let axes = volume.header().channels.axes.iter();
        axes.map(|a| (a.kind, a.length, a.step)).collect::<Vec<_>>()
    };
    use AxisKind::{Colour, Complex, Component, Time};
    assert_eq!(axes("one_i8.nii"), []);
    assert_eq!(axes("one_time.nii"), [(Time, 5, Some(1.25))]);
    assert_eq!(
        axes("one_tuples.nii"),
        [(Time, 1, Some(1.25)), (Component, 3, None)]
    );
    assert_eq!(axes("itk_vectors.nii"), [(Component, 3, None)]);
    assert_eq!(
        axes("one_complex64.nii"),
        [(Complex, 2, None), (Time, 2, Some(1.25))]
    );
    assert_eq!(axes("one_rgba.nii"), [(Colour, 4, None)]);
    assert_eq!(
        axes("one_seven_axes.nii"),
        [
            (Time, 2, Some(1.25)),
            (Component, 3, None),
            (Component, 2, None),
            (Component, 2, None)
        ]
    );
}

#[test]
fn what_is_doubtful_about_a_place_is_said() {
    let warning = |name: &str| {
        let header = voxprep_io::read_header(&path(name), &ReadOptions::default()).unwrap();
        let (_, warning) = header
            .facts
            .iter()
            .find(|(k, _)| k.ends_with("affine_warning"))?;
        warning.as_str().map(str::to_owned)
    };
    assert_eq!(warning("two_i16.nii"), None);
    assert_eq!(
        warning("analyze_i16.hdr").unwrap(),
        "Analyze 7.5 does not say for sure where left is: that x runs to the left, y to anterior \
         and z to superior is an assumption; the origin is the middle of the image"
    );
    assert!(
        warning("spm99_u8.hdr")
            .unwrap()
            .ends_with("the origin is the voxel that SPM's originator names")
    );
}
