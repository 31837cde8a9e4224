//! Files of every kind as the command line meets them: pairs, and files that are no images.

use std::fs;
use std::path::{Path, PathBuf};

use voxprep_core::volume::{Attachment, Volume};

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

/// Writes `name`: the scan, with header extensions.
fn extended(case: &Case, name: &str, extensions: &[(i32, &[u8])]) {
    let (mut header, voxels) = case.read("scan.nii.gz").into_parts();
    header.attachments = extensions
        .iter()
        .map(|&(code, bytes)| Attachment {
            kind: "nifti",
            code,
            bytes: bytes.into(),
        })
        .collect();
    let volume = Volume::with_header(header, voxels).unwrap();
    voxprep_io::write(&case.path(name), &volume, &Default::default()).unwrap();
}

#[test]
fn a_long_fact_is_clipped_for_people_and_whole_in_json() {
    let case = Case::new();
    extended(&case, "a.nii", &[(6, &b"again"[..]); 200]);
    let text = case.voxprep("info a.nii").quiet().stdout;
    assert!(
        text.contains("--json has all") && text.lines().all(|l| l.len() < 300),
        "{text}"
    );
    let json = case.voxprep("info a.nii --json").quiet().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let extensions = json["facts"]["nifti.extensions"].as_array().unwrap();
    assert_eq!(extensions.len(), 200);
    assert_eq!(extensions[199], serde_json::json!({"code": 6, "size": 16}));
}

/// DESIGN 7: no identifier of a patient in outputs. A comment, which people write names into, goes
/// from file to file as it is; sidecar, report and answers have its code and size.
#[test]
fn what_an_extension_says_is_in_no_record_of_a_run() {
    let case = Case::new();
    case.pipeline("p.toml", &[]);
    let comment = b"Patient: Doe, 1970";
    extended(&case, "a.nii", &[(6, comment)]);
    let mut said = String::new();
    for arguments in [
        "info a.nii",
        "info a.nii --json",
        "run p.toml a.nii -o b.nii",
        "run p.toml a.nii -o results",
    ] {
        let answer = case.voxprep(arguments);
        assert_eq!(answer.code, Some(0), "{arguments}: {}", answer.stderr);
        said += &answer.stdout;
        said += &answer.stderr;
    }
    let mut records = 0;
    for folder in [case.path(""), case.path("results")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "json") {
                said += &fs::read_to_string(path).unwrap();
                records += 1;
            }
        }
    }
    // A sidecar each, and the report of the folder.
    assert_eq!(records, 3);
    assert!(said.contains("nifti.extensions"), "{said}");
    assert!(!said.contains("Doe") && !said.contains("446f65"), "{said}");
    let written = fs::read(case.path("b.nii")).unwrap();
    assert!(written.windows(comment.len()).any(|w| w == comment));
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

/// Of a pair both halves are inputs, however each is compressed: neither is written over.
#[test]
fn neither_half_of_a_pair_that_is_read_is_replaced() {
    let case = Case::new();
    case.voxprep("convert scan.nii.gz a.hdr").quiet();
    case.voxprep("convert scan.nii.gz b.hdr.gz").quiet();
    fs::rename(case.path("b.img.gz"), case.path("a.img.gz")).unwrap();
    fs::remove_file(case.path("a.img")).unwrap();
    let before = fs::read(case.path("a.img.gz")).unwrap();
    case.pipeline("p.toml", &[]);
    for command in [
        "convert a.hdr a.img.gz --type f32",
        "convert a.hdr a.hdr.gz --type f32",
        "run p.toml a.hdr -o a.img.gz",
        "run p.toml a.img.gz -o a.hdr",
    ] {
        let answer = case.voxprep(command);
        assert_eq!(answer.code, Some(2), "{command}");
        let said = answer.error();
        assert!(said.contains("would replace an input"), "{command}: {said}");
    }
    assert!(fs::read(case.path("a.img.gz")).unwrap() == before);
}

/// What a file says of its grid and its frame is written back while it holds: a template's space is
/// left by what moves the head, AFNI's attributes by what changes the grid.
#[test]
fn what_steps_make_untrue_is_not_written_back() {
    let case = Case::new();
    let volume = case.read("scan.nii.gz");
    let mut header = volume.header().clone();
    header
        .facts
        .insert("nifti.affine".to_owned(), "sform".into());
    header.facts.insert("nifti.sform_code".to_owned(), 4.into());
    header.attachments = [4, 6]
        .map(|code| Attachment {
            kind: "nifti",
            code,
            bytes: (*b"what others say.........").into(),
        })
        .to_vec();
    let volume = Volume::with_header(header, volume.voxels().clone()).unwrap();
    voxprep_io::write(&case.path("mni.nii"), &volume, &Default::default()).unwrap();
    for (step, form, codes) in [
        (
            "use = \"intensity.clip\"\nlow = 0\nhigh = 9",
            4,
            &[4, 6][..],
        ),
        ("use = \"spatial.spacing\"\nspacing_mm = [1, 1, 1]", 4, &[6]),
        (
            "use = \"augment.rotate\"\nangle_deg = 5\naxis = \"z\"",
            2,
            &[6],
        ),
    ] {
        case.write("p.toml", &format!("version = 1\n[[step]]\n{step}\n"));
        let answer = case.voxprep("run p.toml mni.nii -o out.nii");
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
        let made = case.read("out.nii");
        assert_eq!(made.header().facts["nifti.sform_code"], form, "{step}");
        let kept: Vec<i32> = made.header().attachments.iter().map(|a| a.code).collect();
        assert_eq!(kept, codes, "{step}");
    }
}
