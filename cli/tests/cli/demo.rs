//! `voxprep demo`: all that a new user sees first.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::case::Case;

/// QC-13, QC-18: the page shows every scan, asks the network for nothing, and its links resolve; what
/// went in and out is there as files.
#[test]
fn a_demo_makes_scans_and_a_page_that_opens_offline() {
    let case = Case::new();
    let answer = case.voxprep("demo shown --json").quiet();
    let told: Value = serde_json::from_str(&answer.stdout).unwrap();
    let page = fs::read_to_string(case.path("shown/index.html")).unwrap();
    assert_eq!(told["page"], "shown/index.html");
    assert!(!page.contains("http") && !page.contains("<script"));
    let cases = told["cases"].as_array().unwrap();
    let names: Vec<&str> = cases.iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["chest-ct", "abdomen-ct", "brain-mri", "chest-xray"]);
    for name in names {
        for file in [
            "ready/voxprep.json",
            "scan/truth.json",
            "before-and-after.png",
        ] {
            assert!(
                case.path(&format!("shown/{name}/{file}")).is_file(),
                "{name}/{file}"
            );
        }
    }
    let links = page.split(" href=\"./").skip(1);
    let links: Vec<&str> = links.map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(links.len() > 20, "{}", links.len());
    for link in links {
        assert!(case.path("shown").join(Path::new(link)).is_file(), "{link}");
    }
    // the overview, four before and after, surfaces, draws
    assert_eq!(page.matches("src=\"data:image/png;base64,").count(), 7);
    // The runs of a demo are runs: they can be replayed.
    let replayed = "replay shown/chest-xray/ready image=shown/chest-xray/scan/image.nii.gz \
                    --label lungs=shown/chest-xray/scan/lungs.nii.gz -o again";
    case.voxprep(replayed).quiet();
    let same = |name: &str| fs::read(case.path(name)).unwrap();
    assert!(same("again/image.nii.gz") == same("shown/chest-xray/ready/image.nii.gz"));
}

#[test]
fn a_demo_refuses_a_file_as_its_folder() {
    let case = Case::new();
    case.write("taken", "a file");
    let answer = case.voxprep("demo taken");
    assert!(answer.error().contains("taken"), "{}", answer.error());
    assert_ne!(answer.code, Some(0));
}
