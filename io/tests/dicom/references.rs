//! Folders that come with a conversion by other people.

use std::path::Path;

use voxprep_core::volume::Volume;
use voxprep_io::ReadOptions;

use crate::shared::{compare, data};

fn read(path: &Path) -> Volume {
    voxprep_io::read(path, &ReadOptions::default()).unwrap()
}

/// IO-01, IO-02, EX-02: every folder of real DICOM with a reference conversion has the voxels and
/// the affine of that: dcm2niix made the first three, dicom2nifti the others.
#[test]
fn folders_equal_their_reference_conversions() {
    let Some(data) = data() else { return };
    let dicom = data.join("dicom");
    let truth = "reference/001_ground_truth.nii.gz";
    for (folder, series, reference, tolerance) in [
        (
            "enhanced_siemens_xa10",
            None,
            "Siemens_REST1_w_SMS_PF7-8_6.nii",
            0.0,
        ),
        // dcm2niix takes the scale of Philips' private header, rounded to 32 bits.
        (
            "enhanced_philips_fieldmap",
            Some("801.2 precise"),
            "Philips_WIP_B0_NS_801_e1.nii",
            16.0,
        ),
        // Its slope is 0.24420166 there, 0.24420024 in the header.
        (
            "enhanced_philips_fieldmap",
            Some("801.1"),
            "Philips_WIP_B0_NS_801_e2_fieldmaphz.nii",
            6e-3,
        ),
        ("geom_ge", None, truth, 0.0),
        ("geom_philips", None, truth, 0.0),
        ("geom_hitachi", None, truth, 0.0),
        // 32 bits here, 64 there.
        (
            "geom_non_isotropic_slope",
            None,
            "reference/002_non_isotropic_ground_truth.nii.gz",
            4e-6,
        ),
        ("geom_rgb_j2k", None, truth, 0.0),
    ] {
        let options = ReadOptions {
            series: series
                .and_then(|s: &str| s.split(' ').next())
                .map(str::to_owned),
            philips_precise: series.is_some_and(|s| s.ends_with("precise")),
            ..ReadOptions::default()
        };
        let ours = voxprep_io::read(&dicom.join(folder), &options).unwrap();
        let theirs = read(&dicom.join(folder).join(reference));
        let (apart, differ) = compare(&ours, &theirs);
        println!("{folder}: {apart:.1e} mm, {differ:.1e}");
        assert!(apart <= 1e-3, "{folder}: {apart} mm");
        assert!(differ <= tolerance, "{folder}: {differ}");
    }
}

/// One mosaic in nine transfer syntaxes is one volume: that of dcm2niix.
#[test]
fn a_mosaic_is_the_volume_of_its_tiles() {
    let Some(data) = data() else { return };
    let folder = data.join("dicom/transfer_syntaxes_mr");
    let theirs = read(&folder.join("1.nii"));
    for number in 1..=9 {
        if [7, 8].contains(&number) && !cfg!(feature = "charls") {
            continue;
        }
        let ours = read(&folder.join(format!("{number}.dcm")));
        let (apart, differ) = compare(&ours, &theirs);
        println!("{number}: {apart:.2e} mm, {differ:.2e}");
        assert!(apart <= 1e-3, "{number}: {apart} mm");
        assert_eq!(differ, 0.0, "{number}");
    }
}

/// One slice of CT in fifteen transfer syntaxes: the lossless ones are one image, the lossy ones
/// differ by as much as the people who made them say (91: 5, 81: 1, 51, 53 and 55: 35.6, as with GDCM, 50: 65).
#[test]
fn a_slice_is_the_same_in_every_transfer_syntax() {
    let Some(data) = data() else { return };
    let folder = data.join("dicom/transfer_syntaxes_ct");
    let find = |syntax: &str| {
        let end = format!("_{syntax}.dcm");
        let mut files = std::fs::read_dir(&folder)
            .unwrap()
            .map(|f| f.unwrap().path());
        files.find(|f| f.to_str().unwrap().ends_with(&end)).unwrap()
    };
    let plain = read(&find("1.2.840.10008.1.2.1"));
    assert_eq!(plain.header().unit, voxprep_core::volume::Unit::Hu);
    for (syntax, most) in [
        ("1.2", 0.0),
        ("1.2.2", 0.0),
        ("1.2.1.99", 0.0),
        ("1.2.5", 0.0),
        ("1.2.4.57", 0.0),
        ("1.2.4.70", 0.0),
        ("1.2.4.80", 0.0),
        ("1.2.4.81", 1.0),
        ("1.2.4.90", 0.0),
        ("1.2.4.91", 5.0),
        ("1.2.4.51", 35.7),
        ("1.2.4.53", 35.7),
        ("1.2.4.55", 35.7),
        ("1.2.4.50", 65.0),
    ] {
        let path = find(&format!("1.2.840.10008.{syntax}"));
        if ["1.2.4.80", "1.2.4.81"].contains(&syntax) && !cfg!(feature = "charls") {
            let refused = voxprep_io::read(&path, &ReadOptions::default()).unwrap_err();
            assert!(
                refused.to_string().contains("feature `charls`"),
                "{refused}"
            );
            continue;
        }
        let (apart, differ) = compare(&read(&path), &plain);
        println!("{syntax}: {differ}");
        assert_eq!(apart, 0.0);
        assert!(differ <= most, "{syntax}: {differ}");
    }
}
