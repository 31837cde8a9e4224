//! What is written is read by pydicom, SimpleITK and highdicom, with the same voxels at the same
//! places. They are asked for by `VOXPREP_PYTHON`, a Python that has them.

use std::fs;
use std::path::Path;
use std::process::Command;

use voxprep_core::geometry::Geometry;
use voxprep_core::volume::{Modality, Volume};
use voxprep_io::dicom::{SeriesOptions, write_series};

use crate::{aligned, ct, folder, left_handed, oblique, sheared, volume};

/// Asks the others what they read; whether they were asked.
fn asked(kind: &str, written: &Volume, options: &SeriesOptions) -> bool {
    let Some(python) = std::env::var_os("VOXPREP_PYTHON") else {
        println!("skipped: no VOXPREP_PYTHON");
        return false;
    };
    let place = folder();
    let [series, raw] = ["series", "raw"].map(|name| place.path().join(name));
    write_series(&series, written, options).unwrap();
    fs::write(&raw, written.voxels().bytes()).unwrap();
    let dtype = match written.voxels().element_type().to_string().as_str() {
        "u8" => "<u1",
        "u16" => "<u2",
        "i16" => "<i2",
        other => panic!("{other}"),
    };
    let geometry = written.geometry();
    let size = geometry.size().map(|n| n.to_string()).join(",");
    let affine = geometry.world_from_index();
    let (origin, steps) = (
        affine.apply([0.0; 3]),
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|unit| affine.apply_vector(unit)),
    );
    let rows = (0..3).flat_map(|row| [steps[0][row], steps[1][row], steps[2][row], origin[row]]);
    let affine = rows.map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dicom_write/peers.py");
    let mut command = Command::new(python);
    command.arg(script).arg(kind).args([&series, &raw]);
    command.args([dtype, &size, &affine]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{kind} {size} {affine}: {said}");
    true
}

/// IO-01, EX-02, EX-03: series are read by pydicom and SimpleITK.
#[test]
fn other_programs_read_our_series_with_the_same_voxels_and_affine() {
    let single = Geometry::aligned([5, 4, 1], [0.7, 1.1, 2.5], [1.0, 2.0, 3.0]).unwrap();
    let options = SeriesOptions::default();
    for grid in [aligned(), oblique(), left_handed(), single] {
        for written in [
            ct(&grid),
            volume(&grid, |i| i as u16 * 1000).with_modality(Modality::Mri),
            volume(&grid, |i| i as u8 * 4).with_modality(Modality::Mri),
        ] {
            if !asked("image", &written, &options) {
                return;
            }
        }
    }
    asked("sheared", &ct(&sheared()), &options);
}

/// EX-02: segmentation objects are read by highdicom.
#[test]
fn other_programs_read_our_segmentations() {
    let middle = |i: usize| match i {
        0 | 22 => 1_u8,
        25 | 26 => 2,
        39 | 59 => 3,
        _ => 0,
    };
    for grid in [aligned(), oblique(), left_handed()] {
        let map = volume(&grid, middle).into_labels().unwrap();
        if !asked("seg", &map, &SeriesOptions::default()) {
            return;
        }
        let place = folder();
        let image = place.path().join("image");
        write_series(&image, &ct(&grid), &SeriesOptions::default()).unwrap();
        let options = SeriesOptions {
            template: Some(image),
            ..SeriesOptions::default()
        };
        asked("seg", &map, &options);
    }
}
