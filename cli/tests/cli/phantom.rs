//! `voxprep phantom`: made-up scans and their truth.

use std::fs;

use serde_json::Value;
use voxprep_core::volume::Role;

use crate::case::Case;
use crate::refused::{USAGE, refused};

const SMALL: &str = "--size 40,36,24 --spacing 9,10,13";

/// QC-18: volumes and the truth are written, said in a table, and the same for any number of threads.
#[test]
fn a_phantom_is_written_with_its_truth() {
    let case = Case::new();
    let answer = case
        .voxprep(&format!("phantom chest-ct a/b {SMALL} --seed 4 --metal"))
        .quiet();
    let names = [
        "anatomy.nii.gz",
        "image.nii.gz",
        "lungs.nii.gz",
        "nodules.nii.gz",
        "truth.json",
    ];
    assert_eq!(case.files("a/b"), names);
    let first = answer.stdout.lines().next().unwrap();
    assert!(
        first.contains("image.nii.gz") && first.contains("40 x 36 x 24") && first.contains("i16"),
        "{first}"
    );
    assert!(
        answer.stdout.contains("ground-glass") && answer.stdout.contains("-580"),
        "{}",
        answer.stdout
    );
    let truth: Value =
        serde_json::from_str(&fs::read_to_string(case.path("a/b/truth.json")).unwrap()).unwrap();
    assert_eq!(
        (&truth["kind"], &truth["seed"]),
        (&Value::from("chest-ct"), &Value::from(4))
    );
    assert_eq!(truth["targets"].as_array().unwrap().len(), 8);
    let image = case.read("a/b/image.nii.gz");
    assert_eq!(
        (image.geometry().size(), image.role()),
        ([40, 36, 24], Role::Intensity)
    );
    case.voxprep(&format!(
        "phantom chest-ct again {SMALL} --seed 4 --metal --threads 1"
    ))
    .quiet();
    for name in names {
        let [a, b] = ["a/b", "again"]
            .map(|folder| fs::read(case.path(&format!("{folder}/{name}"))).unwrap());
        assert!(a == b, "{name}");
    }
}

/// QC-18: every kind answers in JSON, and leaves what its truth lists.
#[test]
fn every_kind_answers_in_json() {
    let case = Case::new();
    for (arguments, volumes) in [
        (format!("chest-ct a {SMALL} --padding -2000 --plain --texture 0"), 4),
        (format!("abdomen-ct b {SMALL} --lesions 1"), 2),
        ("brain-mri c --size 36,40,30 --spacing 5,5.5,6.5 --bias 0.4 --bias-volumes --noise 0 --sequences t1,pd --same-grid".to_owned(), 5),
        ("chest-xray d --size 64,48 --spacing 6 --depth 8 --exposure 0.5 --format nii".to_owned(), 2),
    ] {
        let answer = case.voxprep(&format!("phantom {arguments} --json")).quiet();
        let made: Value = serde_json::from_str(&answer.stdout).unwrap();
        let listed = made["truth"]["volumes"].as_array().unwrap();
        let files = made["files"].as_array().unwrap();
        assert_eq!((listed.len(), files.len()), (volumes, volumes + 1), "{arguments}");
        for (file, volume) in files.iter().zip(listed) {
            let volume_of_file = case.read(file.as_str().unwrap());
            let size: Vec<Value> = volume_of_file.geometry().size().map(Value::from).to_vec();
            assert_eq!(volume["size"], Value::from(size), "{file}");
        }
    }
}

#[test]
fn what_makes_no_phantom_is_said_and_nothing_is_written() {
    let case = Case::new();
    for (arguments, parts) in [
        ("chest", &["chest"][..]),
        ("knee out", &["knee", "chest-ct"]),
        ("chest-ct out --size 10", &["--size", "three numbers"]),
        ("chest-ct out --size 10,10,x", &["--size"]),
        ("chest-ct out --size 0,10,10", &["size", "0 voxels"]),
        ("chest-ct out --spacing 1,1,-1", &["spacing", "-1"]),
        (
            "chest-ct out --bias 0.4",
            &["chest-ct has no --bias", "brain-mri"],
        ),
        (
            "abdomen-ct out --metal",
            &["abdomen-ct has no --metal", "chest-ct and chest-xray"],
        ),
        ("brain-mri out --sequences t1,t9", &["t9"]),
        ("brain-mri out --same-grid --oblique 3", &["--oblique"]),
        ("chest-xray out --size 10,10,10", &["two sizes"]),
        ("chest-xray out --depth 12", &["depth", "8 or 16"]),
        ("chest-ct out --format xyz", &["--format", ".nii.gz"]),
    ] {
        refused(&case, &format!("phantom {arguments}"), USAGE, parts);
    }
    // more than a machine should be asked for
    refused(
        &case,
        "phantom chest-ct out --size 4000,4000,4000",
        1,
        &["size", "larger voxels"],
    );
    assert!(!case.path("out").exists());
}

/// Another size shows the same patient, and a folder holds one scan.
#[test]
fn a_smaller_scan_shows_as_much_and_has_its_own_folder() {
    let case = Case::new();
    case.voxprep("phantom chest-ct small --size 32,32,20 --seed 3");
    let truth: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(case.path("small/truth.json")).unwrap())
            .unwrap();
    let spacing: Vec<f64> =
        serde_json::from_value(truth["volumes"][0]["spacing_mm"].clone()).unwrap();
    assert_eq!(
        spacing,
        [11.2, 11.2, 16.0].map(|mm: f64| (mm * 1e6).round() / 1e6)
    );
    let refused = case.voxprep("phantom abdomen-ct small");
    assert_eq!(refused.code, Some(2));
    assert!(
        refused
            .error()
            .contains("the folder holds another scan (chest-ct)"),
        "{}",
        refused.error()
    );
    let refused = case.voxprep("phantom brain-mri other --noise -3");
    assert!(refused.error().contains("noise"), "{}", refused.error());
}
