//! Files of every kind as the command line meets them: pairs, and files that are no images.

use std::path::{Path, PathBuf};

use crate::case::Case;

/// IO-01: a pair is read whichever half is named, and written as two files.
#[test]
fn a_pair_goes_in_and_comes_out() {
    let case = Case::new();
    case.pipeline("p.toml", &[]);
    case.voxprep("run p.toml scan.nii.gz -o pair.hdr").quiet();
    assert!(case.path("pair.img").is_file() && case.path("pair.voxprep.json").is_file());
    case.voxprep("run p.toml pair.img -o back.nii").quiet();
    let [first, last] = ["scan.nii.gz", "back.nii"].map(|name| case.read(name));
    assert_eq!(first.voxels().bytes(), last.voxels().bytes());
    assert_eq!(first.geometry(), last.geometry());
    // The other half of what is read is no place for the result either.
    for (input, output) in [("pair.img", "pair.hdr"), ("pair.hdr", "pair.img")] {
        let answer = case.voxprep(&format!("run p.toml {input} -o {output}"));
        assert_eq!(answer.code, Some(2));
        assert!(answer.error().contains("would replace an input"));
    }
}

#[test]
fn a_long_fact_is_clipped_for_people_and_whole_in_json() {
    let case = Case::new();
    let (mut header, voxels) = case.read("scan.nii.gz").into_parts();
    let comment = "long ".repeat(100);
    let extensions = serde_json::json!([{"code": 6, "text": comment}]);
    header
        .facts
        .insert("nifti.extensions".to_owned(), extensions);
    let volume = voxprep_core::volume::Volume::with_header(header, voxels).unwrap();
    voxprep_io::write(&case.path("a.nii"), &volume, &Default::default()).unwrap();
    let text = case.voxprep("info a.nii").quiet().stdout;
    assert!(
        text.contains("--json has all") && text.lines().all(|l| l.len() < 300),
        "{text}"
    );
    let json = case.voxprep("info a.nii --json").quiet().stdout;
    assert!(json.contains(&comment), "{json}");
}

/// Every malformed NIfTI and Analyze file of the shared data: one line, exit code 1. Which line is
/// in the tests of `voxprep-io`.
#[test]
fn malformed_files_end_with_one_line_and_exit_code_1() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("VOXPREP_SHARED").map_or(beside, PathBuf::from);
    let folder = shared.join("data/malformed");
    if !folder.is_dir() {
        println!("skipped: no ../shared");
        return;
    }
    let case = Case::new();
    case.pipeline("p.toml", &[]);
    for name in [
        "header_only_analyze.hdr",
        "header_only_nifti1.hdr",
        "header_only_nifti2.hdr",
        "not-nifti.nii",
        "truncated_gzip.nii.gz",
        "truncated_voxels.nii",
    ] {
        let path = folder.join(name);
        for arguments in [
            format!("run p.toml {} -o out.nii", path.display()),
            format!("info {} --stats", path.display()),
        ] {
            let answer = case.voxprep(&arguments);
            assert_eq!(
                (answer.code, answer.stdout.as_str()),
                (Some(1), ""),
                "{arguments}"
            );
            assert!(answer.error().ends_with(name), "{}", answer.stderr);
        }
    }
    assert!(!case.path("out.nii").exists());
}
