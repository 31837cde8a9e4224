//! `voxprep surface`: pictures and meshes of label maps.

use std::fs;

use crate::case::Case;
use crate::refused::{SUBJECT, USAGE, refused};

/// A ball of radius 4 voxels with the label 2, a voxel with the label 5.
fn balls(case: &Case) {
    let inside = |i: i32| {
        let [x, y, z] = [i % 12, i / 12 % 12, i / 144].map(|v| v - 5);
        match x * x + y * y + z * z {
            ..=16 => 2_u8,
            _ if i == 1727 => 5,
            _ => 0,
        }
    };
    case.image_of([12; 3], "balls.nii.gz", (0..1728).map(inside).collect());
}

/// VIS-10: a picture and the three mesh files; volumes in ml of voxels of 0.5 x 1 x 2 mm.
#[test]
fn labels_have_surfaces_in_pictures_and_files() {
    let case = Case::new();
    balls(&case);
    let answer = case
        .voxprep("surface balls.nii.gz -o a.png --from oblique")
        .quiet();
    let lines: Vec<&str> = answer.stdout.lines().collect();
    assert_eq!(lines.len(), 3);
    // 257 voxels of 1 mm3
    assert!(lines[0].starts_with("label 2: 0.2"), "{}", lines[0]);
    assert!(lines[1].starts_with("label 5: 0.00 ml"), "{}", lines[1]);
    assert!(
        fs::read(case.path("a.png"))
            .unwrap()
            .starts_with(b"\x89PNG")
    );
    for (file, start) in [("a.ply", &b"ply\n"[..]), ("a.stl", b""), ("a.obj", b"#")] {
        let run = format!("surface balls.nii.gz -o {file} --labels 2");
        assert_eq!(case.voxprep(&run).quiet().stdout.lines().count(), 2);
        assert!(
            fs::read(case.path(file)).unwrap().starts_with(start),
            "{file}"
        );
    }
    // Both surfaces are in one file: one triangle after another, 50 bytes each.
    case.voxprep("surface balls.nii.gz -o both.stl").quiet();
    let [one, both] = ["a.stl", "both.stl"].map(|f| fs::read(case.path(f)).unwrap().len());
    assert_eq!(both - one, 8 * 50);
}

#[test]
fn what_has_no_surface_is_said() {
    let case = Case::new();
    balls(&case);
    case.image("empty.nii.gz", vec![0_u8; 60]);
    for (arguments, code, parts) in [
        (
            "balls.nii.gz -o a.gif",
            USAGE,
            &[".png, .ply, .stl or .obj"][..],
        ),
        (
            "balls.nii.gz -o a.png --pixels 9000",
            USAGE,
            &["--pixels", "8192"],
        ),
        (
            "balls.nii.gz -o a.png --labels 3",
            SUBJECT,
            &["no voxel has the label 3"],
        ),
        (
            "empty.nii.gz -o a.png",
            USAGE,
            &["every voxel has the label 0"],
        ),
        ("missing.nii.gz -o a.png", SUBJECT, &["missing.nii.gz"]),
    ] {
        refused(&case, &format!("surface {arguments}"), code, parts);
    }
    assert!(!case.path("a.png").exists());
}
