//! `voxprep convert`: one file into another.

use std::fs;

use voxprep_core::provenance::hash_volume;
use voxprep_core::voxels::ElementType;

use crate::case::Case;
use crate::refused::{SUBJECT, USAGE, refused};

/// IO-13, IO-14: the same volume from another file, to the last bit.
#[test]
fn a_converted_file_holds_the_same_volume() {
    let case = Case::new();
    let answer = case.voxprep("convert scan.nii.gz other.nii").quiet();
    assert_eq!(answer.stdout, "other.nii\n");
    case.voxprep("convert other.nii again.nii.gz --level 9")
        .quiet();
    let hash = |name: &str| hash_volume(&case.read(name));
    assert_eq!(hash("other.nii"), hash("scan.nii.gz"));
    assert_eq!(hash("again.nii.gz"), hash("scan.nii.gz"));
}

#[test]
fn another_type_is_rounded_and_saturated_and_what_is_lost_is_counted() {
    let case = Case::new();
    // -1000, -940, ..., 2540: 17 below 0, 4 of 20, 80, 140, 200 within, the rest above 255.
    let answer = case.voxprep("convert scan.nii.gz small.nii --type u8");
    assert_eq!(answer.code, Some(0));
    assert!(
        answer.stderr.contains("warning: 56 values do not fit u8"),
        "{}",
        answer.stderr
    );
    let small = case.read("small.nii");
    assert_eq!(small.voxels().element_type(), ElementType::U8);
    let row: Vec<_> = (0..3)
        .map(|x| small.voxels().get(0, [x, 3, 0]).unwrap())
        .collect();
    assert_eq!(row, [0.0, 0.0, 20.0]);
    case.voxprep("convert scan.nii.gz wide.nii --type f64")
        .quiet();
    assert_eq!(
        case.read("wide.nii").voxels().get(0, [0, 0, 0]),
        Some(-1000.0)
    );
}

/// IO-01: MetaImage and NRRD, in one file and in two; the written file's extension says which.
#[test]
fn text_headed_formats_are_written_and_read() {
    let case = Case::new();
    for (output, files) in [
        ("a.nrrd", "a.nrrd\n"),
        ("b.nhdr", "b.raw.gz\nb.nhdr\n"),
        ("c.mha", "c.mha\n"),
        ("d.mhd --level 0", "d.raw\nd.mhd\n"),
    ] {
        let answer = case
            .voxprep(&format!("convert scan.nii.gz {output}"))
            .quiet();
        assert_eq!(answer.stdout, files);
        let name = output.split(' ').next().unwrap();
        let [again, scan] = [name, "scan.nii.gz"].map(|name| case.read(name));
        assert_eq!(again.voxels().bytes(), scan.voxels().bytes());
        assert!(again.geometry().is_close(scan.geometry(), 1e-9));
    }
    case.voxprep("convert b.nhdr back.nii.gz").quiet();
    let hash = |name: &str| hash_volume(&case.read(name));
    assert_eq!(hash("back.nii.gz"), hash("scan.nii.gz"));
    // Voxels beside a header have names of their own: neither file replaces those of the other.
    let answer = case.voxprep("convert d.mhd d.nhdr --level 0");
    assert_eq!(
        (answer.code, answer.stdout.as_str()),
        (Some(0), "d.nrrd.raw\nd.nhdr\n")
    );
    assert_eq!(hash("d.mhd"), hash("scan.nii.gz"));
}

/// Analyze 7.5 shares its names with NIfTI: it is asked for.
#[test]
fn analyze_is_written_on_request_where_it_holds_the_image() {
    let case = Case::new();
    case.voxprep("convert scan.nii.gz pair.hdr").quiet();
    assert_eq!(fs::read(case.path("pair.hdr")).unwrap()[344..347], *b"ni1");
    refused(
        &case,
        "convert scan.nii.gz a.nii --format analyze",
        USAGE,
        &["end it in one of .hdr, .img"],
    );
    refused(
        &case,
        "convert scan.nii.gz a.hdr --format analyse",
        USAGE,
        &["no such format", "analyze"],
    );
}

/// What the format cannot hold, or is not written, is not lost silently.
#[test]
fn what_the_format_has_no_place_for_is_noted() {
    let case = Case::new();
    case.voxprep("convert scan.nii.gz plain.nii").quiet();
    let mut bytes = fs::read(case.path("plain.nii")).unwrap();
    // cal_max, the upper end of the display window, at byte 124
    bytes[124..128].copy_from_slice(&400_f32.to_le_bytes());
    fs::write(case.path("window.nii"), bytes).unwrap();
    let answer = case.voxprep("convert window.nii out.nii.gz");
    let note = "note: not carried over: nifti.cal_min, nifti.cal_max: out.nii.gz\n";
    assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), note));
}

#[test]
fn what_cannot_be_converted_is_said_and_nothing_is_written() {
    let case = Case::new();
    case.write("text.nii", "no image");
    fs::create_dir(case.path("folder.nii")).unwrap();
    for (arguments, code, parts) in [
        ("scan.nii.gz", USAGE, &["<OUTPUT>"][..]),
        (
            "scan.nii.gz out",
            USAGE,
            &["which format", ".nii.gz, .nii, "],
        ),
        ("scan.nii.gz out.xyz", USAGE, &["which format", "out.xyz"]),
        ("scan.nii.gz folder.nii", USAGE, &["folder.nii"]),
        (
            "scan.nii.gz scan.nii.gz",
            USAGE,
            &["would replace an input"],
        ),
        (
            "scan.nii.gz ./scan.nii.gz",
            USAGE,
            &["would replace an input"],
        ),
        (
            "scan.nii.gz out.nii.gz --type u9",
            USAGE,
            &["no such type", "i16"],
        ),
        ("scan.nii.gz out.nii.gz --level 10", USAGE, &["--level"]),
        ("missing.nii out.nii.gz", SUBJECT, &["missing.nii"]),
        ("text.nii out.nii.gz", SUBJECT, &["text.nii"]),
        ("scan.nii.gz missing/out.nii.gz", SUBJECT, &["missing"]),
    ] {
        refused(&case, &format!("convert {arguments}"), code, parts);
    }
    let bytes = fs::read(case.path("scan.nii.gz")).unwrap();
    assert!(bytes.len() > 100);
}
